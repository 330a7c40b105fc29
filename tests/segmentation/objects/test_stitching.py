from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from bioconv.errors import InputError, OptionError
from bioconv.segmentation.objects.stitching import stitch_planes

STACKS = hnp.arrays(np.int32, (3, 4, 5), elements=st.sampled_from([0, 0, 1, 2, 50]))


def test_balls_are_put_together_again():
    """Apart in space, so that connected components say what belongs together."""
    grid = np.indices((12, 40, 40))
    balls = np.zeros(grid.shape[1:], bool)
    for centre, radius in (((5, 10, 10), 4.5), ((6, 28, 12), 5.5), ((4, 20, 30), 3.5), ((9, 9, 30), 2.5)):
        balls |= sum((a - b) ** 2 for a, b in zip(grid, centre, strict=True)) < radius**2
    planes = np.stack([ndimage.label(plane)[0] for plane in balls])
    np.testing.assert_array_equal(stitch_planes(planes, 0.2), ndimage.label(balls)[0])


@given(STACKS, st.sampled_from([0.1, 0.5, 0.9]))
def test_what_joins(stack, iou):
    joined = stitch_planes(stack, iou)
    np.testing.assert_array_equal(joined > 0, stack > 0)
    values, first = np.unique(joined[joined > 0], return_index=True)
    assert values.tolist() == list(range(1, len(values) + 1))
    assert (np.diff(first) > 0).all()
    for z in range(3):  # within a plane nothing changes but names
        assert len(np.unique(np.stack([stack[z].ravel(), joined[z].ravel()]), axis=1).T) == len(np.unique(stack[z]))
    for low, high in ((0, 1), (1, 2)):
        for value in set(np.unique(joined[low])) & set(np.unique(joined[high])) - {0}:
            a, b = joined[low] == value, joined[high] == value
            assert (a & b).sum() / (a | b).sum() >= iou
        assert set(np.unique(joined[high])) & set(np.unique(joined[:low])) <= {0} | set(np.unique(joined[low]))


def test_a_branch_goes_on_in_the_larger():
    stack = np.array([[[1, 1, 1, 1, 1, 1]], [[4, 4, 4, 4, 0, 6]]])
    assert stitch_planes(stack, 0.1).tolist() == [[[1] * 6], [[1, 1, 1, 1, 0, 2]]]


def test_refuses():
    with pytest.raises(InputError, match=r"expected \(Z, Y, X\)"):
        stitch_planes(np.zeros((4, 4), int))
    with pytest.raises(OptionError, match="IoU for joining planes is 0"):
        stitch_planes(np.zeros((1, 4, 4), int), 0)
    with pytest.raises(InputError, match="whole numbers"):
        stitch_planes(np.zeros((1, 4, 4)))
    assert stitch_planes(np.zeros((0, 4, 4), int)).shape == (0, 4, 4)
