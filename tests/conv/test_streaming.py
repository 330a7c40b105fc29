"""Reading ahead and writing behind: who waits for whom, errors, interruption, and threads that are gone afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
import weakref
from collections import deque

import numpy as np
import pytest
import torch

from bioconv.conv.device_memory import TileRoom
from bioconv.conv.streaming import ONE_BY_ONE, Streaming, flow

BOTH = pytest.mark.parametrize("overlapped", [False, True])
PATIENCE = 30


class Numbers:
    """Pieces 0, 1, ..., of which those that do not fit are divided into fractions."""

    def __init__(self, count):
        self.left = deque(range(count))

    def take(self):
        return self.left.popleft() if self.left else None

    def give_back(self, piece):
        self.left.appendleft(piece)

    def divide(self, piece):
        step = 0.25 if piece == int(piece) else 0.125
        self.left.extendleft([piece + 2 * step, piece + step])


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def steps(**changed):
    """Steps that do nothing, some of them changed."""
    return {"load": lambda piece: piece, "compute": lambda loaded: loaded, "keep": lambda *_: None} | changed


@BOTH
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_piece_goes_through_once_and_in_order(overlapped, count):
    kept = []
    flow(
        Numbers(count),
        load=lambda piece: piece + 100,
        compute=lambda loaded: -loaded,
        keep=lambda *both: kept.append(both),
        how=Streaming(overlapped),
    )
    assert kept == [(number, -number - 100) for number in range(count)]


def test_next_is_read_and_last_is_written_while_one_is_computed():
    reading, computing, threads = [[threading.Event() for _ in range(5)] for _ in range(2)], [], {}
    reading, computing = reading

    def load(piece):
        threads["load"] = threading.current_thread()
        reading[piece].set()
        return piece

    def compute(piece):
        computing[piece].set()
        assert piece == 3 or reading[piece + 1].wait(PATIENCE)
        return piece

    def keep(piece, _):
        threads["keep"] = threading.current_thread()
        assert piece == 3 or computing[piece + 1].wait(PATIENCE)

    flow(Numbers(4), load=load, compute=compute, keep=keep, how=Streaming(overlapped=True))
    assert len({*threads.values(), threading.current_thread()}) == 3


def test_no_more_than_one_is_read_ahead_and_one_is_being_written():
    computed, kept = [], []

    def load(piece):
        assert len(computed) >= piece - 1
        return piece

    def compute(piece):
        assert len(kept) >= piece - 1
        time.sleep(0.002)
        computed.append(piece)
        return piece

    def keep(piece, _):
        time.sleep(0.004 * (piece % 3))
        kept.append(piece)

    flow(Numbers(12), load=load, compute=compute, keep=keep, how=Streaming(overlapped=True))
    assert kept == list(range(12))


def test_without_overlap_nothing_is_read_ahead_and_all_is_in_one_thread():
    seen = []

    def step(name):
        def done(piece, *_):
            seen.append((name, piece, threading.current_thread()))
            return piece

        return done

    flow(Numbers(3), load=step("load"), compute=step("compute"), keep=step("keep"), how=ONE_BY_ONE)
    here = threading.current_thread()
    assert seen == [(name, piece, here) for piece in range(3) for name in ("load", "compute", "keep")]


@BOTH
@pytest.mark.parametrize("step", ["load", "compute", "keep"])
@pytest.mark.parametrize("number", [0, 3, 5])
def test_errors_come_out_as_what_they_are(overlapped, step, number):
    computed = []

    def fails(piece, *_):
        if piece == number:
            raise ZeroDivisionError(step)
        return piece

    def compute(piece):
        computed.append(piece)
        return fails(piece) if step == "compute" else piece

    with pytest.raises(ZeroDivisionError, match=step) as caught:
        flow(Numbers(6), **steps(**{"compute": compute, step: compute if step == "compute" else fails}),
             how=Streaming(overlapped))  # fmt: skip
    assert any(frame.name == "fails" for frame in traceback.extract_tb(caught.tb))
    assert len(computed) <= number + 2  # nothing goes on long after it


@pytest.fixture
def interruptible():
    """A process that was started in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupt_ends_at_once_and_what_was_computed_is_written(interruptible):
    kept = []

    def load(piece):
        if piece == 2:
            os.kill(os.getpid(), signal.SIGINT)  # the caller waits for this piece or computes another
            time.sleep(0.2)
        return piece

    with pytest.raises(KeyboardInterrupt):
        flow(Numbers(100), **steps(load=load, keep=lambda piece, _: kept.append(piece)), how=Streaming(overlapped=True))
    assert kept in ([0], [0, 1])


@BOTH
def test_what_does_not_fit_is_freed_then_divided_and_nothing_is_done_twice(overlapped, monkeypatch):
    alive, kept, ahead = [], [], []

    def array():
        made = np.zeros(3)
        alive.append(weakref.ref(made))
        return made

    def load(piece):
        ahead.append(piece)
        return piece, array()

    def compute(loaded):
        piece, _ = loaded
        held = array()
        if piece in {1, 1.25, 4}:
            raise torch.OutOfMemoryError(f"{held}")
        return piece

    class Pieces(Numbers):
        def divide(self, piece):
            pause = time.monotonic() + PATIENCE
            while any(one() is not None for one in alive) and overlapped and time.monotonic() < pause:
                time.sleep(0.001)  # what was read ahead ends with its reading
            assert all(one() is None for one in alive)
            super().divide(piece)

    flow(Pieces(6), load=load, compute=compute, keep=lambda piece, _: kept.append(piece),
         how=Streaming(overlapped, TileRoom("cpu")))  # fmt: skip
    assert kept == [0, 1.375, 1.5, 1.5, 2, 3, 4.25, 4.5, 5]
    assert (ahead.count(2) > 1) == overlapped


def test_memory_that_runs_out_ahead_is_found_out_too():
    kept, failed = [], []

    def load(piece):
        if piece == 1:
            failed.append(threading.current_thread())
            raise torch.OutOfMemoryError
        return piece

    flow(Numbers(3), **steps(load=load, keep=lambda piece, _: kept.append(piece)),
         how=Streaming(overlapped=True, room=TileRoom("cpu")))  # fmt: skip
    assert kept == [0, 1.25, 1.5, 2]
    assert failed[0] is not threading.current_thread()


def test_without_room_it_is_torchs_error():
    def compute(piece):
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        flow(Numbers(3), **steps(compute=compute), how=ONE_BY_ONE)
