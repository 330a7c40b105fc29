"""What looks on while a model is trained: progress, a CSV log, JSON lines, TensorBoard."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bioconv import runtime
from bioconv.errors import MissingDependencyError, OutputError
from bioconv.outputs import open_output
from bioconv.wording import unwritable

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is about to be done, and how much of it is done already (by the training that is resumed).

    Parameters
    ----------
    epochs, steps_per_epoch, total_steps
        Of the whole training.
    step
        Steps done already.
    history
        Validations done already.
    """

    epochs: int
    steps_per_epoch: int
    total_steps: int
    step: int
    history: Sequence[Entry]


@dataclass(frozen=True)
class Step:
    """A step that was taken.

    Parameters
    ----------
    epoch, step
        Counted from 1.
    loss
        Of the step's batch, before the step.
    learning_rate
        The largest of the groups'.
    """

    epoch: int
    step: int
    loss: float
    learning_rate: float


class Callback:
    """Something that is told what happens; nothing it does changes the training."""

    def on_start(self, plan: Plan) -> None:
        """Hear what will be done."""

    def on_step(self, step: Step) -> None:
        """Hear of a step."""

    def on_validation(self, entry: Entry) -> None:
        """Hear of a validation: `epoch` (from 1), `step`, `learning_rate`, `train_loss` and what was validated."""

    def on_end(self, reason: str) -> None:
        """Hear why it ended; not called after an error."""


class Progress(Callback):
    """A bar with the time left on a terminal; a line per validation in the log."""

    def __init__(self, description: str = "training") -> None:
        self._description = description
        self._bar: Any = None

    def on_start(self, plan: Plan) -> None:
        """Draw the bar."""
        self._epochs = plan.epochs
        self._bar = runtime.progress(plan.total_steps, self._description, unit="step")
        if plan.step:
            runtime.logger.info("%s goes on after step %d of %d", self._description, plan.step, plan.total_steps)
            self._bar.update(plan.step)

    def on_step(self, step: Step) -> None:
        """Move it."""
        if self._bar is not None:
            self._bar.set_postfix(epoch=f"{step.epoch}/{self._epochs}", loss=f"{step.loss:.4g}", refresh=False)
            self._bar.update()

    def on_validation(self, entry: Entry) -> None:
        """Write a line."""
        said = ("epoch", "step", "seconds")
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in entry.items() if name not in said)
        line = f"epoch {entry['epoch']}/{self._epochs}  step {entry['step']}  {numbers}"
        if self._bar is not None and not self._bar.disable:
            self._bar.clear()
        runtime.logger.info("%s", line)

    def on_end(self, reason: str) -> None:
        """Take the bar away and say why."""
        if self._bar is not None:
            self._bar.close()
        runtime.logger.info("%s ended: %s", self._description, reason)


class CsvLog(Callback):
    """`history.csv`, a row per validation: always the whole history, so that no row is there twice."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_start(self, plan: Plan) -> None:
        """Write what a resumed training has so far."""
        self._rows = [dict(entry) for entry in plan.history]
        self._write()

    def on_validation(self, entry: Entry) -> None:
        """Write a row more."""
        self._rows.append(dict(entry))
        self._write()

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        text = io.StringIO()
        table = csv.DictWriter(text, columns or ["epoch", "step"], lineterminator="\n")
        table.writeheader()
        table.writerows(self._rows)
        with open_output(self._path) as stream:
            stream.write(text.getvalue().encode())


class Events(Callback):
    """Progress appended to a file as JSON lines; steps about once a second."""

    def __init__(self, path: str | Path, *, every: float = 1.0) -> None:
        self._path, self._every = Path(path), every
        self._last = float("-inf")

    def on_start(self, plan: Plan) -> None:
        """Write the `start` (or `resume`) event."""
        event = "resume" if plan.step else "start"
        self._note(event, epochs=plan.epochs, total_steps=plan.total_steps, step=plan.step)

    def on_step(self, step: Step) -> None:
        """Write a `step` event, if the last one is long enough ago."""
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self._note("step", **vars(step))

    def on_validation(self, entry: Entry) -> None:
        """Write a `validation` event."""
        self._note("validation", **entry)

    def on_end(self, reason: str) -> None:
        """Write the `end` event."""
        self._note("end", reason=reason)

    def _note(self, event: str, **facts: Any) -> None:
        # JSON has no NaN: a metric that could not be computed is null.
        known = {name: None if isinstance(fact, float) and fact != fact else fact for name, fact in facts.items()}
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **known})
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        except OSError as error:
            message = f"cannot write the events to {self._path}: {unwritable(self._path, error)}"
            raise OutputError(message) from error


class TensorBoard(Callback):
    """Scalars for TensorBoard: the loss of every step, and what was validated.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            message = "TensorBoard is not installed; pip install tensorboard, or go without it"
            raise MissingDependencyError(message) from error
        self._open: Callable[..., Any] = SummaryWriter
        self._folder = folder

    def on_start(self, plan: Plan) -> None:
        """Open the log; a resumed training hides what an earlier one wrote past its state."""
        self._writer = self._open(str(self._folder), purge_step=plan.step + 1 if plan.step else None)

    def on_step(self, step: Step) -> None:
        """Write the loss and the learning rate."""
        self._writer.add_scalar("step/loss", step.loss, step.step)
        self._writer.add_scalar("step/learning_rate", step.learning_rate, step.step)

    def on_validation(self, entry: Entry) -> None:
        """Write every number."""
        for name, value in entry.items():
            if name not in {"epoch", "step", "seconds"}:
                self._writer.add_scalar(f"validation/{name}", value, entry["step"])

    def on_end(self, reason: str) -> None:
        """Close the log."""
        self._writer.add_text("ended", reason)
        self._writer.close()


def standard_callbacks(
    folder: Path | None = None, *, events: str | Path | None = None, description: str = "training"
) -> list[Callback]:
    """Return what a command shows: progress, events if asked for, TensorBoard (with a folder) if installed."""
    callbacks: list[Callback] = [Progress(description)]
    if events is not None:
        callbacks.append(Events(events))
    if folder is not None:
        try:
            callbacks.append(TensorBoard(folder / "tensorboard"))
        except MissingDependencyError:
            runtime.logger.debug("TensorBoard is not installed: no log for it")
    return callbacks
