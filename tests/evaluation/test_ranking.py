"""Areas, curves and DeLong's errors against scikit-learn, their definitions pair by pair, and invariances."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.delong import delong_interval, delong_test
from bioconv.evaluation.intervals import wilson_interval
from bioconv.evaluation.ranking import auprc, auroc, precision_recall_curve, roc_curve
from bioconv.evaluation.resampling import bootstrap, paired_bootstrap

# Few distinct scores, so that ties are common; both classes in every example.
SAMPLES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def columns(rows):
    return np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], int)


def drawn(count, seed=0, *, shift=1.0, digits=1):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3 == 0
    return np.round(rng.normal(size=count) + shift * labels, digits), labels


@given(SAMPLES)
def test_areas_and_curves_are_scikit_learns(rows):
    scores, labels = columns(rows)
    assert auroc(scores, labels) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert auprc(scores, labels) == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)
    curve = roc_curve(scores, labels)
    for found, expected in zip(
        (curve.false_positive_rate, curve.true_positive_rate, curve.thresholds),
        metrics.roc_curve(labels, scores, drop_intermediate=False),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    precision, recall, thresholds = metrics.precision_recall_curve(labels, scores)
    ours = precision_recall_curve(scores, labels)
    np.testing.assert_allclose(ours.precision[::-1], precision[:-1], atol=1e-12)
    np.testing.assert_allclose(ours.recall[::-1], recall[:-1], atol=1e-12)
    np.testing.assert_array_equal(ours.thresholds[::-1], thresholds)


@given(SAMPLES, st.randoms(use_true_random=False))
def test_only_the_order_matters(rows, random):
    scores, labels = columns(rows)
    area, precision = auroc(scores, labels), auprc(scores, labels)
    assert auroc(np.exp(scores / 2) - 7, labels) == area
    assert auprc(scores**3 + scores, labels) == precision
    assert auroc(-scores, labels) == pytest.approx(1 - area, abs=1e-12)
    assert auroc(scores, 1 - labels) == pytest.approx(1 - area, abs=1e-12)
    order = list(range(len(rows)))
    random.shuffle(order)
    assert auroc(scores[order], labels[order]) == area
    assert auprc(scores[order], labels[order]) == precision


def by_pairs(*models, labels):
    """Areas and their covariance from every pair of a positive and a negative: DeLong 1988, equations 4 to 6."""
    of_positives, of_negatives = [], []
    for scores in models:
        ones, zeros = scores[labels], scores[~labels]
        wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
        of_positives.append(wins.mean(axis=1))
        of_negatives.append(wins.mean(axis=0))
    covariance = np.cov(of_positives) / labels.sum() + np.cov(of_negatives) / (~labels).sum()
    return [one.mean() for one in of_positives], covariance


@pytest.mark.parametrize("count", [9, 60, 301])
def test_delong_is_the_definition_pair_by_pair(count):
    a, labels = drawn(count, 1)
    b = a + drawn(count, 2, shift=0.3)[0]
    areas, covariance = by_pairs(a, b, labels=labels)
    one = delong_interval(a, labels)
    assert (one.value, one.error) == pytest.approx((areas[0], covariance[0, 0] ** 0.5), rel=1e-12)
    logit = np.log(areas[0] / (1 - areas[0]))
    ends = logit + np.array([-1, 1]) * 1.959964 * one.error / (areas[0] * (1 - areas[0]))
    np.testing.assert_allclose([one.low, one.high], 1 / (1 + np.exp(-ends)), rtol=1e-6)
    error = (covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]) ** 0.5
    difference = delong_test(a, b, labels)
    assert difference.value == pytest.approx(areas[0] - areas[1], rel=1e-9)
    assert difference.high - difference.low == pytest.approx(2 * 1.959964 * error, rel=1e-6)
    from scipy.stats import norm

    assert difference.p == pytest.approx(2 * norm.sf(abs(areas[0] - areas[1]) / error), rel=1e-6)
    back = delong_test(b, a, labels)
    assert (back.value, back.p) == pytest.approx((-difference.value, difference.p))


def test_delong_is_the_jackknife():
    """The jackknife over positives and over negatives gives the variance, on no formula of placements."""
    scores, labels = drawn(120, 5)
    parts = []
    for side in (True, False):
        members = np.flatnonzero(labels == side)
        left_out = [auroc(np.delete(scores, i), np.delete(labels, i)) for i in members]
        parts.append((len(members) - 1) * np.var(left_out))
    # Two-sample U statistics are linear in each side, so that the jackknife is DeLong's estimate exactly.
    assert delong_interval(scores, labels).error ** 2 == pytest.approx(sum(parts), rel=1e-9)


def test_invariance_of_the_comparison():
    a, labels = drawn(90, 3)
    b, _ = drawn(90, 4, shift=0.5)
    assert delong_test(np.exp(a), b * 3 - 1, labels) == delong_test(a, b, labels)
    same = delong_test(a, 2 * a, labels)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_degenerate_areas():
    perfect = delong_interval([1, 2, 3, 4, 5], [0, 0, 0, 1, 1])
    bound = wilson_interval(2, 2)
    assert (perfect.value, perfect.low, perfect.high, perfect.error) == (1, bound.low, 1, 0)
    wrong = delong_interval([5, 4, 3, 2, 1], [0, 0, 0, 1, 1])
    assert (wrong.value, wrong.low) == (0, 0)
    assert wrong.high == pytest.approx(1 - perfect.low)
    constant = delong_interval([1, 1, 1, 1], [0, 1, 0, 1])
    assert constant.value == 0.5
    assert constant.low < 0.2
    assert constant.high > 0.8
    single = delong_interval([1, 2, 3, 4], [0, 0, 1, 0])
    assert 0 < single.low < single.value < single.high < 1
    assert single.error > 0
    assert delong_test([1, 2, 3, 4], [4, 3, 2, 1], [0, 0, 1, 1]).p == 0
    with pytest.raises(InputError, match="1 sample in the smaller class"):
        delong_test([1, 2, 3], [1, 3, 2], [0, 0, 1])


@given(SAMPLES)
def test_interval_holds_the_area(rows):
    interval = delong_interval(*columns(rows))
    assert 0 <= interval.low <= interval.value + 1e-12
    assert interval.value <= interval.high + 1e-12 <= 1 + 1e-12


def test_published_examples():
    """Ratings of 109 tomograms, Hanley & McNeil 1982, table I: area 0.893, standard error 0.032 by their formula."""
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    ratings = np.repeat([*range(5), *range(5)], normal + abnormal)
    area = delong_interval(ratings, np.arange(109) >= 58)
    assert round(area.value, 3) == 0.893
    assert area.error == pytest.approx(0.032, abs=0.002)
    # Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3.
    for (k, n), ends in {
        (81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611), (1, 29): (0.0061, 0.1718),
    }.items():  # fmt: skip
        interval = wilson_interval(k, n)
        assert (round(interval.low, 4), round(interval.high, 4)) == ends


# Albumin, total protein, the K-G score and the outcome (1: the operation helped) of 43 patients with cancer of the
# ovary, the data of DeLong, DeLong & Clarke-Pearson 1988 without records that lack a test.
OVARIAN = """
3.0 5.8 10 0 3.2 6.3 5 1 3.9 6.8 3 1 2.8 4.8 6 0 3.2 5.8 3 1 0.9 4.0 5 0 2.5 5.7 8 0 1.6 5.6 5 1 3.8 5.7 5 1
3.7 6.7 6 1 3.2 5.4 4 1 3.8 6.6 6 1 4.1 6.6 5 1 3.6 5.7 5 1 4.3 7.0 4 1 3.6 6.7 4 0 2.3 4.4 6 1 4.2 7.6 4 0
4.0 6.6 6 0 3.5 5.8 6 1 3.8 6.8 7 1 3.0 4.7 8 0 4.5 7.4 5 1 3.7 7.4 5 1 3.1 6.6 6 1 4.1 8.2 6 1 4.3 7.0 5 1
4.3 6.5 4 1 3.2 5.1 5 1 2.6 4.7 6 1 3.3 6.8 6 0 1.7 4.0 7 0 3.7 6.1 5 1 3.3 6.3 7 1 4.2 7.7 6 1 3.5 6.2 5 1
2.9 5.7 9 0 2.1 4.8 7 1 2.8 6.2 8 0 4.0 7.0 7 1 3.3 5.7 6 1 3.7 6.9 5 1 3.6 6.6 5 1
"""


def test_delongs_own_data():
    """Areas, errors, differences and p-values as SAS/STAT's manual has them: PROC LOGISTIC, comparing ROC curves."""
    albumin, protein, score, outcome = np.array(OVARIAN.split(), float).reshape(-1, 4).T
    tests = {"albumin": albumin, "protein": protein, "score": 10 - score}
    printed = {"albumin": (0.7366, 0.0927), "protein": (0.6478, 0.1000), "score": (0.7258, 0.1028)}
    for name, values in printed.items():
        area = delong_interval(tests[name], outcome)
        assert (round(area.value, 4), round(area.error, 4)) == values
    for name, values in {
        "albumin": (0.0108, -0.1761, 0.1976, 0.9102),
        "protein": (-0.0780, -0.2830, 0.1271, 0.4561),
    }.items():
        found = delong_test(tests[name], tests["score"], outcome)
        assert tuple(round(one, 4) for one in vars(found).values()) == values


