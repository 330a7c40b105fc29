"""Signals that end a training after its step, and randomness left as it was found."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch

from bioconv.runtime import logger
from bioconv.training.draws import sample_keys


class Interruption:
    """Notes the first SIGINT or SIGTERM; the next one does what it did before this block.

    Handlers are installed in the main thread only (elsewhere Python does not allow them) and taken back at
    the end of the block.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()
        logger.warning("%s: finishing the step and saving; once more ends at once", signal.Signals(number).name)

    def _restore(self) -> None:
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


@contextmanager
def preserved_randomness(device: torch.device) -> Iterator[None]:
    """Leave torch's global generators as they were found."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def seed_step(seed: int, step: int, rank: int, device: torch.device) -> None:
    """Make what the model draws itself (dropout) a function of (seed, step, rank)."""
    key = int(sample_keys(seed, step, np.array([rank]))[0] >> np.uint64(1))
    torch.default_generator.manual_seed(key)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(key)
