"""Breasts found by pixels: synthetic ones against their truth, and what must not change the answer."""

from __future__ import annotations

import numpy as np
import pytest
from bioconv.datasets.mammography_phantom import synthetic_mammograms
from hypothesis import given
from hypothesis import strategies as st

from bioconv.mammography.breast import Box, bounding_box, chest_wall, find_breast

SEEDS = range(6)


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_synthetic_breasts_are_found(seed):
    for view in synthetic_mammograms(seed, masses={"L": 0.4}):
        breast = find_breast(view.pixels, margin=0)
        assert breast.found
        assert breast.warnings == ()
        assert overlap(breast.mask, view.breast) > 0.93
        assert breast.side == view.chest_side
        assert breast.confidence > 0.3
        assert not breast.mask[:30, 40:160].all()
        for place in (view.nipple, view.mass):
            assert place is None or find_breast(view.pixels).box.holds(*place)


@pytest.mark.parametrize("seed", SEEDS)
def test_letters_are_no_breast(seed):
    for plain, marked in zip(
        synthetic_mammograms(seed, marker=False), synthetic_mammograms(seed, marker=True), strict=True
    ):
        stamped = marked.pixels - plain.pixels > 0.5
        assert stamped.sum() > 50
        found = find_breast(marked.pixels)
        assert not (found.mask & stamped).any()
        assert overlap(found.mask, find_breast(plain.pixels).mask) > 0.99


@pytest.mark.parametrize("width", [2, 5, 10])
def test_a_scanners_frame_is_cut_off(width):
    for view in synthetic_mammograms(1):
        framed = view.pixels.copy()
        framed[:width], framed[-width:], framed[:, :width], framed[:, -width:] = 1, 1, 1, 1
        inner = np.zeros(framed.shape, bool)
        inner[width:-width, width:-width] = True
        found = find_breast(framed)
        assert overlap(found.mask & inner, view.breast & inner) > 0.9
        assert not (found.mask & ~inner).any()
        assert found.box.top >= width or found.box.top > 0
        assert found.side == view.chest_side


def test_mirrored_pixels_give_a_mirrored_answer():
    for view in synthetic_mammograms(2):
        there, back = find_breast(view.pixels), find_breast(view.pixels[:, ::-1])
        assert {there.side, back.side} == {"left", "right"}
        assert there.confidence == pytest.approx(back.confidence, abs=0.02)
        assert overlap(there.mask, back.mask[:, ::-1]) > 0.99


@pytest.mark.parametrize(("gain", "offset"), [(1, 0), (4095, 0), (60000, 500), (0.01, -3)])
def test_unit_and_offset_of_the_greys_do_not_matter(gain, offset):
    view = synthetic_mammograms(4)[2]
    first, second = find_breast(view.pixels), find_breast(view.pixels.astype(np.float64) * gain + offset)
    assert overlap(first.mask, second.mask) > 0.999
    assert first.side == second.side


def test_odd_numbers_count_as_air():
    view = synthetic_mammograms(4)[0]
    odd = view.pixels.copy()
    odd[:5, :50], odd[100, 180] = np.nan, np.inf
    assert overlap(find_breast(odd).mask, view.breast) > 0.93


@pytest.mark.parametrize(
    "image", [np.zeros((50, 40)), np.full((50, 40), 7.0), np.full((9, 9), np.nan), np.ones((1, 1))]
)
def test_nothing_found_is_the_whole_image(image):
    breast = find_breast(image)
    assert not breast.found
    assert breast.box == Box(0, *image.shape[:1], 0, image.shape[1])
    assert breast.mask.all()
    assert "no breast found" in breast.warnings[0]
    assert breast.side == ""


def test_noise_alone_is_no_breast_or_everything():
    breast = find_breast(np.random.default_rng(0).normal(size=(200, 160)))
    assert not breast.found


@pytest.mark.parametrize("shape", [(0, 5), (5,), (2, 3, 4)])
def test_no_plane(shape):
    with pytest.raises(ValueError, match=r"expected \(Y, X\)"):
        find_breast(np.zeros(shape))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31), st.integers(0, 4))
def test_boxes(rows, columns, seed, margin):
    """The box holds every true pixel and no box with a smaller side does."""
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.2
    if not mask.any():
        with pytest.raises(ValueError, match="empty mask"):
            bounding_box(mask)
        return
    box = bounding_box(mask)
    places = np.argwhere(mask)
    assert all(box.holds(y, x) for y, x in places)
    assert mask[box.window].sum() == mask.sum()
    for edge in (mask[box.top], mask[box.bottom - 1], mask[:, box.left], mask[:, box.right - 1]):
        assert edge.any()
    wide = bounding_box(mask, margin=margin)
    assert wide.top == max(places[:, 0].min() - margin, 0)
    assert wide.right == min(places[:, 1].max() + margin + 1, columns)


@pytest.mark.parametrize("bounds", [(3, 3, 0, 1), (-1, 2, 0, 1), (0, 1, 5, 4)])
def test_boxes_without_pixels(bounds):
    with pytest.raises(ValueError, match="holds no pixel"):
        Box(*bounds)


def test_side_of_a_triangle_and_of_nothing():
    triangle = np.tril(np.ones((40, 40)))
    assert chest_wall(triangle)[0] == "left"
    assert chest_wall(triangle[:, ::-1])[0] == "right"
    assert chest_wall(np.zeros((4, 4))) == ("", 0.0)
    assert chest_wall(np.ones((4, 4))) == ("", 0.0)
