"""Rescaling by windows: torch's antialiased interpolation is the truth, and windows change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.segmentation.inference.rescaling import Rescaled, scaled_shape


def reader(image):
    return lambda window: image[(slice(None), *window)]


@pytest.mark.parametrize("scaled", [(31, 40), (7, 90), (80, 13), (5, 5), (1, 1), (40, 50)])
def test_whole_is_torchs(scaled):
    image = np.random.default_rng(1).random((2, 40, 50), dtype=np.float32)
    truth = torch.nn.functional.interpolate(
        torch.from_numpy(image)[None], size=scaled, mode="bilinear", antialias=True, align_corners=False
    )[0].numpy()
    found = Rescaled(reader(image), image.shape[1:], scaled).read(tuple(slice(0, size) for size in scaled))
    np.testing.assert_allclose(found, truth, atol=2e-6)


@settings(max_examples=40)
@given(st.tuples(*[st.integers(1, 40)] * 4), st.data())
def test_windows_are_cut_from_the_whole(sizes, data):
    shape, scaled = sizes[:2], sizes[2:]
    image = np.random.default_rng(2).random((1, *shape), dtype=np.float32)
    rescaled = Rescaled(reader(image), shape, scaled)
    whole = rescaled.read(tuple(slice(0, size) for size in scaled))
    starts = [data.draw(st.integers(0, size - 1)) for size in scaled]
    window = tuple(slice(at, data.draw(st.integers(at + 1, size))) for at, size in zip(starts, scaled, strict=True))
    np.testing.assert_array_equal(rescaled.read(window), whole[(slice(None), *window)])


def test_a_constant_stays_and_three_axes_go():
    image = np.full((1, 5, 9, 8), 3.5, np.float32)
    found = Rescaled(reader(image), (5, 9, 8), (5, 20, 3)).read((slice(1, 4), slice(0, 20), slice(0, 3)))
    assert found.shape == (1, 3, 20, 3)
    np.testing.assert_allclose(found, 3.5, rtol=1e-6)


def test_shapes_round_to_the_nearest():
    assert scaled_shape((100, 3), (0.255, 0.1)) == (26, 1)
