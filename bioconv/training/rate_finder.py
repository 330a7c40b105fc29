"""A sweep over learning rates, to choose one from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from torch import nn

from bioconv.errors import OptionError, TrainingError
from bioconv.training.config import TrainConfig
from bioconv.training.data import Samples
from bioconv.training.distributed import Ranks
from bioconv.training.feeding import Feeder
from bioconv.training.finetune import freeze, keep_frozen_eval
from bioconv.training.initialization import initialize
from bioconv.training.interruption import preserved_randomness
from bioconv.training.losses import build_loss
from bioconv.training.stepping import Stepper

_MEMORY = 0.9  # of the smoothed loss
_DIVERGED = 4.0  # times the best smoothed loss: nothing is learnt from there on


@dataclass(frozen=True)
class RateSweep:
    """What a sweep over learning rates found.

    Parameters
    ----------
    rates, losses
        Of each step: the learning rate and the batch's loss before the step was taken.
    smoothed
        The losses, exponentially averaged without bias.
    suggestion
        A tenth of the rate at which the smoothed loss is lowest.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float


def find_learning_rate(
    model: nn.Module,
    train: Samples,
    config: TrainConfig,
    *,
    loss: Callable[[Any, Any], torch.Tensor] | None = None,
    between: tuple[float, float] = (1e-6, 1.0),
    steps: int = 100,
) -> RateSweep:
    """Train a copy of a model with a learning rate that grows exponentially, step by step.

    The learning rate range test (Smith 2017, doi 10.1109/WACV.2017.58). It ends early where the loss has
    grown to four times its best or is no number. The model is left as it was found; it computes where it lies.

    Parameters
    ----------
    between
        First and last learning rate.
    steps
        Number of rates; batches are drawn as in the first epochs of the training itself.

    Raises
    ------
    OptionError
        If the rates or the number of steps make no sense.
    TrainingError
        If the loss is no number from the start.
    """
    low, high = between
    if not 0 < low < high or steps < 3:
        message = f"learning rates {low:g} to {high:g} in {steps} steps; give 0 < low < high and 3 steps or more"
        raise OptionError(message)
    ranks = Ranks(device=next((p.device for p in model.parameters()), torch.device("cpu")))
    config = replace(config, epochs=-(-steps * config.batch_size // max(1, len(train))) + 1)
    rates = [low * (high / low) ** (number / (steps - 1)) for number in range(steps)]
    losses: list[float] = []
    with preserved_randomness(ranks.device):
        trial = copy.deepcopy(model)
        initialize(trial, config)
        freeze(trial, config)
        trial.train()
        keep_frozen_eval(trial)
        stepper = Stepper(trial, build_loss(config) if loss is None else loss, config, ranks=ranks)
        with closing(Feeder(train, config, ranks=ranks).loads(0, 0)) as loads:
            for number, load in enumerate(islice(loads, steps)):
                try:
                    result = stepper.step(load, number, rates[number] / config.learning_rate)
                except TrainingError:
                    if number < 3:
                        raise
                    break
                losses.append(result.loss / result.weight)
                if number >= 3 and smooth(losses)[-1] > _DIVERGED * min(smooth(losses)):
                    break
    return RateSweep(tuple(rates[: len(losses)]), tuple(losses), tuple(smooth(losses)), suggest_rate(rates, losses))


def smooth(losses: Sequence[float]) -> list[float]:
    """Return exponential averages, each divided by the sum of its weights.

    Examples
    --------
    >>> smooth([2.0, 2.0, 2.0])[-1]
    2.0
    """
    average, total, smoothed = 0.0, 0.0, []
    for value in losses:
        average = _MEMORY * average + (1 - _MEMORY) * value
        total = _MEMORY * total + (1 - _MEMORY)
        smoothed.append(round(average / total, 12))
    return smoothed


def suggest_rate(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return a tenth of the rate at which the smoothed loss is lowest, the first rate at least.

    At the lowest point the rate is already about to be too large; where the loss never falls, that leaves the
    first rate.

    Examples
    --------
    >>> suggest_rate([0.001, 0.01, 0.1, 1.0], [5.0, 4.0, 0.0, 90.0])
    0.01
    """
    smoothed = smooth(losses)
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    return max(rates[0], rates[lowest] / 10)
