"""Prepared mammograms: geometry there and back, greys, settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bioconv.datasets.mammography_phantom import synthetic_mammograms
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import ModelError
from bioconv.mammography.breast import Box
from bioconv.mammography.preparation import Placement, Preparation, prepare
from bioconv.mammography.views import View

SETTINGS = Preparation(size=(128, 80))


def of(phantom, **facts):
    return View(Path("synthetic.png"), "synthetic", "", phantom.laterality, phantom.view, **facts)


@st.composite
def placements(draw):
    def box(rows, columns):
        top, left = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))
        return Box(top, draw(st.integers(top + 1, rows)), left, draw(st.integers(left + 1, columns)))

    original, size = [(draw(st.integers(1, 40)), draw(st.integers(1, 40))) for _ in range(2)]
    return Placement(original, box(*original), draw(st.booleans()), box(*size), size)


@given(placements(), st.floats(-5, 50), st.floats(-5, 50))
def test_points_go_there_and_back(placement, y, x):
    point = np.array([y, x])
    np.testing.assert_allclose(placement.to_original(placement.to_prepared(point)), point, atol=1e-6)
    np.testing.assert_allclose(placement.to_prepared(placement.to_original(point)), point, atol=1e-6)


@given(placements())
def test_corners_of_the_box_are_corners_of_the_content(placement):
    box, content = placement.box, placement.content
    corners = [(y, x) for y in (box.top - 0.5, box.bottom - 0.5) for x in (box.left - 0.5, box.right - 0.5)]
    sides = (content.left - 0.5, content.right - 0.5)
    expected = [
        (y, x) for y in (content.top - 0.5, content.bottom - 0.5) for x in (sides[::-1] if placement.flipped else sides)
    ]
    np.testing.assert_allclose(placement.to_prepared(np.array(corners)), expected, atol=1e-9)


@given(placements())
def test_planes_follow_the_points(placement):
    """A plane of its own coordinates, placed, holds at each pixel where it came from."""
    rows, columns = placement.original
    y, x = np.mgrid[:rows, :columns]
    window = placement.content.window
    grid = np.stack(np.mgrid[: placement.size[0], : placement.size[1]], axis=-1)[window]
    came_from = placement.to_original(grid)
    low = [placement.box.top, placement.box.left]
    high = [placement.box.bottom - 1, placement.box.right - 1]
    for axis, plane in enumerate((y, x)):
        found = placement.place(plane)[window]
        # Pixels cut in two by an edge count as flat: an area mean of a ramp is off by less than a quarter.
        np.testing.assert_allclose(found, came_from[..., axis].clip(low[axis], high[axis]), atol=0.25)
    assert not np.delete(placement.place(np.ones(placement.original)).ravel(), flat(placement)).any()


def flat(placement):
    inside = np.zeros(placement.size, bool)
    inside[placement.content.window] = True
    return np.flatnonzero(inside)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("number", range(4))
def test_a_bright_dot_comes_back_to_its_pixel(number, mirrored):
    phantom = synthetic_mammograms(5, shape=(400, 320))[number]
    pixels = phantom.pixels.astype(np.float64)
    rng = np.random.default_rng(number)
    places = np.argwhere(phantom.breast)
    for y, x in places[rng.choice(len(places), 5, replace=False)]:
        planted = pixels.copy()
        planted[y, x] = 30  # far brighter than all: the mean of its block stands out
        planted = planted[:, ::-1] if mirrored else planted
        column = planted.shape[1] - 1 - x if mirrored else x
        settings = Preparation(size=(128, 96), high=100, low=0)
        found = prepare(planted, of(phantom), settings)
        top = np.unravel_index(found.pixels[0].argmax(), found.pixels[0].shape)
        step = found.box.shape[0] / found.placement.content.shape[0]
        assert np.abs(found.placement.to_original(np.array(top)) - [y, column]).max() <= step / 2 + 0.5
        assert np.abs(found.placement.to_prepared(np.array([y, column])) - top).max() <= 0.5 + 0.5 / step
        heat = found.placement.restore(found.pixels[0])
        assert heat.shape == planted.shape
        back = np.unravel_index(heat.argmax(), heat.shape)
        assert np.abs(np.array(back) - [y, column]).max() <= step


def test_coarse_heat_maps_come_back():
    phantom = synthetic_mammograms(5)[0]
    found = prepare(phantom.pixels, of(phantom), SETTINGS)
    coarse = np.zeros((16, 10))
    coarse[8, 4] = 1
    y, x = found.placement.to_original(np.array([8 * 8 + 3.5, 4 * 8 + 3.5]))
    heat = found.placement.restore(coarse)
    peak = np.argwhere(heat > 0.9 * heat.max()).mean(axis=0)
    assert np.abs(peak - [y, x]).max() < 2
    outside = np.ones(heat.shape, bool)
    outside[found.box.window] = False
    assert not heat[outside].any()


def test_a_constant_comes_back_constant():
    phantom = synthetic_mammograms(6)[3]
    placement = prepare(phantom.pixels, of(phantom), SETTINGS).placement
    np.testing.assert_allclose(placement.restore(np.ones(SETTINGS.size))[placement.box.window], 1, rtol=1e-6)


@pytest.mark.parametrize("size", [(128, 80), (60, 200), (200, 40)])
@pytest.mark.parametrize("side", ["left", "right"])
def test_shape_side_and_padding(size, side):
    for phantom in synthetic_mammograms(7):
        found = prepare(phantom.pixels, of(phantom), Preparation(size=size, side=side))
        content, box = found.placement.content, found.box
        assert found.pixels.shape == (1, *size)
        assert found.pixels.dtype == np.float32
        assert found.flipped == (phantom.chest_side != side)
        assert (content.left == 0) if side == "left" else (content.right == size[1])
        assert content.shape[0] == size[0] or content.shape[1] == size[1]
        scale = content.shape[0] / box.shape[0]
        assert content.shape[1] == pytest.approx(box.shape[1] * scale, abs=1)
        assert abs(content.top - (size[0] - content.bottom)) <= 1
        half = found.mask[:, : size[1] // 2].sum(), found.mask[:, size[1] // 2 :].sum()
        if content.shape[1] > 0.8 * size[1]:
            assert (half[0] > half[1]) == (side == "left")


def test_as_is_is_not_flipped():
    for phantom in synthetic_mammograms(7):
        found = prepare(phantom.pixels, of(phantom), Preparation(size=(64, 64), side="as-is"))
        assert not found.flipped
        assert (found.placement.content.left == 0) == (phantom.chest_side == "left")


def test_without_crop_the_whole_image_is_there():
    phantom = synthetic_mammograms(7)[0]
    found = prepare(phantom.pixels, of(phantom), Preparation(size=(64, 64), crop=False))
    assert found.box == Box(0, 256, 0, 200)


def test_greys():
    phantom = synthetic_mammograms(8)[1]
    found = prepare(phantom.pixels * 4095, of(phantom), SETTINGS)
    low, high = np.percentile(phantom.pixels[found.breast.mask].astype(np.float64) * 4095, [1, 99.5])
    assert found.window == pytest.approx((low, high), rel=1e-4)
    assert found.pixels.min() == 0
    assert 0.9 < found.pixels.max() <= 1
    again = prepare(phantom.pixels.astype(np.float64) * 60000 + 777, of(phantom), SETTINGS)
    np.testing.assert_allclose(found.pixels, again.pixels, atol=2e-3)


def test_letters_vanish_unless_the_background_is_kept():
    phantom = synthetic_mammograms(8)[1]
    whole = {"size": (256, 200), "crop": False, "side": "as-is"}
    letters = np.zeros((256, 200), bool)
    letters[:20, 120:] = phantom.pixels[:20, 120:] > 0.9
    zero = prepare(phantom.pixels, of(phantom), Preparation(**whole)).pixels[0]
    kept = prepare(phantom.pixels, of(phantom), Preparation(**whole, background="keep")).pixels[0]
    assert letters.sum() > 50
    assert (zero[letters] == 0).all()
    assert (kept[letters] == 1).all()


def test_more_bits_than_eight_come_through():
    rng = np.random.default_rng(0)
    image = np.zeros((120, 100), np.uint16)
    image[20:100, :60] = rng.integers(30000, 30100, (80, 60))
    phantom = synthetic_mammograms(8)[1]
    found = prepare(image, of(phantom), Preparation(size=(120, 100), crop=False, low=0, high=100))
    assert len(np.unique(found.pixels)) > 90


def test_warnings():
    phantom = synthetic_mammograms(9)[1]
    assert prepare(phantom.pixels, of(phantom), SETTINGS).warnings == ()
    said = prepare(phantom.pixels[:, ::-1], of(phantom), SETTINGS).warnings
    assert "custom puts, for laterality L, it on the left" in said[0]
    said = prepare(phantom.pixels, of(phantom, chest_side="right"), SETTINGS).warnings
    assert "PatientOrientation puts it on the right" in said[0]
    said = prepare(np.full((90, 80), 3.0), of(phantom), SETTINGS).warnings
    assert "no breast found" in said[0]
    assert "do not tell the side" in said[1]
    assert said[-1] == "an image of one grey"
    assert "enlarged 9.3 times" in prepare(phantom.pixels, of(phantom), Preparation(size=(1536, 1600))).warnings[0]


def test_settings_pass_through_json():
    settings = Preparation(size=(64, 32), crop=False, low=0, side="as-is", background="keep")
    assert Preparation.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert Preparation.from_json({}) == Preparation()


@pytest.mark.parametrize(
    ("values", "reason"),
    [({"sice": [1, 2]}, "unknown keys .'sice'."), ({"size": [0, 5]}, "makes no sense"), ({"size": 5}, "preparation:"),
     ({"low": 60, "high": 50}, "makes no sense"), ({"side": "L"}, "makes no sense"),
     ({"crop": "YES"}, "makes no sense"),
     ({"background": 0}, "makes no sense"), ({"margin": -1}, "makes no sense"), ({"low": "a"}, "preparation:")],
)  # fmt: skip
def test_settings_that_make_no_sense(values, reason):
    with pytest.raises(ModelError, match=reason):
        Preparation.from_json(values)


def test_planes_of_another_grid():
    phantom = synthetic_mammograms(9)[0]
    placement = prepare(phantom.pixels, of(phantom), SETTINGS).placement
    with pytest.raises(ValueError, match="the original grid"):
        placement.place(np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"expected \(rows, columns\)"):
        placement.restore(np.zeros((1, 3, 3)))
