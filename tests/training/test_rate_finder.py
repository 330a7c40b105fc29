from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from bioconv.errors import OptionError, TrainingError
from bioconv.training.config import TrainConfig
from bioconv.training.data import ArraySamples
from bioconv.training.rate_finder import find_learning_rate, smooth, suggest_rate

CONFIG = TrainConfig(batch_size=16, loss="mse", optimizer="sgd", workers=0)


def line(size: int = 64) -> tuple[nn.Module, ArraySamples]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, 3, generator=generator)
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.3, -0.2, 0.1]]))
        model.bias.zero_()
    return nn.Sequential(model, nn.Flatten(0)), ArraySamples(inputs, inputs @ torch.tensor([2.0, -1.0, 0.5]))


def test_sweep_finds_a_rate_that_learns() -> None:
    """On a quadratic, SGD diverges beyond 2 / curvature; the suggestion lies below, and the sweep ends there."""
    model, data = line()
    before = [parameter.clone() for parameter in model.parameters()]
    model[0].weight.requires_grad_(True)
    model.eval()
    state = torch.get_rng_state()
    sweep = find_learning_rate(model, data, CONFIG, between=(1e-4, 1e3), steps=80)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training
    curvature = 2 * float(np.linalg.eigvalsh(np.cov(data.inputs.numpy().T)).max())
    assert sweep.rates[-1] > 2 / curvature
    assert len(sweep.rates) == len(sweep.losses) == len(sweep.smoothed) < 80
    assert 1e-3 < sweep.suggestion < 2 / curvature
    ratios = np.diff(np.log(sweep.rates))
    np.testing.assert_allclose(ratios, math.log(1e7) / 79, rtol=1e-9)


def test_first_loss_is_of_the_untouched_model() -> None:
    model, data = line(16)
    sweep = find_learning_rate(model, data, CONFIG, between=(1e-4, 1e-3), steps=5)
    with torch.no_grad():
        expected = float(((model(data.inputs) - data.targets) ** 2).mean())
    assert sweep.losses[0] == pytest.approx(expected, abs=1e-6)
    assert len(sweep.losses) == 5


def test_smoothing_is_a_weighted_mean() -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    for count, smoothed in enumerate(smooth(values), start=1):
        weights = 0.9 ** np.arange(count)[::-1]
        assert smoothed == pytest.approx(np.average(values[:count], weights=weights))


def test_suggestion_lies_below_where_the_loss_turns() -> None:
    rates = np.geomspace(1e-5, 1, 101).tolist()
    losses = [1 / (1 + (rate / 1e-3) ** 2) + (rate > 0.1) * 50 * rate for rate in rates]
    assert 1e-3 < suggest_rate(rates, losses) < 0.1
    assert suggest_rate(rates, sorted(losses)) == rates[0]


def test_no_number_ends_the_sweep_or_is_an_error() -> None:
    model, data = line()
    sweep = find_learning_rate(model, data, CONFIG, between=(1e-2, 1e37), steps=5)
    assert len(sweep.losses) == 3
    assert all(math.isfinite(loss) for loss in sweep.losses)
    data.targets[:] = float("inf")
    with pytest.raises(TrainingError):
        find_learning_rate(model, data, CONFIG)


@pytest.mark.parametrize(("between", "steps"), [((0.0, 1.0), 10), ((1.0, 0.1), 10), ((0.1, 1.0), 2)])
def test_senseless_sweeps_are_refused(between, steps) -> None:
    with pytest.raises(OptionError, match="give 0 < low < high"):
        find_learning_rate(*line(), CONFIG, between=between, steps=steps)
