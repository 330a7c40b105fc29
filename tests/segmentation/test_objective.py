"""What outputs mean: losses against formulas written out, probabilities against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bioconv.errors import ModelError
from bioconv.segmentation.objective import INSTANCE_MAPS, Objective
from bioconv.training.config import TrainConfig

CONFIG = TrainConfig(loss="dice-ce")


def dice_loss(logits, targets):
    """Milletari's Dice with 1 on both sides, per sample."""
    found, truth = logits.sigmoid().flatten(1), targets.flatten(1)
    return 1 - (2 * (found * truth).sum(1) + 1) / ((found**2).sum(1) + (truth**2).sum(1) + 1)


def entropy(logits, targets):
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").flatten(1).mean(1)


def test_loss_of_instances_is_its_three_parts():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, 6, 7, generator=generator)
    targets = torch.rand(4, 3, 6, 7, generator=generator)
    targets[:, [0, 2]] = targets[:, [0, 2]].round()
    weights = 1 + 4 * targets[:, 2]
    contact = functional.binary_cross_entropy_with_logits(logits[:, 2], targets[:, 2], weights, reduction="none")
    distance = (logits[:, 1].sigmoid() - targets[:, 1]).abs().flatten(1).mean(1)
    by_hand = dice_loss(logits[:, 0], targets[:, 0]) + entropy(logits[:, 0], targets[:, 0]) + 2 * distance
    by_hand = by_hand + contact.flatten(1).mean(1)
    loss = Objective("instances", INSTANCE_MAPS).loss(CONFIG)
    torch.testing.assert_close(loss(logits, targets), by_hand)


def test_pixels_that_are_not_known_do_not_count():
    logits, targets = torch.randn(2, 3, 4, 4), torch.rand(2, 3, 4, 4).round()
    loss = Objective("instances", INSTANCE_MAPS).loss(CONFIG)
    half = targets.clone()
    half[..., 2:] = torch.nan
    torch.testing.assert_close(loss(logits, half), loss(logits[..., :2], targets[..., :2]))


@pytest.mark.parametrize(("kind", "labels"), [("binary", ("vessel",)), ("classes", ("background", "a", "b"))])
def test_outputs_of_several_sizes_count_half_each(kind, labels):
    objective = Objective(kind, labels)
    loss = objective.loss(CONFIG)
    whole, small = torch.randn(2, len(labels), 8, 8), torch.randn(2, len(labels), 4, 4)
    if kind == "classes":
        targets = torch.randint(0, 3, (2, 4, 4)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        lower = targets[:, ::2, ::2]
    else:
        targets = torch.rand(2, 1, 8, 8).round()
        lower = targets.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
    expected = (loss(whole, targets) + 0.5 * loss(small, lower)) / 1.5
    torch.testing.assert_close(loss((whole, small), targets), expected)


def test_probabilities():
    logits = torch.randn(2, 3, 5)
    torch.testing.assert_close(Objective("classes", ("0", "a", "b")).probabilities(logits).sum(1), torch.ones(2, 5))
    instances = Objective("instances", INSTANCE_MAPS).probabilities(logits)
    torch.testing.assert_close(instances, 1 / (1 + torch.exp(-logits)))


@pytest.mark.parametrize(
    ("kind", "labels"),
    [("binary", ("a", "b")), ("classes", ("a",)), ("instances", ("foreground",)), ("panoptic", ("a",))],
)
def test_labels_that_do_not_fit_the_kind(kind, labels):
    with pytest.raises(ModelError, match=kind):
        Objective(kind, labels)
