"""Scores of whole images: pooled counts against brute force, decisions against maps whose best is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bioconv.segmentation.learning.data import LabelledImage, Pair
from bioconv.segmentation.learning.scoring import (
    Decision,
    choose_decision,
    decide,
    pooled,
    pooled_interval,
    score_all,
    score_image,
)
from bioconv.segmentation.objective import INSTANCE_MAPS, Objective
from bioconv.segmentation.objects.instances import InstanceSettings
from bioconv.segmentation.objects.targets import instance_targets

BINARY = Objective("binary", ("vessel",))
CLASSES = Objective("classes", ("background", "a", "b"))
INSTANCES = Objective("instances", INSTANCE_MAPS)
RNG = np.random.default_rng(0)


def labelled(labels, name="x"):
    return LabelledImage(Pair(name, Path(name), Path(name)), np.zeros((1, *labels.shape), np.uint8), labels)


def test_pooled_dice_is_that_of_all_pixels_together():
    truths = [RNG.integers(0, 3, (9, 11)).astype(np.int32) for _ in range(5)]
    found = [RNG.integers(0, 3, (9, 11)).astype(np.int32) for _ in range(5)]
    scores = [score_image(own, labelled(truth), CLASSES) for own, truth in zip(found, truths, strict=True)]
    a, b = np.concatenate([own.ravel() for own in found]), np.concatenate([own.ravel() for own in truths])
    by_hand = [2 * ((a == c) & (b == c)).sum() / ((a == c).sum() + (b == c).sum()) for c in (1, 2)]
    assert pooled(scores, CLASSES) == pytest.approx(np.mean(by_hand))
    interval = pooled_interval(scores, CLASSES)
    assert interval.low < interval.value < interval.high


def test_pixels_that_are_not_known_and_nothing_to_find():
    truth = np.array([[1, 1, -1, 0]], np.int32)
    score = score_image(np.array([[1, 0, 1, 1]], np.int32), labelled(truth), BINARY)
    assert (score.found, score.wrong, score.missed) == ((1,), (1,), (1,))
    nothing = np.zeros((3, 3), np.int32)
    assert pooled([score_image(nothing, labelled(nothing), BINARY)], BINARY) == 1


def test_objects_are_pooled_over_images():
    truth = np.zeros((20, 40), np.int32)
    truth[2:8, 2:8], truth[2:8, 20:30], truth[12:18, 5:15] = 1, 2, 3
    half = truth * (truth != 3)  # one missed
    half[12:15, 30:35] = 9  # one too many
    scores = [score_image(half, labelled(truth), INSTANCES), score_image(truth, labelled(truth), INSTANCES)]
    assert pooled(scores, INSTANCES) == pytest.approx((2 + 3) / (2 + 3 + 1 + 1))


def test_the_threshold_that_separates_is_chosen():
    truths = [(RNG.random((30, 30)) < 0.3).astype(np.int32) for _ in range(3)]
    # Background up to 0.7, foreground from 0.72: of the thresholds tried only 0.7 and 0.75 do well
    maps = [np.where(truth, 0.72 + 0.2 * RNG.random(truth.shape), 0.69 * RNG.random(truth.shape)) for truth in truths]
    images = [labelled(truth) for truth in truths]
    chosen = choose_decision(images, [own[None].astype(np.float32) for own in maps], BINARY, Decision())
    assert chosen.threshold == 0.7
    found = {id(image): own[None] for image, own in zip(images, maps, strict=True)}
    assert pooled(score_all(images, lambda image: found[id(image)], BINARY, chosen), BINARY) == 1


def test_classes_are_the_most_probable_and_objects_are_split():
    maps = RNG.random((3, 5, 6)).astype(np.float32)
    by_hand = [[max(range(3), key=lambda k: maps[k, y, x]) for x in range(6)] for y in range(5)]
    np.testing.assert_array_equal(decide(maps, CLASSES, Decision()), by_hand)
    truth = np.zeros((40, 40), np.int32)
    truth[5:20, 5:20], truth[5:20, 20:35] = 1, 2
    found = decide(instance_targets(truth), INSTANCES, Decision(instances=InstanceSettings()))
    assert found.max() == 2
    assert pooled([score_image(found, labelled(truth), INSTANCES)], INSTANCES) == 1
