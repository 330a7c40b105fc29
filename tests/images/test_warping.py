"""Warped crops against closed forms, NumPy's flips and turns, and SciPy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bioconv.images.augmentation import Augmentation, Draw, draw
from bioconv.images.warping import displacement, linear_map, warp_image, warp_labels

MUCH = Augmentation(
    flips=True, quarter_turns=True, rotation_degrees=180, tilt_degrees=40, zoom=(0.5, 2), shear=0.3, elastic_pixels=3
)


def middle(start, shape):
    return tuple(first + (size - 1) / 2 for first, size in zip(start, shape, strict=True))


def some_draw(seed, ndim):
    return draw(MUCH, np.random.default_rng(seed), ndim=ndim, channels=1)


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)


@pytest.fixture
def volume():
    return np.random.default_rng(1).random((1, 12, 20, 18)).astype(np.float32)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("start", [(0, 0), (7, 12), (33, 43)])
def test_no_change_is_the_crop(picture, start, order):
    crop = warp_image(picture, Draw(), center=middle(start, (7, 6)), shape=(7, 6), order=order)
    np.testing.assert_array_equal(crop, picture[:, start[0] : start[0] + 7, start[1] : start[1] + 6])
    assert crop.dtype == np.float32


def test_no_change_in_3d(volume):
    crop = warp_image(volume, Draw(), center=middle((2, 3, 4), (5, 6, 7)), shape=(5, 6, 7))
    np.testing.assert_array_equal(crop, volume[:, 2:7, 3:9, 4:11])


@pytest.mark.parametrize("start", [(-9, -5), (30, 44), (-45, 3), (-3, -3)])
def test_beyond_the_image_is_its_mirror(picture, start):
    shape = (60, 58) if start == (-3, -3) else (19, 15)
    padded = np.pad(picture, ((0, 0), (80, 80), (80, 80)), mode="reflect")
    expected = padded[:, start[0] + 80 :][:, : shape[0], start[1] + 80 :][:, :, : shape[1]]
    center = middle(start, shape)
    np.testing.assert_array_equal(warp_image(picture, Draw(), center=center, shape=shape), expected)
    # One column less about the same centre is half a pixel off, and goes the way that interpolates.
    half = warp_image(picture, Draw(), center=center, shape=(shape[0], shape[1] - 1))
    np.testing.assert_allclose(half, (expected[:, :, :-1] + expected[:, :, 1:]) / 2, atol=1e-6)


def test_an_axis_of_one_pixel():
    line = np.arange(5, dtype=np.float32).reshape(1, 1, 5)
    drawn = Draw(rotation_degrees=5)
    assert np.isfinite(warp_image(line, drawn, center=(0, 2), shape=(3, 3))).all()
    assert set(np.unique(warp_labels(line[0], drawn, center=(0, 2), shape=(3, 5)))) <= set(range(5))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("how", ["quarter_turns", "rotation_degrees"])
@pytest.mark.parametrize("flips", [(), (True, False), (False, True), (True, True)])
def test_flips_and_quarter_turns_are_numpys(picture, turns, how, flips):
    drawn = Draw(flips=flips, **{how: turns * (90 if how == "rotation_degrees" else 1)})
    expected = np.rot90(picture[:, 5:20, 8:23], turns, axes=(1, 2))
    expected = np.flip(expected, [axis + 1 for axis, flip in enumerate(flips) if flip])
    np.testing.assert_array_equal(warp_image(picture, drawn, center=(12, 15), shape=(15, 15)), expected)
    np.testing.assert_array_equal(warp_labels(picture[1], drawn, center=(12, 15), shape=(15, 15)), expected[1])


def test_a_quarter_turn_of_an_oblong(picture):
    crop = warp_image(picture, Draw(quarter_turns=1), center=middle((4, 6), (9, 20)), shape=(20, 9))
    np.testing.assert_array_equal(crop, np.rot90(picture[:, 4:13, 6:26], axes=(1, 2)))


@pytest.mark.parametrize(
    ("drawn", "planes"),
    [
        (Draw(quarter_turns=1), (2, 3)),
        (Draw(tilt_degrees=(90, 0)), (1, 3)),
        (Draw(tilt_degrees=(0, 90)), (1, 2)),
    ],
)
def test_turns_in_3d_are_numpys(volume, drawn, planes):
    cube = volume[:, 2:9, 5:12, 6:13]
    expected = np.flip(np.rot90(cube, axes=planes), 1)
    drawn = Draw(**drawn.to_json() | {"flips": (True, False, False)})
    np.testing.assert_array_equal(warp_image(volume, drawn, center=(5, 8, 9), shape=(7, 7, 7)), expected)


def ramps(shape):
    return np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32) for size in shape], indexing="ij"))


def test_zoom_of_a_ramp():
    crop = warp_image(ramps((60, 60)), Draw(zoom=2), center=(30, 31), shape=(21, 21))
    steps = (np.arange(21) - 10) / 2
    np.testing.assert_allclose(crop[0], np.broadcast_to((30 + steps)[:, None], (21, 21)), atol=1e-5)
    np.testing.assert_allclose(crop[1], np.broadcast_to(31 + steps, (21, 21)), atol=1e-5)


def test_shear_of_a_ramp():
    # An object's pixel at (y, x) from the centre goes to (y, x + 0.5 y): there, x - 0.5 y is read.
    crop = warp_image(ramps((60, 60)), Draw(shear=0.5), center=(30, 30), shape=(11, 13))
    y, x = np.arange(11)[:, None] - 5, np.arange(13) - 6
    np.testing.assert_allclose(crop[1], 30 + x - 0.5 * y, atol=1e-5)
    np.testing.assert_allclose(crop[0], np.broadcast_to(30 + y, (11, 13)), atol=1e-5)


def test_rotation_moves_a_point_counter_clockwise():
    # 30 degrees: what lies to the right of the centre comes up, that is to smaller y.
    image = np.zeros((1, 101, 101), np.float32)
    image[0, 50, 80] = 1
    crop = warp_labels(image[0], Draw(rotation_degrees=30), center=(50, 50), shape=(101, 101))
    found = np.argwhere(crop).mean(0) - 50
    np.testing.assert_allclose(found, [-30 * np.sin(np.pi / 6), 30 * np.cos(np.pi / 6)], atol=0.75)


@pytest.mark.parametrize("ndim", [2, 3])
def test_matrix_has_the_volume_of_the_zoom(ndim):
    for seed in range(20):
        drawn = some_draw(seed, ndim)
        assert abs(np.linalg.det(linear_map(drawn, ndim))) == pytest.approx(drawn.zoom**-ndim)


@pytest.mark.parametrize("seed", range(6))
def test_2d_is_scipys_interpolation(picture, seed):
    drawn = some_draw(seed, 2)
    center, shape = (18.3, 24.9), (33, 27)
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij"))
    where = np.einsum("ab,b...->a...", linear_map(drawn, 2), grid) + np.reshape(center, (2, 1, 1))
    where += np.stack(displacement(drawn, shape))
    expected = [ndimage.map_coordinates(c, where, order=1, mode="mirror") for c in picture]
    np.testing.assert_allclose(warp_image(picture, drawn, center=center, shape=shape), expected, atol=2e-5)
    clear = (abs(where % 1 - 0.5) > 1e-3).all(0)
    nearest = ndimage.map_coordinates(picture[0], where, order=0, mode="mirror")
    cut = warp_labels(picture[0], drawn, center=center, shape=shape)
    np.testing.assert_array_equal(cut[clear], nearest[clear])


@pytest.mark.parametrize("seed", range(3))
def test_3d_is_scipys_interpolation(volume, seed):
    drawn = some_draw(seed, 3)
    center, shape = (6.2, 8.0, 9.5), (8, 11, 9)
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij"))
    where = np.einsum("ab,b...->a...", linear_map(drawn, 3), grid) + np.reshape(center, (3, 1, 1, 1))
    where += np.stack(displacement(drawn, shape))
    expected = ndimage.map_coordinates(volume[0], where, order=1, mode="mirror")
    np.testing.assert_allclose(warp_image(volume, drawn, center=center, shape=shape)[0], expected, atol=2e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]), st.floats(-10, 40), st.floats(-10, 40))
def test_labels_follow_the_image_and_keep_their_values(seed, ndim, y, x):
    labels = np.random.default_rng(0).choice([0, 3, 70000], (15, 30, 31)[-ndim:])
    drawn, center, shape = some_draw(seed, ndim), (4.0, y, x)[-ndim:], (6, 21, 17)[-ndim:]
    cut = warp_labels(labels, drawn, center=center, shape=shape)
    assert cut.dtype == labels.dtype
    assert cut.shape == shape
    assert set(np.unique(cut)) <= {0, 3, 70000}
    image = warp_image(labels[None].astype(np.float32), drawn, center=center, shape=shape, order=0)
    np.testing.assert_array_equal(image[0], cut)


def test_linear_and_nearest_agree_within_objects():
    labels = np.zeros((80, 80), int)
    labels[20:60, 25:50] = 1
    for seed in range(10):
        drawn = some_draw(seed, 2)
        linear = warp_image(labels[None], drawn, center=(40, 40), shape=(48, 48))[0]
        nearest = warp_labels(labels, drawn, center=(40, 40), shape=(48, 48))
        assert 0 < nearest.sum() < nearest.size
        np.testing.assert_array_equal(nearest[linear > 0.999], 1)
        np.testing.assert_array_equal(nearest[linear < 0.001], 0)


def test_displacement_has_the_stated_deviation_and_smoothness():
    fields = np.array(
        [displacement(Draw(elastic_pixels=3, elastic_scale=8, elastic_seed=seed), (33, 33)) for seed in range(1500)]
    )
    assert fields.std(0) == pytest.approx(3, rel=0.1)
    assert abs(fields.mean(0)).max() < 0.4
    for distance in (4, 8, 16):
        covariance = (fields[:, :, :, 0] * fields[:, :, :, distance]).mean()
        assert covariance == pytest.approx(9 * np.exp(-(distance**2) / 128), abs=0.25)
    assert abs((fields[:, 0] * fields[:, 1]).mean()) < 0.1


def test_a_field_does_not_depend_on_the_crop():
    drawn = Draw(elastic_pixels=3, elastic_seed=9)
    for whole, part in zip(displacement(drawn, (31, 41)), displacement(drawn, (11, 21)), strict=True):
        np.testing.assert_allclose(whole[10:21, 10:31], part, atol=1e-5)


def test_same_draw_same_result_and_the_input_stays(picture):
    drawn, before = some_draw(3, 2), picture.copy()
    first = warp_image(picture, drawn, center=(20, 20), shape=(16, 16))
    other = warp_image(picture, some_draw(4, 2), center=(20, 20), shape=(16, 16))
    again = warp_image(picture, drawn, center=(20, 20), shape=(16, 16))
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 0.1
    np.testing.assert_array_equal(picture, before)
    copied = warp_image(picture, Draw(), center=(20, 20), shape=(5, 5))
    copied[:] = 0
    np.testing.assert_array_equal(picture, before)


def test_only_the_part_that_is_needed_is_read(picture):
    # NaN outside the reach of a crop turned by 45 degrees.
    ring = np.full((2, 200, 200), np.nan, np.float32)
    ring[:, 80:120, 80:120] = picture[:, :40, :40]
    crop = warp_image(ring, Draw(rotation_degrees=45), center=(100, 100), shape=(21, 21))
    assert np.isfinite(crop).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_constant_stays_constant(ndim):
    image = np.full((2, 14, 30, 30)[: 1 + ndim], 0.7, np.float32)
    for seed in range(5):
        crop = warp_image(image, some_draw(seed, ndim), center=(6.5, 10, 31)[:ndim], shape=(9, 20, 20)[:ndim])
        np.testing.assert_allclose(crop, 0.7, rtol=1e-6)


def test_integer_pixels_become_float():
    image = np.arange(100, dtype=np.uint16).reshape(1, 10, 10)
    crop = warp_image(image, Draw(), center=(4.5, 4), shape=(2, 1))
    assert crop.dtype == np.float32
    np.testing.assert_array_equal(crop, [[[44], [54]]])


def test_misuse(picture):
    with pytest.raises(ValueError, match="order is 3"):
        warp_image(picture, Draw(), center=(5, 5), shape=(3, 3), order=3)
    with pytest.raises(ValueError, match="2 spatial axes and 3 flips"):
        warp_image(picture, Draw(flips=(True, True, True)), center=(5, 5), shape=(3, 3))
