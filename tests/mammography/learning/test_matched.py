"""Matched pairs: who is compared with whom, and the loss against its closed form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bioconv.errors import InputError
from bioconv.mammography.learning.fit import ClassificationPlan, train_classification
from bioconv.mammography.learning.matched import Matched, MatchedSamples, find_pairs, matched_loss
from bioconv.mammography.learning.recipe import AUGMENTATIONS, DEFAULTS
from bioconv.mammography.learning.samples import ViewSamples
from bioconv.models.building import build_network
from bioconv.training.finetune import freeze
from bioconv.training.normalisation import Normalisation
from tests.mammography import phantoms

SCALING = Normalisation.from_json({"mean": [0.3], "deviation": [0.2]})


@pytest.fixture(scope="module")
def data(mass_training):
    return mass_training[1]


def test_pairs_are_of_one_woman_and_view_with_the_finding_first(data):
    head = data.objective.heads[0]
    # Views in one order on the side with the finding, in the other without: places alone must not pair them.
    order = {("1", "CC"): 0, ("1", "MLO"): 1, ("0", "MLO"): 2, ("0", "CC"): 3}
    images = sorted(data.images, key=lambda image: order[image.answers[head.name], image.view.view])
    pairs = find_pairs(images, head)
    left, right = ([images[place] for place in own] for own in pairs.T)
    assert all(
        one.group == other.group and one.view.view == other.view.view for one, other in zip(left, right, strict=True)
    )
    assert {one.answers[head.name] for one in left} == {"1"}
    assert {one.answers[head.name] for one in right} == {"0"}
    assert len(np.unique(pairs)) == pairs.size
    # Half of the women have a mass, seen in both views; those without have nobody to be compared with.
    affected = {image.group for image in data.images if image.answers[head.name] == "1"}
    assert len(pairs) == 2 * len(affected)


def test_images_without_a_counterpart_are_refused_where_there_is_no_pair(data):
    head = data.objective.heads[0]
    alone = [image for image in data.images if image.answers[head.name] == "1"]
    with pytest.raises(InputError, match=r"no two training images .* differ in label"):
        find_pairs(alone, head)


def test_the_loss_is_that_of_conditional_logistic_regression_and_of_both_images(data):
    """Two pairs by hand: log(1 + exp(other - found)) + the mean of -log(p) and -log(1 - p)."""
    objective = replace(data.objective, heads=data.objective.heads[:1])
    found, other = np.array([0.5, -1.0]), np.array([-0.3, 2.0])
    logits = torch.tensor(np.stack([found, other], axis=1)[..., None])
    targets = (torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64),)
    want = [
        math.log1p(math.exp(b - a)) + (math.log1p(math.exp(-a)) + math.log1p(math.exp(b))) / 2
        for a, b in zip(found, other, strict=True)
    ]
    np.testing.assert_allclose(matched_loss(objective, DEFAULTS)(logits, targets).numpy(), want, rtol=1e-12)


def test_a_pair_is_its_two_images(data):
    single = ViewSamples(data.images, data.objective, SCALING)
    pairs = find_pairs(data.images, data.objective.heads[0])
    batch = MatchedSamples(single, pairs).batch(np.array([3, 1]), 0)
    assert batch.inputs.shape == (2, 2, 1, *phantoms.PREPARATION.size)
    for row, pair in enumerate((3, 1)):
        alone = single.batch(pairs[pair], 0)
        torch.testing.assert_close(batch.inputs[row], alone.inputs)
        assert batch.targets[0][row].tolist() == [1.0, 0.0] == alone.targets[0].tolist()
    network = build_network("residual", {"width": 0.25, "blocks": (1,), "outputs": 2}).eval()
    torch.testing.assert_close(Matched(network)(batch.inputs)[1], network(batch.inputs[1]))


def test_freezing_all_but_the_head_finds_the_head():
    network = Matched(build_network("residual", {"width": 0.25, "blocks": (1,)}))
    frozen = freeze(network, replace(DEFAULTS, freeze="all-but-head"))
    assert frozen
    assert not any("head" in name for name in frozen)
    assert isinstance(network.network.head, nn.Linear)


def test_masses_are_learnt_by_comparing_breasts(data):
    plan = ClassificationPlan(
        network={"width": 0.5, "blocks": (1, 1, 1), "pooling": "max"}, augmentation=AUGMENTATIONS["none"],
        config=phantoms.CONFIG, matched=True,
    )  # fmt: skip
    run = train_classification(data, plan)
    assert run.metrics["test"]["image"]["auroc"].value > 0.85
    assert run.model.metadata["training"]["matched"] is True
    assert all(not name.startswith("network.") for name in run.model.tensors)
