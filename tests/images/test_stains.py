"""Stains: against scikit-image on whole pictures, and the same in any window."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import combine_stains, hed_from_rgb, rgb2hed, rgb_from_hed
from skimage.data import immunohistochemistry

from bioconv.images.image import image_from_array
from bioconv.images.stains import COUNTERSTAIN, STAINS, brown_share, separate_stain


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


def test_brown_is_told_from_pink_and_violet():
    """Pictures made of known amounts of each stain; how many pixels hold DAB is known."""
    rng = np.random.default_rng(0)
    amounts = np.zeros((40, 50, 3))
    amounts[..., 0] = rng.uniform(0.05, 0.3, (40, 50))
    amounts[..., 1] = rng.uniform(0, 0.3, (40, 50))

    def painted():
        # combine_stains wants its amounts over the negative log of a small number, as rgb2hed gives them
        return np.rint(255 * combine_stains(amounts, rgb_from_hed)).astype(np.uint8).transpose(2, 0, 1)

    assert brown_share(painted()) == 0
    amounts[:10] = 0, 0, 0.4
    assert brown_share(painted()) == pytest.approx(10 / 40, abs=0.02)
    assert brown_share(np.full((3, 8, 8), 250, np.uint8)) == 0
    assert brown_share(immunohistochemistry().transpose(2, 0, 1)) == pytest.approx(0.82, abs=0.01)


def test_counterstain_leaves_blue_and_nothing_of_brown():
    """Known amounts; red and blue densities of haematoxylin: 0.65, 0.29, of DAB: 0.27, 0.78 (Ruifrok & Johnston)."""
    rng = np.random.default_rng(1)
    amounts = np.zeros((2, 30, 3))
    amounts[0, :, 0] = rng.uniform(0.1, 0.8, 30)  # haematoxylin
    amounts[1, :, 2] = rng.uniform(0.1, 0.8, 30)  # DAB
    vectors = np.array([[0.65, 0.70, 0.29], [0, 0, 0], [0.27, 0.57, 0.78]])
    picture = np.rint(255 * 10 ** -(amounts @ vectors)).astype(np.uint8)
    found = separate_stain(image_from_array(picture, axes="YXS"), COUNTERSTAIN).read()
    np.testing.assert_allclose(found[0], amounts[0, :, 0] * (0.65 - 0.6 * 0.29), atol=0.02)
    assert (found[1] == 0).all()
    floats = separate_stain(image_from_array(picture / 255.0, axes="YXS"), COUNTERSTAIN).read()
    np.testing.assert_allclose(floats, found, atol=1e-6)


def test_brown_of_a_real_picture_is_no_counterstain():
    picture = immunohistochemistry()
    found = separate_stain(image_from_array(picture, axes="YXS"), COUNTERSTAIN).read()
    density = -np.log10(np.maximum(picture, 1) / 255.0)
    red, green, blue = np.moveaxis(density, -1, 0)
    brown = (density.sum(-1) > 0.4) & (blue > 1.3 * green) & (green > 1.3 * red)
    violet = (density.sum(-1) > 0.4) & (red > 1.2 * blue)
    assert brown.sum() > 50_000
    assert violet.sum() > 5_000
    assert (found[brown] > 0).mean() < 0.05
    assert (found[violet] > 0).all()
