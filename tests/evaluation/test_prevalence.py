"""Predictive values against Bayes' rule in fractions; their intervals by the coverage of every possible outcome."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from bioconv.errors import OptionError
from bioconv.evaluation import operating_point, predictive_intervals, predictive_values
from bioconv.evaluation.prevalence import recall_rate_at

COUNTS = st.tuples(*[st.integers(0, 12)] * 4).filter(lambda n: n[0] + n[1] > 0 and n[2] + n[3] > 0)


def point(tp, fn, fp, tn):
    scores = np.repeat([1, 0, 1, 0], [tp, fn, fp, tn])
    return operating_point(scores, np.repeat([1, 1, 0, 0], [tp, fn, fp, tn]), 0.5)


@given(COUNTS, st.fractions(Fraction(1, 1000), Fraction(999, 1000)))
def test_values_are_bayes_rule(counts, prevalence):
    """Of a population counted out: how many of those called are positive."""
    tp, fn, fp, tn = counts
    share = Fraction(tp, tp + fn), Fraction(tn, fp + tn)
    ours = predictive_intervals(point(*counts), float(prevalence))
    for value, right, wrong in (
        (ours[0], share[0] * prevalence, (1 - share[1]) * (1 - prevalence)),
        (ours[1], share[1] * (1 - prevalence), (1 - share[0]) * prevalence),
    ):
        if right + wrong == 0:
            assert np.isnan(value.value)
            assert (value.low, value.high) == (0, 1)
            continue
        assert value.value == pytest.approx(float(right / (right + wrong)), abs=1e-12)
        assert 0 <= value.low <= value.value + 1e-12
        assert value.value <= value.high + 1e-12 <= 1 + 1e-9
    plain = predictive_values(float(share[0]), float(share[1]), float(prevalence))
    assert plain == pytest.approx([one.value for one in ours], nan_ok=True)


def test_at_the_samples_own_prevalence_it_is_the_precision():
    found = point(18, 2, 30, 150)
    ppv, npv = predictive_intervals(found, 20 / 200)
    assert ppv.value == pytest.approx(found.precision.value)
    assert npv.value == pytest.approx(found.negative_predictive_value.value)
    assert recall_rate_at(found, 20 / 200).value == pytest.approx(found.recall_rate.value)


def test_the_logit_interval_is_the_formula():
    """Written out: the variance of the logarithm of a likelihood ratio."""
    from math import exp, log, sqrt

    tp, fn, fp, tn, p = 18, 2, 30, 150, 0.01
    se, sp = tp / (tp + fn), tn / (fp + tn)
    middle = log(se * p / ((1 - sp) * (1 - p)))
    half = 1.959963984540054 * sqrt((1 - se) / (se * (tp + fn)) + sp / ((1 - sp) * (fp + tn)))
    ends = [1 / (1 + exp(-(middle - half))), 1 / (1 + exp(-(middle + half)))]
    ppv = predictive_intervals(point(tp, fn, fp, tn), p)[0]
    assert [ppv.low, ppv.high] == pytest.approx(ends)


def test_without_a_false_positive_the_lower_end_is_that_of_adjusted_counts():
    """Written out: 1.92 added to successes and failures of both rates."""
    from math import exp, log, sqrt

    half, p = 1.959963984540054**2 / 2, 0.01
    se, wrong = (18 + half) / (20 + 2 * half), half / (180 + 2 * half)
    error = sqrt((1 - se) / (18 + half) + (1 - wrong) / half)
    low = 1 / (1 + exp(-(log(se * p / (wrong * (1 - p))) - 1.959963984540054 * error)))
    ppv = predictive_intervals(point(18, 2, 0, 180), p)[0]
    assert (ppv.value, ppv.low, ppv.high) == (1, pytest.approx(low), 1)


@pytest.mark.parametrize(("se", "sp"), [(0.9, 0.9), (0.6, 0.95), (0.85, 0.7), (0.97, 0.99)])
def test_coverage_over_every_outcome(se, sp):
    """The chance that an interval holds the truth, by adding up all outcomes of 40 positives and 60 negatives."""
    prevalence, held = 0.02, np.zeros(3)
    truth = [*predictive_values(se, sp, prevalence), prevalence * se + (1 - prevalence) * (1 - sp)]
    weight = {
        (tp, tn): binom.pmf(tp, 40, se) * binom.pmf(tn, 60, sp) for tp, tn in itertools.product(range(41), range(61))
    }
    for (tp, tn), chance in weight.items():
        if chance < 1e-7:
            continue
        found = point(tp, 40 - tp, 60 - tn, tn)
        both = *predictive_intervals(found, prevalence), recall_rate_at(found, prevalence)
        held += [chance * (one.low <= true <= one.high) for one, true in zip(both, truth, strict=True)]
    assert (held > 0.92).all()
    assert (held[:2] < 0.995).all()


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, 6, float("nan")])
def test_refuses_a_prevalence(prevalence):
    for called in (predictive_intervals, recall_rate_at):
        with pytest.raises(OptionError, match="give a share between 0 and 1"):
            called(point(1, 1, 1, 1), prevalence)
