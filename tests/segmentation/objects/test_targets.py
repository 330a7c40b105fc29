from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bioconv.errors import InputError
from bioconv.segmentation.objects.targets import instance_targets

LABELS = st.sampled_from([(1, 1), (1, 7), (6, 9), (9, 4), (3, 4, 5)]).flatmap(
    lambda shape: hnp.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 0, 1, 1, 2, 3, 700]))
)


def brute_force(labels: np.ndarray, reach: float) -> np.ndarray:
    """Return the three maps pixel by pixel, from all pairs of pixels."""
    places = np.argwhere(np.ones(labels.shape))
    away = np.sqrt(((places[:, None] - places[None]) ** 2).sum(-1))
    flat = labels.ravel()
    distance = np.zeros(flat.size)
    for pixel in np.flatnonzero(flat):
        outside = away[pixel][flat != flat[pixel]]
        distance[pixel] = outside.min() if len(outside) else 1
    for value in np.unique(flat):
        distance[flat == value] /= max(distance[flat == value].max(), 1e-9)
    near = [{*flat[away[pixel] <= reach]} - {0} for pixel in range(flat.size)]
    contact = np.array([len(one) > 1 for one in near])
    return np.stack([flat > 0, distance, contact]).reshape(3, *labels.shape)


@given(LABELS, st.sampled_from([0, 1, 1.5, 2, 3]))
def test_equals_brute_force(labels, reach):
    found = instance_targets(labels, reach=reach)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, brute_force(labels, reach), atol=1e-6)


def test_empty_and_full():
    assert not instance_targets(np.zeros((4, 5), np.uint8)).any()
    full = instance_targets(np.full((4, 5), 3, np.uint16))
    np.testing.assert_array_equal(full, np.stack([np.ones((4, 5)), np.ones((4, 5)), np.zeros((4, 5))]))
    assert instance_targets(np.zeros((0, 3), int)).shape == (3, 0, 3)


def test_width_of_the_contact():
    for gap, width in enumerate([4, 3, 2, 1, 0]):
        labels = np.repeat([[1] * 9 + [0] * gap + [2] * 9], 9, axis=0)
        assert instance_targets(labels)[2, 4].sum() == width


def test_refuses():
    with pytest.raises(InputError, match="float64"):
        instance_targets(np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        instance_targets(np.zeros(3, int))
    with pytest.raises(InputError, match="from 0"):
        instance_targets(np.full((3, 3), -1))
