from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.objects import ap_table
from bioconv.images.masks import read_mask
from bioconv.segmentation.objects import instance_strips
from bioconv.segmentation.objects.instances import InstanceSettings, split_instances, split_large
from bioconv.segmentation.objects.targets import instance_targets

TRUE = InstanceSettings(touch=0.3)
"""For maps of true labels, whose contact can be relied on."""
ALL = InstanceSettings(min_size=0)


def discs(shape: tuple[int, ...], *balls: tuple[tuple[float, ...], float]) -> np.ndarray:
    """Return labelled balls of centre and radius; a pixel in several belongs to the one it is deepest in."""
    grid = np.indices(shape)
    depth = [radius - np.sqrt(sum((a - b) ** 2 for a, b in zip(grid, centre, strict=True))) for centre, radius in balls]
    return np.where(np.max(depth, axis=0) > 0, np.argmax(depth, axis=0) + 1, 0)


def random_maps(seed: int, shape: tuple[int, ...], *, noise: float, scale: float) -> np.ndarray:
    """Return maps of random blobs, from clean to nothing but noise."""
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.normal(size=shape), scale)
    labels, _ = ndimage.label(blobs > np.quantile(blobs, rng.uniform(0.3, 0.9)))
    maps = instance_targets(labels) * (1 - noise) + noise * rng.random((3, *shape))
    return np.clip(maps, 0, 1)


def in_strips(maps: np.ndarray, given: InstanceSettings, rows: list[int], max_bytes: int = 1 << 24) -> np.ndarray:
    """Return what `split_large` writes; each call's rows must follow those before."""
    labels, ends = np.full(maps.shape[1:], -7, np.int32), [0]

    def write(where: slice, found: np.ndarray) -> None:
        assert where.start == ends[-1]
        ends.append(where.stop)
        labels[where] = found

    count = split_large(lambda where: maps[:, where], write, maps.shape[1:], given, max_bytes=max_bytes)
    assert count == labels.max(initial=0)
    rows.extend(np.diff(ends))
    return labels


MAPS = st.builds(
    random_maps,
    st.integers(0, 10_000),
    st.sampled_from([(40, 17), (64, 9), (9, 80), (24, 5, 6)]),
    noise=st.sampled_from([0, 0.3, 0.7, 1]),
    scale=st.sampled_from([0.7, 1.5, 3]),
)
SETTINGS = st.builds(
    InstanceSettings,
    foreground=st.sampled_from([0.3, 0.5]),
    seed=st.sampled_from([0.0, 0.5]),
    depth=st.sampled_from([0.0, 0.2]),
    touch=st.sampled_from([0.0, 0.3]),
    min_size=st.sampled_from([0, 4]),
    drop_border=st.booleans(),
)


