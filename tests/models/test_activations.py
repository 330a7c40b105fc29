"""What layers gave: against the layers run one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bioconv.errors import ModelError
from bioconv.models.activations import ends_of, first_filters, layer_outputs
from bioconv.models.building import build_network


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Conv2d(2, 3, 3), nn.Flatten()).eval()


def test_outputs_are_those_of_the_layers(network):
    images = torch.randn(1, 1, 9, 9)
    found = layer_outputs(network, images[0].numpy(), ["2", "0"])
    with torch.inference_mode():
        first = network[0](images)
        # As it was before the rectifier wrote over it.
        np.testing.assert_array_equal(found["0"], first[0])
        np.testing.assert_array_equal(found["2"], network[2](first.relu())[0])
    assert found["0"].min() < 0
    assert not any(module._forward_hooks for module in network.modules())


def test_ends(network):
    assert ends_of(network, (1, 9, 9)) == ("0", "2")
    assert np.array_equal(first_filters(network, "0"), network[0].weight.detach())
    unet = build_network("unet", {"widths": [2, 4]}).eval()
    assert ends_of(unet, (1, 8, 8)) == ("encoder.0.0", "head")
    resnet = build_network("resnet18", {"width": 0.05}).eval()
    assert ends_of(resnet, (1, 40, 40)) == ("body.conv1", "body")
    images = torch.randn(1, 1, 40, 40)
    with torch.inference_mode():
        expected = resnet.features(images)[0]
    np.testing.assert_array_equal(layer_outputs(resnet, images[0].numpy(), ["body"])["body"], expected)
    with pytest.raises(ModelError, match="has no convolution over planes"):
        ends_of(nn.Sequential(nn.Conv1d(1, 1, 3)).eval(), (1, 9))


@pytest.mark.parametrize(
    ("layer", "match"),
    [("4", "no layer '4' in Sequential"), ("", "no layer ''"), ("3", r"layer 3 gives \(1, 75\), no maps")],
)
def test_layers_that_cannot_be_shown(network, layer, match):
    with pytest.raises(ModelError, match=match):
        layer_outputs(network, np.zeros((1, 9, 9), np.float32), [layer])
