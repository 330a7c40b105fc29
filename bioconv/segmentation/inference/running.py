"""A model made ready for images of any size: folded, its geometry known, its tile chosen by the memory allowed."""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bioconv import runtime
from bioconv.conv.arithmetic import Geometry
from bioconv.conv.blending import run_blended
from bioconv.conv.geometry import network_geometry
from bioconv.conv.tiling import run_tiled, smallest_tile, tile_for_memory
from bioconv.errors import ModelError, OptionError
from bioconv.models.folding import for_inference
from bioconv.segmentation.inference.stores import Window
from bioconv.segmentation.model import SegmentationModel

Floats = NDArray[np.float32]
_WINDOW = {2: 512, 3: 96}  # of networks that cannot be tiled exactly
_TRIED = {2: 256, 3: 48}
_WORKSPACE = 1.4  # what a convolution takes beside its inputs and outputs; measured: 1.15


@dataclass(frozen=True, eq=False)
class Runner:
    """A model and how it is run over large images.

    Parameters
    ----------
    model
        Its batch normalisation folded.
    geometry
        For exact tiling; None: the network cannot be tiled exactly, windows are blended.
    bytes_per_pixel
        Memory that the network takes for each pixel of a tile.
    """

    model: SegmentationModel
    geometry: Geometry | None
    bytes_per_pixel: float

    @classmethod
    def of(cls, model: SegmentationModel) -> Runner:
        """Prepare a model; one that cannot be tiled exactly is told of by a warning."""
        folded = replace(model, network=for_inference(model.network))
        channels = len(model.inputs)
        try:
            geometry = network_geometry(folded.network, ndim=model.ndim, channels=channels)
        except ModelError as error:
            geometry = None
            runtime.warn_once(f"blended:{model.hash}", f"{model.name}: overlapping windows are blended: {error}")
        return cls(folded, geometry, bytes_per_pixel(folded.network, channels, model.ndim, model.stride))

    def check_tile(self, side: int | None) -> None:
        """Refuse a side of tiles, None: not given, of which nothing could be kept.

        Raises
        ------
        OptionError
        """
        least = self.model.stride if self.geometry is None else min(smallest_tile(self.geometry))
        if side is not None and side < least:
            message = f"a tile of {side} pixels is too small for {self.model.name}, which needs those around a pixel "
            message += f"to judge it; give {least} or more"
            raise OptionError(message)

    def tile(self, shape: tuple[int, ...], *, max_bytes: int, side: int | None = None) -> tuple[int, ...]:
        """Return the tile for an image: sides of `side` pixels if it is given, else the largest that fits.

        Raises
        ------
        OptionError
            If the memory is too little for any.
        """
        if self.geometry is None:
            return tuple(min(side or _WINDOW[len(shape)], _rounded(size, self.model.stride)) for size in shape)
        if side is not None:
            return (side,) * len(shape)
        return tile_for_memory(max_bytes, self.geometry, bytes_per_pixel=self.bytes_per_pixel, shape=shape)

    def run(
        self,
        read: Callable[[Window], Floats],
        write: Callable[[Window, Floats], None],
        *,
        shape: tuple[int, ...],
        tile: tuple[int, ...],
    ) -> None:
        """Run the model over prepared pixels; `write` gets every pixel once, as probabilities."""
        if self.geometry is None:
            run_blended(self.model.maps, read, write, shape=shape, window=tile)
        else:
            run_tiled(self.model.maps, read, write, shape=shape, geometry=self.geometry, tile=tile)


def _rounded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def bytes_per_pixel(network: nn.Module, channels: int, ndim: int, stride: int) -> float:
    """Return the most memory that a network's tensors take at once, in bytes per pixel of its input.

    It is run on tensors without data; what a convolution takes for itself is allowed for by a factor.
    """
    side = _rounded(_TRIED[ndim], stride)
    live = _Live()
    try:
        ghost = copy.deepcopy(network).to("meta")
        with torch.inference_mode(), live:
            ghost(torch.empty((1, channels, *(side,) * ndim), device="meta"))
    except (NotImplementedError, RuntimeError):  # it looks at its numbers: let it have some
        live = _Live()
        device = next(network.parameters()).device
        with torch.inference_mode(), live:
            network(torch.zeros((1, channels, *(side,) * ndim), device=device))
    return float(_WORKSPACE * live.most / side**ndim)


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the sizes of the tensors that live at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor)
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = id(storage), math.prod(tensor.shape) * tensor.element_size()
        if key in self._seen:
            return
        self._seen.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size
