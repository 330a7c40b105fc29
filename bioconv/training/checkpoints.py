"""When and where a training's state is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bioconv.errors import OptionError, OutputError
from bioconv.training.config import TrainConfig
from bioconv.training.state import Counters, State, check_finite, read_state, write_state


class Checkpoints:
    """`last.safetensors` and `best.safetensors` in a folder, or nothing without one.

    Parameters
    ----------
    data
        What the training data are known by (`data_fingerprint`).
    seconds, steps
        A state is due as soon as one of them has gone by; `steps` None: only the time counts.
    """

    def __init__(
        self, folder: Path | None, config: TrainConfig, data: dict[str, Any], *, seconds: float, steps: int | None
    ) -> None:
        self._folder, self._config, self._data = folder, config, data
        self._seconds, self._steps = seconds, steps
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                message = f"cannot make the folder {folder}: {error.strerror}; give another one"
                raise OutputError(message) from error
        self._saved_at, self._saved_step = time.monotonic(), 0

    @property
    def last(self) -> Path | None:
        """Where the state to resume from is; None without a folder."""
        return None if self._folder is None else self._folder / "last.safetensors"

    def due(self, step: int) -> bool:
        """Say whether the last state is old enough to be replaced."""
        steps = self._steps is not None and step - self._saved_step >= self._steps
        return steps or time.monotonic() - self._saved_at >= self._seconds

    def save(self, counters: Counters, trees: Mapping[str, Any], *, writes: bool, name: str = "last") -> None:
        """Write a state, if this process `writes` and there is a folder.

        Raises
        ------
        TrainingError
            If weights of the model are no numbers: what is on the disk stays.
        OutputError
            If it cannot be written: what is on the disk stays.
        """
        check_finite(trees["model"], f"after step {counters.step}")
        if self._folder is not None and writes:
            path = self._folder / f"{name}.safetensors"
            write_state(path, State(counters, dict(trees), self._config, self._data))
        if name == "last":
            self._saved_at, self._saved_step = time.monotonic(), counters.step

    def read(self) -> State:
        """Return the state to go on from.

        Raises
        ------
        OptionError
            Without a folder.
        TrainingError
            As `read_state`.
        """
        if self.last is None:
            message = "a training can only be resumed from the folder it was kept in; give that folder"
            raise OptionError(message)
        state = read_state(self.last, self._config, self._data)
        self._saved_step = state.counters.step
        return state
