"""Balancing against scikit-learn and by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from bioconv.errors import InputError
from bioconv.training.balancing import class_weights, sampling_probabilities

CLASSES = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(lambda values: np.array(values, np.int64))


@given(classes=CLASSES)
def test_weights_as_sklearn(classes):
    weights = class_weights(classes)
    present = np.unique(classes)
    wanted = compute_class_weight("balanced", classes=present, y=classes)
    np.testing.assert_allclose(weights[present], wanted, rtol=1e-6)
    assert not np.delete(weights, present).any()
    assert weights[classes].mean() == pytest.approx(1, rel=1e-5)


@given(classes=CLASSES)
def test_probabilities_make_classes_alike(classes):
    probabilities = sampling_probabilities(classes)
    shares = np.bincount(classes, probabilities)[np.unique(classes)]
    np.testing.assert_allclose(shares, 1 / len(shares), rtol=1e-12)


@pytest.mark.parametrize(("classes", "words"), [([], "no samples"), ([1, -1], "class -1")])
def test_refuses(classes, words):
    with pytest.raises(InputError, match=words):
        class_weights(np.array(classes, np.int64))
    with pytest.raises(InputError, match=words):
        sampling_probabilities(np.array(classes, np.int64))
