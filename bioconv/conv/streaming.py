"""Read ahead of a computation and write behind it: a thread for each, one piece away from it, or none at all.

While one piece is computed the next is read and the last is written; never more than these three are held. Errors of
both threads come out where the computation is called, as what they are. Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from bioconv.conv.device_memory import TileRoom

Piece = TypeVar("Piece")
Loaded = TypeVar("Loaded")
Made = TypeVar("Made")
Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Streaming:
    """How pieces of an image go through a network; the result is the same.

    Parameters
    ----------
    overlapped
        Whether threads of their own read ahead and write behind. Reads come from one thread, writes from another.
    room
        What the device's memory holds; None: what does not fit is an error of torch.
    batch_pixels
        Most pixels of pieces of equal size that go through the network together; 0: each goes alone.
    """

    overlapped: bool = False
    room: TileRoom | None = None
    batch_pixels: int = 0


ONE_BY_ONE = Streaming()
"""Read, compute, write; then the next."""


@dataclass(frozen=True, eq=False)
class Steps(Generic[Given, Loaded, Made, Result]):
    """A function in three steps, so that copies to a device and back overlap with what it computes.

    Parameters
    ----------
    load
        Done ahead, by the thread that reads.
    compute
        Done by the thread that called.
    unload
        Done behind, by the thread that writes.
    """

    load: Callable[[Given], Loaded]
    compute: Callable[[Loaded], Made]
    unload: Callable[[Made], Result]


class Pieces(Protocol[Piece]):
    """The pieces that are still to be done."""

    def take(self) -> Piece | None:
        """Return the next piece; None: there is none."""

    def give_back(self, piece: Piece) -> None:
        """Take a piece back that was not done: it is the next again."""

    def divide(self, piece: Piece) -> None:
        """Put smaller pieces in the place of one that did not fit, or raise."""


class Lanes:
    """Two threads beside the one that computes; both have ended when it is left.

    Parameters
    ----------
    overlapped : bool
        False: no threads. What is to be read is read when it is asked for, what is to be written is written at once.
    """

    def __init__(self, *, overlapped: bool) -> None:
        self._pools = [ThreadPoolExecutor(1, f"bioconv-{name}") for name in ("read", "write") if overlapped]
        self._written: Future[object] | None = None

    def ahead(self, read: Callable[[], Result]) -> Callable[[], Result]:
        """Begin to read; what is returned gives what was read, or raises what went wrong."""
        return self._pools[0].submit(read).result if self._pools else read

    def behind(self, write: Callable[[], object]) -> None:
        """Begin to write as soon as what was to be written before is; raises what went wrong with that."""
        if not self._pools:
            write()
            return
        self._wait()
        self._written = self._pools[1].submit(write)

    def _wait(self) -> None:
        if self._written is not None:
            self._written.result()

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            for pool in self._pools:
                pool.shutdown(cancel_futures=True)


def flow(
    pieces: Pieces[Piece],
    *,
    load: Callable[[Piece], Loaded],
    compute: Callable[[Loaded], Made],
    keep: Callable[[Piece, Made], object],
    how: Streaming,
) -> None:
    """Do piece after piece: load it, compute, keep what is made of it.

    Parameters
    ----------
    pieces
        Asked for the next one while one is computed.
    load, compute, keep
        Where it is `overlapped`, `load` is called from one thread, `keep` from another; each in order.
    how

    Raises
    ------
    DeviceFullError
        If the device's memory does not hold the smallest piece.
    """

    def begin() -> tuple[Piece, Callable[[], Loaded]] | None:
        piece = pieces.take()
        return None if piece is None else (piece, lanes.ahead(partial(load, piece)))

    with Lanes(overlapped=how.overlapped) as lanes:
        now = begin()
        while now is not None:
            piece, take = now
            following = begin()
            made = _computed(compute, take, how.room)
            del now, take  # what was loaded is done with
            if made is None:
                if following is not None:
                    pieces.give_back(following[0])
                del following
                pieces.divide(piece)
                now = begin()
                continue
            lanes.behind(partial(keep, piece, made))
            del made
            now = following


def _computed(compute: Callable[[Loaded], Made], take: Callable[[], Loaded], room: TileRoom | None) -> Made | None:
    """Return what is made of a piece; None: it did not fit."""

    def attempt() -> Made:
        return compute(take())

    return attempt() if room is None else room.attempt(attempt)
