"""Filters against scipy.ndimage, and against what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from bioconv.conv import filters
from bioconv.conv.filters import apply_filter
from bioconv.errors import OptionError

BOUNDARIES = ["reflect", "mirror", "nearest", "wrap", "constant"]


def noise(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_named_filters_are_those_of_scipy(ndim, boundary):
    image, mode = noise(*(9, 12, 10)[:ndim]), {"mode": boundary}
    if boundary == "constant":
        mode["cval"] = 0.0
    for axis in range(ndim):
        for ours, theirs in ((filters.sobel, ndimage.sobel), (filters.prewitt, ndimage.prewitt)):
            got = apply_filter(image, ours(axis, ndim=ndim), boundary=boundary)
            np.testing.assert_allclose(got, theirs(image, axis, **mode), atol=1e-12)
    got = apply_filter(image, filters.laplacian(ndim), boundary=boundary)
    np.testing.assert_allclose(got, ndimage.laplace(image, **mode), atol=1e-12)
    got = apply_filter(image, filters.box(5, ndim=ndim), boundary=boundary)
    np.testing.assert_allclose(got, ndimage.uniform_filter(image, 5, **mode), atol=1e-12)
    got = apply_filter(image, filters.gaussian(0.8, ndim=ndim), boundary=boundary)
    np.testing.assert_allclose(got, ndimage.gaussian_filter(image, 0.8, **mode), atol=1e-12)


@given(
    st.integers(1, 3).flatmap(
        lambda ndim: st.tuples(
            st.lists(st.integers(1, 7), min_size=ndim, max_size=ndim),
            st.lists(st.sampled_from([1, 3, 5]), min_size=ndim, max_size=ndim),
        )
    ),
    st.sampled_from(BOUNDARIES),
    st.floats(-3, 3),
)
def test_any_kernel_at_any_boundary(sizes, boundary, value):
    """Also where the kernel is larger than the image."""
    shape, taps = sizes
    image, kernel = noise(*shape), noise(*taps)
    expected = ndimage.correlate(image, kernel, mode=boundary, cval=value)
    np.testing.assert_allclose(apply_filter(image, kernel, boundary=boundary, value=value), expected, atol=1e-12)


def test_every_channel_is_filtered_on_its_own():
    image = noise(2, 3, 8, 9)
    kernel = filters.emboss()
    got = apply_filter(image, kernel)
    for first in range(2):
        for second in range(3):
            np.testing.assert_array_equal(got[first, second], apply_filter(image[first, second], kernel))


@pytest.mark.parametrize("name", filters.FILTERS)
def test_named_kernels_keep_a_constant_or_take_it_away(name):
    image = np.full((6, 7), 5, np.uint8)
    derivative = name.startswith(("sobel", "prewitt", "scharr", "laplacian"))
    got = apply_filter(image, filters.FILTERS[name]())
    np.testing.assert_allclose(got, 0 if derivative else 5, atol=1e-12)


def test_derivatives_of_a_ramp():
    """A slope of 3 along the first axis gives 3 times the kernel's weight, and nothing along the other."""
    ramp = np.repeat(3.0 * np.arange(8)[:, None], 6, axis=1)
    for kernel, weight in ((filters.sobel, 8), (filters.prewitt, 6), (filters.scharr, 32)):
        np.testing.assert_allclose(apply_filter(ramp, kernel(0))[1:-1], 3 * weight)
        np.testing.assert_allclose(apply_filter(ramp, kernel(1)), 0, atol=1e-12)


def test_laplacian_of_a_paraboloid():
    y, x = np.mgrid[:7, :8]
    parabola = y**2 + 2.0 * x**2
    inside = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(apply_filter(parabola, filters.laplacian())[inside], 2 + 4)
    np.testing.assert_allclose(apply_filter(parabola, filters.laplacian(diagonals=True))[inside], 3 * (2 + 4))


def test_laplacian_of_gaussian_is_that_of_scipy_but_for_its_cut_off():
    image = noise(40, 40)
    got = apply_filter(image, filters.laplacian_of_gaussian(2.0, truncate=6))
    np.testing.assert_allclose(got, ndimage.gaussian_laplace(image, 2.0, truncate=6), atol=2e-4)


def test_sharpening_by_nothing_is_the_identity():
    np.testing.assert_array_equal(filters.sharpen(3, amount=0), filters.identity(3))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: apply_filter(noise(5, 5), np.ones((2, 3))), "no middle"),
        (lambda: apply_filter(noise(5, 5), np.ones((3, 3)), boundary="zero"), r"'zero'.*reflect, mirror"),
        (lambda: apply_filter(noise(5), np.ones((3, 3))), r"image of \(5,\)"),
        (lambda: apply_filter(noise(0, 5), np.ones((3, 3))), r"image of \(0, 5\)"),
        (lambda: filters.box(4), "box of 4 pixels"),
        (lambda: filters.gaussian(0), "sigma is 0"),
        (lambda: filters.gaussian(float("nan")), "sigma is nan"),
        (lambda: filters.sobel(2), "axis is 2"),
    ],
)
def test_what_cannot_be(call, match):
    with pytest.raises(OptionError, match=match):
        call()
