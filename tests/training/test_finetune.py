"""Freezing and copying: what must not move does not move, to the bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from bioconv.errors import ModelError, OptionError
from bioconv.training.config import TrainConfig
from bioconv.training.finetune import freeze, keep_frozen_eval, load_matching, unfreeze

AFFINE, PLAIN, HEAD_NORM = 1, 4, 8


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 6, 3),
        nn.BatchNorm1d(6, affine=False), nn.ReLU(),
        nn.Flatten(), nn.Linear(24, 5), nn.BatchNorm1d(5), nn.Linear(5, 1),
    )  # fmt: skip


def train(model: nn.Module, count: int = 3) -> None:
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    for step in range(count):
        model.train()
        keep_frozen_eval(model)
        optimizer.zero_grad()
        (model(5 + torch.randn(6, 4, 8, generator=torch.Generator().manual_seed(step))) ** 2).mean().backward()
        optimizer.step()


def moved(before: dict[str, torch.Tensor], model: nn.Module) -> set[str]:
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(model.state_dict())


def test_all_but_the_head_stands_still():
    model = network()
    before = state(model)
    assert len(freeze(model, TrainConfig(freeze="all-but-head"))) == 12 - 2
    train(model)
    assert moved(before, model) == {"9.weight", "9.bias"}
    unfreeze(model)
    train(model)
    # Biases in front of a batch norm have no gradient but rounding's.
    assert set(before) - moved(before, model) <= {"0.bias", "3.bias", "7.bias"}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_number_of_tensors_from_the_input_on():
    """Four tensors: the first convolution, its normalisation. Five, six: the next, and its plain normalisation."""
    model = network()
    before = state(model)
    assert freeze(model, TrainConfig(freeze="4")) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    train(model)
    still = set(before) - moved(before, model)
    assert still == {name for name in before if name.startswith(("0.", "1."))}

    model = network()
    freeze(model, TrainConfig(freeze="6"))
    train(model)
    still = set(before) - moved(before, model)
    assert still == {name for name in before if name.startswith(("0.", "1.", "3.", "4."))}


def test_none_freezes_nothing():
    model = network()
    before = state(model)
    assert freeze(model, TrainConfig()) == []
    train(model)
    assert set(before) - moved(before, model) <= {"0.bias", "3.bias", "7.bias"}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_declared_head():
    class Two(nn.Module):
        head_names = ("first", "second.1")

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 1)
            self.second = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
            self.firstborn = nn.Linear(2, 2)

    model = Two()
    freeze(model, TrainConfig(freeze="all-but-head"))
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {"first.weight", "first.bias", "second.1.weight", "second.1.bias"}


def test_unfreeze_leaves_what_the_architecture_holds_fixed():
    model = network()
    model[3].weight.requires_grad_(False)
    freeze(model, TrainConfig(freeze="all-but-head"))
    unfreeze(model)
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["3.weight"]


def test_a_copy_is_frozen_alike():
    """The averaged copy of a model, or one under data parallel, must not move its statistics either."""
    model = network()
    freeze(model, TrainConfig(freeze="all-but-head"))
    twin = nn.ModuleDict({"module": copy.deepcopy(model)}).train()
    keep_frozen_eval(twin)
    assert [twin["module"][place].training for place in (AFFINE, PLAIN, HEAD_NORM)] == [False] * 3


@pytest.mark.parametrize("number", ["12", "99"])
def test_nothing_left_to_learn(number):
    with pytest.raises(OptionError, match=r"leaves nothing to learn: the model has 12 parameter tensors"):
        freeze(network(), TrainConfig(freeze=number))


def test_load_matching_copies_what_fits():
    model, other = network(), network()
    for value in other.state_dict().values():
        value.copy_(value + 1)
    other[9] = nn.Linear(5, 3)
    read = {name: value.numpy().copy() for name, value in other.state_dict().items()}
    read["calibration"] = np.zeros(3)
    for value in read.values():
        value.setflags(write=False)  # as arrays from a file may be
    before = state(model)
    unmatched = load_matching(model, read)
    assert unmatched.kept == ("9.weight", "9.bias")
    assert unmatched.unused == ("9.bias", "9.weight", "calibration")
    assert moved(before, model) == set(before) - {"9.weight", "9.bias"}
    np.testing.assert_array_equal(model[0].weight.detach(), read["0.weight"])


def test_load_matching_refuses_another_architecture():
    model, wider = network(), nn.Sequential(nn.Conv1d(4, 9, 3), nn.BatchNorm1d(9))
    with pytest.raises(
        ModelError, match=r"no parameter .* it has 0\.weight \(9, 4, 3\).* this model has 0\.weight \(6"
    ):
        load_matching(model, wider.state_dict())  # the count of batches alone would fit
    with pytest.raises(ModelError, match="it has none"):
        load_matching(model, {})
