from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.morphology import h_maxima

from bioconv.segmentation.objects.basins import PixelGraph, borders, join_shallow

IMAGES = st.sampled_from([(1, 9), (6, 7), (3, 4, 4)]).flatmap(
    lambda shape: hnp.arrays(np.int32, shape, elements=st.integers(1, 9))
)


def regions(graph: PixelGraph, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(graph.tops(values), return_inverse=True)


@given(st.sampled_from([(1, 9), (6, 7), (3, 4, 4)]), st.integers(0, 10_000), st.integers(1, 12))
def test_as_many_hills_as_h_maxima(shape, seed, depth):
    """No two values are equal: of equal tops, h-maxima are both or neither."""
    image = np.random.default_rng(seed).permutation(np.arange(1, np.prod(shape) + 1, dtype=np.int32)).reshape(shape)
    graph = PixelGraph.of(np.ones(image.shape, bool))
    values = image.ravel()
    tops, where = regions(graph, values)
    group = join_shallow(
        values[tops], borders(graph, where, values, np.zeros(values.size, np.uint8)), depth=depth, least=0
    )
    cross = ndimage.generate_binary_structure(image.ndim, 1)
    expected = ndimage.label(h_maxima(image, depth, cross), cross)[1]
    # A hill that does not rise by `depth` above anything is no h-maximum, yet the highest of all is an object.
    assert len(np.unique(group)) == max(expected, 1)


@given(IMAGES)
def test_ascent_ends_on_maxima(image):
    """Every pixel beside a higher one goes on; each ends on a top that is no lower, in its own region."""
    graph = PixelGraph.of(image > 3)
    values = image[image > 3]
    end = graph.tops(values)
    assert (values[end] >= values).all()
    np.testing.assert_array_equal(end[end], end)
    for low, high in graph.edges:
        assert (values[low][values[high] > values[low]] < values[end[low]][values[high] > values[low]]).all()
        assert not ((end[low] == low) & (values[high] > values[low])).any()
        assert not ((end[high] == high) & (values[low] > values[high])).any()


@given(IMAGES)
def test_smoothing_equals_convolution(image):
    """Weights 1, 2, 1 along each axis; beyond the array's edge stands the pixel itself."""
    expected = image.astype(np.int64)
    for axis in range(image.ndim):
        expected = ndimage.correlate1d(expected, [1, 2, 1], axis=axis, mode="nearest")
    found = PixelGraph.of(np.ones(image.shape, bool)).smooth(image.ravel())
    np.testing.assert_array_equal(found.reshape(image.shape), expected)


def test_borders_by_hand():
    image = np.array([[9, 3, 8], [9, 5, 8]], np.int32)
    graph = PixelGraph.of(np.ones(image.shape, bool))
    contact = np.array([[0, 100, 7], [0, 200, 7]], np.uint8).ravel()
    found = borders(graph, np.array([0, 0, 1, 0, 0, 1], np.int32), image.ravel(), contact)
    assert (found.first.tolist(), found.second.tolist(), found.saddle.tolist()) == ([0], [1], [5])
    assert found.contact.tolist() == [150]


@pytest.mark.parametrize(
    ("depth", "least", "groups"), [(2, 0, [0, 0, 2]), (1, 0, [0, 1, 2]), (9, 0, [0, 0, 0]), (1, 6, [0, 0, 2])]
)
def test_joining_by_hand(depth, least, groups):
    """Tops of 10, 5 and 8 in a row, with saddles of 4 and 1: the lower one of a pair decides."""
    graph = PixelGraph.of(np.ones((1, 5), bool))
    values = np.array([10, 4, 5, 1, 8], np.int32)
    tops, where = regions(graph, values)
    found = join_shallow(values[tops], borders(graph, where, values, np.zeros(5, np.uint8)), depth=depth, least=least)
    assert found.tolist() == groups
