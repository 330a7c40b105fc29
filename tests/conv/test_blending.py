"""Gaussian windows against MONAI's, and what averaging must keep: constants, small images, bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv.blending import LEAST, gaussian_weights, run_blended, window_starts
from bioconv.errors import ModelError, OptionError


def blended(function, image, window, overlap, **options):
    """Blend with every pixel's writes counted: twice or never is NaN."""
    shape = image.shape[1:]
    out = np.full((2, *shape), np.inf, np.float32)

    def write(place, values):
        out[:, *place] = np.where(np.isinf(out[:, *place]), values, np.nan)

    run_blended(function, lambda w: image[:, *w], write, shape=shape, window=window, overlap=overlap, **options)
    return out


def depends_on_its_window(pixels):
    """A network that exact tiling cannot run: it subtracts the window's mean."""
    first, second = pixels[0] - pixels.mean(), np.cumsum(pixels[-1], axis=-1)
    return np.stack([first, second])


@pytest.mark.parametrize(
    ("shape", "window"),
    [((100,), (16,)), ((40, 61), (16, 20)), ((16, 45), (16, 16)), ((20, 21, 22), (8, 10, 12)), ((9, 50), (16, 16))],
)
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.8])
def test_results_are_those_of_monai(shape, window, overlap):
    inferers = pytest.importorskip("monai.inferers")
    image = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)

    def on_tensors(batch):
        return torch.stack([torch.from_numpy(depends_on_its_window(one.numpy())) for one in batch])

    expected = inferers.sliding_window_inference(
        torch.from_numpy(image)[None],
        window,
        1,
        on_tensors,
        overlap=overlap,
        mode="gaussian",
        padding_mode="replicate",
    )
    got = blended(depends_on_its_window, image, window, overlap)
    np.testing.assert_allclose(got, expected[0].numpy(), rtol=1e-4, atol=1e-4)


@given(
    st.integers(1, 3).flatmap(
        lambda ndim: st.tuples(
            st.lists(st.integers(1, 30), min_size=ndim, max_size=ndim),
            st.lists(st.integers(1, 12), min_size=ndim, max_size=ndim),
        )
    ),
    st.floats(0, 0.75),
)
@settings(max_examples=60)
def test_constant_in_constant_out(sizes, overlap):
    shape, window = map(tuple, sizes)
    image = np.full((1, *shape), 7, np.float32)
    out = blended(lambda x: np.concatenate([x, -x]), image, window, overlap)
    np.testing.assert_allclose(out[0], 7, rtol=1e-6)
    np.testing.assert_allclose(out[1], -7, rtol=1e-6)


def test_one_pixelwise_function_is_the_same_in_any_window():
    image = np.random.default_rng(1).normal(size=(1, 33, 47)).astype(np.float32)
    for window in ((8, 8), (33, 47), (64, 10)):
        np.testing.assert_allclose(
            blended(lambda x: np.repeat(np.tanh(x), 2, 0), image, window, 0.5)[0],
            np.tanh(image[0]),
            rtol=1e-5,
            atol=1e-6,
        )


@given(st.integers(1, 200), st.integers(0, 300), st.floats(0, 0.99))
def test_windows_cover_the_axis_and_stay_inside(window, more, overlap):
    size = window + more
    starts = window_starts(size, window=window, overlap=overlap)
    assert starts[0] == 0
    assert starts[-1] == size - window
    assert all(0 < after - before <= window for before, after in itertools.pairwise(starts))


def test_weights_are_never_zero_and_even():
    weights = gaussian_weights((64, 32))
    assert weights.min() == np.float32(LEAST)
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    assert weights[31:33, 15:17].min() == weights.max()


def test_every_window_has_the_same_size_and_is_read_once_within_bounds():
    seen, read_at, done = set(), [], []
    image = np.zeros((1, 50, 7), np.float32)

    def function(pixels):
        seen.add(pixels.shape)
        return pixels

    def read(window):
        assert all(0 <= part.start < part.stop <= size for part, size in zip(window, (50, 7), strict=True))
        read_at.append(window)
        return image[:, *window]

    run_blended(
        function,
        read,
        lambda *_: None,
        shape=(50, 7),
        window=(16, 16),
        progress=lambda *state: done.append(state),
    )
    assert seen == {(1, 16, 16)}
    assert len(read_at) == len(done) == 6
    assert done[-1] == (6, 6)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"overlap": 1.0}, OptionError, r"overlap is 1\.0"),
        ({"window": (4, 4)}, OptionError, "do not go together"),
        ({"window": (0,)}, OptionError, "do not go together"),
        ({"function": lambda x: x[:, 1:]}, ModelError, "a value for every pixel"),
    ],
)
def test_what_cannot_be(options, error, match):
    settings = {"function": lambda x: x, "window": (4,), "overlap": 0.5} | options
    function = settings.pop("function")
    with pytest.raises(error, match=match):
        run_blended(function, lambda w: np.zeros((1, 4)), lambda *_: None, shape=(9,), **settings)
