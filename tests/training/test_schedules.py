"""Schedules against those of torch where they coincide, and against their formulas."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from bioconv.errors import OptionError
from bioconv.training.config import SCHEDULES, TrainConfig
from bioconv.training.schedules import Progress, count_plateaus, learning_rate_factor


def optimizer(rate: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], rate)


def torch_rates(build, count: int) -> list[float]:
    made = optimizer()
    schedule, rates = build(made), []
    for _ in range(count):
        rates.append(made.param_groups[0]["lr"])
        made.step()
        schedule.step()
    return rates


def by_step(config: TrainConfig, total: int, per_epoch: int = 10) -> list[float]:
    return [learning_rate_factor(config, Progress(step, step // per_epoch, per_epoch, total)) for step in range(total)]


def by_epoch(config: TrainConfig, count: int) -> list[float]:
    return [learning_rate_factor(config, Progress(epoch * 7, epoch, 7, count * 7)) for epoch in range(count)]


def test_cosine_as_torch():
    wanted = torch_rates(lambda made: lr_scheduler.CosineAnnealingLR(made, 50, eta_min=0.2), 50)
    assert by_step(TrainConfig(schedule="cosine", decay=0.2), 50) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("total", [10, 37, 200])
def test_one_cycle_as_torch(total):
    made = optimizer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no step was done yet
        schedule, wanted = lr_scheduler.OneCycleLR(made, 1.0, total_steps=total, cycle_momentum=False), []
        for step in range(total):
            wanted.append(made.param_groups[0]["lr"])
            if step + 1 < total:
                schedule.step()
    found = by_step(TrainConfig(schedule="one-cycle", decay=1 / 25e4), total)
    assert found == pytest.approx(wanted, rel=1e-9)


def test_staircase_and_exponential_as_torch():
    wanted = torch_rates(lambda made: lr_scheduler.StepLR(made, 3, gamma=0.4), 20)
    assert by_epoch(TrainConfig(schedule="staircase", decay=0.4, decay_every=3), 20) == pytest.approx(wanted, rel=1e-9)
    wanted = torch_rates(lambda made: lr_scheduler.ExponentialLR(made, math.exp(-0.3)), 20)
    assert by_epoch(TrainConfig(schedule="exponential", decay=0.3), 20) == pytest.approx(wanted, rel=1e-9)


def test_closed_forms():
    at = Progress(step=24, epoch=8, steps_per_epoch=3, total_steps=100, plateaus=2)

    def factor(name: str) -> float:
        return learning_rate_factor(TrainConfig(schedule=name, decay=0.5), at)

    assert factor("constant") == 1
    assert factor("time") == 0.2
    assert factor("sqrt-epoch") == pytest.approx(0.5 / 3)
    assert factor("sqrt-step") == pytest.approx(0.1)
    assert factor("plateau") == 0.25


def test_warm_up_as_torch_on_top_of_any():
    plain = torch_rates(lambda made: lr_scheduler.LinearLR(made, 0.125, total_iters=7), 20)
    assert by_step(TrainConfig(warmup_steps=8), 20) == pytest.approx(plain, rel=1e-9)
    for name in SCHEDULES:
        cold = by_step(TrainConfig(schedule=name), 20)
        warm = by_step(TrainConfig(schedule=name, warmup_steps=8), 20)
        wanted = [rate * slope for rate, slope in zip(cold, plain, strict=True)]
        assert warm == pytest.approx(wanted, rel=1e-9)


@given(
    name=st.sampled_from(SCHEDULES),
    step=st.integers(0, 10**6),
    total=st.integers(1, 10**6),
    decay=st.floats(0, 1),
    warmup=st.integers(0, 100),
)
def test_factors_are_finite_and_bounded(name, step, total, decay, warmup):
    config = TrainConfig(schedule=name, decay=decay, warmup_steps=warmup)
    factor = learning_rate_factor(config, Progress(step, step // 7, 7, total, plateaus=step % 5))
    assert 0 <= factor <= 1


VALUES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, math.nan]), max_size=40)


@given(values=VALUES, patience=st.integers(1, 5), mode=st.sampled_from(["min", "max"]))
def test_plateaus_as_torch(values, patience, mode):
    made = optimizer(1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(made, mode, factor=0.5, patience=patience - 1, threshold=0, eps=0)
    for value in values:
        schedule.step(value)
    assert 0.5 ** count_plateaus(values, patience, mode) == made.param_groups[0]["lr"]


@pytest.mark.parametrize(("patience", "mode"), [(0, "min"), (3, "lowest")])
def test_plateaus_refuse(patience, mode):
    with pytest.raises(OptionError, match=r"mode min or max and 1 or more expected"):
        count_plateaus([1.0], patience, mode)
