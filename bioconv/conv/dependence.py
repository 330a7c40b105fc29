"""What the features along one axis depend on, operation by operation: plain numbers, no tensors.

A feature j of a layer stands for a place on the input's grid. Two things are followed through a network: the
pixels each feature reads, as if the image had no end (`lowest` to `highest`, for one period of the grid), and how
many features next to a tile's cut edge are not what they are in the whole image (`before`, `after`), where tiles
start and end on multiples of the stride.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.arithmetic import output_size, span, transposed_output_size

NOTHING = 1 << 60
"""Bounds of a feature that reads no pixel: `lowest` is this, `highest` its negative."""

Pixels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a feature map.

    Attributes
    ----------
    size
        Features of the tile.
    period
        Pixels after which the pattern of `lowest` and `highest` repeats.
    lowest, highest
        (q,) int64: first and last pixel that feature 0 to q - 1 reads; feature j + q reads `period` further on.
    before, after
        Features next to a cut edge that differ from those of the whole image.
    """

    size: int
    period: int
    lowest: Pixels
    highest: Pixels
    before: int
    after: int

    @property
    def phases(self) -> int:
        """Features in one period."""
        return len(self.lowest)

    def same_grid(self, other: Axis) -> bool:
        """Say whether features of the same number stand at the same place."""
        return self.size == other.size and self.period * other.phases == other.period * self.phases

    def reach(self) -> int:
        """Return the distance of the farthest pixel read; for an axis on the input's own grid."""
        place = np.arange(self.phases)
        read = self.highest >= self.lowest
        distance = np.maximum(place - self.lowest, self.highest - place)[read]
        return int(distance.max(initial=0))


def pixels(size: int) -> Axis:
    """Return the input itself: each pixel reads itself."""
    return Axis(size, 1, np.zeros(1, np.int64), np.zeros(1, np.int64), 0, 0)


def convolved(
    axis: Axis, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, ceil: bool = False
) -> Axis:
    """Follow a convolution or a pooling."""
    size = output_size(axis.size, kernel, stride=stride, padding=padding, dilation=dilation, ceil=ceil)
    phases = axis.phases // math.gcd(axis.phases, stride)
    taps = (np.arange(phases) * stride - padding)[:, None] + dilation * np.arange(kernel)
    # The first output whose taps are all right, and the first after it with one that is not.
    first = -(-(axis.before + padding) // stride)
    last = (axis.size - axis.after - span(kernel, dilation) + padding) // stride + 1
    period = axis.period * phases * stride // axis.phases
    return _read(axis, taps, np.ones_like(taps, bool), (size, period, max(0, first), max(0, size - last)))


def transposed(
    axis: Axis, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, output_padding: int = 0
) -> Axis:
    """Follow a transposed convolution: feature i adds to the outputs i * stride - padding + dilation * tap."""
    size = transposed_output_size(
        axis.size, kernel, stride=stride, padding=padding, dilation=dilation, output_padding=output_padding
    )
    phases, period = _finer(axis, stride)
    source = np.arange(phases)[:, None] + padding - dilation * np.arange(kernel)
    before = (axis.before - 1) * stride - padding + span(kernel, dilation)
    after = size - ((axis.size - axis.after) * stride - padding)
    return _read(axis, source // stride, source % stride == 0, (size, period, max(0, before), max(0, after)))


def repeated(axis: Axis, factor: int) -> Axis:
    """Follow upsampling to the nearest neighbour."""
    phases, period = _finer(axis, factor)
    source = np.arange(phases)[:, None] // factor
    counts = (axis.size * factor, period, axis.before * factor, axis.after * factor)
    return _read(axis, source, np.ones_like(source, bool), counts)


def interpolated(axis: Axis, factor: int) -> Axis:
    """Follow linear upsampling with `align_corners=False`: output o lies at (o + 1/2) / factor - 1/2."""
    phases, period = _finer(axis, factor)
    # Twice the place times the factor is whole: 2 o + 1 - factor.
    place = 2 * np.arange(phases) + 1 - factor
    source = np.stack([place // (2 * factor), -(-place // (2 * factor))], axis=1)

    def wrong(count: int) -> int:
        return -(-(factor * (2 * count + 1) - 1) // 2)

    counts = (axis.size * factor, period, wrong(axis.before), wrong(axis.after))
    return _read(axis, source, np.ones_like(source, bool), counts)


def padded(axis: Axis, before: int, after: int) -> Axis:
    """Follow padding by a constant, or cropping (negative)."""
    source = np.arange(axis.phases)[:, None] - before
    counts = (
        axis.size + before + after,
        axis.period,
        max(0, axis.before + before),
        max(0, axis.after + after),
    )
    return _read(axis, source, np.ones_like(source, bool), counts)


def merged(axes: Iterable[Axis]) -> Axis:
    """Follow a sum, a product or a concatenation of channels, of one grid."""
    axes = list(axes)
    phases = math.lcm(*(axis.phases for axis in axes))
    wide = [_read(axis, np.arange(phases)[:, None], None, None) for axis in axes]
    return Axis(
        size=axes[0].size,
        period=axes[0].period * phases // axes[0].phases,
        lowest=np.minimum.reduce([axis.lowest for axis in wide]),
        highest=np.maximum.reduce([axis.highest for axis in wide]),
        before=max(axis.before for axis in axes),
        after=max(axis.after for axis in axes),
    )


def _finer(axis: Axis, factor: int) -> tuple[int, int]:
    """Return phases and period of a grid that is `factor` times as fine."""
    return axis.phases * factor, axis.period


def _read(
    axis: Axis, source: Pixels, present: NDArray[np.bool_] | None, counts: tuple[int, int, int, int] | None
) -> Axis:
    """Return an axis whose feature j reads the features `source[j]` of another, where `present`."""
    turn, phase = np.divmod(source, axis.phases)

    def bounds(values: Pixels, choose: Callable[..., Pixels], nothing: int) -> Pixels:
        read = np.abs(values[phase]) < NOTHING
        if present is not None:
            read &= present
        return choose(np.where(read, values[phase] + turn * axis.period, nothing), axis=1)

    size, period, before, after = counts or (axis.size, axis.period, axis.before, axis.after)
    lowest = bounds(axis.lowest, np.min, NOTHING)
    highest = bounds(axis.highest, np.max, -NOTHING)
    return Axis(size, period, lowest, highest, before, after)
