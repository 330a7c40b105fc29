"""Overlays: outlines where labels end, the picture beneath them, and strips that leave no trace."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bioconv.images.pictures import to_jpeg, to_png
from bioconv.segmentation.inference.overlay import Contrast, draw_overlay, shrink_factor


def overlay(pixels, labels, *, together=False, largest=2048):
    contrast = Contrast.of(pixels, together=together)
    return draw_overlay(
        lambda rows: pixels[:, rows], lambda rows: labels[rows], labels.shape, contrast, largest=largest
    )


def test_outlines_lie_inside_their_objects_and_nowhere_else():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 60000, (1, 700, 40)).astype(np.uint16)
    labels = np.zeros((700, 40), np.int32)
    labels[500:530, 10:20] = 1  # across the strips
    labels[500:530, 20:30] = 2
    picture = overlay(pixels, labels)
    grey = (picture[..., 0] == picture[..., 1]) & (picture[..., 1] == picture[..., 2])
    inside = np.zeros(labels.shape, bool)
    for start in (10, 20):
        inside[500:530, start : start + 10] = True
        inside[501:529, start + 1 : start + 9] = False
    np.testing.assert_array_equal(~grey, inside)
    assert len(np.unique(picture[inside], axis=0)) == 2
    assert picture[grey].min() == 0
    assert picture[grey].max() == 255


def test_large_images_shrink_to_means():
    pixels = np.arange(70 * 31, dtype=np.float32).reshape(1, 70, 31)
    contrast = Contrast(np.array([0.0]), np.array([70 * 31.0]))
    labels = np.zeros((70, 31), np.int32)
    picture = draw_overlay(lambda rows: pixels[:, rows], lambda rows: labels[rows], (70, 31), contrast, largest=10)
    assert picture.shape == (10, 5, 3)
    for y, x in ((0, 0), (9, 4), (3, 2)):
        mean = pixels[0, 7 * y : 7 * y + 7, 7 * x : 7 * x + 7].mean()
        assert picture[y, x, 0] == pytest.approx(mean / (70 * 31) * 255, abs=1)


def test_colours_are_kept():
    pixels = np.zeros((3, 20, 20), np.uint8)
    pixels[0] = np.linspace(0, 200, 400).reshape(20, 20)
    picture = overlay(pixels, np.zeros((20, 20), int), together=True)
    assert picture[..., 0].max() > 200
    assert not picture[..., 1:].any()


def test_a_flat_image_is_no_problem():
    assert overlay(np.full((1, 4, 4), 7, np.uint8), np.zeros((4, 4), int)).max() == 0


def test_factor():
    assert [shrink_factor((size, 3)) for size in (1, 2048, 2049, 4097)] == [1, 1, 2, 3]


def test_files_open():
    picture = np.random.default_rng(2).integers(0, 255, (9, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(to_png(picture)))), picture)
    assert Image.open(io.BytesIO(to_jpeg(picture))).size == (8, 9)
