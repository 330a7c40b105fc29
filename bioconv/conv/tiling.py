"""Evaluate a convolutional network over an input of any size, exactly, in bounded memory.

The input is cut as `tiles` says; beyond its end its last pixels are repeated. What is written is then the network's
result on the whole input, up to the rounding of sums whose order a library chooses by size. Nothing here knows torch:
the network is a function of arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.arithmetic import Geometry
from bioconv.conv.batching import Batches, Floats, Function, checked, in_steps
from bioconv.conv.halving import Tiles
from bioconv.conv.streaming import ONE_BY_ONE, Streaming, flow
from bioconv.conv.tiles import Tile, Window, plan_tiles

Read = Callable[[Window], NDArray[Any]]
Write = Callable[[Window, NDArray[Any]], None]
Progress = Callable[[int, int], None]
"""Called with the tiles that are done and all tiles."""


def run_tiled(
    function: Function,
    read: Read,
    write: Write,
    *,
    shape: tuple[int, ...],
    geometry: Geometry,
    tile: tuple[int, ...],
    progress: Progress | None = None,
    how: Streaming = ONE_BY_ONE,
) -> None:
    """Run a network over an image tile by tile; the result is that of the whole image.

    Parameters
    ----------
    function
        The network: from (C, *window) float32 to (K, *window), sizes multiples of the stride. Steps take a list of
        such windows of equal size and give as many results.
    read
        From slices of the image, one per axis, to (C, *window); a file's reader, or `lambda w: image[:, *w]`.
    write
        Takes slices of the image and (K, *window); called in row-major order of tiles, every pixel once.
    shape
        Spatial sizes of the image, 1 to 3 axes.
    geometry
        Of the network.
    tile
        Most pixels of a tile per axis, margins included; larger than the image is the whole image.
    progress
        Called after each tile with the number done and the number of all, which grows where tiles are halved.
    how
        Whether the next tile is read and the last is written while one is computed (`write` and `progress` are then
        called from a thread of their own), how many pixels of tiles of equal size make a batch, and what the device's
        memory holds: batches that do not fit are halved, then tiles.

    Raises
    ------
    OptionError
        As `plan_tiles`.
    ModelError
        If the network's output is not of its input's size.
    DeviceFullError
        If the device's memory does not hold the smallest tile.

    Examples
    --------
    >>> image, out = np.arange(6, dtype=np.float32)[None], np.zeros((1, 6))
    >>> def difference(x):  # to the neighbour before; zero before the first
    ...     return np.diff(x, prepend=np.float32(0))
    >>> geometry = Geometry(stride=(1,), reach=(1,))
    >>> def write(window, values):
    ...     out[:, *window] = values
    >>> run_tiled(difference, lambda w: image[:, *w], write, shape=(6,), geometry=geometry, tile=(3,))
    >>> out
    array([[0., 1., 1., 1., 1., 1.]])
    """
    steps = in_steps(function)
    tiles = Tiles(plan_tiles(shape, geometry=geometry, tile=tile), geometry, how.room)
    done = 0

    def keep(batch: list[Tile], made: Any) -> None:
        nonlocal done
        results = checked(steps.unload(made), batch[0].sizes, count=len(batch))
        for part, result in zip(batch, results, strict=True):
            write(part.keep, result[:, *part.inside])
            done += 1
            if progress is not None:
                progress(done, tiles.count)

    flow(
        Batches(tiles, how, sizes=lambda part: part.sizes),
        load=lambda batch: steps.load([read_padded(read, part.window, shape) for part in batch]),
        compute=steps.compute,
        keep=keep,
        how=how,
    )


def read_padded(read: Read, window: Window, shape: tuple[int, ...]) -> Floats:
    """Return a window (C, *window) float32 that may go beyond the image's end, where its last pixels are repeated.

    Parameters
    ----------
    read
        Gives the pixels (C, *window) of a window inside the image.
    window
        One slice per spatial axis.
    shape
        The image's size along these axes.
    """
    clipped = tuple(slice(part.start, min(part.stop, size)) for part, size in zip(window, shape, strict=True))
    pixels = np.asarray(read(clipped), np.float32)
    beyond = [(0, part.stop - clip.stop) for part, clip in zip(window, clipped, strict=True)]
    if any(after for _, after in beyond):
        return np.pad(pixels, [(0, 0), *beyond], mode="edge")
    return np.ascontiguousarray(pixels)
