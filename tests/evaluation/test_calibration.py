from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, logit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.calibration import (
    brier,
    calibration_slope_intercept,
    expected_calibration_error,
    reliability_table,
)
from bioconv.evaluation.logistic import fit_logistic, fit_temperature


def drawn(count=500, seed=0, slope=1.0, intercept=0.0):
    """Probabilities, and labels whose log-odds are a line in the probabilities' log-odds."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=count) * 1.5
    return expit(odds), (rng.random(count) < expit(slope * odds + intercept)).astype(int)


def by_hand(values, labels, bins):
    """Guo et al. 2017, equation 3, sample by sample; a bin holds its upper end."""
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [i for i, p in enumerate(values) if low < p <= high or (number == 0 and p == 0)]
        if inside:
            total += abs(sum(labels[i] - values[i] for i in inside))
    return total / len(values)


# Tenths lie on the edges of the bins.
PROBABILITY = st.floats(0, 1) | st.integers(0, 10).map(lambda n: n / 10)


@given(st.lists(st.tuples(PROBABILITY, st.integers(0, 1)), min_size=1, max_size=30), st.sampled_from([1, 2, 5, 7, 10]))
def test_error_by_hand(rows, bins):
    values, labels = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    assert expected_calibration_error(values, labels, bins=bins) == pytest.approx(by_hand(values, labels, bins))
    for by in ("width", "count"):
        table = reliability_table(values, labels, bins=bins, by=by)
        assert sum(one.count for one in table) == len(rows)
        error = sum(one.count * abs(one.predicted - one.observed.value) for one in table) / len(rows)
        assert expected_calibration_error(values, labels, bins=bins, by=by) == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize(("by", "strategy"), [("width", "uniform"), ("count", "quantile")])
def test_bins_are_scikit_learns(by, strategy):
    values, labels = drawn()
    values[:150] = 0  # more than a bin's worth of equal ones
    observed, predicted = calibration_curve(labels, values, n_bins=10, strategy=strategy)
    table = reliability_table(values, labels, by=by)
    np.testing.assert_allclose([one.predicted for one in table], predicted)
    np.testing.assert_allclose([one.observed.value for one in table], observed)
    for one in table:
        assert one.low <= one.predicted <= one.high
        assert one.observed.low <= one.observed.value <= one.observed.high


def test_equal_counts():
    values, labels = drawn(1000)
    assert [one.count for one in reliability_table(values, labels, by="count")] == [100] * 10


def test_brier_is_scikit_learns():
    values, labels = drawn()
    assert brier(values, labels) == pytest.approx(brier_score_loss(labels, values))


def likelihood(parameters, scores, targets):
    x = parameters[0] * scores + parameters[1]
    return np.sum(np.logaddexp(0, x) - targets * x)


@pytest.mark.parametrize("scale", [1, 1e-6, 1e5])
def test_logistic_is_scikit_learns(scale):
    values, labels = drawn(300, slope=0.7, intercept=-1)
    scores = logit(values) * scale + 3 * scale
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(values)[:, None] + 3, labels)
    slope, intercept = fit_logistic(scores, labels)
    assert (slope * scale, intercept) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), rel=1e-4)
    curve = fit_logistic(scores, labels)
    np.testing.assert_allclose(
        curve.probabilities(scores), model.predict_proba(logit(values)[:, None] + 3)[:, 1], rtol=1e-4
    )


def test_smoothed_targets_are_platts():
    scores, labels = np.array([-3.0, -1, 0, 1, 2, 4]), np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(InputError, match="separates the classes"):
        fit_logistic(scores, labels)
    targets = np.where(labels, 4 / 5, 1 / 5)
    best = minimize(likelihood, [0, 0], (scores, targets), tol=1e-12).x
    assert tuple(fit_logistic(scores, labels, smoothed=True)) == pytest.approx(tuple(best), abs=1e-5)


def test_slope_and_intercept_against_a_general_optimiser():
    values, labels = drawn(400, slope=0.6, intercept=0.5)
    odds = logit(values)
    slope, intercept = calibration_slope_intercept(values, labels)
    assert slope.value == pytest.approx(minimize(likelihood, [1, 0], (odds, labels), tol=1e-12).x[0], rel=1e-4)
    shift = minimize_scalar(lambda x: likelihood((1, x), odds, labels), tol=1e-12).x
    assert intercept.value == pytest.approx(shift, rel=1e-4)
    # The information by differences of the likelihood, not by its formula.
    step = 1e-3
    bend = sum(s * likelihood((1, shift + d), odds, labels) for s, d in ((1, -step), (-2, 0), (1, step))) / step**2
    assert intercept.error == pytest.approx(bend**-0.5, rel=1e-3)
    assert intercept.high - intercept.low == pytest.approx(2 * 1.959964 * intercept.error, rel=1e-6)


def test_coverage_of_slope_and_intercept():
    held = np.zeros(2)
    for seed in range(200):
        slope, intercept = calibration_slope_intercept(*drawn(300, seed))
        held += [slope.low <= 1 <= slope.high, intercept.low <= 0 <= intercept.high]
    assert (held >= 180).all()
    assert (held <= 199).all()


@pytest.mark.parametrize("classes", [2, 5])
def test_temperature_against_a_general_optimiser(classes):
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(400, classes)) * 3
    labels = np.array([rng.choice(classes, p=np.exp(row / 2) / np.exp(row / 2).sum()) for row in logits])
    rows = np.arange(400)
    best = minimize_scalar(
        lambda t: -log_softmax(logits / t, axis=1)[rows, labels].sum(), bounds=(0.1, 50), method="bounded",
        options={"xatol": 1e-9},
    ).x  # fmt: skip
    assert fit_temperature(logits, labels) == pytest.approx(best, rel=1e-5)
    assert fit_temperature(logits * 7 + 100, labels) == pytest.approx(7 * best, rel=1e-5)
    if classes == 2:
        assert fit_temperature(logits[:, 1] - logits[:, 0], labels) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: brier([0.5, 1.2], [0, 1]), InputError, "values go from 0.5 to 1.2"),
        (lambda: brier([0.5], [0.5]), InputError, "expected 0 or 1"),
        (lambda: reliability_table([0.5], [1], bins=0), OptionError, "bins=0"),
        (lambda: reliability_table([0.5], [1], by="size"), OptionError, "by='size'"),
        (lambda: calibration_slope_intercept([0.1, 0.9], [0, 1]), InputError, "separates"),
        (lambda: calibration_slope_intercept([0.5, 0.5], [0, 1]), InputError, "equal"),
        (lambda: calibration_slope_intercept([0.5, 0.6], [1, 1]), InputError, "missing"),
        (lambda: fit_logistic([1, 1], [0, 1]), InputError, "not all equal"),
        (lambda: fit_logistic([1, np.inf], [0, 1]), InputError, "finite"),
        (lambda: fit_temperature([2.0, -2.0], [1, 0]), InputError, "best temperature is 0"),
        (lambda: fit_temperature([-2.0, 1.0], [1, 0]), InputError, "no better than chance"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