@settings(max_examples=60)
@given(MAPS, SETTINGS, st.integers(1, 12))
def test_strips_do_not_matter(maps, given, usual_rows):
    """Strips of all heights, and so little memory that parts are split one by one, give the whole image's labels."""
    whole = split_instances(maps, given)
    with pytest.MonkeyPatch.context() as patch:
        across = int(np.prod(maps.shape[2:]))
        patch.setattr(instance_strips, "USUAL_PIXELS", usual_rows * across)
        patch.setattr(instance_strips, "USUAL_ROWS", 1)
        rows: list[int] = []
        np.testing.assert_array_equal(in_strips(maps, given, rows), whole)
        parts, _ = ndimage.label(np.rint(maps[0] * 255) >= given.foreground_level)
        largest = np.bincount(parts.ravel(), minlength=2)[1:].max()
        patch.setattr(instance_strips, "SPLIT_BYTES", (1 << 23) // max(1, int(largest)))
        np.testing.assert_array_equal(in_strips(maps, given, []), whole)


@given(MAPS, SETTINGS)
def test_windows_do_not_matter(maps, given):
    """More background around an image changes nothing, nor does a neighbour."""
    given = InstanceSettings(**{**vars(given), "drop_border": False})
    wide = np.pad(maps, [(0, 0), *[(3, 2)] * (maps.ndim - 1)])
    inner = (slice(3, -2),) * (maps.ndim - 1)
    np.testing.assert_array_equal(split_instances(wide, given)[inner], split_instances(maps, given))
    twice = np.concatenate([maps, np.zeros_like(maps[:, :1]), maps], axis=1)
    alone, both = split_instances(maps, given), split_instances(twice, given)
    np.testing.assert_array_equal(both[: len(alone)], alone)
    np.testing.assert_array_equal(both[-len(alone) :], np.where(alone, alone + alone.max(), 0))


@given(MAPS, SETTINGS)
def test_numbering_and_rounding(maps, given):
    labels = split_instances(maps, given)
    assert labels.dtype == np.int32
    values, first = np.unique(labels[labels > 0], return_index=True)
    assert values.tolist() == list(range(1, len(values) + 1))
    assert (np.diff(first) > 0).all()
    assert (np.bincount(labels.ravel(), minlength=2)[1:] >= given.min_size).sum() >= len(values)
    np.testing.assert_array_equal(split_instances(np.rint(maps * 255).astype(np.uint8), given), labels)


@pytest.mark.parametrize("shape", [(30, 44), (20, 30, 44)])
def test_touching_discs_come_apart(shape):
    middle = tuple(size // 2 for size in shape[:-1])
    truth = discs(shape, ((*middle, 13), 9.0), ((*middle, 30), 9.0))
    assert ndimage.label(truth > 0)[1] == 1
    np.testing.assert_array_equal(split_instances(instance_targets(truth)), truth)
    joined = instance_targets(truth > 0)
    assert split_instances(joined, TRUE).max() == 1  # a network that sees one object there has its way


def test_without_contact_the_distance_decides():
    """Two discs of which the contact map says nothing: the way between the tops decides."""
    maps = instance_targets(discs((30, 44), ((15, 13), 9.0), ((15, 30), 9.0)))
    maps[2] = 0
    assert split_instances(maps, TRUE).max() == 1
    assert split_instances(maps).max() == 2


SHAPES = {
    "ring": lambda y, x: abs(np.hypot(y - 20, x - 20) - 13) < 4,
    "crescent": lambda y, x: (np.hypot(y - 20, x - 20) < 17) & (np.hypot(y - 20, x - 28) > 13),
    "dumbbell": lambda y, x: (np.hypot(y - 20, x - 10) < 8) | (np.hypot(y - 20, x - 32) < 6) | (abs(y - 20) < 2),
    "line": lambda y, x: abs(y - x) < 1.5,
    "cross": lambda y, x: (abs(y - 20) < 3) | (abs(x - 20) < 3),
}


@pytest.mark.parametrize("name", SHAPES)
def test_odd_shapes_stay_whole(name):
    truth = SHAPES[name](*np.indices((41, 41))).astype(int)
    assert ndimage.label(truth)[1] == 1
    np.testing.assert_array_equal(split_instances(instance_targets(truth), TRUE), truth)


def test_what_lies_inside_another_object_is_part_of_it():
    y, x = np.mgrid[:40, :60]
    disc = (y - 20) ** 2 + (x - 25) ** 2 < 18**2
    spot = (y - 20) ** 2 + (x - 25) ** 2 < 5**2
    ring = ((y - 20) ** 2 + (x - 25) ** 2 < 7**2) & ~spot
    maps = np.zeros((3, 40, 60))
    maps[0], maps[1] = disc, disc * 0.9
    maps[2][ring] = 1
    assert set(np.unique(split_instances(maps))) == {0, 1}
    # A hole in the ring lets background in: then there are two.
    maps[0][20, 25] = 0
    assert set(np.unique(split_instances(maps))) == {0, 1, 2}


def test_tiny_objects_survive():
    """Squares of 3 by 3 with gaps of one pixel, and some of one pixel."""
    truth = np.kron(np.arange(1, 26).reshape(5, 5), np.pad(np.ones((3, 3), int), (0, 1)))
    np.testing.assert_array_equal(split_instances(instance_targets(truth), ALL), truth)
    dots = np.zeros((9, 9), int)
    dots[1::3, 1::3] = np.arange(1, 10).reshape(3, 3)
    np.testing.assert_array_equal(split_instances(instance_targets(dots), ALL), dots)
    assert not split_instances(instance_targets(dots), InstanceSettings(min_size=2)).any()


def test_border():
    truth = discs((30, 60), ((15, 4), 8.0), ((15, 25), 8.0), ((2, 50), 8.0))
    found = split_instances(instance_targets(truth), InstanceSettings(drop_border=True))
    np.testing.assert_array_equal(found, truth == 2)


def test_nothing_to_find():
    for shape in ((0, 5), (6, 7), (2, 3, 4)):
        empty = np.zeros((3, *shape), np.float32)
        assert not split_instances(empty).any()
        assert not in_strips(empty, ALL, []).any()


def test_nuclei(shared_data):
    """With the true maps of one image in 24, hardly an object is lost or cut."""
    truths = [read_mask(path) for path in sorted(shared_data("dsb2018-bbbc038/labels").iterdir())[::24]]
    pairs = [
        (split_instances(instance_targets(truth), InstanceSettings(touch=0.3, min_size=10)), truth) for truth in truths
    ]
    ap50, ap90 = ap_table(pairs, thresholds=(0.5, 0.9)).pooled().average_precision()
    assert ap50 >= 0.99
    assert ap90 >= 0.97


def test_too_large_is_named():
    maps = instance_targets(np.ones((300, 10), int))
    maps[:, :100] = 0
    with pytest.raises(InputError, match=r"rows and columns 100 to \d+, 0 to 9 is higher than 156 rows.*give more mem"):
        in_strips(maps, ALL, [], max_bytes=100_000)
    with pytest.raises(InputError, match=r"rows and columns 100 to 299, 0 to 9 is 2000 pixels large"):
        in_strips(maps, ALL, [], max_bytes=390_000)
    with pytest.raises(InputError, match="a row of 10 pixels does not fit in 600 bytes"):
        in_strips(maps, ALL, [], max_bytes=600)


def test_refuses():
    with pytest.raises(InputError, match=r"\(2, 4, 4\); expected \(3"):
        split_instances(np.zeros((2, 4, 4)))
    for bad in (np.full((3, 4, 4), 1.5), np.full((3, 4, 4), np.nan), np.zeros((3, 4, 4), int)):
        with pytest.raises(InputError, match="between 0 and 1"):
            split_instances(bad)
    with pytest.raises(OptionError, match="foreground=0"):
        InstanceSettings(foreground=0)
    with pytest.raises(OptionError, match=r"seed=1\.5"):
        InstanceSettings(seed=1.5)
