from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.classification import (
    accuracy,
    confusion_matrix,
    f1,
    matthews,
    precision,
    recall,
    specificity,
)
from bioconv.evaluation.multiclass import log_loss, macro_auroc, one_vs_rest_auroc
from bioconv.evaluation.thresholds import (
    operating_point,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)

BINARY = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)
CLASSES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@given(BINARY)
def test_binary_metrics_are_scikit_learns(rows):
    found, truth = np.array(rows).T
    options = {"zero_division": 0}
    assert precision(found, truth) == pytest.approx(metrics.precision_score(truth, found, **options))
    assert recall(found, truth) == pytest.approx(metrics.recall_score(truth, found, **options))
    assert specificity(found, truth) == pytest.approx(metrics.recall_score(truth, found, pos_label=0, **options))
    assert f1(found, truth) == pytest.approx(metrics.f1_score(truth, found, **options))


@given(CLASSES)
def test_class_metrics_are_scikit_learns(rows):
    found, truth = np.array(rows).T
    np.testing.assert_array_equal(
        confusion_matrix(found, truth, classes=4), metrics.confusion_matrix(truth, found, labels=range(4))
    )
    assert accuracy(found, truth) == pytest.approx(metrics.accuracy_score(truth, found))
    assert f1(found, truth, average="macro") == pytest.approx(
        metrics.f1_score(truth, found, average="macro", zero_division=0)
    )
    if len(set(truth)) > 1 and len(set(found)) > 1:
        assert matthews(found, truth) == pytest.approx(metrics.matthews_corrcoef(truth, found), abs=1e-12)
    else:
        assert matthews(found, truth) == 0


def test_many_classes():
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(4), rng.integers(4, size=200)])
    scores = rng.random((204, 4)) + 0.5 * np.eye(4)[labels]
    scores /= scores.sum(axis=1, keepdims=True)
    expected = metrics.roc_auc_score(labels, scores, multi_class="ovr", average=None)
    np.testing.assert_allclose(one_vs_rest_auroc(scores, labels), expected)
    assert macro_auroc(scores, labels) == pytest.approx(expected.mean())
    assert log_loss(scores, labels) == pytest.approx(metrics.log_loss(labels, scores))
    with pytest.raises(InputError, match="sum to 1"):
        log_loss(2 * scores, labels)
    with pytest.raises(InputError, match="from 0 to 3"):
        macro_auroc(scores, labels + 1)
    with pytest.raises(InputError, match="expected \\(n, C\\)"):
        macro_auroc(scores[:, 0], labels)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=25).filter(
        lambda rows: len({label for _, label in rows}) == 2
    ),
    st.floats(0.01, 1),
)
def test_thresholds_by_trying_each(rows, least):
    scores, labels = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    tried = {}
    for threshold in [*sorted(set(scores)), np.inf]:
        called = scores >= threshold
        tried[threshold] = called[labels].mean(), (~called[~labels]).mean()
    best = max(sum(pair) for pair in tried.values())
    assert youden_threshold(scores, labels) == max(t for t, pair in tried.items() if sum(pair) >= best - 1e-9)
    assert threshold_at_sensitivity(scores, labels, least) == max(t for t, p in tried.items() if p[0] >= least - 1e-9)
    assert threshold_at_specificity(scores, labels, least) == min(t for t, p in tried.items() if p[1] >= least - 1e-9)


def test_operating_point():
    rng = np.random.default_rng(1)
    labels = rng.random(300) < 0.3
    scores = rng.normal(size=300) + labels
    point = operating_point(scores, labels, 0.4)
    called = scores >= 0.4
    tn, fp, fn, tp = metrics.confusion_matrix(labels, called).ravel()
    assert (point.true_negatives, point.false_positives, point.false_negatives, point.true_positives) == (
        tn, fp, fn, tp,
    )  # fmt: skip
    assert point.sensitivity.value == pytest.approx(tp / (tp + fn))
    assert point.specificity.value == pytest.approx(tn / (tn + fp))
    assert point.precision.value == pytest.approx(tp / (tp + fp))
    assert point.negative_predictive_value.value == pytest.approx(tn / (tn + fn))
    assert point.accuracy.value == pytest.approx((tp + tn) / 300)
    assert point.f1 == pytest.approx(metrics.f1_score(labels, called))
    assert point.matthews == pytest.approx(metrics.matthews_corrcoef(labels, called))
    from scipy.stats import binomtest

    expected = binomtest(int(tp), int(tp + fn)).proportion_ci(method="wilson")
    assert (point.sensitivity.low, point.sensitivity.high) == pytest.approx(tuple(expected))
    assert operating_point(scores, labels, 1e9).precision.low == 0  # nothing is called


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: confusion_matrix([0, 1.5], [0, 1]), InputError, "whole numbers from 0"),
        (lambda: confusion_matrix([0, -1], [0, 1]), InputError, "whole numbers from 0"),
        (lambda: confusion_matrix(["a"], [0]), InputError, "predictions .* are no classes"),
        (lambda: confusion_matrix([0, 3], [0, 1], classes=2), InputError, "class 3 occurs; expected 0 to 1"),
        (lambda: precision([0, 2], [0, 1]), InputError, "expected 0 or 1"),
        (lambda: f1([0, 2], [0, 1]), InputError, "expected 0 or 1"),
        (lambda: accuracy([], []), InputError, "at least one"),
        (lambda: threshold_at_sensitivity([1, 2], [0, 1], 95), OptionError, "sensitivity is 95"),
        (lambda: threshold_at_specificity([1, 2], [0, 1], 0), OptionError, "specificity is 0"),
        (lambda: operating_point([1, 2], [0, 1], float("nan")), OptionError, "nan"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
