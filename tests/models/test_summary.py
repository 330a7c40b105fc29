"""Tables of networks: the textbook's VGG-16, hand counts, and every architecture of images."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from bioconv.errors import ModelError
from bioconv.models import CLASSIFIERS, SEGMENTERS
from bioconv.models.building import build_network
from bioconv.models.summary import COLUMNS, summarise


def described(name, sizes, **config):
    with torch.device("meta"):
        network = build_network(name, {"channels_in": sizes[0], "outputs": 3, **config}).eval()
    return network, summarise(network, sizes)


def test_vgg16_of_the_textbook():
    """Receptive fields and sizes as in Araujo et al. 2019 (doi 10.23915/distill.00021) and the paper's table."""
    _, found = described("vgg16", (3, 224, 224), outputs=1000)
    rows = [(row.kind.split()[0], row.output, row.receptive_field) for row in found.layers]
    convolutions = [row for row in rows if row[0] == "convolution"]
    assert [field[0] for _, _, field in convolutions] == [3, 5, 10, 14, 24, 32, 40, 60, 76, 92, 132, 164, 196]
    pools = [row for row in rows if row[0] == "max"]
    assert [(field[0], shape[1]) for _, shape, field in pools] == [(6, 112), (16, 56), (44, 28), (100, 14), (212, 7)]
    assert [row.parameters for row in found.layers if row.kind == "linear"] == [102_764_544, 16_781_312, 4_097_000]
    assert found.parameters == 138_357_544
    maps = 2 * 64 * 224**2 + 64 * 112**2 + 2 * 128 * 112**2 + 128 * 56**2 + 3 * 256 * 56**2 + 256 * 28**2
    maps += 3 * 512 * 28**2 + 512 * 14**2 + 3 * 512 * 14**2 + 2 * 512 * 7**2 + 4096 + 4096 + 1000
    assert found.memory_bytes == 4 * maps


@pytest.mark.parametrize("name", [*CLASSIFIERS, *SEGMENTERS])
def test_every_architecture_of_images(name):
    network, found = described(name, (2, 64, 96))
    assert sum(row.parameters for row in found.layers) == found.parameters
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert found.memory_bytes == sum(4 * math.prod(row.output) for row in found.layers)
    last = found.layers[-1]
    assert last.output == ((3,) if name in CLASSIFIERS else (3, 64, 96))
    assert last.receptive_field is None or name in SEGMENTERS
    table = list(found.table())
    assert table[0] == COLUMNS
    assert {len(row) for row in table} == {len(COLUMNS)}
    assert json.loads(json.dumps(found.to_json()))["parameters"] == found.parameters
    assert all(row.kind[0].islower() for row in found.layers), {row.kind for row in found.layers}


def test_kinds_in_words():
    network = nn.Sequential(
        nn.Conv2d(4, 4, (1, 3), stride=(1, 2), groups=2), nn.ConvTranspose2d(4, 4, 2, stride=2), nn.BatchNorm2d(4),
        nn.AvgPool2d(2), nn.Conv2d(4, 4, 3, dilation=2), nn.Upsample(scale_factor=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2),
    ).eval()  # fmt: skip
    assert [row.kind for row in summarise(network, (4, 20, 21)).layers] == [
        "convolution 1x3 stride 1x2 groups 2", "transposed convolution 2x2 stride 2", "batch normalisation",
        "mean pooling 2x2 stride 2", "convolution 3x3 dilation 2", "upsampling", "mean pooling to 2x2", "linear",
    ]  # fmt: skip


def test_what_is_called_twice_counts_once():
    shared = nn.Conv2d(2, 2, 3)
    found = summarise(nn.Sequential(shared, nn.ReLU(), shared).eval(), (2, 9, 9))
    assert [row.parameters for row in found.layers] == [38, 0]
    assert found.parameters == 38


def test_volumes_and_sizes():
    _, found = described("unet", (1, 16, 32, 32), ndim=3)
    assert found.layers[-1].output == (3, 16, 32, 32)
    assert found.layers[0].kind == "convolution 3x3x3"
    with pytest.raises(ModelError, match="30x32: this network takes sizes that are multiples of 16"):
        described("unet", (1, 30, 32))
