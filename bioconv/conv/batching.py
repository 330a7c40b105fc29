"""Pieces of equal size that go through a network together, because small ones alone do not fill a device.

Only pieces that follow each other are put together, so that what is written keeps its order. Nothing here knows torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.streaming import Piece, Pieces, Steps, Streaming
from bioconv.errors import ModelError

Floats = NDArray[np.float32]
Function = Callable[[Floats], NDArray[Any]] | Steps[Sequence[Floats], Any, Any, Sequence[NDArray[Any]]]
"""A network, from (C, *window) float32 to (K, *window); or the steps of one, from a batch of these to one of those."""
BATCH_PIXELS = 1 << 22
"""Most pixels of a batch on a device: four tiles of 1024 x 1024, of which the deepest maps of a U-Net of stride 16
still have 16,384 places. That is work for all its processors; more would only take memory, and longer to be read."""


class Batches(Generic[Piece]):
    """The batches that are still to be done: pieces of equal size, in order; a batch that does not fit is halved.

    A piece that is too large for a batch is one by itself; one that does not fit alone is divided.

    Parameters
    ----------
    pieces : Pieces
        Still to be done.
    how : Streaming
        Most pixels of a batch, and what the device's memory holds.
    sizes : function
        From a piece to its pixels per axis.
    """

    def __init__(self, pieces: Pieces[Piece], how: Streaming, *, sizes: Callable[[Piece], tuple[int, ...]]) -> None:
        self._pieces, self._most, self._room, self._sizes = pieces, how.batch_pixels, how.room, sizes

    def take(self) -> list[Piece] | None:
        """Return the next batch; None: there is none."""
        first = self._pieces.take()
        if first is None:
            return None
        batch, sizes = [first], self._sizes(first)
        most = self._most if self._room is None else min(self._most, self._room.pixels)
        while (len(batch) + 1) * math.prod(sizes) <= most:
            piece = self._pieces.take()
            if piece is None:
                break
            if self._sizes(piece) != sizes:
                self._pieces.give_back(piece)
                break
            batch.append(piece)
        return batch

    def give_back(self, piece: list[Piece]) -> None:
        """Take a batch back that was not done; the next may be another."""
        for one in reversed(piece):
            self._pieces.give_back(one)

    def divide(self, piece: list[Piece]) -> None:
        """Go on with half a batch that did not fit, or with smaller pieces where it was one.

        Raises
        ------
        DeviceFullError
            If the piece cannot be divided.
        """
        if len(piece) == 1:
            self._pieces.divide(piece[0])
            return
        assert self._room is not None
        self.give_back(piece)
        self._room.lower((len(piece) + 1) // 2 * math.prod(self._sizes(piece[0])))


def in_steps(function: Function) -> Steps[Sequence[Floats], Any, Any, Sequence[NDArray[Any]]]:
    """Return a function in steps; one that has none is called for each window of a batch."""
    if isinstance(function, Steps):
        return function
    return Steps(lambda batch: batch, lambda batch: [function(window) for window in batch], lambda made: made)


def checked(results: Sequence[NDArray[Any]], sizes: tuple[int, ...], *, count: int) -> Sequence[NDArray[Any]]:
    """Return what a network made of the windows of a batch.

    Parameters
    ----------
    results
        (K, *window) for each, if all is well.
    sizes
        Of the windows.
    count
        Of the windows.

    Raises
    ------
    ModelError
        If one is not (K, *window), a value for every pixel, or there are more or fewer than windows.
    """
    if len(results) != count:
        message = f"network gave {len(results)} results for a batch of {count} windows; it should give one for each"
        raise ModelError(message)
    for result in results:
        if result.shape[1:] != sizes or not result.ndim:
            message = (
                f"network gave an array {result.shape} for a window {sizes}; it should give (K, *window), a value for "
                "every pixel"
            )
            raise ModelError(message)
    return results
