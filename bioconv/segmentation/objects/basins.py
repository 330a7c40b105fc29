"""Hills of a map over the foreground's pixels: steepest ascent to a top, and which hills are one.

All of it works on the graph of foreground pixels whose faces touch, and in whole numbers. A component of that graph
knows nothing of the others, so that what becomes of it does not depend on the window it is seen through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Edges = tuple[Ints, Ints]


@dataclass(frozen=True, eq=False)
class PixelGraph:
    """Foreground pixels, and which of them are neighbours.

    Parameters
    ----------
    pixels
        (n,) int64, rising: flat index of each pixel in its array.
    edges
        One pair of int32 arrays per axis: number (from 0) of each pixel that has a next one along the axis, and of
        that one.
    """

    pixels: NDArray[np.int64]
    edges: tuple[Edges, ...]

    @staticmethod
    def of(mask: NDArray[np.bool_]) -> PixelGraph:
        """Return the graph of the pixels that are True."""
        pixels = np.flatnonzero(mask)
        number = np.cumsum(mask, dtype=np.int32).reshape(mask.shape)
        number -= 1
        edges = []
        for axis in range(mask.ndim):
            here, there = np.moveaxis(mask, axis, 0), np.moveaxis(number, axis, 0)
            both = here[:-1] & here[1:]
            edges.append((there[:-1][both], there[1:][both]))
        return PixelGraph(pixels, tuple(edges))

    def smooth(self, values: Ints) -> Ints:
        """Return 4 ** axes times the values weighted 1, 2, 1 along each axis; outside stands the pixel itself."""
        for low, high in self.edges:
            # A pixel without a neighbour on one side counts itself there.
            total = 4 * values
            step = values[high] - values[low]
            total[low] += step
            total[high] -= step
            values = total
        return values

    def tops(self, values: Ints) -> Ints:
        """Return, for each pixel, the number of the pixel that steepest ascent from it ends on.

        Of neighbours of one value the first in the array is the higher.
        """
        best, highest = np.arange(len(values), dtype=np.int32), values.copy()
        for low, high in self.edges:
            for here, there in ((low, high), (high, low)):
                offered, now = values[there], highest[here]
                better = (offered > now) | ((offered == now) & (there < best[here]))
                best[here[better]] = there[better]
                highest[here[better]] = offered[better]
        while True:
            further = best[best]
            if np.array_equal(further, best):
                return best
            best = further


@dataclass(frozen=True, eq=False)
class Borders:
    """Pairs of regions that touch.

    Parameters
    ----------
    first, second
        (e,) int32 numbers of the regions, first < second.
    saddle
        (e,) int32: the highest value at which one gets from one to the other.
    contact
        (e,) float64: the mean of the contact map along the border, 0..255.
    """

    first: Ints
    second: Ints
    saddle: Ints
    contact: NDArray[np.float64]


def borders(graph: PixelGraph, regions: Ints, values: Ints, contact: NDArray[np.uint8]) -> Borders:
    """Return the borders between regions.

    Parameters
    ----------
    regions
        (n,) number of each pixel's region, from 0.
    values
        (n,) map whose saddles are wanted.
    contact
        (n,) map whose mean is wanted; of two pixels on either side of a border the larger counts.
    """
    count = int(regions.max(initial=-1)) + 1
    pairs, passes, contacts = [], [], []
    for low, high in graph.edges:
        apart = regions[low] != regions[high]
        a, b = low[apart], high[apart]
        pairs.append(np.minimum(regions[a], regions[b]).astype(np.int64) * count + np.maximum(regions[a], regions[b]))
        passes.append(np.minimum(values[a], values[b]))
        contacts.append(np.maximum(contact[a], contact[b]))
    found, pair = np.unique(np.concatenate(pairs), return_inverse=True)
    saddle = np.full(len(found), np.iinfo(np.int32).min, np.int32)
    np.maximum.at(saddle, pair, np.concatenate(passes))
    length = np.bincount(pair, minlength=len(found))
    total = np.bincount(pair, np.concatenate(contacts), minlength=len(found))
    first, second = np.divmod(found, max(count, 1))
    return Borders(first.astype(np.int32), second.astype(np.int32), saddle, total / np.maximum(length, 1))


def join_shallow(peaks: Ints, edges: Borders, *, depth: int, least: int) -> Ints:
    """Return which hills are one because the way between them hardly goes down: (hills,) number of the group's first.

    From the highest saddle to the lowest, the hills on its two sides become one if the lower of them rises less
    than `depth` above it, or not up to `least`. That is clustering by persistence.

    References
    ----------
    Chazal et al., J ACM 60:41 (2013), doi 10.1145/2535927.
    """
    group, top = list(range(len(peaks))), peaks.tolist()
    order = np.lexsort((edges.second, edges.first, -edges.saddle))
    columns = (column[order].tolist() for column in (edges.first, edges.second, edges.saddle))
    for first, second, saddle in zip(*columns, strict=True):
        a, b = _leader(group, first), _leader(group, second)
        if a == b:
            continue
        if (top[a], -a) < (top[b], -b):
            a, b = b, a
        if top[b] - saddle < depth or top[b] < least:
            group[b] = a
    return np.array([_leader(group, hill) for hill in range(len(group))], dtype=np.int32)


def _leader(group: list[int], hill: int) -> int:
    while group[hill] != hill:
        group[hill] = group[group[hill]]
        hill = group[hill]
    return hill
