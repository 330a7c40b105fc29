"""Tiles that a device's memory does not hold: cut in two, and in two again, with the same result."""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from bioconv.conv.arithmetic import Geometry

if TYPE_CHECKING:
    from bioconv.conv.device_memory import TileRoom
    from bioconv.conv.tiles import Tile, Window


def halves(tile: Tile, geometry: Geometry) -> tuple[Tile, Tile] | None:
    """Return two tiles that keep what one keeps, cut across its longest side that can be; None: none can.

    Parameters
    ----------
    tile
        As `tiling.plan_tiles` gives it, or this.
    geometry
        Of the network.

    Examples
    --------
    >>> from bioconv.conv.tiles import plan_tiles
    >>> (whole,) = plan_tiles((100,), geometry=Geometry((4,), (6,)), tile=(100,))
    >>> [half.window for half in halves(whole, Geometry((4,), (6,)))]
    [(slice(0, 56, None),), (slice(44, 100, None),)]
    """
    found = _longest(tile.sizes, geometry)
    if found is None:
        return None
    axis, length = found
    window, keep = tile.window[axis], tile.keep[axis]
    start = window.stop - length
    stop = start + geometry.overlap[axis]
    middle = stop - geometry.margin[axis][1]
    return (
        _with_extent(tile, axis, slice(window.start, stop), slice(keep.start, middle)),
        _with_extent(tile, axis, slice(start, window.stop), slice(middle, keep.stop)),
    )


def tile_within(tile: tuple[int, ...], pixels: float, geometry: Geometry) -> tuple[int, ...]:
    """Return a tile halved until it has no more than so many pixels, or cannot be halved any more.

    Parameters
    ----------
    tile
        Pixels per axis, multiples of the stride.
    pixels
        Most pixels.
    geometry
        Of the network.

    Examples
    --------
    >>> tile_within((1024, 512), 200_000, Geometry((16, 16), (32, 32)))
    (304, 512)
    """
    while math.prod(tile) > pixels:
        found = _longest(tile, geometry)
        if found is None:
            break
        axis, length = found
        tile = (*tile[:axis], length, *tile[axis + 1 :])
    return tile


def _longest(sizes: tuple[int, ...], geometry: Geometry) -> tuple[int, int] | None:
    """Return the longest axis that can be cut in two, and the pixels of the larger half; None: none can."""
    for axis in sorted(range(len(sizes)), key=lambda axis: -sizes[axis]):
        stride, spare = geometry.stride[axis], sizes[axis] - geometry.overlap[axis]
        if spare >= 2 * stride:
            return axis, sizes[axis] - spare // 2 // stride * stride
    return None


def _with_extent(tile: Tile, axis: int, window: slice, keep: slice) -> Tile:
    """Return a tile with another extent along one axis."""

    def put(parts: Window, part: slice) -> Window:
        return (*parts[:axis], part, *parts[axis + 1 :])

    inside = slice(keep.start - window.start, keep.stop - window.start)
    return replace(tile, window=put(tile.window, window), keep=put(tile.keep, keep), inside=put(tile.inside, inside))


class Tiles:
    """The tiles that are still to be done, in order; those larger than the device's memory holds are halved.

    Parameters
    ----------
    tiles : list of Tile
    geometry : Geometry
        Of the network.
    room : TileRoom, optional

    Attributes
    ----------
    count : int
        All tiles, those done included.
    """

    def __init__(self, tiles: list[Tile], geometry: Geometry, room: TileRoom | None) -> None:
        self._tiles, self._geometry, self._room = deque(tiles), geometry, room
        self.count = len(tiles)

    def take(self) -> Tile | None:
        """Return the next tile; None: there is none."""
        while self._tiles:
            tile = self._tiles.popleft()
            if self._room is None or math.prod(tile.sizes) <= self._room.pixels or not self._halve(tile):
                return tile
        return None

    def give_back(self, piece: Tile) -> None:
        """Take a tile back that was not done."""
        self._tiles.appendleft(piece)

    def divide(self, piece: Tile) -> None:
        """Put its halves in the place of a tile that did not fit.

        Raises
        ------
        DeviceFullError
            If it cannot be halved.
        """
        assert self._room is not None
        if not self._halve(piece):
            self._room.refuse(piece.sizes, "the smallest tile of this network")
        self._room.lower(max(math.prod(half.sizes) for half in itertools.islice(self._tiles, 2)))

    def _halve(self, tile: Tile) -> bool:
        parts = halves(tile, self._geometry)
        if parts is not None:
            self._tiles.extendleft(reversed(parts))
            self.count += 1
        return parts is not None
