"""A model made ready for images of any size: folded, its geometry known, its tile chosen by the memory allowed."""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bioconv import runtime
from bioconv.conv.arithmetic import Geometry, round_up
from bioconv.conv.batching import BATCH_PIXELS
from bioconv.conv.blending import run_blended
from bioconv.conv.device_memory import Courier, Sent, TileRoom
from bioconv.conv.geometry import network_geometry
from bioconv.conv.halving import tile_within
from bioconv.conv.streaming import Steps, Streaming
from bioconv.conv.tiles import smallest_tile, tile_for_memory
from bioconv.conv.tiling import run_tiled
from bioconv.errors import ModelError, OptionError
from bioconv.models.folding import for_inference
from bioconv.segmentation.inference.stores import Window
from bioconv.segmentation.model import SegmentationModel, network_input

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
    overlapped
        Whether threads read the next tile and write the last one while the network works, and small tiles go through
        it together.
    room
        What the device's memory was found to hold, over all images.
    """

    model: SegmentationModel
    geometry: Geometry | None
    bytes_per_pixel: float
    overlapped: bool = False
    room: TileRoom = field(default_factory=lambda: TileRoom("cpu"))

    @classmethod
    def of(cls, model: SegmentationModel, *, overlapped: bool | None = None) -> Runner:
        """Prepare a model; one that cannot be tiled exactly is told of by a warning.

        Parameters
        ----------
        model
        overlapped
            None: on a CUDA device. On the CPU the network takes all processors, and what is gained by reading beside
            it is less than what the memory for two more tiles costs; nor does a batch take less time than its tiles.
        """
        folded = replace(model, network=for_inference(model.network))
        channels = len(model.inputs)
        try:
            geometry = network_geometry(folded.network, ndim=model.ndim, channels=channels)
        except ModelError as error:
            geometry = None
            runtime.warn_once(f"blended:{model.hash}", f"{model.name}: overlapping windows are blended: {error}")
        device = next(folded.network.parameters()).device
        if overlapped is None:
            overlapped = device.type == "cuda"
        each = bytes_per_pixel(folded.network, channels, model.ndim, model.stride)
        return cls(folded, geometry, each, overlapped, TileRoom(str(device)))

    @property
    def streamed_bytes(self) -> int:
        """Memory, for each pixel of a tile, of one that is read ahead and one that is written behind.

        Prepared pixels and probabilities are float32, and each is copied once on the way: to and from pinned memory,
        or turned and made bytes.
        """
        return 8 * (len(self.model.inputs) + len(self.model.labels) + 1) if self.overlapped else 0

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
            return self.fitting((side,) * len(shape), shape)
        tile = tile_for_memory(max_bytes, self.geometry, bytes_per_pixel=self.bytes_per_pixel, shape=shape)
        return self.fitting(tile, shape)

    def fitting(self, tile: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return a tile as it is, or as large as the device's memory was found to hold."""
        if self.geometry is None or math.isinf(self.room.pixels):
            return tile
        strides = self.geometry.stride
        whole = [round_up(size, stride) for size, stride in zip(shape, strides, strict=True)]
        sides = [side // stride * stride for side, stride in zip(tile, strides, strict=True)]
        return tile_within(tuple(map(min, sides, whole)), self.room.pixels, self.geometry)

    def batch_pixels(self, max_bytes: int) -> int:
        """Return the most pixels of a batch of tiles: together they take no more memory than one large tile would."""
        return int(min(BATCH_PIXELS, max_bytes / self.bytes_per_pixel)) if self.overlapped else 0

    def run(
        self,
        read: Callable[[Window], Floats],
        write: Callable[[Window, Floats], None],
        *,
        shape: tuple[int, ...],
        tile: tuple[int, ...],
        batch_pixels: int = 0,
    ) -> None:
        """Run the model over prepared pixels; `write` gets every pixel once, as probabilities.

        Tiles of equal size go through the network together, up to `batch_pixels` of them; 0: one by one. Where it is
        overlapped, `read` is called from one thread and `write` from another.

        Raises
        ------
        DeviceFullError
            If the device's memory does not hold the smallest tile, or a window that is blended.
        """
        function = self._steps() if self.overlapped else self.model.maps
        how = Streaming(self.overlapped, self.room, batch_pixels)
        if self.geometry is None:
            run_blended(function, read, write, shape=shape, window=tile, how=how)
        else:
            run_tiled(function, read, write, shape=shape, geometry=self.geometry, tile=tile, how=how)

    def _steps(self) -> Steps[Sequence[Floats], Any, Any, Sequence[NDArray[Any]]]:
        """Return `model.maps` of batches in steps: to the device ahead, back from it behind."""
        model = self.model
        courier = Courier(next(model.network.parameters()).device)

        def load(batch: Sequence[Floats]) -> tuple[tuple[int, ...], Sent]:
            inputs = [network_input(prepared, model.stride) for prepared in batch]
            return batch[0].shape[1:], courier.send(torch.cat(inputs) if len(inputs) > 1 else inputs[0])

        def compute(loaded: tuple[tuple[int, ...], Sent]) -> Sent:
            sizes, sent = loaded
            with torch.inference_mode():
                found: Tensor = model.objective.probabilities(model.network(courier.receive(sent)).float())
                return courier.leave(found[:, :, *(slice(size) for size in sizes)].contiguous())

        return Steps(load, compute, lambda left: list(courier.fetch(left)))


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
