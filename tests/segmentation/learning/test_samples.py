"""Patches: functions of (seed, epoch, index), cut where they should be, drawn as often as they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bioconv.segmentation.learning.data import LabelledImage, Pair
from bioconv.segmentation.learning.recipe import AUGMENTATIONS
from bioconv.segmentation.learning.samples import PatchPlan, PatchSamples
from bioconv.segmentation.objective import INSTANCE_MAPS, Objective
from bioconv.segmentation.objects.targets import instance_targets
from bioconv.segmentation.preprocessing import COLOUR, Preprocessing
from bioconv.training.losses import MISSING

OBJECTIVES = {
    "instances": Objective("instances", INSTANCE_MAPS),
    "binary": Objective("binary", ("vessel",)),
    "classes": Objective("classes", ("background", "a", "b")),
}


def image(name="x", *, size=(60, 70), channels=1, stratum="", seed=0, blocks=((10, 20, 1), (30, 45, 2))):
    """A noise image in which every pixel value is different, and square objects."""
    rng = np.random.default_rng(seed)
    pixels = rng.permutation(channels * size[0] * size[1]).reshape(channels, *size).astype(np.uint16)
    labels = np.zeros(size, np.int32)
    for start, stop, value in blocks:
        labels[start:stop, start:stop] = value
    return LabelledImage(Pair(name, Path(name), Path(name), stratum), pixels, labels)


def samples(*images, kind="binary", inputs=("gray",), augmentation=None, **plan):
    return PatchSamples(
        images, OBJECTIVES[kind], Preprocessing(inputs, low=0, high=100), PatchPlan(**{"size": 16, **plan}),
        augmentation=augmentation, seed=3,
    )  # fmt: skip


@pytest.mark.parametrize("kind", list(OBJECTIVES))
def test_a_sample_depends_on_seed_epoch_and_index_alone(kind):
    made = samples(image(), image("y", seed=1), kind=kind, augmentation=AUGMENTATIONS["usual"])
    together = made.batch(np.array([5, 9, 2]), 4)
    for place, index in enumerate([5, 9, 2]):
        alone = made.batch(np.array([index]), 4)
        np.testing.assert_array_equal(alone.inputs[0], together.inputs[place])
        np.testing.assert_array_equal(alone.targets[0], together.targets[place])
    assert not np.array_equal(made.batch(np.array([5]), 5).inputs, made.batch(np.array([5]), 4).inputs)


def test_without_augmentation_patches_are_pieces_of_image_and_mask_alike():
    own = image()
    prepared = (own.pixels[0] / own.pixels.max()).astype(np.float16).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(prepared, (16, 16))
    masks = np.lib.stride_tricks.sliding_window_view(own.labels > 0, (16, 16))
    inside = 0
    for inputs, targets in zip(*_all(samples(own, foreground=0.0, per_epoch=200)), strict=True):
        place = np.argwhere(np.abs(windows[..., 8, 8] - inputs[0, 8, 8]) < 1e-3)
        for y, x in place[[np.allclose(windows[y, x], inputs[0], atol=1e-3) for y, x in place]]:
            np.testing.assert_array_equal(masks[y, x], targets[0] > 0)
            inside += 1
    assert inside > 80  # the rest is mirrored at a border


def _all(made):
    batch = made.batch(np.arange(len(made)), 0)
    return batch.inputs.numpy(), batch.targets.numpy()


def test_targets_of_instances_are_the_maps_of_the_whole_image():
    # An object cut by the patch keeps the depth it has in the whole image.
    own = image(size=(40, 40), blocks=((0, 40, 1),))
    own.labels[:, 20:] = 2
    _, targets = _all(samples(own, kind="instances", size=24, foreground=0.0, per_epoch=30))
    maps = instance_targets(own.labels)
    assert set(np.unique(targets[:, 0])) == {1.0}
    for target in targets:
        row = target[1, 12]
        near = [np.abs(maps[1][20, start : start + 24] - row).max() for start in range(0, 17)]
        assert min(near) < 0.06 or np.abs(np.diff(row)).max() < 0.3  # mirrored at the border


def test_pixels_that_are_not_known():
    own = image()
    own.labels[:] = -1
    assert np.isnan(_all(samples(own, per_epoch=4))[1]).all()
    assert (_all(samples(own, kind="classes", per_epoch=4))[1] == MISSING).all()
    assert np.isnan(_all(samples(own, kind="instances", per_epoch=4))[1]).all()


def test_strata_are_drawn_by_their_size_to_a_power():
    many = [image(f"a{number}", stratum="a", blocks=()) for number in range(9)]
    few = image("b", stratum="b", blocks=((0, 60, 1),))
    for balance, share in ((1.0, 0.1), (0.5, 0.25), (0.0, 0.5)):
        _, targets = _all(samples(*many, few, size=8, foreground=0.0, balance=balance, per_epoch=1500))
        found = float((targets.max(axis=(1, 2, 3)) > 0).mean())
        # 60 of 70 columns of the one image of b are foreground; patches without any lie in the other 10
        assert found == pytest.approx(share * 63 / 70, abs=0.04)


def test_share_of_patches_over_objects():
    own = image(size=(200, 200), blocks=((100, 104, 1),))
    _, targets = _all(samples(own, size=16, foreground=1.0, per_epoch=200))
    assert (targets.max(axis=(1, 2, 3)) > 0).mean() > 0.95
    _, targets = _all(samples(own, size=16, foreground=0.0, per_epoch=400))
    assert (targets.max(axis=(1, 2, 3)) > 0).mean() < 0.05


def test_grey_is_repeated_for_colour_and_fingerprints_know_the_data():
    made = samples(image(), inputs=COLOUR, per_epoch=3)
    inputs, _ = _all(made)
    assert inputs.shape == (3, 3, 16, 16)
    np.testing.assert_array_equal(inputs[:, 0], inputs[:, 2])
    assert made.fingerprint() == samples(image(), inputs=COLOUR, per_epoch=3).fingerprint()
    assert made.fingerprint() != samples(image(seed=2), inputs=COLOUR, per_epoch=3).fingerprint()
    assert made.fingerprint() != samples(image(), inputs=COLOUR, per_epoch=3, size=8).fingerprint()
