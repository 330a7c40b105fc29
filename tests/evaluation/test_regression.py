from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from bioconv.errors import InputError
from bioconv.evaluation.regression import mae, mse, pearson, r2, spearman

# Multiples of 1/8: ties are common, and sums are exact.
VALUE = st.integers(-80, 80).map(lambda n: n / 8)
PAIRS = st.lists(st.tuples(VALUE, VALUE), min_size=3, max_size=30).filter(
    lambda rows: all(len(set(column)) > 1 for column in zip(*rows, strict=True))
)


@given(PAIRS)
def test_against_scipy_and_scikit_learn(rows):
    found, truth = np.array(rows).T
    assert pearson(found, truth) == pytest.approx(stats.pearsonr(found, truth).statistic, abs=1e-9)
    assert spearman(found, truth) == pytest.approx(stats.spearmanr(found, truth).statistic, abs=1e-9)
    assert mse(found, truth) == pytest.approx(metrics.mean_squared_error(truth, found))
    assert mae(found, truth) == pytest.approx(metrics.mean_absolute_error(truth, found))
    assert r2(found, truth) == pytest.approx(metrics.r2_score(truth, found))


@given(PAIRS)
def test_scale_does_not_matter(rows):
    found, truth = np.array(rows).T
    assert pearson(found * 1e200 - 3, truth) == pytest.approx(pearson(found, truth), abs=1e-9)
    assert spearman(np.exp(found), truth**3) == pytest.approx(spearman(found, truth), abs=1e-9)
    assert pearson(truth, truth) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "found", "truth", "message"),
    [
        (pearson, [1, 1], [1, 2], "all predicted or all observed"),
        (spearman, [1, 2], [3, 3], "all predicted or all observed"),
        (r2, [1, 2], [3, 3], "no variance to explain"),
        (pearson, [1], [1], "1 sample; at least 2"),
        (mse, [1, 2], [1], "2 predictions and 1 labels"),
        (mae, [np.inf], [1], "not finite"),
        (mae, [1], [np.nan], "observed values: number 0"),
    ],
)
def test_refuses(metric, found, truth, message):
    with pytest.raises(InputError, match=message):
        metric(found, truth)