def test_delong_is_about_the_bootstrap():
    """Errors and comparisons by drawing samples again, on no formula of variances."""
    albumin, protein, _, outcome = np.array(OVARIAN.split(), float).reshape(-1, 4).T
    again = bootstrap(auroc, albumin, outcome, count=2000)
    assert delong_interval(albumin, outcome).error == pytest.approx(again.error, rel=0.08)
    paired = paired_bootstrap(auroc, albumin, protein, outcome, count=2000)
    tested = delong_test(albumin, protein, outcome)
    assert [tested.low, tested.high] == pytest.approx([paired.low, paired.high], abs=0.025)


def test_coverage():
    """Of 400 samples from known distributions about 95 % of the intervals hold the true area."""
    from scipy.stats import norm

    truth, held = norm.cdf(1.5 / 2**0.5), 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        labels = np.arange(80) < 40
        interval = delong_interval(rng.normal(size=80) + 1.5 * labels, labels)
        held += interval.low <= truth <= interval.high
    assert 0.925 <= held / 400 <= 0.98


def test_a_million_samples():
    rng = np.random.default_rng(0)
    labels = rng.random(1_000_000) < 0.1
    scores = (rng.normal(size=len(labels)) + labels).astype(np.float32)
    assert delong_interval(scores, labels).value == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-9)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1, 2], [1, 1], "all 2 labels are 1"),
        ([1, 2], [0, 0], "all 2 labels are 0"),
        ([1, 2, 3], [0, 1], "3 predictions and 2 labels"),
        ([1, np.nan], [0, 1], "number 1 .* nan"),
        ([1, 2], [0, 2], r"label 1 \(from 0\) is .*2"),
        ([[1, 2]], [0, 1], r"shape \(1, 2\)"),
        (["a", "b"], [0, 1], "not numbers"),
        ([1, 2], [[0], [1]], "labels have shape"),
        ([], [], "0 labels"),
    ],
)
@pytest.mark.parametrize("metric", [auroc, auprc, delong_interval])
def test_refuses(metric, scores, labels, message):
    with pytest.raises(InputError, match=message):
        metric(scores, labels)


def test_wilson():
    """The definition: both ends are proportions whose z statistic is the quantile."""
    for k, n in itertools.product(range(6), [5, 40]):
        interval = wilson_interval(k, n, level=0.9)
        for end in (interval.low, interval.high):
            if 0 < end < 1:
                assert abs(k / n - end) / (end * (1 - end) / n) ** 0.5 == pytest.approx(1.6448536, rel=1e-6)
    assert wilson_interval(0, 7).low == 0
    assert wilson_interval(7, 7).high == 1
    nothing = wilson_interval(0, 0)
    assert (nothing.low, nothing.high) == (0, 1)
    assert np.isnan(nothing.value)
    with pytest.raises(InputError, match="3 successes of 2"):
        wilson_interval(3, 2)
    with pytest.raises(OptionError, match="level is 95"):
        wilson_interval(1, 2, level=95)
