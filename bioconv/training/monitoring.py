"""When a training has found its best and when it ends: functions of plain numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bioconv.errors import OptionError
from bioconv.training.config import TrainConfig

if TYPE_CHECKING:
    from bioconv.training.state import Counters

_LESS_IS_BETTER = ("loss", "error", "mae", "mse", "rmse", "brier", "ece", "distance")


def monitor_mode(name: str) -> str:
    """Return `min` for names of losses and errors, `max` for all others.

    Examples
    --------
    >>> monitor_mode("loss"), monitor_mode("auroc"), monitor_mode("dice_loss")
    ('min', 'max', 'min')
    """
    return "min" if name.lower().endswith(_LESS_IS_BETTER) else "max"


def better(value: float, than: float | None, mode: str) -> bool:
    """Say whether a validated value is progress; one that is no number never is."""
    if math.isnan(value):
        return False
    return than is None or (value < than if mode == "min" else value > than)


def since_best(values: Sequence[float], mode: str) -> int:
    """Return how many values have come since the best one (the first of equals).

    Examples
    --------
    >>> since_best([0.9, 0.5, 0.6, 0.5], "min")
    2
    """
    best, at = None, -1
    for number, value in enumerate(values):
        if better(value, best, mode):
            best, at = value, number
    return len(values) - 1 - at


def monitored(history: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """Return the monitored number of every validation.

    Raises
    ------
    OptionError
        If the validations do not hold it.
    """
    for entry in history:
        if name not in entry:
            known = sorted(set(entry) - {"epoch", "step", "seconds", "learning_rate", "train_loss"})
            message = f"monitor is {name!r}, which is not validated; there is {', '.join(known) or 'no validation'}"
            raise OptionError(message)
    return [float(entry[name]) for entry in history]


def check_monitored(config: TrainConfig, validates: bool, names: Collection[str] | None) -> None:
    """Refuse a configuration that waits for numbers that will not be there.

    Parameters
    ----------
    names
        What will be validated; None: only known when it is.

    Raises
    ------
    OptionError
        If `patience` or the `plateau` schedule are without validation, or `monitor` is not among the names.
    """
    if not validates and (config.patience is not None or config.schedule == "plateau"):
        option = "patience" if config.patience is not None else "schedule plateau"
        message = f"{option} needs a validation part; give one, or leave it out"
        raise OptionError(message)
    if validates and names is not None and config.monitor not in names:
        message = f"monitor is {config.monitor!r}, which is not validated; there is {', '.join(sorted(names))}"
        raise OptionError(message)


def why_stop(config: TrainConfig, done: Counters, *, out_of_time: bool = False) -> str:
    """Return why a training that has come so far ends, a sentence; empty: it goes on."""
    if done.epoch >= config.epochs:
        return f"all {config.epochs} epochs are done"
    if config.max_steps is not None and done.step >= config.max_steps:
        return f"all {config.max_steps} steps are done (max_steps)"
    if config.patience is not None:
        waited = since_best(monitored(done.history, config.monitor), monitor_mode(config.monitor))
        if waited >= config.patience:
            best = f"the best is {done.best_value} in epoch {done.best_epoch}"
            return f"no progress of {config.monitor} in {waited} validations (patience); {best}"
    return f"the time budget of {config.time_budget:g} s is spent" if out_of_time else ""
