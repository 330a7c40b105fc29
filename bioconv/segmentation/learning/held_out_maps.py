"""Probabilities of held-out images: at once, or tile by tile where a device's memory does not hold an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bioconv.conv.arithmetic import Geometry
from bioconv.conv.device_memory import PieceSize, release
from bioconv.conv.geometry import network_geometry
from bioconv.conv.tiling import run_tiled, smallest_tile
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
    stride, device = int(getattr(network, "stride", 1)), next(network.parameters()).device
    side: PieceSize | None = None

    def maps(pixels: Floats) -> Floats:
        return whole_maps(network, objective, pixels, stride)

    def tiled(longest: int) -> Floats:
        found = np.empty((objective.outputs, *image.shape[1:]), np.float32)

        def write(window: tuple[slice, ...], values: NDArray[Any]) -> None:
            found[:, *window] = values

        least = zip(smallest_tile(geometry), geometry.stride, strict=True)
        tile = tuple(max(smallest, longest // step * step) for smallest, step in least)
        run_tiled(maps, lambda window: image[:, *window], write, shape=image.shape[1:], geometry=geometry, tile=tile)
        return found

    while True:
        try:
            return maps(image) if side is None else tiled(side.size)
        except torch.OutOfMemoryError as error:
            if side is None:
                geometry = _geometry(network, image, device)
                side = PieceSize(max(image.shape[1:]), max(smallest_tile(geometry)))
            side.halve(str(device), error)
        release()


def _geometry(network: nn.Module, image: Floats, device: torch.device) -> Geometry:
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
