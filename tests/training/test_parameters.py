"""Which tensors are weights, and which layer they are counted to."""

from __future__ import annotations

import torch
from torch import nn

from bioconv.training.parameters import list_tensors


class Branched(nn.Module):
    head_names = ("classify", "scale")

    def __init__(self) -> None:
        super().__init__()
        self.detectors = nn.Parameter(torch.zeros(8, 4, 5))
        self.thresholds_bias = nn.Parameter(torch.zeros(8, 1))
        self.scale = nn.Parameter(torch.ones(1))
        self.classify = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 1))
        self.body = nn.Sequential(nn.Conv1d(8, 8, 3), nn.GroupNorm(2, 8), nn.LSTM(8, 4), nn.LayerNorm(4))


def test_layers_count_from_the_head():
    layers = {tensor.name: tensor.layer for tensor in list_tensors(Branched())}
    assert {name for name, layer in layers.items() if layer == 0} == {
        "scale", "classify.0.weight", "classify.0.bias", "classify.2.weight", "classify.2.bias",
    }  # fmt: skip
    assert layers["detectors"] == layers["thresholds_bias"] == 3
    assert layers["body.0.weight"] == layers["body.0.bias"] == layers["body.1.weight"] == 2
    assert layers["body.2.weight_hh_l0"] == layers["body.2.bias_hh_l0"] == layers["body.3.bias"] == 1


def test_weights():
    model = Branched()
    weights = {tensor.name for tensor in list_tensors(model) if tensor.is_weight}
    assert weights == {
        "detectors", "classify.0.weight", "classify.2.weight", "body.0.weight", "body.2.weight_ih_l0",
        "body.2.weight_hh_l0",
    }  # fmt: skip
    biases = {tensor.name for tensor in list_tensors(model) if tensor.is_bias}
    norms = {"body.1.bias", "body.3.bias"}
    assert biases == {name for name, _ in model.named_parameters() if "bias" in name} - norms


def test_every_parameter_once_although_shared():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    assert [tensor.name for tensor in list_tensors(model)] == [name for name, _ in model.named_parameters()]


def test_no_parameters():
    assert list_tensors(nn.ReLU()) == []


def test_attention_has_biases():
    attention = nn.MultiheadAttention(4, 2)
    assert {tensor.name for tensor in list_tensors(attention) if not tensor.is_weight} == {
        "in_proj_bias", "out_proj.bias",
    }  # fmt: skip
