"""Run a network in overlapping windows and average them with Gaussian weights: what is left without exact tiling.

For networks whose every output depends on the whole image (instance norm, attention, global pooling). The result
depends on the window; where windows meet there are no steps, but there is no equality with the whole image's result
either. `tiling.run_tiled` is exact, for the networks that allow it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.batching import Batches, Floats, Function, checked, in_steps
from bioconv.conv.streaming import ONE_BY_ONE, Streaming, flow
from bioconv.conv.tiles import Window
from bioconv.conv.tiling import Progress, Read, Write
from bioconv.errors import OptionError

if TYPE_CHECKING:
    from bioconv.conv.device_memory import TileRoom

Corner = tuple[int, ...]

SIGMA = 0.125
"""Standard deviation of the weights, in windows; as nnU-Net (doi 10.1038/s41592-020-01008-z) and MONAI have it."""
LEAST = 1e-3
"""Smallest weight: a corner that only one window sees is that window's."""


def window_starts(size: int, *, window: int, overlap: float) -> list[int]:
    """Return where the windows along an axis start; the last is shifted inward, so that it ends with the axis.

    Parameters
    ----------
    size
        Pixels of the axis, not fewer than the window's.
    window
        Pixels of a window.
    overlap
        Share of a window that the next one sees too, 0 to below 1.

    Examples
    --------
    >>> window_starts(100, window=40, overlap=0.25)
    [0, 30, 60]
    >>> window_starts(110, window=40, overlap=0.25)
    [0, 30, 60, 70]
    """
    step = max(1, int(window * (1 - overlap)))
    return [*range(0, size - window, step), size - window]


def gaussian_weights(window: tuple[int, ...]) -> Floats:
    """Return the weights of a `window`'s pixels, float32 of that shape: about 1 in the middle, nowhere below `LEAST`.

    Examples
    --------
    >>> gaussian_weights((5,)).round(3)
    array([0.006, 0.278, 1.   , 0.278, 0.006], dtype=float32)
    """
    weights = np.ones((), np.float64)
    for size in window:
        place = np.arange(size) - (size - 1) / 2
        weights = weights[..., None] * np.exp(-0.5 * (place / (SIGMA * size)) ** 2)
    return np.maximum(weights, LEAST).astype(np.float32)


def run_blended(
    function: Function,
    read: Read,
    write: Write,
    *,
    shape: tuple[int, ...],
    window: tuple[int, ...],
    overlap: float = 0.5,
    progress: Progress | None = None,
    how: Streaming = ONE_BY_ONE,
) -> None:
    """Run a network over an image in overlapping windows; results are averaged with Gaussian weights.

    One slab is in memory: a window's height, the image's other axes whole.

    Parameters
    ----------
    function
        The network: from (C, *window) float32 to (K, *window), always of this one size. Steps take a list of windows
        and give as many results.
    read
        From slices of the image, one per axis, to (C, *slices).
    write
        Takes slices of the image and (K, *slices) float32; whole rows in order, every pixel once.
    shape
        Spatial sizes of the image. Where it is smaller than the window its edges are repeated on both sides.
    window
        Pixels of a window per axis; sizes that the network takes.
    overlap
        Share of a window that the next one sees too, 0 to below 1.
    progress
        Called after each window with the number done and the number of all.
    how
        Whether the next window is read and the last is added while one is computed (`write` and `progress` are then
        called from a thread of their own), how many pixels of windows make a batch, and what the device's memory
        holds: a batch that does not fit is halved, but a window that does not fit is an error, because a smaller one
        would give another result.

    Raises
    ------
    OptionError
        If sizes do not go together, or the overlap is not in [0, 1).
    ModelError
        If the network's output is not of its input's size.
    DeviceFullError
        If the device's memory does not hold a window.

    Examples
    --------
    >>> image, out = np.full((1, 10), 3, np.float32), np.zeros((1, 10), np.float32)
    >>> def write(window, values):
    ...     out[:, *window] = values
    >>> run_blended(lambda x: 2 * x, lambda w: image[:, *w], write, shape=(10,), window=(4,))
    >>> out.round(5)
    array([[6., 6., 6., 6., 6., 6., 6., 6., 6., 6.]], dtype=float32)
    """
    _check(shape, window, overlap)
    frame = _Frame(shape, tuple(map(max, shape, window)))
    starts = [
        window_starts(size, window=length, overlap=overlap) for size, length in zip(frame.padded, window, strict=True)
    ]
    slab, weights, steps = _Slab(frame.padded, window), gaussian_weights(window), in_steps(function)
    ends, across = dict(itertools.pairwise([*starts[0], frame.padded[0]])), math.prod(map(len, starts[1:]))
    count, done = math.prod(map(len, starts)), 0

    def keep(batch: list[Corner], made: Any) -> None:
        nonlocal done
        for corner, values in zip(batch, checked(steps.unload(made), window, count=len(batch)), strict=True):
            slab.add(corner, values, weights)
            done += 1
            if done % across == 0:
                frame.write(write, corner[0], slab.take(ends[corner[0]] - corner[0]))
            if progress is not None:
                progress(done, count)

    flow(
        Batches(_Corners(itertools.product(*starts), window, how.room), how, sizes=lambda _: window),
        load=lambda batch: steps.load([frame.read(read, corner, window) for corner in batch]),
        compute=steps.compute,
        keep=keep,
        how=how,
    )


