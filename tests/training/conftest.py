"""Small models and data that every test of the trainer can train."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from bioconv.training.data import ArraySamples


def make_samples(size: int = 50, features: int = 4, seed: int = 0) -> ArraySamples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, features, generator=generator)
    targets = (inputs.sum(1) + 0.5 * torch.randn(size, generator=generator) > 0).float()
    return ArraySamples(inputs, targets)


def make_model(features: int = 4, *, dropout: float = 0.0, seed: int = 1) -> nn.Module:
    layers = [nn.Linear(features, 6), nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, 1), nn.Flatten(0)]
    model = nn.Sequential(*layers)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return model


@pytest.fixture
def samples() -> Callable[..., ArraySamples]:
    return make_samples


@pytest.fixture
def model() -> Callable[..., nn.Module]:
    return make_model
