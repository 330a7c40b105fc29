"""Resampling against brute force: every original pixel cut into equal parts, and SciPy's interpolation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from bioconv.images.resampling import resize, weights


def area_mean(values, new):
    """The mean of what each new pixel covers, by cutting both grids into their common parts."""
    parts = math.lcm(len(values), new)
    return np.repeat(values, parts // len(values), axis=0).reshape(new, parts // new, -1).mean(axis=1)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**31))
def test_shrinking_is_the_area_mean(old, new, seed):
    new = min(old, new)
    values = np.random.default_rng(seed).normal(size=(old, 3))
    np.testing.assert_allclose(resize(values, (new, 3)), area_mean(values, new), atol=1e-5)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**31))
def test_growing_is_linear_between_centres(old, new, seed):
    new = max(old, new)
    values = np.random.default_rng(seed).normal(size=(1, old))
    places = (np.arange(new) + 0.5) * old / new - 0.5
    expected = ndimage.map_coordinates(values[0], [places], order=1, mode="nearest")
    np.testing.assert_allclose(resize(values, (1, new))[0], expected, atol=1e-5)


@given(st.integers(1, 40), st.integers(1, 40))
def test_weights_are_shares(old, new):
    found = weights(old, new).toarray()
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    if new <= old:  # each original pixel counts as much as any other
        np.testing.assert_allclose(found.sum(axis=0), new / old, rtol=1e-5)


def test_sixteen_bits_stay():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(resize(values, (256, 256)), values)
    assert len(np.unique(resize(values, (256, 128)))) == 32768


@pytest.mark.parametrize(("shape", "new"), [((0, 3), (1, 1)), ((3,), (1, 1)), ((3, 3), (0, 1))])
def test_no_pixels(shape, new):
    with pytest.raises(ValueError, match="at least one pixel"):
        resize(np.zeros(shape), new)
