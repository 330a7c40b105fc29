"""Work on a device in pieces that fit its memory, and codes on their way there."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from queue import SimpleQueue
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.conv.packing import pack, packed_size
from bioconv.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

_Result = TypeVar("_Result")


class PieceSize:
    """How much is worked on at once; halved when the device's memory does not hold it, and kept so.

    Parameters
    ----------
    size : int
        Items of a piece to begin with.
    smallest : int
        Below this nothing is halved any more.
    """

    def __init__(self, size: int, smallest: int = 1 << 10) -> None:
        self.size = size
        self._smallest = smallest

    def halve(self, device: str, error: torch.OutOfMemoryError) -> None:
        """Halve the size.

        Raises
        ------
        OptionError
            If the smallest piece did not fit.
        """
        if self.size <= self._smallest:
            message = (
                f"--device {device}: out of memory even with pieces of {self.size:,}; end what else uses the device, "
                "or give --device cpu"
            )
            raise OptionError(message) from error
        self.size = max(self.size // 2, self._smallest)
        runtime.warn_once(
            f"memory {device}", f"{device} is out of memory: going on in smaller pieces, results as before"
        )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def in_pieces(
    work: Callable[[int, int], _Result], begin: int, end: int, *, piece: PieceSize, device: str
) -> Iterator[_Result]:
    """Yield work(a, b) for consecutive pieces [a, b) of [begin, end); a piece that does not fit is done in halves.

    Raises
    ------
    OptionError
        If the device's memory does not hold the smallest piece.
    """
    while begin < end:
        some = min(piece.size, end - begin)
        try:
            done = work(begin, begin + some)
        except torch.OutOfMemoryError as error:
            piece.size = some
            piece.halve(device, error)
            continue
        yield done
        begin += some


@contextmanager
def must_fit(device: str | torch.device, what: str) -> Iterator[None]:
    """Say `what` does not fit a device's memory, where it cannot be divided.

    Raises
    ------
    OptionError
        In place of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        message = f"{what}: out of memory on --device {device}; end what else uses the device, or give --device cpu"
        raise OptionError(message) from error


def release() -> None:
    """Give back memory that torch keeps but nothing uses; after an error's block, as the error keeps tensors alive."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


@contextmanager
def turn_on(device: str) -> Iterator[None]:
    """Wait for a turn on a device, and work on a stream of one's own: on CUDA two threads at once.

    While one computes, the other's codes and results are copied. Elsewhere (Triton's interpreter) threads take turns.
    """
    free = _streams(device)
    stream = free.get()
    try:
        with ExitStack() as stack:
            if stream is not None:
                stack.enter_context(torch.cuda.device(device))
                stack.enter_context(torch.cuda.stream(stream))
            stack.enter_context(torch.inference_mode())
            yield
    finally:
        free.put(stream)


@cache
def _streams(device: str) -> SimpleQueue[torch.cuda.Stream | None]:
    """Return the streams nobody works on; few and kept, because torch keeps freed memory by stream."""
    free: SimpleQueue[torch.cuda.Stream | None] = SimpleQueue()
    for _ in range(2 if device.startswith("cuda") else 1):
        free.put(_new_stream(device))
    return free


def _new_stream(device: str) -> torch.cuda.Stream | None:
    return torch.cuda.Stream(device) if device.startswith("cuda") else None  # type: ignore[no-untyped-call]


_copy_stream = cache(_new_stream)  # one per device, for all copies


class Stager:
    """Packs stretches of codes and copies them to a device; on CUDA from pinned memory, on a stream of its own.

    Parameters
    ----------
    codes : (n,) uint8
    device : str
    """

    def __init__(self, codes: NDArray[np.uint8], device: str) -> None:
        self._codes = codes
        self._device = torch.device(device)
        self._stream = _copy_stream(device)
        self._ahead: tuple[tuple[int, int], Tensor, torch.cuda.Event | None] | None = None

    def take(self, begin: int, end: int) -> Tensor:
        """Return the packed codes [begin, end) on the device, from the copy begun by `ahead` if it was of these."""
        if self._ahead is None or self._ahead[0] != (begin, end):
            self.ahead(begin, end)
        assert self._ahead is not None
        _, packed, copied = self._ahead
        self._ahead = None
        if copied is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(copied)
            packed.record_stream(stream)
        return packed

    def ahead(self, begin: int, end: int) -> None:
        """Begin to copy the codes [begin, end), while the device works on what it has."""
        piece = self._codes[begin:end]
        if self._stream is None:
            self._ahead = ((begin, end), torch.from_numpy(pack(piece)), None)
            return
        pinned = torch.empty(packed_size(len(piece)), dtype=torch.uint8, pin_memory=True)
        pack(piece, pinned.numpy())
        with torch.cuda.stream(self._stream):
            packed = pinned.to(self._device, non_blocking=True)
            self._ahead = ((begin, end), packed, self._stream.record_event())


class DeviceFullError(OptionError):
    """A device's memory does not hold the smallest piece that an image can be done in."""


