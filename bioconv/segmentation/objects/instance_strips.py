"""The rows that are held while an image too large for the memory is split into objects.

A connected part of the foreground is split once it is complete, which it is when it no longer reaches the last row
read. Rows are let go once nothing in them is open; what is held is the rows from the first open part on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.segmentation.objects.basins import Ints, PixelGraph
from bioconv.segmentation.objects.splitting import InstanceSettings, Labels, Maps, numbered, on_edge, split_graph

# Bytes per pixel that is held, and per foreground pixel that is being split: measured, with some room.
HELD_BYTES = 32
SPLIT_BYTES = 100
USUAL_ROWS = 64
USUAL_PIXELS = 1 << 20
_OPEN = -1


class Strips:
    """Rows from `start` on.

    Their labels are final (above 0), names of objects yet to be numbered (below -1), -1 where the foreground is
    still to be split, or 0.

    Parameters
    ----------
    shape
        Of the image; its first axis is called rows here.
    max_bytes
        Half of it is for the rows that are held, half for the foreground that is being split.
    """

    def __init__(self, shape: tuple[int, ...], settings: InstanceSettings, max_bytes: int) -> None:
        self.shape, self.settings, self.max_bytes = shape, settings, max_bytes
        across = max(1, int(np.prod(shape[1:])))
        self.most_rows = max_bytes // 2 // (HELD_BYTES * across)
        self.usual_rows = max(USUAL_ROWS, USUAL_PIXELS // across)
        self.most_pixels = max(1, max_bytes // 2 // SPLIT_BYTES)
        if self.most_rows < 1:
            message = f"a row of {across} pixels does not fit in {max_bytes} bytes of memory; "
            message += f"give {2 * HELD_BYTES * across} or more"
            raise InputError(message)
        self.start = self.objects = 0
        self.levels: Maps = np.zeros((2, 0, *shape[1:]), np.uint8)
        self.labels: Labels = np.zeros((0, *shape[1:]), np.int32)
        self.names = 0

    @property
    def stop(self) -> int:
        """The row after the last that is held."""
        return self.start + len(self.labels)

    def wanted(self) -> slice:
        """Return which rows to read next: as many as are held, so that looking at these again costs little.

        Raises
        ------
        InputError
            If there is no room for a row more, as the foreground in the first row held is still open.
        """
        room = self.most_rows - len(self.labels)
        if room < 1:
            part = self._parts()[0]
            raise self._too_large(part == part[0].max(), f"higher than {self.most_rows} rows")
        more = min(room, max(self.usual_rows, len(self.labels)))
        return slice(self.stop, min(self.shape[0], self.stop + more))

    def add(self, maps: Maps) -> None:
        """Append the rows that were wanted, and split what is complete."""
        mask = maps[0] >= self.settings.foreground_level
        self.levels = np.concatenate([self.levels, maps[1:]], axis=1)
        self.labels = np.concatenate([self.labels, np.where(mask, np.int32(_OPEN), np.int32(0))])
        parts, sizes = self._parts()
        if self.stop < self.shape[0]:
            sizes[parts[-1]] = 0
        large = np.flatnonzero(sizes > self.most_pixels)
        if len(large):
            raise self._too_large(parts == large[0], f"{sizes[large[0]]} pixels large")
        # A part on the line between two batches goes to the later, which may thus hold twice as much.
        batch = np.where(sizes, (np.cumsum(sizes) - 1) // self.most_pixels, -1)
        for number in np.unique(batch[sizes > 0]):
            self._split((batch == number)[parts])

    def take(self) -> Labels:
        """Return the rows above the first that is open, numbered, and let them go."""
        waiting = (self.labels == _OPEN).any(axis=tuple(range(1, self.labels.ndim)))
        done = int(waiting.argmax()) if waiting.any() else len(waiting)
        named = self.labels[:done]
        names, first = np.unique(named[named < _OPEN], return_index=True)
        final = np.zeros(self.names + 1, np.int32)
        final[_OPEN - names[np.argsort(first)]] = np.arange(1, len(names) + 1) + self.objects
        self._rename(final)
        self.objects += len(names)
        rows = self.labels[:done]
        self.labels, self.levels = self.labels[done:].copy(), self.levels[:, done:].copy()
        self.start += done
        left = np.unique(self.labels[self.labels < _OPEN])
        short = np.zeros(self.names + 1, np.int32)
        short[_OPEN - left] = _OPEN - np.arange(1, len(left) + 1)
        self._rename(short)
        self.names = len(left)
        return rows

    def _rename(self, new: Ints) -> None:
        """Give the named objects what stands at their place, names counted from 1; 0 leaves one as it is."""
        named = self.labels < _OPEN
        old = self.labels[named]
        found = new[_OPEN - old]
        self.labels[named] = np.where(found, found, old)

    def _parts(self) -> tuple[Ints, NDArray[np.int64]]:
        """Return the connected parts of the open foreground, from 1, and the pixels of each."""
        from scipy import ndimage

        parts, count = ndimage.label(self.labels == _OPEN)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        sizes[0] = 0
        return parts, sizes

    def _split(self, mask: NDArray[np.bool_]) -> None:
        """Split the foreground of a mask and name its objects."""
        graph = PixelGraph.of(mask)
        groups = split_graph(graph, self.levels[0][mask], self.levels[1][mask], self.settings)
        edge = on_edge(graph.pixels, self.shape, first_row=self.start) if self.settings.drop_border else None
        numbers = numbered(groups, self.settings.min_size, drop=edge)
        self.labels.ravel()[graph.pixels] = np.where(numbers, _OPEN - self.names - numbers, 0)
        self.names += int(numbers.max(initial=0))

    def _too_large(self, mask: NDArray[np.bool_], size: str) -> InputError:
        """Say which part of the foreground does not fit."""
        place = np.argwhere(mask)
        low, high = place.min(0), place.max(0)
        low[0], high[0] = low[0] + self.start, high[0] + self.start
        where = ", ".join(f"{a} to {b}" for a, b in zip(low.tolist(), high.tolist(), strict=True))
        axes = "planes, rows and columns" if mask.ndim == 3 else "rows and columns"
        message = f"the connected foreground at {axes} {where} is {size}, more than fits in {self.max_bytes} bytes; "
        message += "give more memory, or a higher foreground threshold"
        return InputError(message)
