"""Changed values against closed forms, SciPy's blur and scikit-image's stains."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import color

from bioconv.images.augmentation import Augmentation, Draw, draw
from bioconv.images.intensity import change_intensity


@pytest.fixture
def crop():
    return np.random.default_rng(0).uniform(0.05, 1, (3, 24, 30)).astype(np.float32)


def test_no_change_is_a_copy(crop):
    changed = change_intensity(crop, Draw())
    np.testing.assert_array_equal(changed, crop)
    assert changed is not crop
    assert not np.shares_memory(changed, crop)


def test_gains_and_offsets(crop):
    changed = change_intensity(crop, Draw(gains=(2, 1, 0.5), offsets=(0, 1, -1)))
    np.testing.assert_allclose(changed, [2 * crop[0], crop[1] + 1, crop[2] / 2 - 1], rtol=1e-6)


def test_gamma_keeps_0_1_and_signs():
    values = np.array([[-4, -1, 0, 0.25, 1, 4]], np.float32)
    np.testing.assert_allclose(change_intensity(values, Draw(gamma=0.5)), [[-2, -1, 0, 0.5, 1, 2]], rtol=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
def test_blur_is_scipys_within_channels(ndim):
    crop = np.zeros((2, 15, 17, 19)[: 1 + ndim], np.float32)
    crop[0] = np.random.default_rng(0).random(crop.shape[1:])
    changed = change_intensity(crop, Draw(blur_pixels=1.3))
    expected = ndimage.gaussian_filter(crop[0].astype(float), 1.3)
    np.testing.assert_allclose(changed[0], expected, atol=3e-3)
    assert not changed[1].any()


def test_noise_has_its_deviation_and_its_seed():
    flat = np.full((2, 200, 200), 0.5, np.float32)
    noise = change_intensity(flat, Draw(noise=0.1, noise_seed=4)) - flat
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    assert abs(noise.mean()) < 1e-3
    np.testing.assert_array_equal(noise, change_intensity(flat, Draw(noise=0.1, noise_seed=4)) - flat)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.02
    assert abs(noise - (change_intensity(flat, Draw(noise=0.1, noise_seed=5)) - flat)).max() > 0.1


def test_stains_are_scikit_images():
    # Mild stains: in the range that scikit-image does not clip. Its concentrations are in units of log(1e-6).
    rng = np.random.default_rng(0)
    unit = -np.log(1e-6)
    stains = rng.uniform(0, 0.6, (20, 30, 3)) / unit
    image = color.hed2rgb(stains).astype(np.float32)
    gains, shifts = np.array([1.2, 0.8, 1.1]), np.array([0.05, 0.1, 0.02])
    lengths = np.linalg.norm(color.rgb_from_hed, axis=1)
    expected = color.hed2rgb(color.rgb2hed(image) * gains + shifts / lengths / unit)
    drawn = Draw(stain_gains=tuple(gains), stain_shifts=tuple(shifts))
    changed = change_intensity(image.transpose(2, 0, 1), drawn)
    assert abs(changed.transpose(1, 2, 0) - image).max() > 0.05
    np.testing.assert_allclose(changed.transpose(1, 2, 0), expected, atol=1e-4)
    inverted = change_intensity(1 - image.transpose(2, 0, 1), drawn, inverted=True)
    np.testing.assert_allclose(1 - inverted, changed, atol=1e-5)


def test_white_stays_white_under_gains():
    white = np.ones((3, 4, 4), np.float32)
    np.testing.assert_allclose(
        change_intensity(white, Draw(stain_gains=(1.5, 0.6, 2), stain_shifts=(0, 0, 0))), 1, atol=1e-6
    )


def test_constant_stays_constant():
    augmentation = Augmentation(gain=0.2, offset=0.1, gamma=0.2, blur_pixels=2, stain=0.05, channel_gain=0.1)
    rng = np.random.default_rng(0)
    for _ in range(10):
        changed = change_intensity(np.full((3, 12, 12), 0.6, np.float32), draw(augmentation, rng, ndim=2, channels=3))
        np.testing.assert_allclose(changed, np.broadcast_to(changed[:, :1, :1], changed.shape), rtol=1e-5)
        assert changed.dtype == np.float32


def test_channels_must_fit(crop):
    with pytest.raises(ValueError, match=r"drawn for 1 channel\(s\), applied to 3"):
        change_intensity(crop, Draw(gains=(1.0,)))
    with pytest.raises(ValueError, match="stains of 1 channel"):
        change_intensity(crop[:1], Draw(stain_gains=(1.0, 1, 1), stain_shifts=(0.0, 0, 0)))
