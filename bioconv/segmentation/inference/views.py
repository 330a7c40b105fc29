"""An image as a model sees it: the channels it reads, plane by plane or volume by volume, in windows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.image import ImageInfo, ImageSource
from bioconv.segmentation.inference.stores import Window

Frame = tuple[int, ...]
_BLOCK = 32 << 20  # bytes read at a time where the whole image is gone through
_SAMPLE = 1 << 21  # pixels per channel that the window of intensities is measured on


class View:
    """An image for a model of planes or of volumes.

    Parameters
    ----------
    source : ImageSource
    channels : tuple of int
        Those that are read.
    ndim : int
        2: every T and Z is a frame of its own; 3: every T is.

    Attributes
    ----------
    shape : tuple of int
        Spatial sizes of a frame, (Y, X) or (Z, Y, X).
    lead : str
        The axes that frames are numbered by, a part of "TZ".
    frames : list of tuple of int
        Their numbers along these.

    Raises
    ------
    InputError
        If the model reads volumes and this is none.
    """

    def __init__(self, source: ImageSource, channels: tuple[int, ...], ndim: int) -> None:
        info = source.info
        if ndim == 3 and "Z" not in info.axes:
            message = f"{info.path}: axes {info.axes}, and the model reads volumes; give a stack, or a model of planes"
            raise InputError(message)
        self.source, self.info, self.channels = source, info, channels
        self._own = "ZYX"[-ndim:]
        self.lead = "".join(axis for axis in info.axes if axis in "TZ" and axis not in self._own)
        sizes = info.sizes
        self.shape = tuple(sizes[axis] for axis in self._own)
        self.frames: list[Frame] = list(product(*(range(sizes[axis]) for axis in self.lead)))
        self._sample: NDArray[Any] | None = None

    @property
    def lead_shape(self) -> tuple[int, ...]:
        """Sizes of the axes that frames are numbered by."""
        return tuple(self.info.sizes[axis] for axis in self.lead)

    def read(self, frame: Frame, window: Window) -> NDArray[Any]:
        """Return a window of a frame, (C, *window), as stored."""
        places = dict(zip(self.lead, (slice(at, at + 1) for at in frame), strict=True))
        places |= dict(zip(self._own, window, strict=True))
        axes = self.info.axes
        if "C" not in axes:
            return self._plain(self.source.read(tuple(places[axis] for axis in axes)))[None]
        wanted = self.channels
        if wanted == tuple(range(wanted[0], wanted[-1] + 1)):  # beside each other: one read
            places["C"] = slice(wanted[0], wanted[-1] + 1)
            return self._plain(self.source.read(tuple(places[axis] for axis in axes)))
        parts = []
        for channel in wanted:
            places["C"] = slice(channel, channel + 1)
            parts.append(self._plain(self.source.read(tuple(places[axis] for axis in axes))))
        return np.concatenate(parts)

    def _plain(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Drop the axes of the frame's number."""
        return pixels.squeeze(tuple(place for place, axis in enumerate(self.info.axes) if axis in self.lead))

    def rows(self, frame: Frame, rows: slice) -> NDArray[Any]:
        """Return some rows of a frame's first axis, (C, rows, ...)."""
        return self.read(frame, (rows, *(slice(0, size) for size in self.shape[1:])))

    def sample(self) -> NDArray[Any]:
        """Return (C, n) pixels, an even sample of all of the image: every pixel where there are few.

        Raises
        ------
        InputError
            If a pixel is not a finite number.
        """
        if self._sample is not None:
            return self._sample
        step = _step(self.shape[-2:], math.prod(self.shape[:-2]) * len(self.frames))
        parts, odd, total = [], 0, 0
        for frame, rows in self._blocks():
            block = self.rows(frame, rows)
            if block.dtype.kind == "f":
                odd += int(block.size - np.isfinite(block).sum())
            total += block.size
            # Rows of a plane are counted from the image's first, so that strips do not show.
            first = -rows.start % step if len(self.shape) == 2 else 0
            block = block[..., first::step, ::step]
            parts.append(block.reshape(len(block), -1))
        if odd:
            message = (
                f"{self.info.path or 'array'}: {odd} of {total} pixels are not finite numbers (NaN, infinity); "
                "replace them before segmenting"
            )
            raise InputError(message)
        self._sample = np.concatenate(parts, axis=1)
        return self._sample

    def _blocks(self) -> Iterator[tuple[Frame, slice]]:
        size = self.info.dtype.itemsize * len(self.channels) * math.prod(self.shape[1:])
        height = strip_height(size, _BLOCK)
        for frame in self.frames:
            for start in range(0, self.shape[0], height):
                yield frame, slice(start, min(start + height, self.shape[0]))


def strip_height(row_bytes: int, most: int) -> int:
    """Return how many rows a strip of so many bytes has, at least one; if there are many, whole tiles of a file.

    Examples
    --------
    >>> strip_height(100, 1000), strip_height(1000, 10**6), strip_height(10**7, 10**6)
    (10, 768, 1)
    """
    rows = max(1, most // max(row_bytes, 1))
    return rows // 256 * 256 or rows


def _step(shape: tuple[int, ...], planes: int) -> int:
    return max(1, math.ceil(math.sqrt(math.prod(shape) * planes / _SAMPLE)))


def model_scale(
    info: ImageInfo, spacing_um: tuple[float, ...] | None, *, diameter: float | None, trained: tuple[float | None, ...]
) -> tuple[tuple[float, float], str]:
    """Return how many pixels of the model's scale one pixel of the image is, along Y and X, and a warning or "".

    Parameters
    ----------
    spacing_um
        Micrometres per pixel along Y and X; None: unknown.
    diameter
        Of the objects in the image, pixels; it goes before the spacing.
    trained
        Diameter (pixels) and spacing (micrometres) the model was trained at, None where unknown.

    Raises
    ------
    InputError
        If a diameter is given and the model does not say its own.
    """
    own_diameter, own_spacing = trained
    if diameter is not None:
        if own_diameter is None:
            message = f"{info.path}: --diameter is given, and the model does not say of which size its objects were"
            raise InputError(message)
        return (own_diameter / diameter,) * 2, ""
    if own_spacing is None:
        return (1.0, 1.0), ""
    if spacing_um is None:
        return (1.0, 1.0), (
            f"size of its pixels is unknown and the model was trained at {own_spacing:g} um; taken as they are "
            "(--pixel-size or --diameter would rescale)"
        )
    return (spacing_um[0] / own_spacing, spacing_um[1] / own_spacing), ""
