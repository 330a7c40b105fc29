"""Copies of an image, whatever became of it on the way; and women who only look alike."""

from __future__ import annotations

import io

import numpy as np
import pytest
from bioconv.datasets.mammography_phantom import synthetic_mammograms
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bioconv.images import copies as module
from bioconv.images.copies import ALIKE, SIDE, copies, thumbnail, thumbnail_of
from bioconv.images.image import image_from_array

PHANTOMS = [view.pixels for seed in range(12) for view in synthetic_mammograms(seed, shape=(192, 160), marker=False)]
FIRST = PHANTOMS[0]


def alike(one, other):
    return max((value for *_, value in copies(np.stack([thumbnail(one), thumbnail(other)]), alike=-2)), default=0)


def jpeg(pixels, quality=60):
    stream = io.BytesIO()
    Image.fromarray(np.uint8(pixels * 255)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream), np.float32) / 255


def test_a_thumbnail_is_the_mean_of_boxes():
    pixels = np.random.default_rng(0).random((96, 160))
    mean = pixels.reshape(SIDE, 3, SIDE, 5).mean((1, 3))
    expected = (mean - mean.mean()).ravel()
    np.testing.assert_allclose(thumbnail(pixels), expected / np.linalg.norm(expected), atol=1e-6)


def test_products_are_correlations():
    one, other = PHANTOMS[1], PHANTOMS[5]
    boxes = [own[: 192 // SIDE * SIDE].reshape(SIDE, 6, SIDE, 5).mean((1, 3)).ravel() for own in (one, other)]
    assert float(thumbnail(one) @ thumbnail(other)) == pytest.approx(np.corrcoef(boxes)[0, 1], abs=1e-5)


@given(st.floats(0.05, 20), st.floats(-5, 5))
def test_gain_and_offset_do_not_matter(gain, offset):
    np.testing.assert_allclose(thumbnail(FIRST * gain + offset), thumbnail(FIRST), atol=1e-4)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(FIRST[:, ::-1], id="mirrored"),
        pytest.param(np.kron(FIRST, np.ones((2, 2))), id="twice as large"),
        pytest.param(FIRST.reshape(96, 2, 80, 2).mean((1, 3)), id="half as large"),
        pytest.param(jpeg(FIRST), id="JPEG"),
        pytest.param(jpeg(FIRST[:, ::-1] * 0.7 + 0.1, 80), id="mirrored, darker, JPEG"),
        pytest.param(np.round(FIRST * 255) / 255, id="8 bits"),
    ],
)
def test_copies_are_found(changed):
    assert alike(FIRST, changed) >= ALIKE


@pytest.mark.parametrize("shape", [(64, 48), (50, 33), (100, 90)])
def test_mirrored_images_of_any_size(shape):
    """Boxes that do not lie alike from both sides would tell a mirrored image from its original."""
    pixels = np.random.default_rng(2).random(shape)
    assert alike(pixels, pixels[:, ::-1]) == pytest.approx(1, abs=1e-5)


def test_different_views_are_no_copies():
    assert not list(copies(np.stack([thumbnail(pixels) for pixels in PHANTOMS])))


def test_pairs_come_once_and_an_empty_image_is_nobodys_copy():
    images = [FIRST, PHANTOMS[1], FIRST[:, ::-1], np.zeros((64, 64)), np.zeros((64, 64))]
    found = [(one, other) for one, other, _ in copies(np.stack([thumbnail(own) for own in images]))]
    assert found == [(0, 2)]
    assert np.isfinite(thumbnail(np.ones((3, 2)))).all()


def orientations(grid, turned):
    own = [np.rot90(grid, quarters) for quarters in range(4 if turned else 1)]
    return own + [one[:, ::-1] for one in own]


def compared(thumbnails, alike, turned):
    """Every pair in every orientation."""
    grids = thumbnails.reshape(-1, SIDE, SIDE).astype(np.float64)
    pairs = {}
    for one in range(len(grids)):
        for other in range(one + 1, len(grids)):
            best = max(float((grids[one] * own).sum()) for own in orientations(grids[other], turned))
            if best >= alike:
                pairs[one, other] = best
    return pairs


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("alike", [0.9, 0.99, 0.999])
def test_no_pair_is_missed(alike, turned):
    rng = np.random.default_rng(3)
    images = [*PHANTOMS[:6], FIRST[:, ::-1], FIRST[::-1], np.rot90(FIRST), np.rot90(PHANTOMS[1], 3)[:, ::-1]]
    images += [FIRST + rng.normal(0, noise, FIRST.shape) for noise in (0.1, 0.5, 1, 2)]
    thumbnails = np.stack([thumbnail(own) for own in images])
    found = {(one, other): value for one, other, value in copies(thumbnails, alike=alike, turned=turned)}
    expected = compared(thumbnails, alike, turned)
    assert found == pytest.approx(expected, abs=1e-5)
    assert len(expected) >= (3 if turned else 1)
    assert list(found) == sorted(found)


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_compared_first_is_never_further_apart(turned):
    thumbnails = np.stack([thumbnail(own) for own in np.random.default_rng(5).random((30, 40, 50))])
    low = module._low_frequencies(thumbnails.reshape(-1, SIDE, SIDE), turned)
    assert (low**2).sum(1).min() > 1e-4  # otherwise every pair would be compared
    for one in range(30):
        for other in range(one):
            ways = orientations(thumbnails[other].reshape(SIDE, SIDE), turned)
            nearest = min(np.linalg.norm(thumbnails[one].reshape(SIDE, SIDE) - way) for way in ways)
            assert np.linalg.norm(low[one] - low[other]) <= nearest + 1e-6


def test_pairs_come_in_pieces(monkeypatch):
    thumbnails = np.stack([thumbnail(own) for own in [*PHANTOMS, *PHANTOMS[:5]]])
    whole = list(copies(thumbnails))
    monkeypatch.setattr(module, "_PAIRS", 2)
    assert list(copies(thumbnails)) == whole
    assert len(whole) == 5


@pytest.mark.parametrize("axes", ["YX", "CYX", "ZYX", "TCZYX"])
def test_thumbnails_of_files_are_those_of_their_middle_plane(axes, monkeypatch):
    sizes = {"T": 3, "C": 2, "Z": 4, "Y": 70, "X": 45}
    pixels = np.random.default_rng(4).integers(0, 4000, [sizes[axis] for axis in axes]).astype(np.uint16)
    plane = pixels[1] if "T" in axes else pixels
    plane = plane[..., 2, :, :] if "Z" in axes else plane
    plane = plane.mean(0) if "C" in axes else plane
    for strip in (1 << 20, 500):
        monkeypatch.setattr(module, "_AT_ONCE", strip)
        with image_from_array(pixels, axes=axes) as source:
            np.testing.assert_allclose(thumbnail_of(source), thumbnail(plane.astype(float)), atol=1e-5)


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_has_no_copies(count):
    assert not list(copies(np.zeros((count, SIDE * SIDE), np.float32)))
