"""Images and maps on another grid, read by windows: whatever the windows, the numbers are those of the whole.

Linear interpolation; where the grid becomes coarser, the triangle is widened so that nothing is passed over
(antialiasing). Pixel centres of both grids keep their places: edges of the image stay edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bioconv.segmentation.inference.stores import Window

Floats = NDArray[np.float32]
Read = Callable[[Window], Floats]


def scaled_shape(shape: tuple[int, ...], scale: tuple[float, ...]) -> tuple[int, ...]:
    """Return the shape of a grid with `scale` times as many pixels along each axis, at least one.

    Examples
    --------
    >>> scaled_shape((100, 51), (0.5, 0.5))
    (50, 26)
    """
    return tuple(max(1, math.floor(size * factor + 0.5)) for size, factor in zip(shape, scale, strict=True))


def interpolation(size: int, scaled: int, part: slice) -> tuple[slice, sparse.csr_array]:
    """Return the pixels that a part of the other grid needs, and their weights.

    Parameters
    ----------
    size, scaled
        Pixels along the axis, of the grid that is read and of the other one.
    part
        Pixels of the other grid.

    Returns
    -------
    slice, csr_array
        Pixels of the grid that is read; (pixels of `part`, pixels read) weights, each row of sum 1.
    """
    ratio = size / scaled
    reach = max(1.0, ratio)
    centres = (np.arange(part.start, part.stop) + 0.5) * ratio
    first = np.clip(np.floor(centres - reach - 0.5).astype(np.int64), 0, size - 1)
    last = np.clip(np.ceil(centres + reach + 0.5).astype(np.int64), 1, size)
    need = slice(int(first.min()), int(last.max()))
    columns = first[:, None] + np.arange(int((last - first).max()))
    weights = np.maximum(0.0, 1 - np.abs(columns + 0.5 - centres[:, None]) / reach) * (columns < last[:, None])
    weights /= weights.sum(axis=1, keepdims=True)
    row, column = np.nonzero(weights)
    matrix = sparse.csr_array(
        (weights[row, column].astype(np.float32), (row, columns[row, column] - need.start)),
        shape=(len(centres), need.stop - need.start),
    )
    return need, matrix


class Rescaled:
    """What is read by windows of one grid, read by windows of another.

    Parameters
    ----------
    read
        Function from a window of the first grid to float32 (C, *window).
    shape, scaled
        Sizes of the two grids.
    """

    def __init__(self, read: Read, shape: tuple[int, ...], scaled: tuple[int, ...]) -> None:
        self._read = read
        self.source_shape = shape
        self.shape = scaled

    def read(self, window: Window) -> Floats:
        """Return a window of the other grid, float32 (C, *window)."""
        if self.shape == self.source_shape:
            return self._read(window)
        steps = [
            interpolation(size, scaled, part)
            for size, scaled, part in zip(self.source_shape, self.shape, window, strict=True)
        ]
        pixels = np.asarray(self._read(tuple(need for need, _ in steps)), np.float32)
        for axis, (_, weights) in enumerate(steps, 1):
            pixels = _along(pixels, weights, axis)
        return np.ascontiguousarray(pixels)


def _along(pixels: Floats, weights: sparse.csr_array, axis: int) -> Floats:
    moved = np.moveaxis(pixels, axis, 0)
    flat = weights @ np.ascontiguousarray(moved).reshape(len(moved), -1)
    return np.moveaxis(flat.reshape(-1, *moved.shape[1:]), 0, axis)
