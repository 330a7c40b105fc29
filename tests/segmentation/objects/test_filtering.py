from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import measure
from skimage.segmentation import clear_border

from bioconv.errors import InputError
from bioconv.segmentation.objects.filtering import filter_labels

LABELS = st.sampled_from([(5, 6), (1, 4), (4, 4, 4)]).flatmap(
    lambda shape: hnp.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 1, 2, 9]))
)


@given(LABELS, st.integers(0, 6), st.booleans())
def test_small_objects_and_those_at_the_border_are_left_out(labels, size, border):
    edge = np.pad(np.zeros([max(length - 2, 0) for length in labels.shape], bool), 1, constant_values=True)
    edge = edge[tuple(slice(length) for length in labels.shape)]
    odd = [
        value
        for value in range(1, 10)
        if (labels == value).sum() < size or (border and (edge & (labels == value)).any())
    ]
    expected = np.where(np.isin(labels, odd), 0, labels)
    found = filter_labels(labels, min_size=size, drop_border=border)
    np.testing.assert_array_equal(found > 0, expected > 0)
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(found)) == len(np.unique(expected))
    values, first = np.unique(found[found > 0], return_index=True)
    assert (np.diff(first) > 0).all()
    assert values.tolist() == list(range(1, len(values) + 1))


@given(st.integers(0, 2**32 - 1))
def test_connected_objects_are_cleared_as_by_scikit_image(seed):
    labels = measure.label(np.random.default_rng(seed).random((7, 8)) < 0.4)
    expected = clear_border(labels) > 0
    np.testing.assert_array_equal(filter_labels(labels, drop_border=True) > 0, expected)


def test_odd_ones():
    assert filter_labels(np.zeros((0, 3), int), drop_border=True).shape == (0, 3)
    with pytest.raises(InputError, match="float64"):
        filter_labels(np.zeros((2, 2)))
