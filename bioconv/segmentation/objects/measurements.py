"""What can be measured of labelled objects: size, place, shape, intensity; strip by strip or at once, the same numbers.

Areas, centroids, boxes and moments are sums of whole numbers and thus exact. A centroid is the mean of its pixels'
indices, the first pixel being 0, times the spacing in physical units; axes and eccentricity are those of the ellipse
with the second moments of the object's pixel centres, in pixels, and exist in two dimensions only.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.outputs import open_output, provenance

Column = NDArray[Any]
_NAMES = "zyx"


@dataclass(frozen=True, eq=False)
class Measurements:
    """A table with a row per object.

    Parameters
    ----------
    columns
        Name -> (objects,) values; `label` comes first.
    spacing, unit
        Size of a pixel along each axis, and its unit; None and "" where not known.
    """

    columns: dict[str, Column]
    spacing: tuple[float, ...] | None = None
    unit: str = ""

    def __len__(self) -> int:
        return len(self.columns["label"])

    def rows(self) -> list[dict[str, int | float | bool]]:
        """Return a dict per object."""
        lists = [column.tolist() for column in self.columns.values()]
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*lists, strict=True)]

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame.

        Raises
        ------
        ImportError
            If pandas is not installed (extra `pandas`).
        """
        import pandas

        return pandas.DataFrame(self.columns)

    def to_csv(self, **facts: object) -> str:
        """Return CSV: a comment that says what `facts` say and where sizes come from, a header, a line per object."""
        known = "x".join(f"{size:.10g}" for size in self.spacing) + f" {self.unit}" if self.spacing else "unknown"
        text = io.StringIO()
        text.write(f"# {provenance(**facts, spacing=known)}\n")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        lists = [[_written(value) for value in column.tolist()] for column in self.columns.values()]
        writer.writerows(zip(*lists, strict=True))
        return text.getvalue()


