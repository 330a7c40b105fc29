"""Heads, their probabilities, targets and loss, beside sums written out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bioconv.errors import ModelError
from bioconv.mammography.learning.recipe import DEFAULTS
from bioconv.mammography.objective import Head, Objective

OBJECTIVE = Objective((Head("label", ("0", "1")), Head("density", ("a", "b", "c"), 0.3)))
LOGITS = torch.tensor([[0.2, 1.0, -1.0, 0.5], [-1.5, 0.0, 2.0, 0.0], [3.0, 0.1, 0.2, 0.3]])


def test_probabilities_are_sigmoid_and_softmax():
    found = {name: own.numpy() for name, own in OBJECTIVE.probabilities(LOGITS).items()}
    values = LOGITS.numpy().astype(np.float64)
    positive = 1 / (1 + np.exp(-values[:, 0]))
    np.testing.assert_allclose(found["label"], np.stack([1 - positive, positive], 1), rtol=1e-6)
    powers = np.exp(values[:, 1:])
    np.testing.assert_allclose(found["density"], powers / powers.sum(1, keepdims=True), rtol=1e-6)
    assert OBJECTIVE.labels == ("label", "density=a", "density=b", "density=c")
    assert OBJECTIVE.outputs == len(OBJECTIVE.labels) == 4


def test_loss_of_each_image_is_the_weighted_sum_of_what_is_known():
    config = replace(DEFAULTS, loss="bce")
    answers = {"label": ["1", "", "0"], "density": ["a", "c", ""]}
    targets = tuple(OBJECTIVE.targets(answers)[name] for name in ("label", "density"))
    found = OBJECTIVE.loss(config)(LOGITS, targets)
    values = LOGITS.numpy().astype(np.float64)
    positive = 1 / (1 + np.exp(-values[:, 0]))
    finding = -np.array([np.log(positive[0]), 0, np.log(1 - positive[2])])
    softmax = np.exp(values[:, 1:]) / np.exp(values[:, 1:]).sum(1, keepdims=True)
    density = -np.array([np.log(softmax[0, 0]), np.log(softmax[1, 2]), 0])
    np.testing.assert_allclose(found.numpy(), finding + 0.3 * density, rtol=1e-5)


def test_a_batch_of_which_nothing_is_known_teaches_nothing():
    logits = LOGITS.clone().requires_grad_(True)
    answers = {"label": ["", "", ""], "density": ["a", "b", "c"]}
    targets = tuple(OBJECTIVE.targets(answers)[name] for name in ("label", "density"))
    loss = OBJECTIVE.loss(DEFAULTS)(logits, targets).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.equal(logits.grad[:, 0], torch.zeros(3))
    assert bool((logits.grad[:, 1:] != 0).all())


def test_json_and_back():
    assert Objective.from_json(OBJECTIVE.to_json()) == OBJECTIVE
    with pytest.raises(ModelError, match="name, classes and weight"):
        Objective.from_json([{"title": "label"}])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Head("label", ("1",)), "at least two"),
        (lambda: Head("label", ("1", "1")), "different classes"),
        (lambda: Head("label", ("0", "1"), -1), "weight of 0 or more"),
        (lambda: Head("label", ("0", "1"), float("inf")), "weight of 0 or more"),
        (lambda: Objective(()), "the first a question with two answers"),
        (lambda: Objective((Head("density", ("a", "b", "c")),)), "the first a question with two answers"),
        (lambda: Objective((Head("a", ("0", "1")), Head("a", ("0", "1")))), "different names"),
        (lambda: OBJECTIVE.targets({"label": ["2"], "density": ["a"]}), "label '2' is none of the classes 0, 1"),
    ],
)
def test_what_is_refused(make, said):
    with pytest.raises(ModelError, match=said):
        make()
