"""Held-out images that do not fit the memory: tiles give what the whole image does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bioconv import runtime
from bioconv.errors import OptionError
from bioconv.models.unet import UNet, UNetConfig
from bioconv.segmentation.learning.held_out_maps import held_out_maps
from bioconv.segmentation.objective import Objective

OBJECTIVE = Objective("binary", ("spot",))


class Small(nn.Module):
    """A network that holds so many pixels at once."""

    def __init__(self, network: nn.Module, pixels: int) -> None:
        super().__init__()
        self.network, self.pixels, self.stride, self.asked = network, pixels, getattr(network, "stride", 1), []

    def forward(self, images):
        if images.device.type != "meta" and not torch.compiler.is_compiling():
            self.asked.append(tuple(images.shape[2:]))
            if images[0, 0].numel() > self.pixels:
                raise torch.OutOfMemoryError
        return self.network(images)


def unet() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return UNet(UNetConfig(1, 1, widths=(4, 8))).eval()


@pytest.mark.parametrize("pixels", [200 * 300, 150 * 150, 3000])
def test_tiles_are_the_whole_image(pixels, monkeypatch, caplog):
    monkeypatch.setattr(runtime, "_warned", set())
    image = np.random.default_rng(0).standard_normal((1, 199, 291)).astype(np.float32)
    wanted = held_out_maps(unet(), OBJECTIVE, image)
    small = Small(unet(), pixels)
    found = held_out_maps(small, OBJECTIVE, image)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    assert wanted.std() > 1e-3
    assert ("going on with less at once" in caplog.text) == (pixels < 200 * 292)
    assert min(a * b for a, b in small.asked) <= pixels


def test_the_smallest_tile_does_not_fit():
    image = np.zeros((1, 200, 200), np.float32)
    said = r"out of memory with .* pixels, the smallest tile of this network.* --device cpu"
    with pytest.raises(OptionError, match=said):
        held_out_maps(Small(unet(), 10), OBJECTIVE, image)


def test_a_network_that_sees_the_whole_image():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images):
            return (images - images.mean((2, 3), keepdim=True)) * self.scale

    image = np.random.default_rng(0).standard_normal((1, 64, 80)).astype(np.float32)
    with pytest.raises(OptionError, match=r"held-out image of 64 x 80 pixels, and it cannot be cut into tiles: .*cpu"):
        held_out_maps(Small(Centred(), 1000), OBJECTIVE, image)
