"""How maps become objects, on the pixels of the foreground alone.

The maps are rounded to 255 levels first and all that follows is done in whole numbers, in each connected part of the
foreground by itself (pixels connect by their faces). The labels therefore do not depend on the window or the strip
through which an image is looked at; rounding errors of the network matter only where they move a pixel from one level
to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError, OptionError
from bioconv.segmentation.objects.basins import Borders, Ints, PixelGraph, borders, join_shallow

LEVELS = 255
SMOOTHINGS = 2
Maps = NDArray[np.uint8]
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class InstanceSettings:
    """How maps become objects; all but `min_size` are shares, 0 to 1.

    Parameters
    ----------
    foreground
        Probability from which on a pixel belongs to an object.
    seed
        An object that touches others must rise to this height; lower ones go to their neighbour.
    contact
        How much of a pixel's height certain contact takes away: height = distance * (1 - `contact` * probability).
    depth
        Two tops are of two objects if the way between them goes down by so much below the lower one,
    touch
        and if the mean probability of contact along their border is at least this. With true maps 0.3 keeps odd
        shapes whole; a network's contact is fainter, and 0 (the map lowers heights, no more) served it best.
    min_size
        Pixels; smaller objects are left out.
    drop_border
        Leave out objects that touch the image's edge.

    Raises
    ------
    OptionError
        If a share is not between 0 and 1, `foreground` is 0, or `min_size` is negative.
    """

    foreground: float = 0.5
    seed: float = 0.3
    contact: float = 1.0
    depth: float = 0.12
    touch: float = 0.0
    min_size: int = 15
    drop_border: bool = False

    def __post_init__(self) -> None:
        shares = (self.foreground, self.seed, self.contact, self.depth, self.touch)
        if not all(0 <= share <= 1 for share in shares) or self.foreground == 0 or self.min_size < 0:
            message = f"{self} makes no sense: shares lie between 0 and 1, foreground above 0, min_size from 0"
            raise OptionError(message)

    @property
    def foreground_level(self) -> int:
        """The lowest level that is foreground."""
        return max(1, round(self.foreground * LEVELS))


USUAL = InstanceSettings()


def to_levels(maps: NDArray[Any]) -> Maps:
    """Return maps (3, ...) as levels 0..255; uint8 maps are taken to be levels.

    Raises
    ------
    InputError
        If the shape is another, or a value is not between 0 and 1.
    """
    if maps.ndim not in (3, 4) or maps.shape[0] != 3:
        message = f"maps of shape {maps.shape}; expected (3, Y, X) or (3, Z, Y, X): foreground, distance, contact"
        raise InputError(message)
    if maps.dtype == np.uint8:
        return np.asarray(maps, np.uint8)
    if maps.dtype.kind != "f" or not (maps.size == 0 or (maps.min() >= 0 and maps.max() <= 1)):
        message = f"maps of {maps.dtype}; expected uint8, or floating-point numbers between 0 and 1"
        raise InputError(message)
    return np.asarray(np.rint(maps * LEVELS), np.uint8)


def split_graph(graph: PixelGraph, distance: Maps, contact: Maps, settings: InstanceSettings) -> Ints:
    """Return, for each pixel of the graph, a number of its object: equal numbers, one object.

    Parameters
    ----------
    distance, contact
        (n,) levels of the graph's pixels.
    """
    if not len(graph.pixels):
        return np.zeros(0, np.int32)
    taken = np.rint(settings.contact * np.arange(LEVELS + 1)).astype(np.int32)[contact]
    height, scale = distance * (LEVELS - taken), LEVELS * LEVELS
    for _ in range(SMOOTHINGS):
        height, scale = graph.smooth(height), scale * 4 ** len(graph.edges)
    tops, regions = _counted(graph.tops(height))
    depth, least = round(settings.depth * scale), round(settings.seed * scale)
    group = join_shallow(height[tops], borders(graph, regions, height, contact), depth=depth, least=least)
    return _join_enclosed(graph, *_join_untouched(graph, group[regions], height, contact, settings.touch * LEVELS))


def _counted(values: Ints) -> tuple[Ints, Ints]:
    """Return the different values, rising, and which of them each one is."""
    there = np.zeros(int(values.max(initial=-1)) + 1, bool)
    there[values] = True
    number = np.cumsum(there, dtype=np.int32)
    number -= 1
    return np.flatnonzero(there).astype(np.int32), number[values]


def _join_untouched(
    graph: PixelGraph, regions: Ints, height: Ints, contact: Maps, touch: float
) -> tuple[Ints, Borders]:
    """Return regions where those whose border is no contact are one, until all borders are; and these borders."""
    while True:
        names, regions = _counted(regions)
        edges = borders(graph, regions, height, contact)
        open_ = edges.contact < touch
        if not open_.any():
            return regions, edges
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        links = coo_array((np.ones(open_.sum(), bool), (edges.first[open_], edges.second[open_])), (len(names),) * 2)
        regions = connected_components(links, directed=False)[1].astype(np.int32)[regions]


def _join_enclosed(graph: PixelGraph, regions: Ints, edges: Borders) -> Ints:
    """Return regions where one that lies inside a single other one, away from background and edge, is part of that."""
    count = int(regions.max()) + 1
    beside = np.zeros(len(regions), np.int8)
    for edge in graph.edges:
        for side in edge:
            beside[side] += 1
    bare = np.zeros(count, bool)
    bare[regions[beside < 2 * len(graph.edges)]] = True
    first, second = np.concatenate([edges.first, edges.second]), np.concatenate([edges.second, edges.first])
    inside = (np.bincount(first, minlength=count) == 1) & ~bare
    around = np.arange(count, dtype=np.int32)
    around[first[inside[first]]] = second[inside[first]]
    return around[regions]


def numbered(groups: Ints, min_size: int, *, drop: NDArray[np.bool_] | None = None) -> Labels:
    """Return objects numbered 1, 2, ... by their first pixel; those of fewer than `min_size` pixels become 0.

    Parameters
    ----------
    groups
        (n,) object of each pixel, the pixels in the order of the array.
    drop
        (n,) objects with a pixel that is True here become 0 too.
    """
    names, group = _counted(groups)
    kept = np.bincount(group, minlength=len(names)) >= min_size
    if drop is not None:
        kept[group[drop]] = False
    first = np.zeros(len(names), np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    number = np.zeros(len(names), np.int32)
    order = np.flatnonzero(kept)[np.argsort(first[kept])]
    number[order] = np.arange(1, len(order) + 1)
    return number[group]


def on_edge(pixels: NDArray[np.int64], shape: tuple[int, ...], *, first_row: int = 0) -> NDArray[np.bool_]:
    """Say which pixels lie on the edge of an image, on any axis.

    Parameters
    ----------
    pixels
        (n,) flat indices, counted from the first pixel of `first_row`.
    """
    found = np.zeros(len(pixels), bool)
    rest = pixels
    for axis in reversed(range(len(shape))):
        rest, place = np.divmod(rest, shape[axis]) if axis else (rest, rest + first_row)
        found |= (place == 0) | (place == shape[axis] - 1)
    return found
