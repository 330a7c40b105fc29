from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.training.monitoring import better, monitor_mode, since_best


@pytest.mark.parametrize(
    ("name", "mode"),
    [("loss", "min"), ("val_loss", "min"), ("brier", "min"), ("ece", "min"), ("mae", "min"), ("auroc", "max"),
     ("dice", "max"), ("f1", "max"), ("matthews", "max"), ("hausdorff_distance", "min")],
)  # fmt: skip
def test_modes(name: str, mode: str) -> None:
    assert monitor_mode(name) == mode


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, math.nan]), max_size=8))
def test_since_best_is_brute_force(values: list[float]) -> None:
    known = [value for value in values if not math.isnan(value)]
    for mode, choose in (("min", min), ("max", max)):
        first = values.index(choose(known)) if known else -1
        assert since_best(values, mode) == len(values) - 1 - first


def test_no_number_is_no_progress() -> None:
    assert not better(math.nan, None, "min")
    assert better(1.0, None, "max")
    assert not better(1.0, 1.0, "max")
