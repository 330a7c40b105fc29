"""Labels put in order: parts too small or at the border left out, planes joined, objects numbered from 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.segmentation.inference.stores import ArrayStore
from bioconv.segmentation.inference.views import strip_height
from bioconv.segmentation.objects.stitching import stitch_planes

Labels = NDArray[np.integer[Any]]
_STRIP = 16 << 20


def drop_small_parts(labels: NDArray[Any], min_size: int, *, drop_border: bool = False) -> NDArray[np.uint8]:
    """Return class labels without connected parts (sides only) smaller than `min_size`, or at the border.

    Examples
    --------
    >>> drop_small_parts(np.array([[1, 0, 2], [1, 0, 0]]), 2)
    array([[1, 0, 0],
           [1, 0, 0]], dtype=uint8)
    """
    from skimage.measure import label

    parts = label(labels, background=0, connectivity=1)  # type: ignore[no-untyped-call]
    kept = np.bincount(parts.ravel()) >= min_size
    if drop_border:
        kept[border_values(parts)] = False
    kept[0] = False
    return np.where(kept[parts], labels, 0).astype(np.uint8)


def border_values(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the values that lie on the border of an array, each once."""
    sides = [np.unique(labels.take((0, -1), axis=axis)) for axis in range(labels.ndim)]
    return np.unique(np.concatenate(sides))


def renumber(labels: ArrayStore, shape: tuple[int, ...], highest: int, *, drop_border: bool = False) -> int:
    """Give the objects of a store the numbers from 1 on, in their order, and return how many there are.

    Parameters
    ----------
    labels : ArrayStore
        (1, frames * rows, ...); changed.
    shape : tuple of int
        Of a frame: objects at its border are left out with `drop_border`.
    highest : int
        Largest label there is.
        Joined ones, that lie in several, if they touch it in one.
    """
    there = np.zeros(highest + 1, np.bool_)
    touching = np.zeros(highest + 1, np.bool_)
    height = shape[0]
    for rows in _strips(labels, shape):
        block = labels.rows(rows)[0]
        there[block] = True
        if drop_border:
            for axis in range(1, block.ndim):
                touching[np.unique(block.take((0, -1), axis=axis))] = True
            for row in {rows.start, rows.stop - 1}:
                if row % height in (0, height - 1):
                    touching[np.unique(block[row - rows.start])] = True
    there[0] = False
    kept = there & ~touching
    table = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    if not np.array_equal(table, np.arange(highest + 1)):
        for rows in _strips(labels, shape):
            labels.write((rows, *labels.whole[1:]), table[labels.rows(rows)])
    return int(kept.sum())


def _strips(labels: ArrayStore, shape: tuple[int, ...]) -> list[slice]:
    """Return strips of a store of frames; none reaches over two frames."""
    height = strip_height(labels.dtype.itemsize * math.prod(shape[1:]), _STRIP)
    return [
        slice(frame + start, frame + min(start + height, shape[0]))
        for frame in range(0, labels.shape[0], shape[0])
        for start in range(0, shape[0], height)
    ]


def stitch_stacks(labels: ArrayStore, planes: int, shape: tuple[int, ...], iou: float) -> int:
    """Join the labels of neighbouring planes that overlap by `iou` or more; return the highest label.

    Parameters
    ----------
    labels : ArrayStore
        (1, stacks * planes * rows, X); changed.
    planes : int
        Of a stack.
    shape : tuple of int
        Of a plane.
    """
    height, width = shape
    highest = 0
    for first in range(0, labels.shape[0], planes * height):
        window = (slice(first, first + planes * height), slice(0, width))
        stack = labels.read(window).reshape(planes, height, width)
        joined = stitch_planes(stack, iou)
        joined = np.where(joined > 0, joined + highest, 0)
        highest = max(highest, int(joined.max(initial=0)))
        labels.write(window, joined.reshape(1, planes * height, width))
    return highest
