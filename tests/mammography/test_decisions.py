"""Calibration and thresholds beside a general optimiser, Bayes' rule, and all cuts tried one by one."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from bioconv.errors import ModelError, OptionError
from bioconv.mammography.decisions import Decisions, check_rule, choose_threshold, fit_decisions
from bioconv.mammography.exams import Rule

RNG = np.random.default_rng(3)
LABELS = np.repeat([0, 1], [40, 25])
SCORES = RNG.normal(1.3 * LABELS - 0.4, 1.0)


def test_calibration_is_platts():
    """Maximum likelihood of the smoothed targets, by an optimiser that knows nothing of logistic curves."""
    found = fit_decisions("image", SCORES, LABELS)
    targets = np.where(LABELS == 1, 26 / 27, 1 / 42)

    def loss(parameters):
        x = parameters[0] * SCORES + parameters[1]
        return float((np.logaddexp(0, x) - targets * x).sum())

    best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000})
    assert (found.slope, found.intercept) == pytest.approx(tuple(best.x), abs=1e-5)
    assert (found.positives, found.negatives) == (25, 40)
    expected = 1 / (1 + np.exp(-(best.x[0] * SCORES + best.x[1])))
    np.testing.assert_allclose(found.probabilities(SCORES), expected, atol=1e-5)


@given(st.floats(-5, 5), st.floats(0.001, 0.999))
def test_another_prevalence_is_bayes_rule(score, prevalence):
    """A score's likelihood ratio stays; prior odds are those of the other place."""
    fitted = Decisions("exam", 0.8, -0.3, 30, 90, fit_decisions("exam", SCORES, LABELS).thresholds)
    here = float(fitted.probabilities([score])[0])
    ratio = here / (1 - here) / (30 / 90)
    expected = prevalence * ratio / (prevalence * ratio + 1 - prevalence)
    assert float(fitted.probabilities([score], prevalence=prevalence)[0]) == pytest.approx(expected, rel=1e-9)


def test_the_same_prevalence_changes_nothing():
    fitted = fit_decisions("image", SCORES, LABELS)
    found = fitted.probabilities(SCORES, prevalence=fitted.prevalence)
    np.testing.assert_allclose(found, fitted.probabilities(SCORES), rtol=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=25).filter(
        lambda rows: len({positive for _, positive in rows}) == 2
    ),
    st.sampled_from([0.5, 0.7, 0.9, 1.0]),
)
def test_thresholds_by_trying_every_cut(rows, level):
    scores = np.array([score for score, _ in rows], np.float64)
    labels = np.array([positive for _, positive in rows])
    cuts = [*sorted(set(scores)), math.inf]
    sensitivity = {cut: np.mean(scores[labels] >= cut) for cut in cuts}
    specificity = {cut: np.mean(scores[~labels] < cut) for cut in cuts}
    most = max(sensitivity[cut] + specificity[cut] for cut in cuts)
    best = max(cut for cut in cuts if sensitivity[cut] + specificity[cut] >= most - 1e-12)
    assert choose_threshold("youden", scores, labels) == best
    expected = max(cut for cut in cuts if sensitivity[cut] >= level - 1e-12)
    assert choose_threshold(f"sensitivity={level}", scores, labels) == expected
    expected = min(cut for cut in cuts if specificity[cut] >= level - 1e-12)
    assert choose_threshold(f"specificity={level}", scores, labels) == expected


def test_what_a_threshold_did_is_counted():
    for one in fit_decisions("breast", SCORES, LABELS).thresholds:
        called = one.value <= SCORES
        assert one.sensitivity[0] == pytest.approx(called[LABELS == 1].mean())
        assert one.specificity[0] == pytest.approx((~called[LABELS == 0]).mean())
        assert one.sensitivity[1] <= one.sensitivity[0] <= one.sensitivity[2]


def test_nothing_is_said_rather_than_something_wrong():
    few = np.repeat([0, 1], [40, 9])
    assert fit_decisions("exam", RNG.normal(few, 1), few) is None
    assert fit_decisions("exam", RNG.normal(size=40), np.ones(40)) is None  # no negatives in dev
    assert fit_decisions("exam", np.zeros(65), LABELS) is None  # all alike
    assert fit_decisions("exam", -SCORES, LABELS) is None  # falls with the finding
    # Half of the negatives share the highest score: no threshold leaves 90 % of them out, so the usual rule has none
    scores = np.where(LABELS == 1, 5.0, np.where(np.arange(65) % 2, 5.0, 0.0))
    assert fit_decisions("exam", scores, LABELS, rules=("specificity=0.9",)) is None
    found = fit_decisions("exam", scores, LABELS, rules=("youden", "specificity=0.9"))
    assert [one.rule for one in found.thresholds] == ["youden"]


def test_json_and_back():
    fitted = fit_decisions("image", SCORES, LABELS)
    again = Decisions.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False)))
    assert again == fitted
    older = {name: value for name, value in fitted.to_json().items() if name != "joined"}
    assert Decisions.from_json(older) == fitted


@pytest.mark.parametrize(
    "changed",
    [{"level": "woman"}, {"positives": 0}, {"thresholds": []}, {"slopes": 1}, {"thresholds": [{"rule": "x"}]}],
)
def test_json_that_makes_no_sense(changed):
    with pytest.raises(ModelError):
        Decisions.from_json(fit_decisions("image", SCORES, LABELS).to_json() | changed)


def test_thresholds_by_name():
    fitted = fit_decisions("exam", SCORES, LABELS)
    assert fitted.threshold().rule == "youden"
    assert fitted.threshold("specificity=0.9").value > fitted.threshold("sensitivity=0.9").value
    with pytest.raises(OptionError, match=r"no threshold 'sensitivity=0\.95' for one exam; it has youden, sens"):
        fitted.threshold("sensitivity=0.95")
    for odd in (0, 1, -0.1, math.nan):
        with pytest.raises(OptionError, match="between 0 and 1"):
            fitted.probabilities([0.0], prevalence=odd)


@pytest.mark.parametrize(
    "rule", ["", "best", "youden=1", "sensitivity", "sensitivity=x", "specificity=0", "sensitivity=90"]
)
def test_odd_rules(rule):
    with pytest.raises(OptionError):
        check_rule(rule)


def test_scores_joined_in_another_way_are_not_meant():
    fitted = fit_decisions("exam", SCORES, LABELS)
    assert fitted.hold(Rule())
    assert not fitted.hold(Rule("max", "max"))
    assert replace(fitted, level="image").hold(Rule("max", "max"))