class TileRoom:
    """How many pixels of a tile, or of a batch, a device's memory holds: known once it has run out, and then kept.

    Parameters
    ----------
    device : str

    Attributes
    ----------
    pixels : float
        Larger batches and tiles are divided; infinite as long as the memory has not run out.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.pixels = math.inf

    def attempt(self, work: Callable[[], _Result]) -> _Result | None:
        """Return what `work` gives; None: the memory ran out, and what it had taken is free again."""
        try:
            return work()
        except torch.OutOfMemoryError:
            pass  # what did not fit lives in its traceback, which ends here
        release()
        return None

    def lower(self, pixels: int) -> None:
        """Go on with so many pixels at once."""
        self.pixels = min(self.pixels, pixels)
        runtime.warn_once(
            f"tiles {self.device}", f"{self.device} is out of memory: going on with less at once, results as before"
        )

    def refuse(self, sizes: tuple[int, ...], why: str, advice: str = "") -> NoReturn:
        """Raise the error of a tile that does not fit.

        Raises
        ------
        DeviceFullError
        """
        message = (
            f"--device {self.device}: out of memory with {' x '.join(map(str, sizes))} pixels, {why}; end what else "
            f"uses the device, or give {advice}--device cpu"
        )
        raise DeviceFullError(message)


Sent = tuple["Tensor", "torch.cuda.Event | None"]


class Courier:
    """Carries tensors to a device and back, for threads beside the one that computes.

    On CUDA from and to pinned memory, on a stream for each direction; elsewhere there is nothing to wait for.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._there, self._back = _new_stream(str(device)), _new_stream(str(device))

    def send(self, tensor: Tensor) -> Sent:
        """Begin to copy to the device; in the thread that reads ahead."""
        if self._there is None:
            return tensor.to(self._device), None
        pinned = tensor.pin_memory()
        with torch.cuda.stream(self._there):
            return pinned.to(self._device, non_blocking=True), self._there.record_event()

    def receive(self, sent: Sent) -> Tensor:
        """Return what was sent, when what computes with it comes after the copy."""
        tensor, copied = sent
        if copied is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(copied)
            tensor.record_stream(stream)
        return tensor

    def leave(self, tensor: Tensor) -> Sent:
        """Leave a contiguous result to be fetched; it need not be computed yet."""
        if self._back is None:
            return tensor, None
        return tensor, torch.cuda.current_stream(self._device).record_event()

    def fetch(self, left: Sent) -> NDArray[np.float32]:
        """Return a result as an array; in the thread that writes behind."""
        tensor, computed = left
        if self._back is None or computed is None:
            return np.asarray(tensor.numpy())
        with torch.inference_mode(), torch.cuda.stream(self._back):
            self._back.wait_event(computed)
            pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            pinned.copy_(tensor, non_blocking=True)
            self._back.synchronize()
        return np.asarray(pinned.numpy())
