"""Initial weights: their distributions by their moments, against torch.nn.init's fans."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bioconv.training.config import TrainConfig
from bioconv.training.initialization import initialize


def deviation(weight: torch.Tensor, wanted: float) -> None:
    """The mean is 0 and the standard deviation what is wanted, within 5 standard errors."""
    count = weight.numel()
    assert abs(weight.mean().item()) < 5 * wanted / math.sqrt(count)
    assert weight.std().item() == pytest.approx(wanted, rel=5 / math.sqrt(2 * count))


LAYERS = [nn.Linear(300, 80), nn.Conv1d(60, 90, 7), nn.Conv2d(30, 50, (3, 5)), nn.Conv2d(60, 60, 3, groups=2)]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_moments(layer):
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
    initialize(layer, TrainConfig(initialization="normal", init_deviation=0.3))
    deviation(layer.weight, 0.3)
    initialize(layer, TrainConfig(initialization="kaiming"))
    deviation(layer.weight, math.sqrt(2 / fan_in))
    initialize(layer, TrainConfig(initialization="xavier"))
    deviation(layer.weight, math.sqrt(2 / (fan_in + fan_out)))
    assert layer.weight.abs().max() <= math.sqrt(6 / (fan_in + fan_out))
    assert not layer.bias.any()


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions(groups):
    """With stride 1 an output sees every input channel of its group at each place of the kernel: variance is kept."""
    up = nn.ConvTranspose1d(60, 80, 5, groups=groups)
    initialize(up, TrainConfig(initialization="kaiming"))
    outputs = up(torch.randn(20, 60, 100, generator=torch.Generator().manual_seed(1)))[:, :, 4:-4]
    assert outputs.var().item() == pytest.approx(2, rel=0.1)


def test_variance_is_kept_through_relus():
    """What Kaiming is for."""
    torch.manual_seed(0)
    layers = [nn.Linear(400, 400) for _ in range(10)]
    model = nn.Sequential(*[part for layer in layers for part in (layer, nn.ReLU())])
    initialize(model, TrainConfig(initialization="kaiming"))
    inputs = torch.randn(64, 400)
    assert (model(inputs) ** 2).mean().item() == pytest.approx(0.5 * 2, rel=0.5)


def test_identity_and_gates():
    for recurrent, gates in ((nn.RNN(5, 7, 2), 1), (nn.LSTM(5, 7, bidirectional=True), 4), (nn.GRUCell(5, 7), 3)):
        initialize(recurrent, TrainConfig(initialization="identity", init_deviation=0.001))
        for name, parameter in recurrent.named_parameters():
            if name.startswith("weight_hh"):
                assert torch.equal(parameter, torch.eye(7).repeat(gates, 1))
            elif name.startswith("weight_ih"):
                assert 0 < parameter.abs().max() < 0.006
            else:
                assert not parameter.any()
    wide = nn.LSTM(200, 100)
    initialize(wide, TrainConfig(initialization="xavier"))
    assert wide.weight_ih_l0.abs().max().item() == pytest.approx(math.sqrt(6 / 300), rel=1e-3)


def test_an_identity_network_remembers():
    recurrent = nn.RNN(3, 4, nonlinearity="relu", batch_first=True)
    initialize(recurrent, TrainConfig(initialization="identity", init_deviation=0.0))
    start = torch.rand(1, 2, 4)
    _, end = recurrent(torch.randn(2, 50, 3), start)
    assert torch.equal(start, end)


def test_only_the_seed_counts():
    def drawn(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed * 100)
        model = nn.Sequential(nn.Conv1d(4, 8, 3), nn.BatchNorm1d(8), nn.Linear(8, 1))
        nn.init.constant_(model[1].weight, 3.0)
        nn.init.constant_(model[1].bias, 2.0)
        before = torch.get_rng_state()
        initialize(model, TrainConfig(initialization="kaiming", seed=5 + seed // 2))
        assert torch.equal(torch.get_rng_state(), before)
        return [parameter.detach() for parameter in model.parameters()]

    first, second, third = drawn(0), drawn(1), drawn(2)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not torch.equal(first[0], third[0])
    assert torch.equal(first[2], torch.full((8,), 3.0))
    assert torch.equal(first[3], torch.full((8,), 2.0))


def test_default_touches_nothing():
    layer = nn.Linear(3, 3)
    before = layer.weight.detach().clone()
    initialize(layer, TrainConfig())
    assert torch.equal(layer.weight, before)
