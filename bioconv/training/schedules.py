"""Learning rates as pure functions of how far training has come. Plain numbers, no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bioconv.errors import OptionError
from bioconv.training.config import TrainConfig

_RISE = 0.3  # share of one-cycle spent rising, and the factor it starts from: as Smith & Topin and torch have it
_START = 1 / 25


@dataclass(frozen=True)
class Progress:
    """How far training has come.

    Parameters
    ----------
    step
        Optimiser steps done, 0 for the first.
    epoch
        Epochs done, 0 in the first.
    steps_per_epoch, total_steps
        Optimiser steps of an epoch, and of the whole training.
    plateaus
        Times the monitored number has stopped improving (`count_plateaus`).
    """

    step: int
    epoch: int
    steps_per_epoch: int
    total_steps: int
    plateaus: int = 0


def learning_rate_factor(config: TrainConfig, progress: Progress) -> float:
    """Return what the learning rate is multiplied with for the coming step.

    With k = `decay`, epochs and steps counted from 0:

    - constant: 1; time: 1 / (1 + k epoch); exponential: exp(-k epoch);
    - sqrt-epoch: k / sqrt(epoch + 1); sqrt-step: k / sqrt(step + 1) (the first counts as number 1);
    - staircase: k to the number of completed `decay_every` epochs; plateau: k to the number of plateaus;
    - cosine: half a cosine over all steps from 1 towards k (Loshchilov & Hutter 2017, arXiv 1608.03983);
    - one-cycle: from 1/25 up to 1 over the first 30 % of the steps, down to k at the last one, both as half
      cosines (Smith & Topin 2018, arXiv 1708.07120).

    Warm-up multiplies any of them with (step + 1) / `warmup_steps` as long as that is below 1.

    Examples
    --------
    >>> half_way = Progress(step=50, epoch=5, steps_per_epoch=10, total_steps=100)
    >>> round(learning_rate_factor(TrainConfig(schedule="cosine", decay=0.0), half_way), 6)
    0.5
    """
    factor = _SHAPES[config.schedule](config, progress)
    if progress.step + 1 < config.warmup_steps:
        factor *= (progress.step + 1) / config.warmup_steps
    return factor


def count_plateaus(values: Sequence[float], patience: int, mode: str) -> int:
    """Return how often a monitored number went `patience` validations without a new best.

    Each plateau starts the count anew; the best is kept. A NaN is no progress. A plateau is seen after its
    last value, as by `torch.optim.lr_scheduler.ReduceLROnPlateau(patience=patience - 1, threshold=0)`.

    Parameters
    ----------
    values
        One number per validation, oldest first.
    mode
        `min` (a loss) or `max` (an AUROC).

    Raises
    ------
    OptionError
        If `mode` is neither, or `patience` is below 1.

    Examples
    --------
    >>> count_plateaus([0.5, 0.4, 0.45, 0.41, 0.42, 0.43], patience=2, mode="min")
    2
    """
    if mode not in {"min", "max"} or patience < 1:
        message = f"plateaus with mode {mode!r} and patience {patience}; mode min or max and 1 or more expected"
        raise OptionError(message)
    sign = 1 if mode == "min" else -1
    best, waited, plateaus = math.inf, 0, 0
    for value in values:
        if sign * value < best:
            best, waited = sign * value, 0
            continue
        waited += 1
        if waited == patience:
            plateaus, waited = plateaus + 1, 0
    return plateaus


def _cosine(config: TrainConfig, progress: Progress) -> float:
    return _anneal(1.0, config.decay, progress.step / max(1, progress.total_steps))


def _one_cycle(config: TrainConfig, progress: Progress) -> float:
    top = _RISE * progress.total_steps - 1
    end = progress.total_steps - 1
    if progress.step <= top:
        return _anneal(_START, 1.0, progress.step / top if top > 0 else 1.0)
    return _anneal(1.0, config.decay, (progress.step - top) / (end - top) if end > top else 1.0)


def _anneal(start: float, end: float, share: float) -> float:
    """Return a number between `start` (share 0) and `end` (share 1), along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, share))) / 2


_SHAPES: dict[str, Callable[[TrainConfig, Progress], float]] = {
    "constant": lambda config, progress: 1.0,
    "time": lambda config, progress: 1 / (1 + config.decay * progress.epoch),
    "exponential": lambda config, progress: math.exp(-config.decay * progress.epoch),
    "sqrt-epoch": lambda config, progress: config.decay / math.sqrt(progress.epoch + 1),
    "sqrt-step": lambda config, progress: config.decay / math.sqrt(progress.step + 1),
    "staircase": lambda config, progress: config.decay ** (progress.epoch // config.decay_every),
    "plateau": lambda config, progress: config.decay**progress.plateaus,
    "cosine": _cosine,
    "one-cycle": _one_cycle,
}
