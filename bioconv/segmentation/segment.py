"""`bioconv.segment`: what the command does, from Python."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import BioconvError, InputError, OptionError
from bioconv.images.image import ImageInfo, ImageSource, image_from_array
from bioconv.images.reader import open_image
from bioconv.segmentation.inputs import find_items
from bioconv.segmentation.measurements import Measurements, measure
from bioconv.segmentation.memory import DEFAULT, parse_memory
from bioconv.segmentation.model import SegmentationModel, load_segmentation_model
from bioconv.segmentation.naming import Item
from bioconv.segmentation.pipeline import Choices, Resources, Segmented, Segmenter
from bioconv.segmentation.running import Runner
from bioconv.zoo import resolve

Image = str | PathLike[str] | NDArray[Any]
Model = str | PathLike[str] | SegmentationModel
_RESOURCES = {"max_memory", "tile"}
_SEARCH = {"pattern", "exclude"}


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Labels of one image.

    Parameters
    ----------
    path
        Of the image; empty for an array.
    labels
        Integers, one per pixel, 0 is background; axes `axes`.
    axes
        Of the labels: those of the image without C.
    probabilities
        float32 0..1, (K, *labels.shape), in steps of 1/255.
    maps
        What the K are.
    objects
        Number of objects, of a model that finds them.
    uncertainty
        float32 0..1 of the labels' shape, where it was asked for.
    review
        What ranks images for labelling, where uncertainty was asked for: `score` and its parts.
    spacing, unit
        Distance of pixels along each spatial axis; None and "" where unknown.
    warnings
        What should be known of the result.
    """

    path: str
    labels: NDArray[np.integer[Any]]
    axes: str
    probabilities: NDArray[np.float32]
    maps: tuple[str, ...]
    objects: int | None = None
    uncertainty: NDArray[np.float32] | None = None
    review: dict[str, float] = field(default_factory=dict)
    spacing: tuple[float, ...] | None = None
    unit: str = ""
    warnings: tuple[str, ...] = ()
    _pixels: NDArray[Any] | None = field(default=None, repr=False)
    _info: ImageInfo | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Failure:
    """An image of a folder that could not be segmented, and why."""

    path: str
    reason: str


def segment(
    image: Image | Sequence[str | PathLike[str]],
    *,
    model: Model | Sequence[Model] = "nuclei",
    channel: int | str | None = None,
    spacing: tuple[float, float] | None = None,
    device: str = "auto",
    **choices: Any,
) -> Segmentation | Iterator[Segmentation | Failure]:
    """Segment an image, or the images of a folder.

    Parameters
    ----------
    image : path, array, or list of paths
        A file, a folder, several of them, or pixels.
    model : name, path or SegmentationModel, or a list of them
        Several are averaged.
    channel : int or str, optional
        The channel to segment, by number from 0 or by name.
    spacing : (float, float), optional
        Micrometres per pixel along Y and X, of an image that does not say it.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    **choices
        `axes` (of an array: needed unless it is a plane), `diameter`, `stitch_z`, `threshold`, `min_size`,
        `drop_border`, `uncertainty` (`entropy`, `tta`, `mc-dropout`), `seed`, `max_memory` ("2GB"), `tile`; of
        folders `pattern` and `exclude`. They are those of `bioconv segment`.

    Returns
    -------
    Segmentation, or iterator of Segmentation and Failure
        The latter for a folder or a list: images as they are done, in the order of their names.

    Raises
    ------
    InputError
        If an image that was given by itself cannot be read or segmented.
    ModelError, OptionError
    """
