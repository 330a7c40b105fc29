from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.classification import accuracy
from bioconv.evaluation.delong import delong_interval, delong_test
from bioconv.evaluation.ranking import auprc, auroc
from bioconv.evaluation.regression import mse, pearson
from bioconv.evaluation.resampling import bootstrap, paired_bootstrap, resamples


def drawn(count, seed=0, shift=1.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    return rng.normal(size=count) + shift * labels, labels


def mean_score(scores, labels):
    return float(np.mean(scores))


def test_mean_has_the_bootstrap_distribution():
    """All resamples of three values, listed: the quantiles and the deviation of the drawn ones are theirs."""
    values = np.array([1.0, 4.0, 16.0])
    every = [np.mean(one) for one in itertools.product(values, repeat=3)]
    drawn_means = resamples(mean_score, values, [1, 1, 1], count=20_000)
    assert set(np.round(drawn_means, 9)) == set(np.round(every, 9))
    assert drawn_means.mean() == pytest.approx(np.mean(every), abs=0.1)
    interval = bootstrap(mean_score, values, [1, 1, 1], count=20_000)
    assert interval.error == pytest.approx(np.std(every), rel=0.03)
    assert (interval.value, interval.low, interval.high) == (7, 1, 16)


def test_error_of_the_area_is_delongs():
    scores, labels = drawn(400)
    assert bootstrap(auroc, scores, labels).error == pytest.approx(delong_interval(scores, labels).error, rel=0.06)
    other = scores + drawn(400, 9, 0)[0]
    exact, found = delong_test(scores, other, labels), paired_bootstrap(auroc, scores, other, labels)
    assert found.value == pytest.approx(exact.value)
    assert found.high - found.low == pytest.approx(exact.high - exact.low, rel=0.1)


def test_resamples_are_stratified():
    seen = []

    def count(scores, labels):
        seen.append((int(labels.sum()), len(labels)))
        return 0.0

    bootstrap(count, np.arange(10), [0] * 7 + [1] * 3, count=50)
    assert set(seen) == {(3, 10)}
    seen.clear()
    bootstrap(count, np.arange(10), [0] * 7 + [1] * 3, count=50, groups=range(10))
    assert len(set(seen)) > 3
    assert {total for _, total in seen} == {10}


def test_groups_stay_whole():
    groups = np.array(list("aabbbc"))
    scores = np.array([1.0, 2, 3, 4, 5, 6])

    def check(values, labels):
        counts = np.array([(values == score).sum() for score in scores])
        for name in "abc":
            assert len(set(counts[groups == name])) == 1
        return float(counts.max())

    again = resamples(check, scores, np.zeros(6), count=200, groups=groups)
    assert set(again) == {1, 2, 3}


def test_copies_within_groups_add_no_certainty():
    """Each sample five times, as a group: the interval is about that of the samples once; unaware it is narrower."""
    scores, labels = drawn(200)
    once = bootstrap(auroc, scores, labels)
    copied = np.repeat(scores, 5), np.repeat(labels, 5)
    aware = bootstrap(auroc, *copied, groups=np.repeat(np.arange(200), 5), count=1000)
    assert aware.error == pytest.approx(once.error, rel=0.12)
    assert bootstrap(auroc, *copied, count=500).error < 0.6 * once.error


def test_seed_decides():
    scores, labels = drawn(50)
    assert bootstrap(auprc, scores, labels, count=100) == bootstrap(auprc, scores, labels, count=100)
    assert bootstrap(auprc, scores, labels, count=100) != bootstrap(auprc, scores, labels, count=100, seed=1)


def test_paired_resamples_are_shared():
    scores, labels = drawn(60)
    same = paired_bootstrap(auroc, scores, np.exp(scores), labels, count=200)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    better = paired_bootstrap(auroc, scores + 3 * labels, scores, labels, count=200)
    assert better.low > 0
    assert better.p == pytest.approx(2 / 201)


@pytest.mark.parametrize(
    ("metric", "count"),
    [(mse, 60), pytest.param(accuracy, 60, marks=pytest.mark.slow), pytest.param(pearson, 120, marks=pytest.mark.slow)],
)
def test_coverage(metric, count):
    """Of 200 samples from a known distribution about 95 % of the intervals hold the true value."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        observed = rng.normal(size=count)
        found = 0.6 * observed + 0.8 * rng.normal(size=count)
        truth = {accuracy: 0.5 + np.arcsin(0.6) / np.pi, mse: 0.8, pearson: 0.6}[metric]
        if metric is accuracy:
            observed, found = (observed > 0).astype(int), (found > 0).astype(int)
        interval = bootstrap(metric, found, observed, count=200, seed=seed, groups=range(count))
        held += interval.low <= truth <= interval.high
    assert 0.9 <= held / 200 <= 0.985


def test_p_is_near_the_normal_one():
    scores, labels = drawn(300, 2)
    other = scores + drawn(300, 8, 0)[0] * 0.6
    found = paired_bootstrap(auroc, scores, other, labels, count=4000)
    error = (found.high - found.low) / 2 / 1.96
    assert found.p == pytest.approx(2 * norm.sf(abs(found.value) / error), abs=0.02)


def test_refuses():
    with pytest.raises(InputError, match="of one group"):
        bootstrap(auroc, [1, 2, 3], [0, 1, 1], groups=["a"] * 3)
    with pytest.raises(InputError, match="2 groups for 3 samples"):
        bootstrap(auroc, [1, 2, 3], [0, 1, 1], groups=["a", "b"])
    with pytest.raises(InputError, match="2 predictions and 3 labels"):
        bootstrap(auroc, [1, 2], [0, 1, 1])
    with pytest.raises(OptionError, match="1 resamples"):
        bootstrap(auroc, [1, 2, 3], [0, 1, 1], count=1)
    with pytest.raises(OptionError, match="level is 2"):
        bootstrap(auroc, [1, 2, 3], [0, 1, 1], level=2)
    with pytest.raises(InputError, match="more than 10 resamples could not be used: all 2 labels are 0"):
        # One group has no positives; the metric needs the label of the other, which is refused too.
        bootstrap(lambda s, y: auroc(s, y * 0), [1, 2], [0, 1], count=10, groups=[0, 1])