class _Corners:
    """The windows that are still to be done, by their first pixels; their size is fixed."""

    def __init__(self, corners: Iterator[Corner], window: tuple[int, ...], room: TileRoom | None) -> None:
        self._corners, self._window, self._room = corners, window, room
        self._given_back: list[Corner] = []

    def take(self) -> Corner | None:
        return self._given_back.pop() if self._given_back else next(self._corners, None)

    def give_back(self, piece: Corner) -> None:
        self._given_back.append(piece)

    def divide(self, piece: Corner) -> None:
        assert self._room is not None
        why = "a window, whose size shows in the result of this network"
        self._room.refuse(self._window, why, "a smaller --tile or ")


@dataclass(frozen=True)
class _Frame:
    """An image within one that is as large as the window: coordinates are the larger one's."""

    shape: tuple[int, ...]
    padded: tuple[int, ...]

    @property
    def before(self) -> tuple[int, ...]:
        """Pixels at the start of each axis that are not the image's."""
        return tuple((large - size) // 2 for large, size in zip(self.padded, self.shape, strict=True))

    def read(self, read: Read, corner: tuple[int, ...], window: tuple[int, ...]) -> Floats:
        """Read a window; beyond the image its edge is repeated."""
        clipped, beyond = [], [(0, 0)]
        for place, length, skip, size in zip(corner, window, self.before, self.shape, strict=True):
            start = place - skip
            clipped.append(slice(max(0, start), min(size, start + length)))
            beyond.append((max(0, -start), max(0, start + length - size)))
        return np.pad(np.asarray(read(tuple(clipped)), np.float32), beyond, mode="edge")

    def write(self, write: Write, top: int, values: Floats) -> None:
        """Write rows from `top` on, (K, rows, ...), as far as they are the image's."""
        skip, *rest = self.before
        first, last = max(top - skip, 0), min(top + values.shape[1] - skip, self.shape[0])
        inside = [slice(before, before + size) for before, size in zip(rest, self.shape[1:], strict=True)]
        rows = slice(first + skip - top, last + skip - top)
        write((slice(first, last), *(slice(0, size) for size in self.shape[1:])), values[:, rows, *inside])


def _check(shape: tuple[int, ...], window: tuple[int, ...], overlap: float) -> None:
    if len(shape) != len(window) or min(*shape, *window) < 1:
        message = f"image of {shape} and window of {window} pixels do not go together: one size of 1 or more per axis"
        raise OptionError(message)
    if not 0 <= overlap < 1:
        message = f"overlap is {overlap}; give a share of the window from 0 to below 1"
        raise OptionError(message)


class _Slab:
    """Weighted sums of as many rows as a window has."""

    def __init__(self, shape: tuple[int, ...], window: tuple[int, ...]) -> None:
        self._rows, self._rest = window[0], shape[1:]
        self._sums: Floats | None = None
        self._weights = np.zeros((self._rows, *self._rest), np.float32)

    def add(self, corner: tuple[int, ...], values: NDArray[Any], weights: Floats) -> None:
        """Add a window's values, (K, *window); its first row is the slab's."""
        if self._sums is None:
            self._sums = np.zeros((len(values), self._rows, *self._rest), np.float32)
        place: Window = (
            slice(0, self._rows),
            *(slice(at, at + length) for at, length in zip(corner[1:], weights.shape[1:], strict=True)),
        )
        self._sums[:, *place] += values * weights
        self._weights[place] += weights

    def take(self, rows: int) -> Floats:
        """Return the means of the first rows, (K, rows, ...), and go on below them."""
        assert self._sums is not None
        means = self._sums[:, :rows] / self._weights[:rows]
        for values in (self._sums, self._weights[None]):
            values[:, : self._rows - rows] = values[:, rows:].copy()
            values[:, self._rows - rows :] = 0
        return means
