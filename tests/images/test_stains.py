"""Stains: against scikit-image on whole pictures, and the same in any window."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import combine_stains, hed_from_rgb, rgb2hed, rgb_from_hed
from skimage.data import immunohistochemistry

from bioconv.images.image import image_from_array
from bioconv.images.stains import STAINS, separate_stain


@pytest.mark.parametrize("name", STAINS)
def test_any_window_is_cut_from_the_whole(name):
    picture = immunohistochemistry()[:60, :80]
    source = separate_stain(image_from_array(picture, axes="YXS", spacing=(0.5, 0.5), unit="um"), name.upper())
    assert (source.info.axes, source.info.shape, source.info.channels) == ("YX", (60, 80), (name,))
    assert source.info.spacing == (0.5, 0.5)
    whole = np.maximum(rgb2hed(picture)[..., STAINS.index(name)], 0)
    np.testing.assert_allclose(source.read(), whole, atol=1e-6)
    np.testing.assert_allclose(source.read((slice(7, 20), slice(30, 71))), whole[7:20, 30:71], atol=1e-6)


def test_amounts_that_were_put_in_come_out():
    amounts = np.random.default_rng(0).uniform(0, 0.1, (20, 30, 3))
    picture = (combine_stains(amounts, rgb_from_hed)).astype(np.float32)
    assert np.linalg.matrix_rank(hed_from_rgb) == 3
    for number, name in enumerate(STAINS):
        found = separate_stain(image_from_array(picture, axes="YXS"), name).read()
        np.testing.assert_allclose(found, amounts[..., number], atol=5e-3)


def test_other_channels_and_grey_images_are_left_alone():
    colour = image_from_array(np.zeros((4, 5, 3), np.uint8), axes="YXS")
    assert separate_stain(colour, "red") is colour
    assert separate_stain(colour, None) is colour
    grey = image_from_array(np.zeros((4, 5), np.uint8), axes="YX")
    assert separate_stain(grey, "dab") is grey
