"""The next thing to try, on the textbook cases of bias, variance and mismatch."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import OptionError
from bioconv.report.next_step import error_gaps, next_step

ERRORS = st.floats(0, 1)


@pytest.mark.parametrize(
    ("errors", "starts"),
    [
        # (train, train-dev, dev, reference): the examples every course has, cats at 0 % human error and others
        ((0.01, None, 0.11, 0.0), "Variance is the widest gap (0.1,"),
        ((0.15, None, 0.16, 0.0), "Bias is the widest gap (0.15,"),
        ((0.15, None, 0.30, 0.14), "Variance is the widest gap (0.15,"),
        ((0.08, None, 0.10, 0.075), "Variance is the widest gap (0.02,"),
        ((0.08, None, 0.10, 0.01), "Bias is the widest gap (0.07,"),
        ((0.01, 0.015, 0.10, 0.0), "Mismatch is the widest gap (0.085,"),
        ((0.01, 0.09, 0.10, 0.0), "Variance is the widest gap (0.08,"),
        ((0.10, 0.11, 0.12, 0.0), "Bias is the widest gap (0.1,"),
        ((0.02, None, 0.03, 0.04), "The development error (0.03) is at or below the reference (0.04)"),
        ((0.100, 0.101, 0.102, 0.0995), "No gap stands out"),
        ((0.0, None, 0.0, None), "No gap stands out"),
    ],
)
def test_textbook_cases(errors, starts):
    assert next_step(*errors).startswith(starts)


def test_what_is_not_known_is_said():
    assert "A reference level would tell" in next_step(0.3, None, 0.31)
    assert "reference level" not in next_step(0.3, None, 0.31, 0.1)
    assert "A train-dev part would tell" in next_step(0.01, None, 0.31, 0.0)
    assert "train-dev part" not in next_step(0.01, 0.3, 0.31, 0.0)


@given(train=ERRORS, train_dev=st.none() | ERRORS, dev=ERRORS, reference=st.none() | ERRORS)
def test_gaps_add_up_and_the_widest_is_named(train, train_dev, dev, reference):
    gaps = error_gaps(train, train_dev, dev, reference)
    assert sum(gap.size for gap in gaps) == pytest.approx(dev - (reference or 0), abs=1e-12)
    said = next_step(train, train_dev, dev, reference)
    if "widest" in said:
        widest = max(gap.size for gap in gaps)
        assert widest > 0
        assert widest == {gap.name.capitalize(): gap.size for gap in gaps}[said.partition(" ")[0]]


@pytest.mark.parametrize("errors", [(math.nan, None, 0.1), (0.1, math.inf, 0.1), (0.1, None, 0.1, math.nan)])
def test_refuses_what_is_not_finite(errors):
    with pytest.raises(OptionError, match="finite numbers expected"):
        next_step(*errors)