class Measurer:
    """Sums over the objects of an image that is given strip by strip.

    Places are counted from 0; the box of an object is from its first pixel to its last, both included.

    Parameters
    ----------
    shape
        Of the image, (Y, X) or (Z, Y, X).
    channels
        Names of the channels whose intensity is measured; "" is called by its number.
    spacing
        Size of a pixel along each axis of `shape`, in `unit` ("um" or "mm"); None: not known, and no physical columns.

    Examples
    --------
    >>> measurer = Measurer((2, 3), channels=["dapi"], spacing=(0.5, 0.5), unit="um")
    >>> measurer.add(np.array([[1, 1, 0]]), np.array([[[10, 20, 5]]]))
    >>> measurer.add(np.array([[1, 0, 2]]), np.array([[[30, 5, 7]]]))
    >>> table = measurer.table().columns
    >>> table["area_px"].tolist(), table["area_um2"].tolist(), table["mean_dapi"].tolist()
    ([3, 1], [0.75, 0.25], [20.0, 7.0])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        channels: Sequence[str] = (),
        spacing: Sequence[float] | None = None,
        unit: str = "",
    ) -> None:
        if len(shape) not in (2, 3) or (spacing is not None and len(spacing) != len(shape)):
            message = (
                f"an image of shape {shape} with spacing {spacing}; expected (Y, X) or (Z, Y, X), one size per axis"
            )
            raise InputError(message)
        self.shape, self.unit = shape, unit
        self.spacing = None if spacing is None else tuple(float(size) for size in spacing)
        self.channels = _channel_names(channels)
        self._row = 0
        axes = len(shape)
        # Counts, first and second moments are whole numbers; as Python integers they would be exact at any size,
        # as int64 they are up to images of a million pixels along an axis.
        self._whole = np.zeros((0, 1 + axes + axes * (axes + 1) // 2), np.int64)
        self._low = np.zeros((0, axes), np.int64)
        self._high = np.zeros((0, axes), np.int64)
        self._edge = np.zeros(0, bool)
        self._light = np.zeros((0, len(self.channels), 2), np.float64)
        self._least = np.zeros((0, len(self.channels)), np.float64)
        self._most = np.zeros((0, len(self.channels)), np.float64)

    def add(self, labels: NDArray[Any], pixels: NDArray[Any] | None = None) -> None:
        """Take the next rows (planes, of three axes).

        Parameters
        ----------
        labels
            (rows, ...) whole numbers from 0.
        pixels
            (C, rows, ...) intensities, if there are channels.

        Raises
        ------
        InputError
            If a shape does not fit.
        """
        wanted = (len(self.channels), *labels.shape)
        fits = labels.shape[1:] == self.shape[1:] and self._row + len(labels) <= self.shape[0]
        if not fits or (pixels.shape if pixels is not None else (0, *labels.shape)) != wanted:
            given = None if pixels is None else pixels.shape
            message = f"labels of shape {labels.shape} and pixels of shape {given} from row {self._row} on; "
            message += f"expected a part of {self.shape}, and {len(self.channels)} channels"
            raise InputError(message)
        self._grow(int(labels.max(initial=0)))
        flat = np.flatnonzero(labels)
        number = labels.ravel()[flat].astype(np.int64)
        place = [np.asarray(one, np.int64) for one in np.unravel_index(flat, labels.shape)]
        place[0] = place[0] + self._row
        self._row += len(labels)
        self._add_places(number, place)
        for channel in range(len(self.channels)):
            assert pixels is not None
            self._add_light(channel, number, pixels[channel].ravel()[flat].astype(np.float64))

    def _grow(self, highest: int) -> None:
        more = highest + 1 - len(self._edge)
        if more <= 0:
            return
        for name, fill in (
            ("_whole", 0), ("_low", np.iinfo(np.int64).max), ("_high", -1), ("_edge", False), ("_light", 0),
            ("_least", np.inf), ("_most", -np.inf),
        ):  # fmt: skip
            now = getattr(self, name)
            setattr(self, name, np.concatenate([now, np.full((more, *now.shape[1:]), fill, now.dtype)]))

    def _add_places(self, number: NDArray[np.int64], place: list[NDArray[np.int64]]) -> None:
        axes = range(len(place))
        pairs = [place[a] * place[b] for a in axes for b in axes if a <= b]
        for column, values in enumerate([np.ones_like(number), *place, *pairs]):
            np.add.at(self._whole[:, column], number, values)
        for axis in axes:
            np.minimum.at(self._low[:, axis], number, place[axis])
            np.maximum.at(self._high[:, axis], number, place[axis])
            self._edge[number[(place[axis] == 0) | (place[axis] == self.shape[axis] - 1)]] = True

    def _add_light(self, channel: int, number: NDArray[np.int64], values: Column) -> None:
        np.add.at(self._light[:, channel, 0], number, values)
        np.add.at(self._light[:, channel, 1], number, values * values)
        np.minimum.at(self._least[:, channel], number, values)
        np.maximum.at(self._most[:, channel], number, values)

    def table(self) -> Measurements:
        """Return the measurements of all objects seen so far, in the order of their labels."""
        labels = np.flatnonzero(self._whole[:, 0]) if len(self._whole) else np.zeros(0, np.int64)
        axes = len(self.shape)
        names = _NAMES[-axes:]
        pixels = self._whole[labels, 0]
        centre = self._whole[labels, 1 : 1 + axes] / pixels[:, None]
        size = "area" if axes == 2 else "volume"
        columns: dict[str, Column] = {"label": labels, f"{size}_px": pixels}
        if self.spacing is not None:
            columns[f"{size}_{self.unit}{axes}"] = pixels * math.prod(self.spacing)
        columns |= {f"centroid_{name}_px": centre[:, axis] for axis, name in enumerate(names)}
        if self.spacing is not None:
            for axis, name in enumerate(names):
                columns[f"centroid_{name}_{self.unit}"] = centre[:, axis] * self.spacing[axis]
        columns |= {f"min_{name}": self._low[labels, axis] for axis, name in enumerate(names)}
        columns |= {f"max_{name}": self._high[labels, axis] for axis, name in enumerate(names)}
        if axes == 2:
            columns |= self._ellipse(labels)
        columns["touches_border"] = self._edge[labels]
        for channel, name in enumerate(self.channels):
            columns |= self._intensity(labels, channel, name)
        return Measurements(columns, self.spacing, self.unit)

    def _ellipse(self, labels: NDArray[np.int64]) -> dict[str, Column]:
        """Return axes and eccentricity of the ellipse with the same second moments of pixel centres."""
        count, y, x, yy, yx, xx = (self._whole[labels, column] for column in range(6))
        # Whole numbers up to here: no cancellation far from the image's corner.
        vyy, vyx, vxx = (
            (count * two - one * other) / (count * count) for two, one, other in ((yy, y, y), (yx, y, x), (xx, x, x))
        )
        middle, half = (vyy + vxx) / 2, np.hypot((vyy - vxx) / 2, vyx)
        large, small = middle + half, np.maximum(middle - half, 0)
        return {
            "major_axis_px": 4 * np.sqrt(large),
            "minor_axis_px": 4 * np.sqrt(small),
            "eccentricity": np.sqrt(np.maximum(1 - small / np.where(large > 0, large, 1), 0)) * (large > 0),
        }

    def _intensity(self, labels: NDArray[np.int64], channel: int, name: str) -> dict[str, Column]:
        count = self._whole[labels, 0]
        total, squares = self._light[labels, channel, 0], self._light[labels, channel, 1]
        mean = total / count
        return {
            f"mean_{name}": mean,
            f"std_{name}": np.sqrt(np.maximum(squares / count - mean * mean, 0)),
            f"min_{name}": self._least[labels, channel],
            f"max_{name}": self._most[labels, channel],
            f"sum_{name}": total,
        }


def measure(
    labels: NDArray[Any],
    image: NDArray[Any] | None = None,
    *,
    channels: Sequence[str] | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "",
) -> Measurements:
    """Measure the objects of an image in memory.

    Parameters
    ----------
    labels
        (Y, X) or (Z, Y, X) whole numbers from 0.
    image
        (C, *labels.shape) intensities; None: none are measured.
    channels
        Names of the channels; by default their numbers.
    spacing, unit
        As in `Measurer`.

    Raises
    ------
    InputError
        If a shape does not fit.

    Examples
    --------
    >>> measure(np.array([[1, 1], [0, 2]])).columns["centroid_x_px"].tolist()
    [0.5, 1.0]
    """
    count = 0 if image is None else len(image)
    names = [""] * count if channels is None else channels
    measurer = Measurer(labels.shape, channels=names, spacing=spacing, unit=unit)
    measurer.add(labels, image)
    return measurer.table()


def write_measurements(path: str | Path, table: Measurements, **facts: object) -> None:
    """Write a table as CSV, whole or not at all; `facts` go into its first line.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with open_output(path) as stream:
        stream.write(table.to_csv(**facts).encode())


def _channel_names(given: Sequence[str]) -> list[str]:
    """Return names that differ, fit for a column: the channel's own, or its number."""
    plain = ["_".join(name.split()) or f"c{number}" for number, name in enumerate(given)]
    return [name if plain.count(name) == 1 else f"{name}_c{number}" for number, name in enumerate(plain)]


def _written(value: float) -> str:
    """Return a number with up to ten significant digits; a truth as 0 or 1."""
    return str(int(value)) if isinstance(value, bool | int) else f"{value:.10g}"
