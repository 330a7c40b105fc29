"""Measurements of a whole image: every plane or volume of it, every channel, strip by strip."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.images.image import ImageSource
from bioconv.segmentation.inference.views import View, strip_height
from bioconv.segmentation.objects.measurements import Measurements, Measurer

LabelRows = Callable[[int, slice], NDArray[Any]]
_STRIP = 4 << 20  # bytes of labels: sums of places take many times that


@dataclass(frozen=True)
class Extent:
    """What one object may extend over.

    Parameters
    ----------
    ndim
        2: labels belong to planes; 3: to volumes.
    joined
        Whether those of planes were joined through a stack.
    spacing, unit
        Of the image's spatial axes; None and "" where unknown.
    """

    ndim: int
    joined: bool = False
    spacing: tuple[float, ...] | None = None
    unit: str = ""


def measure_image(source: ImageSource, labels: LabelRows, extent: Extent) -> Measurements:
    """Measure the objects of an image, the intensity of all its channels.

    Parameters
    ----------
    source
        The image.
    labels
        From the number of a frame (the planes or volumes of the image, in order) and rows of its first axis to the
        labels there.
    extent
        Objects in planes of a stack or film get columns `t` and `z`, those of volumes `t`, with the number of the
        frame from 0.

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    info = source.info
    view = View(source, tuple(range(info.sizes.get("C", 1))), extent.ndim)
    through = extent.joined and "Z" in view.lead
    shape = (info.sizes["Z"], *view.shape) if through else view.shape
    spacing = None if extent.spacing is None else extent.spacing[-len(shape) :]
    each = info.sizes["Z"] if through else 1
    tables, places = [], []
    for first in range(0, len(view.frames), each):
        measurer = Measurer(shape, channels=info.channels, spacing=spacing, unit=extent.unit)
        for number in range(first, first + each):
            _add_frame(measurer, view, number, labels, flat=through)
        tables.append(measurer.table())
        places.append(dict(zip(view.lead.lower(), view.frames[first], strict=True)))
    lead = [axis for axis in view.lead.lower() if not (through and axis == "z")]
    return _joined(tables, [{axis: place[axis] for axis in lead} for place in places])


def _add_frame(measurer: Measurer, view: View, number: int, labels: LabelRows, *, flat: bool) -> None:
    """Give a frame to a measurer, in strips; `flat`: as one plane of a volume, at once."""
    if flat:
        rows = slice(0, view.shape[0])
        measurer.add(labels(number, rows)[None], view.rows(view.frames[number], rows)[:, None])
        return
    height = strip_height(4 * math.prod(view.shape[1:]), _STRIP)
    for start in range(0, view.shape[0], height):
        rows = slice(start, min(start + height, view.shape[0]))
        measurer.add(labels(number, rows), view.rows(view.frames[number], rows))


def _joined(tables: list[Measurements], places: list[dict[str, int]]) -> Measurements:
    """Put tables below each other; where there are several frames the number of each comes after the label."""
    columns: dict[str, NDArray[Any]] = {}
    for name in tables[0].columns:
        columns[name] = np.concatenate([table.columns[name] for table in tables])
        if name == "label":
            for axis in places[0]:
                numbers = [np.full(len(table), place[axis]) for table, place in zip(tables, places, strict=True)]
                columns[axis] = np.concatenate(numbers)
    return Measurements(columns, tables[0].spacing, tables[0].unit)
