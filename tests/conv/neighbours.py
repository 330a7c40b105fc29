"""A network of whole numbers, whose results are exact, with a memory of so many pixels."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import strategies as st

from bioconv.conv.arithmetic import Geometry, round_up
from bioconv.conv.tiles import smallest_tile


class Neighbours:
    """Sums of blocks of `stride` pixels and of the blocks beside them, along each axis: exact in float32.

    Outputs in the block at a cut do not know the block beyond it.
    """

    def __init__(self, stride, most=math.inf):
        self.stride, self.most = stride, most
        self.geometry = Geometry(stride, tuple(2 * step - 1 for step in stride), tuple((step, step) for step in stride))
        self.done, self.failed = [], []

    def __call__(self, pixels):
        size = math.prod(pixels.shape[1:])
        if size > self.most:
            self.failed.append(size)
            raise torch.OutOfMemoryError
        self.done.append(size)
        for axis, step in enumerate(self.stride, 1):
            blocks = np.add.reduceat(pixels, range(0, pixels.shape[axis], step), axis=axis)
            beside = np.pad(blocks, [(int(axis == at),) * 2 for at in range(pixels.ndim)])
            count = blocks.shape[axis]
            sums = sum(beside.take(range(shift, shift + count), axis) for shift in range(3))
            pixels = pixels + np.repeat(sums, step, axis)
        return pixels

    def whole(self, image):
        beyond = [(0, round_up(size, step) - size) for size, step in zip(image.shape[1:], self.stride, strict=True)]
        most, self.most = self.most, math.inf
        result = self(np.pad(image, [(0, 0), *beyond], mode="edge"))
        self.most = most
        self.done.clear()
        return result[:, *(slice(size) for size in image.shape[1:])]


def draw_tiling(draw, longest, spare):
    """Stride, shape and tile along 1 to 3 axes, and the pixels of the smallest tile; sizes by the number of axes."""
    ndim = draw(st.integers(1, 3))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(ndim))
    shape = tuple(draw(st.integers(1, longest[ndim - 1])) for _ in range(ndim))
    smallest = smallest_tile(Neighbours(stride).geometry)
    tile = tuple(least + draw(st.integers(0, spare[ndim - 1])) for least in smallest)
    return stride, shape, tile, math.prod(map(min, smallest, map(round_up, shape, stride)))
