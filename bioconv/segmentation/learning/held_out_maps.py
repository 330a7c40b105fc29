"""Probabilities of held-out images: at once, or tile by tile where a device's memory does not hold an image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bioconv.conv.arithmetic import Geometry, round_up
from bioconv.conv.device_memory import TileRoom
from bioconv.conv.geometry import network_geometry
from bioconv.conv.streaming import Streaming
from bioconv.conv.tiling import run_tiled
from bioconv.errors import ModelError, OptionError
from bioconv.segmentation.model import whole_maps
from bioconv.segmentation.objective import Objective

Floats = NDArray[np.float32]


def held_out_maps(network: nn.Module, objective: Objective, image: Floats) -> Floats:
    """Return a network's probabilities (K, *spatial) of a prepared image (C, *spatial).

    An image that does not fit the device's memory is cut into tiles, smaller and smaller ones; up to rounding they
    are what the whole image gives.

    Raises
    ------
    OptionError
        If the smallest tile does not fit, or the network cannot be tiled exactly.
    """
    stride, room = int(getattr(network, "stride", 1)), TileRoom(str(next(network.parameters()).device))

    def maps(pixels: Floats) -> Floats:
        return whole_maps(network, objective, pixels, stride)

    whole = room.attempt(lambda: maps(image))
    if whole is not None:
        return whole
    found = np.empty((objective.outputs, *image.shape[1:]), np.float32)

    def write(window: tuple[slice, ...], values: NDArray[Any]) -> None:
        found[:, *window] = values

    geometry, shape = _geometry(network, image, room.device), image.shape[1:]
    room.lower(math.prod(shape) - 1)
    tile = tuple(round_up(size, step) for size, step in zip(shape, geometry.stride, strict=True))
    how = Streaming(room=room)
    run_tiled(maps, lambda window: image[:, *window], write, shape=shape, geometry=geometry, tile=tile, how=how)
    return found


def _geometry(network: nn.Module, image: Floats, device: str) -> Geometry:
    """Return what a network needs for exact tiling; it is asked for where an image did not fit."""
    try:
        return network_geometry(network, ndim=image.ndim - 1, channels=len(image))
    except ModelError as error:
        size = " x ".join(map(str, image.shape[1:]))
        message = (
            f"--device {device}: out of memory with a held-out image of {size} pixels, and it cannot be cut into "
            f"tiles: {error}; give smaller images, end what else uses the device, or give --device cpu"
        )
        raise OptionError(message) from error
