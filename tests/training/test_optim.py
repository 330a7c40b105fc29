"""Optimisers against those of torch with their own weight decay, and one step by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bioconv.training.config import OPTIMIZERS, TrainConfig
from bioconv.training.finetune import freeze, unfreeze
from bioconv.training.optim import add_penalties, build_optimizer, parameter_groups


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.Flatten(), nn.Linear(12, 3), nn.Linear(3, 1))


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, config: TrainConfig | None, count: int = 5) -> None:
    generator = torch.Generator().manual_seed(2)
    for _ in range(count):
        optimizer.zero_grad()
        (model(torch.randn(5, 4, 4, generator=generator)) ** 2).sum().backward()
        if config is not None:
            add_penalties(optimizer.param_groups, config)
        optimizer.step()


def assert_same(first: nn.Module, second: nn.Module, tolerance: float = 1e-6) -> None:
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


PEERS = {
    "sgd": lambda groups, rate: torch.optim.SGD(groups, rate),
    "momentum": lambda groups, rate: torch.optim.SGD(groups, rate, momentum=0.9),
    "nesterov": lambda groups, rate: torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True),
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@pytest.mark.parametrize("l2", [0.0, 0.03])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_as_torch_with_weight_decay_on_weights(name, l2):
    """Unset numbers are torch's defaults, and L2 is torch's weight_decay, on weights alone."""
    config = TrainConfig(optimizer=name, l2=l2, learning_rate=0.01)
    model = network()
    peer = copy.deepcopy(model)
    weights = [peer[0].weight, peer[3].weight, peer[4].weight]
    rest = [p for p in peer.parameters() if all(p is not weight for weight in weights)]
    groups = [{"params": weights, "weight_decay": l2}, {"params": rest, "weight_decay": 0.0}]
    steps(peer, PEERS[name](groups, 0.01), None)
    steps(model, build_optimizer(config, parameter_groups(model, config)), config)
    assert_same(model, peer)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "adadelta"])
def test_numbers_are_passed_on(name):
    config = TrainConfig(optimizer=name, momentum=0.7, beta2=0.8, epsilon=1e-3)
    groups = parameter_groups(network(), config)
    group = build_optimizer(config, groups).param_groups[0]
    assert group["eps"] == 1e-3
    assert group.get("betas", (0.7, 0.8)) == (0.7, 0.8)
    assert 0.8 in {*group.get("betas", ()), group.get("alpha"), group.get("rho")}
    assert group.get("momentum", 0) == 0


def test_nesterov_without_momentum_is_sgd():
    config = TrainConfig(optimizer="nesterov", momentum=0.0)
    assert build_optimizer(config, parameter_groups(network(), config)).param_groups[0]["nesterov"] is False


def test_penalties_are_the_gradient_of_what_they_say():
    model = network()
    config = TrainConfig(optimizer="adam", l1=0.3, l2=0.7)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    add_penalties(parameter_groups(model, config), config)
    weights = [model[0].weight, model[3].weight, model[4].weight]
    penalty = sum(0.3 * weight.abs().sum() + 0.35 * (weight**2).sum() for weight in weights)
    wanted = torch.autograd.grad(penalty, list(model.parameters()), allow_unused=True)
    for parameter, gradient in zip(model.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, torch.zeros_like(parameter) if gradient is None else gradient)


def test_adamw_adds_l1_only_and_what_has_no_gradient_is_left():
    model = network()
    config = TrainConfig(optimizer="adamw", l1=0.5, l2=0.7)
    model[0].weight.grad = torch.zeros_like(model[0].weight)
    add_penalties(parameter_groups(model, config), config)
    torch.testing.assert_close(model[0].weight.grad, 0.5 * model[0].weight.detach().sign())
    assert model[3].weight.grad is None


def test_clipping_does_not_touch_the_penalty():
    """In the order of a step: a gradient clipped to nothing leaves the shrinking as it is."""
    model, config = network(), TrainConfig(optimizer="sgd", l2=0.1, learning_rate=0.5)
    before = model[0].weight.detach().clone()
    optimizer = build_optimizer(config, parameter_groups(model, config))
    (model(torch.ones(5, 4, 4)) ** 2).sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1e-12)
    add_penalties(optimizer.param_groups, config)
    optimizer.step()
    torch.testing.assert_close(model[0].weight.detach(), before * (1 - 0.5 * 0.1))


def test_groups_hold_every_learning_parameter_once():
    model = network()
    model[3].bias.requires_grad_(False)
    groups = parameter_groups(model, TrainConfig(layer_decay=0.5, learning_rate=0.2))
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    factors = {id(p): group["factor"] for group in groups for p in group["params"]}
    assert factors[id(model[4].weight)] == 1
    assert factors[id(model[3].weight)] == 0.5
    assert factors[id(model[0].weight)] == factors[id(model[1].bias)] == 0.25
    assert [group["lr"] for group in groups] == [0.2 * group["factor"] for group in groups]


def test_groups_of_frozen_parameters():
    """Kept only where they learn later, and then the same before and after unfreezing."""
    model, never = network(), TrainConfig(freeze="all-but-head")
    model[3].bias.requires_grad_(False)  # held fixed by the architecture
    freeze(model, never)
    (weights, biases) = parameter_groups(model, never)
    assert weights["params"][0] is model[4].weight
    assert biases["params"][0] is model[4].bias
    later = TrainConfig(freeze="all-but-head", unfreeze_at=2)
    before = parameter_groups(model, later)
    unfreeze(model)
    after = parameter_groups(model, later)
    assert [list(map(id, group["params"])) for group in before] == [list(map(id, group["params"])) for group in after]
    assert all(p is not model[3].bias for group in after for p in group["params"])


def test_frozen_parameters_stay_and_then_learn():
    model, config = network(), TrainConfig(freeze="2", unfreeze_at=1, l2=0.1, optimizer="momentum", learning_rate=1e-3)
    freeze(model, config)
    optimizer = build_optimizer(config, parameter_groups(model, config))
    before = model[0].weight.detach().clone()
    steps(model, optimizer, config)
    assert torch.equal(model[0].weight, before)
    unfreeze(model)
    steps(model, optimizer, config)
    assert not torch.equal(model[0].weight, before)
