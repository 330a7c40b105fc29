"""Losses against torch.nn.functional, closed forms in float64 and numerical gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bioconv.errors import InputError, OptionError
from bioconv.training.config import TrainConfig
from bioconv.training.losses import MISSING, MultiHead, build_loss

N, C, NAN = 6, 4, math.nan


def logits(*shape: int) -> torch.Tensor:
    return 3 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def indices(*shape: int, classes: int = C) -> torch.Tensor:
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(5))


def chances(*shape: int) -> torch.Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(6))


def per_sample(elements: torch.Tensor) -> torch.Tensor:
    return elements.reshape(len(elements), -1).mean(1)


ELEMENTWISE = {
    "bce": F.binary_cross_entropy_with_logits,
    "mse": F.mse_loss,
    "mae": F.l1_loss,
}


@pytest.mark.parametrize("shape", [(N,), (N, 1), (N, C), (N, 2, 3, 5)], ids=str)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_as_torch(name, shape):
    outputs, targets = logits(*shape), chances(*shape)
    found = build_loss(TrainConfig(loss=name))(outputs, targets)
    torch.testing.assert_close(found, per_sample(ELEMENTWISE[name](outputs, targets, reduction="none")))


@pytest.mark.parametrize("name", ["bce", "mse", "hinge", "focal", "soft"])
def test_one_column_or_none(name):
    outputs, targets = logits(N), indices(N, classes=2).double()
    loss = build_loss(TrainConfig(loss=name))
    wanted = loss(outputs, targets)
    assert wanted.shape == (N,)
    for columns, rows in ((outputs[:, None], targets), (outputs, targets[:, None]), (outputs[:, None], targets.long())):
        torch.testing.assert_close(loss(columns, rows), wanted)


@pytest.mark.parametrize("places", [(), (7,), (3, 5)], ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_as_torch(places, smoothing, weighted):
    weights = np.array([0.5, 2.0, 1.0, 3.0], np.float32) if weighted else None
    outputs, targets = logits(N, C, *places), indices(N, *places)
    found = build_loss(TrainConfig(loss="cross-entropy", label_smoothing=smoothing), class_weights=weights)(
        outputs, targets
    )
    peer = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    wanted = F.cross_entropy(outputs, targets, peer, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(found, per_sample(wanted))


def test_yes_or_no_is_two_classes():
    """A logit z is the softmax of (0, z): smoothing, weights and focusing must agree with the two-class form."""
    outputs, targets = logits(N), indices(N, classes=2)
    two = torch.stack([torch.zeros_like(outputs), outputs], 1)
    weights = np.array([0.4, 1.7], np.float32)
    for one, other in (("bce", "cross-entropy"), ("focal", "focal")):
        smoothing = 0.2 if one == "bce" else 0.0
        found = build_loss(TrainConfig(loss=one), class_weights=weights)(outputs, targets)
        wanted = build_loss(TrainConfig(loss=other), class_weights=weights)(two, targets)
        torch.testing.assert_close(found, wanted)
        found = build_loss(TrainConfig(loss=one, label_smoothing=smoothing))(outputs, targets)
        wanted = build_loss(TrainConfig(loss=other, label_smoothing=smoothing))(two, targets)
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("places", [(), (3, 5)], ids=str)
def test_soft_as_torch(places):
    outputs, targets = logits(N, C, *places), logits(N, C + 0, *places).mul(-0.3).softmax(1)
    found = build_loss(TrainConfig(loss="soft"))(outputs, targets)
    torch.testing.assert_close(found, per_sample(F.cross_entropy(outputs, targets, reduction="none")))


def test_soft_with_certain_targets_is_hard():
    outputs, targets = logits(N, C), indices(N)
    found = build_loss(TrainConfig(loss="soft"))(outputs, F.one_hot(targets, C))
    torch.testing.assert_close(found, build_loss(TrainConfig(loss="cross-entropy"))(outputs, targets))


def test_hinge_as_torch():
    outputs, targets = logits(N, C), indices(N)
    weights = np.array([0.5, 2.0, 1.0, 3.0], np.float32)
    loss = build_loss(TrainConfig(loss="hinge"), class_weights=weights)
    wanted = F.multi_margin_loss(outputs, targets, weight=torch.tensor(weights).double(), reduction="none")
    torch.testing.assert_close(loss(outputs, targets), wanted)


def test_hinge_of_yes_or_no():
    found = build_loss(TrainConfig(loss="hinge"))(torch.tensor([2.0, 0.5, -0.5, -3.0]), torch.tensor([1.0, 1, 1, 0]))
    assert found.tolist() == [0, 0.5, 1.5, 0]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_by_its_formula(gamma):
    loss = build_loss(TrainConfig(loss="focal", focal_gamma=gamma))
    outputs, targets = logits(N, C), indices(N)
    true = outputs.softmax(1)[torch.arange(N), targets]
    torch.testing.assert_close(loss(outputs, targets), -((1 - true) ** gamma) * true.log())
    outputs, targets = logits(N), indices(N, classes=2).double()
    true = torch.where(targets == 1, outputs.sigmoid(), 1 - outputs.sigmoid())
    torch.testing.assert_close(loss(outputs, targets), -((1 - true) ** gamma) * true.log())


def test_focal_is_safe_where_all_is_certain():
    for outputs, targets in ((torch.tensor([80.0, -80.0]), torch.tensor([1.0, 1.0])),
                             (torch.tensor([[90.0, -90.0], [-90.0, 90.0]]), torch.tensor([0, 0]))):  # fmt: skip
        outputs.requires_grad_()
        found = build_loss(TrainConfig(loss="focal", focal_gamma=0.5))(outputs, targets)
        found.sum().backward()
        assert bool(found.isfinite().all())
        assert bool(outputs.grad.isfinite().all())


def dice_by_hand(found: np.ndarray, truth: np.ndarray) -> float:
    top = bottom = 0.0
    for p, g in zip(found.ravel(), truth.ravel(), strict=True):
        top += 2 * p * g
        bottom += p * p + g * g
    return 1 - (top + 1) / (bottom + 1)


def test_dice_by_its_formula():
    outputs, targets = logits(N, C, 3, 5), indices(N, 3, 5)
    found = build_loss(TrainConfig(loss="dice"))(outputs, targets).numpy()
    chance = outputs.softmax(1).numpy()
    for sample in range(N):
        each = [dice_by_hand(chance[sample, c], (targets[sample] == c).double().numpy()) for c in range(C)]
        assert found[sample] == pytest.approx(np.mean(each), rel=1e-12)
    weights = np.array([0, 0, 3.0, 1.0], np.float32)
    found = build_loss(TrainConfig(loss="dice"), class_weights=weights)(outputs, targets).numpy()
    assert found[-1] == pytest.approx(0.75 * each[2] + 0.25 * each[3], rel=1e-12)


def test_dice_of_masks():
    outputs, targets = logits(N, 1, 4, 5, 2), indices(N, 1, 4, 5, 2, classes=2)
    loss = build_loss(TrainConfig(loss="dice"))
    found = loss(outputs, targets)
    each = [dice_by_hand(outputs[n].sigmoid().numpy(), targets[n].double().numpy()) for n in range(N)]
    np.testing.assert_allclose(found.numpy(), each, rtol=1e-12)
    torch.testing.assert_close(loss(outputs, targets[:, 0]), found)


def test_dice_at_its_ends():
    truth = torch.zeros(3, 1, 8, 8)
    truth[0, 0, 2:5, 2:5] = 1
    sure = build_loss(TrainConfig(loss="dice"))(200 * truth - 100, truth)
    np.testing.assert_allclose(sure.numpy(), 0, atol=1e-6)  # a mask found, two empty ones too
    wrong = build_loss(TrainConfig(loss="dice"))(100 - 200 * truth, truth)
    np.testing.assert_allclose(wrong.numpy(), [1 - 1 / 65] * 3, rtol=1e-5)


@pytest.mark.parametrize(("channels", "entropy"), [(1, "bce"), (C, "cross-entropy")])
def test_dice_ce_is_the_sum(channels, entropy):
    outputs, targets = logits(N, channels, 3, 5), indices(N, 3, 5, classes=max(2, channels))
    parts = [build_loss(TrainConfig(loss=name))(outputs, targets) for name in ("dice", entropy)]
    torch.testing.assert_close(build_loss(TrainConfig(loss="dice-ce"))(outputs, targets), parts[0] + parts[1])


CASES = [
    ("bce", (N, C), chances(N, C)), ("cross-entropy", (N, C, 3), indices(N, 3)), ("soft", (N, C), chances(N, C)),
    ("hinge", (N, C), indices(N)), ("hinge", (N,), indices(N, classes=2)), ("mse", (N, C), chances(N, C)),
    ("mae", (N, C), chances(N, C)), ("focal", (N,), indices(N, classes=2)), ("focal", (N, C, 3), indices(N, 3)),
    ("dice", (N, C, 3), indices(N, 3)), ("dice", (N, 1, 7), indices(N, 1, 7, classes=2)),
    ("dice-ce", (N, C, 3), indices(N, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "targets"), CASES)
def test_gradients_and_mixed_precision(name, shape, targets):
    loss, outputs = build_loss(TrainConfig(loss=name)), logits(*shape)
    assert torch.autograd.gradcheck(lambda values: loss(values, targets), outputs.clone().requires_grad_())
    half = outputs.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(half, targets)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(half.double(), targets).float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "shape", "targets"), CASES)
def test_samples_do_not_see_each_other(name, shape, targets):
    """Each sample's loss is its own: the batch may be computed in parts."""
    loss, outputs = build_loss(TrainConfig(loss=name)), logits(*shape)
    whole = loss(outputs, targets)
    assert whole.shape == (N,)
    torch.testing.assert_close(torch.cat([loss(outputs[:2], targets[:2]), loss(outputs[2:], targets[2:])]), whole)


