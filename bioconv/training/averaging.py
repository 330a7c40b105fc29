"""The exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Averaged weights: after step t, average += (1 - d) (weights - average), d = min(decay, (1 + t) / (10 + t)).

    The decay grows at first so that the weights a model starts from are soon forgotten (as TensorFlow's
    `ExponentialMovingAverage` does). Averaging of weights: Polyak & Juditsky 1992, doi 10.1137/0330046.
    Buffers, such as the statistics of batch normalisation, are averages already and are used as they are.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._live = {name: p for name, p in model.named_parameters() if p.is_floating_point()}
        self.weights = {name: p.detach().clone() for name, p in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` steps, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        live = [parameter.detach() for parameter in self._live.values()]
        torch._foreach_lerp_(list(self.weights.values()), live, 1 - decay)

    @torch.no_grad()
    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Go on from stored averages."""
        for name, average in self.weights.items():
            average.copy_(weights[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model its averaged weights within a block."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, average in self.weights.items():
            live = self._live[name]
            held = live.detach().clone()
            live.copy_(average)
            average.copy_(held)
