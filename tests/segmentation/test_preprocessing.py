"""Windows of intensity: against NumPy's percentiles, and the same whatever part of an image is prepared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import ModelError
from bioconv.segmentation.preprocessing import COLOUR, Preprocessing

RNG = np.random.default_rng(0)


def test_window_is_numpys_percentiles():
    pixels = RNG.integers(0, 4096, (3, 40, 50), np.uint16)
    joint = Preprocessing(COLOUR, low=2, high=95).intensity(pixels)
    assert joint.low == pytest.approx(np.percentile(pixels, 2))
    assert joint.high == pytest.approx(np.percentile(pixels, 95))
    single = Preprocessing(COLOUR, low=2, high=95, per_channel=True).intensity(pixels)
    assert single.low == pytest.approx([np.percentile(channel, 2) for channel in pixels])
    assert single.high == pytest.approx([np.percentile(channel, 95) for channel in pixels])


@given(st.integers(0, 30), st.integers(1, 20), st.sampled_from([np.uint8, np.uint16, np.float32]))
def test_a_tile_is_prepared_as_the_image_is(start, size, dtype):
    pixels = (RNG.random((3, 8, 50)) * 200).astype(dtype)
    preprocessing = Preprocessing(COLOUR, per_channel=True)
    intensity = preprocessing.intensity(pixels)
    cut = np.s_[:, :, start : start + size]
    np.testing.assert_array_equal(
        preprocessing.prepare(pixels[cut], intensity), preprocessing.prepare(pixels, intensity)[cut]
    )


def test_bright_backgrounds_become_dark_and_dark_ones_stay():
    dark = np.full((1, 30, 30), 10, np.uint8)
    dark[0, 5:10, 5:10] = 200
    preprocessing = Preprocessing(low=0, high=100, polarity="dark-background")
    own = preprocessing.prepare(dark, preprocessing.intensity(dark))
    turned = preprocessing.prepare(255 - dark, preprocessing.intensity(255 - dark))
    np.testing.assert_allclose(own, turned, atol=1e-6)
    assert own[0, 0, 0] == 0
    assert own[0, 6, 6] == 1
    assert not Preprocessing(low=0, high=100).intensity(255 - dark).inverted


def test_values_outside_the_window_are_clipped_and_grey_is_repeated_for_colour():
    pixels = np.arange(1000, dtype=np.int16).reshape(1, 20, 50)
    preprocessing = Preprocessing(COLOUR, low=10, high=90)
    prepared = preprocessing.prepare(pixels, preprocessing.intensity(pixels))
    assert prepared.shape == (3, 20, 50)
    assert prepared.min() == 0
    assert prepared.max() == 1
    np.testing.assert_array_equal(prepared[0], prepared[2])
    inside = (pixels - 99.9) / (899.1 - 99.9)  # percentiles of 0..999 by the closed form 9.99 p
    np.testing.assert_allclose(prepared[0], np.clip(inside[0], 0, 1), atol=1e-5)


def test_an_even_image_is_zero_and_what_is_no_number_does_not_count():
    even = np.full((1, 5, 5), 7, np.uint8)
    preprocessing = Preprocessing(polarity="dark-background")
    assert (preprocessing.prepare(even, preprocessing.intensity(even)) == 0).all()
    odd = RNG.random((1, 30, 30)).astype(np.float32)
    clean = preprocessing.intensity(odd[:, 1:])
    odd[0, 0] = np.nan
    found = preprocessing.intensity(odd)
    assert (found.low, found.high) == (clean.low, clean.high)
    assert np.isfinite(preprocessing.prepare(odd, found)).all()
    nothing = np.full((1, 3, 3), np.nan, np.float32)
    assert (preprocessing.prepare(nothing, preprocessing.intensity(nothing)) == 0).all()


def test_json_and_what_it_refuses():
    preprocessing = Preprocessing(("dapi", "actin"), low=0.5, per_channel=True)
    assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing
    with pytest.raises(ModelError, match="contrast"):
        Preprocessing.from_json({"contrast": 1})
    with pytest.raises(ModelError, match="0 < gamma"):
        Preprocessing.from_json({"gamma": 0})
    with pytest.raises(ModelError, match="polarity"):
        Preprocessing.from_json({"polarity": "sideways"})