def test_missing_labels_are_left_out():
    outputs = logits(3, 4)
    targets = chances(3, 4)
    targets[0, 1] = targets[0, 3] = NAN
    targets[2] = NAN
    outputs.requires_grad_()
    found = build_loss(TrainConfig(loss="bce"))(outputs, targets)
    wanted = F.binary_cross_entropy_with_logits(outputs[0, [0, 2]], targets[0, [0, 2]])
    torch.testing.assert_close(found[0], wanted)
    assert found[2] == 0
    found.sum().backward()
    assert bool((outputs.grad[2] == 0).all())
    assert outputs.grad[0, 1] == 0
    assert outputs.grad[0, 0] != 0


def test_missing_pixels_are_left_out():
    outputs, targets = logits(2, C, 6), indices(2, 6)
    for name in ("cross-entropy", "dice", "dice-ce", "focal"):
        loss = build_loss(TrainConfig(loss=name))
        wanted = loss(outputs[:, :, :4], targets[:, :4])
        partly = targets.clone()
        partly[:, 4:] = MISSING
        torch.testing.assert_close(loss(outputs, partly), wanted)
        torch.testing.assert_close(loss(outputs, partly.double().where(partly != MISSING, NAN)), wanted)


def test_several_heads():
    size, kind = logits(3), logits(3, C)
    true_size, true_kind = torch.tensor([1.0, NAN, 2.0]), torch.tensor([1, 2, MISSING])
    losses = {"size": (build_loss(TrainConfig(loss="mse")), 0.5), "kind": (build_loss(TrainConfig(loss="hinge")), 2.0)}
    both = MultiHead(losses)
    found = both({"kind": kind, "size": size, "other": size}, {"size": true_size, "kind": true_kind})
    regression = 0.5 * (size - torch.tensor([1.0, 0, 2.0])) ** 2
    classes = 2 * F.multi_margin_loss(kind, torch.tensor([1, 2, 0]), reduction="none")
    torch.testing.assert_close(
        found, torch.stack([regression[0] + classes[0], classes[1], regression[2]]).to(found.dtype)
    )
    torch.testing.assert_close(both((size, kind), (true_size, true_kind)), found)
    with pytest.raises(InputError, match=r"targets are \['size'\]; one for each of size, kind"):
        both((size, kind), {"size": true_size})
    with pytest.raises(InputError, match=r"outputs are 3 without names"):
        both((size, kind, kind), {"size": true_size})
    with pytest.raises(OptionError, match="at least one head"):
        MultiHead({})


@pytest.mark.parametrize(
    ("name", "outputs", "targets"),
    [
        ("bce", (3, 2), (3,)), ("cross-entropy", (3,), (3,)), ("cross-entropy", (3, 2), (3, 2)),
        ("dice", (3, 2), (3,)), ("mse", (3, 2), (2, 3)), ("focal", (3, 2, 4), (3, 5)),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(name, outputs, targets):
    with pytest.raises(InputError, match=rf"loss {name}: outputs .*targets .*expected"):
        build_loss(TrainConfig(loss=name))(torch.zeros(outputs), torch.zeros(targets))


def test_options_that_do_not_fit():
    with pytest.raises(OptionError, match="loss mse knows no classes"):
        build_loss(TrainConfig(loss="mse"), class_weights=np.ones(2, np.float32))
    with pytest.raises(OptionError, match="loss focal does not smooth labels"):
        build_loss(TrainConfig(loss="focal", label_smoothing=0.1))
