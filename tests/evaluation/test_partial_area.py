"""Partial areas against scikit-learn, against the area of thin strips, and invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from bioconv.errors import InputError, OptionError
from bioconv.evaluation import auroc, partial_auroc

SAMPLES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def columns(rows):
    return np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], int)


@given(SAMPLES, st.sampled_from([0.05, 0.1, 0.25, 1 / 3, 0.5, 0.9]))
def test_from_0_it_is_scikit_learns(rows, high):
    scores, labels = columns(rows)
    expected = metrics.roc_auc_score(labels, scores, max_fpr=high)
    assert partial_auroc(scores, labels, 0, high) == pytest.approx(expected, abs=1e-12)


@given(SAMPLES, st.floats(0, 0.8), st.floats(0.05, 0.2))
def test_it_is_the_area_of_thin_strips(rows, low, width):
    """The unstandardised area by a midpoint sum over a straight-line reading of scikit-learn's curve."""
    scores, labels = columns(rows)
    high = min(1.0, low + width)
    x, y, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    edges = np.linspace(low, high, 4001)
    strips = np.interp((edges[1:] + edges[:-1]) / 2, x, y).mean() * (high - low)
    chance = (high**2 - low**2) / 2
    expected = (1 + (strips - chance) / (high - low - chance)) / 2
    assert partial_auroc(scores, labels, low, high) == pytest.approx(expected, abs=5e-3)


@given(SAMPLES)
def test_the_whole_range_is_the_area(rows):
    scores, labels = columns(rows)
    assert partial_auroc(scores, labels, 0, 1) == pytest.approx(auroc(scores, labels), abs=1e-12)
    assert partial_auroc(2 * labels, labels, 0.1, 0.3) == 1
    assert partial_auroc(np.zeros(len(labels)), labels, 0.1, 0.3) == pytest.approx(0.5)
    assert partial_auroc(np.exp(scores), labels, 0.1, 0.3) == partial_auroc(scores, labels, 0.1, 0.3)


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (0.3, 0.2), (-0.1, 0.2), (0, 1.1), (float("nan"), 0.2)])
def test_refuses_a_range(low, high):
    with pytest.raises(OptionError, match="the lower first"):
        partial_auroc([1, 2], [0, 1], low, high)
    with pytest.raises(InputError, match="all 2 labels are 1"):
        partial_auroc([1, 2], [1, 1], 0, 0.1)
