"""How an image is cut into tiles, of each of which a network sees enough to know what is kept of it.

The whole input is padded once, at the end of each axis, to a multiple of the network's stride. Tiles' origins lie on
the stride; a tile is clipped at the true borders, never padded there, so that the network's own zero padding is what
it would be in the whole. Of each tile only those pixels are kept that saw their whole context.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from bioconv.conv.arithmetic import Geometry, round_up
from bioconv.errors import OptionError

Window = tuple[slice, ...]


@dataclass(frozen=True)
class Cut:
    """A tile along one axis.

    Parameters
    ----------
    start, stop
        The pixels it reads, [start, stop).
    first, last
        Those it is kept for, [first, last).
    """

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """One tile.

    Attributes
    ----------
    window
        What the network sees, stride-aligned; beyond the image's end it is padding.
    keep
        The part of the image that is taken from it.
    inside
        `keep` in the tile's own coordinates.
    """

    window: Window
    keep: Window
    inside: Window

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pixels of the window per axis."""
        return tuple(part.stop - part.start for part in self.window)


def smallest_tile(geometry: Geometry) -> tuple[int, ...]:
    """Return the smallest tile of which something can be kept, per axis: the overlap and one stride.

    Parameters
    ----------
    geometry
        Of the network.

    Examples
    --------
    >>> smallest_tile(Geometry((16,), (92,)))
    (208,)
    """
    return tuple(overlap + stride for overlap, stride in zip(geometry.overlap, geometry.stride, strict=True))


def cut_axis(size: int, *, stride: int, margin: tuple[int, int], tile: int) -> list[Cut]:
    """Cut one axis into the fewest tiles, as even as the stride allows.

    Parameters
    ----------
    size
        Pixels of the axis.
    stride, margin
        Of the network, along this axis; see `Geometry`.
    tile
        Most pixels of a tile, its margins included. Rounded down to the stride.

    Returns
    -------
    list of Cut
        In order; what they are kept for covers [0, size) once.

    Raises
    ------
    OptionError
        If the axis is empty, or nothing could be kept of a tile.

    Examples
    --------
    >>> cut_axis(100, stride=4, margin=(6, 6), tile=64)
    [Cut(start=0, stop=56, first=0, last=50), Cut(start=44, stop=100, first=50, last=100)]
    """
    if size < 1:
        message = f"an axis of {size} pixels cannot be tiled; give 1 or more"
        raise OptionError(message)
    padded, overlap, longest = round_up(size, stride), round_up(sum(margin), stride), tile // stride * stride
    if longest < min(padded, overlap + stride):
        message = (
            f"tile of {tile} pixels is too small: this network has stride {stride} and cannot know the {margin[0]} + "
            f"{margin[1]} pixels at a tile's cut edges; give {min(padded, overlap + stride)} or more"
        )
        raise OptionError(message)
    if longest >= padded:
        return [Cut(0, padded, 0, size)]
    count = 1 + -(-(padded - longest) // (longest - overlap))
    length = round_up(-(-(padded + (count - 1) * overlap) // count), stride)
    cuts: list[Cut] = []
    for start in range(0, count * (length - overlap), length - overlap):
        stop, first = min(start + length, padded), cuts[-1].last if cuts else 0
        cuts.append(Cut(start, stop, first, size if stop == padded else min(stop - margin[1], size)))
        if cuts[-1].last == size:
            break
    return cuts


def plan_tiles(shape: tuple[int, ...], *, geometry: Geometry, tile: tuple[int, ...]) -> list[Tile]:
    """Return the tiles of an image in row-major order, each pixel kept once.

    Parameters
    ----------
    shape
        Spatial sizes of the image.
    geometry
        Of the network.
    tile
        Most pixels of a tile per axis, margins included.

    Returns
    -------
    list of Tile

    Raises
    ------
    OptionError
        As `cut_axis`, or if the numbers of axes differ.

    Examples
    --------
    >>> [tile.keep for tile in plan_tiles((90,), geometry=Geometry((4,), (6,)), tile=(64,))]
    [(slice(0, 46, None),), (slice(46, 90, None),)]
    """
    if not len(shape) == len(tile) == len(geometry.stride):
        message = f"shape {shape}, tile {tile} and a geometry of {len(geometry.stride)} axes do not go together"
        raise OptionError(message)
    axes = [
        cut_axis(size, stride=stride, margin=margin, tile=length)
        for size, stride, margin, length in zip(shape, geometry.stride, geometry.margin, tile, strict=True)
    ]
    return [_tile(cuts) for cuts in itertools.product(*axes)]


def _tile(cuts: tuple[Cut, ...]) -> Tile:
    return Tile(
        window=tuple(slice(cut.start, cut.stop) for cut in cuts),
        keep=tuple(slice(cut.first, cut.last) for cut in cuts),
        inside=tuple(slice(cut.first - cut.start, cut.last - cut.start) for cut in cuts),
    )


def tile_for_memory(
    max_bytes: int, geometry: Geometry, *, bytes_per_pixel: float, shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the largest tile that fits into memory: as near to a square (a cube) as the image allows.

    Parameters
    ----------
    max_bytes
        Memory that one tile may take.
    geometry
        Of the network.
    bytes_per_pixel
        Memory that the network takes for each pixel of a tile.
    shape
        Spatial sizes of the image.

    Returns
    -------
    tuple of int
        Multiples of the stride; never beyond the image's size rounded up to it.

    Raises
    ------
    OptionError
        If not even the smallest tile fits; the message says how much it takes.

    Examples
    --------
    >>> tile_for_memory(10**9, Geometry((16, 16), (92, 92)), bytes_per_pixel=1000, shape=(5000, 300))
    (3280, 304)
    """
    most = [round_up(size, stride) for size, stride in zip(shape, geometry.stride, strict=True)]
    least = [min(*sizes) for sizes in zip(smallest_tile(geometry), most, strict=True)]

    def tile(side: int) -> tuple[int, ...]:
        rounded = [side // stride * stride for stride in geometry.stride]
        return tuple(min(high, max(low, length)) for low, high, length in zip(least, most, rounded, strict=True))

    def fits(side: int) -> bool:
        return math.prod(tile(side)) * bytes_per_pixel <= max_bytes

    if not fits(0):
        needed = math.ceil(math.prod(least) * bytes_per_pixel)
        message = (
            f"{max_bytes:,} bytes are too few for this network: its smallest tile, {' x '.join(map(str, least))} "
            f"pixels, takes {needed:,}; allow that much (--max-memory), or use a model with a smaller receptive field"
        )
        raise OptionError(message)
    low, high = 0, max(most) + 1  # the first fits; the last is never tried
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return tile(low)
