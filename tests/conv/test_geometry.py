"""Stride, reach and margin of networks: against perturbed inputs, closed forms, and networks that have none."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from torch import nn

from bioconv.conv.arithmetic import Geometry, Layer, receptive_field
from bioconv.conv.geometry import measured_geometry, network_geometry
from bioconv.errors import ModelError
from tests.conv.random_networks import CHANNELS, networks


def unet(depth, convolutions, *, up):
    """A plain U-Net: `convolutions` 3x3 per level and side, skips added."""

    class Level(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.before, self.inner, self.after = stack(), inner, stack()

        def forward(self, x):
            x = self.before(x)
            return self.after(x if self.inner is None else x + self.inner(x))

    def stack():
        return nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(convolutions)))

    network = Level(None)
    for _ in range(depth):
        network = Level(nn.Sequential(nn.MaxPool2d(2), network, up()))
    return network.eval()


@pytest.mark.parametrize(("ndim", "examples"), [(1, 25), (2, 4)])
def test_computed_is_what_perturbed_inputs_show(ndim, examples):
    @given(networks(ndim, smooth=True))
    @settings(max_examples=examples)
    def check(network):
        computed = network_geometry(network, ndim=ndim, channels=CHANNELS)
        assume(max(computed.reach) < 70)
        measured = measured_geometry(network, ndim=ndim, channels=CHANNELS, size=216, largest_stride=36)
        assert measured.reach == computed.reach
        assert all(mine % other == 0 for mine, other in zip(computed.stride, measured.stride, strict=True))
        for mine, other in zip(computed.margin, measured.margin, strict=True):
            assert mine[0] >= other[0]
            assert mine[1] >= other[1]

    check()


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("convolutions", [1, 2])
def test_reach_of_a_unet_is_its_closed_form(depth, convolutions):
    """Down and up through all levels; a pooling adds up to 2**level - 1 by phase, upsampling to the nearest nothing."""
    geometry = network_geometry(unet(depth, convolutions, up=lambda: nn.Upsample(scale_factor=2)), ndim=2, channels=2)
    sides = sum(2 * convolutions * 2**level for level in range(depth + 1))
    phase = 2**depth - 1
    assert geometry.stride == (2**depth,) * 2
    assert geometry.reach == (sides + phase,) * 2


def test_margin_is_less_than_reach_where_the_farthest_phase_is_never_next_to_a_cut():
    network = unet(2, 1, up=lambda: nn.ConvTranspose2d(2, 2, 2, 2))
    computed = network_geometry(network, ndim=2, channels=2)
    measured = measured_geometry(network, ndim=2, channels=2, size=64, largest_stride=4)
    assert computed.reach == measured.reach == (17, 17)
    # Next to a cut, features that differ: 1 -> 1 | 2 -> 1 | 2, 3 on the way down, 6 -> 7 | 14 -> 15 on the way up.
    assert computed.margin[0] == (15, 15)
    # A maximum that a changed value does not win is a margin not seen.
    assert all(10 <= side <= 15 for sides in measured.margin for side in sides)


@pytest.mark.parametrize(
    "layers",
    [
        [Layer(3, padding=1)],
        [Layer(5, padding=4, dilation=2), Layer(3, padding=1)],
        [Layer(1), Layer(7, padding=3)],
    ],
)
def test_without_stride_the_receptive_field_says_it_all(layers):
    network = nn.Sequential(
        *(nn.Conv1d(1, 1, layer.kernel, padding=layer.padding, dilation=layer.dilation) for layer in layers)
    )
    reach = (receptive_field(layers)[0] - 1) // 2
    assert network_geometry(network, ndim=1, channels=1) == Geometry((1,), (reach,))


@pytest.mark.parametrize("stride", [2, 3, 4, 5])
def test_a_pooling_and_its_inverse(stride):
    network = nn.Sequential(nn.MaxPool1d(stride), nn.Upsample(scale_factor=stride))
    assert network_geometry(network, ndim=1, channels=1) == Geometry((stride,), (stride - 1,), ((0, 0),))


def test_axes_have_their_own_geometry():
    network = nn.Sequential(
        nn.Conv3d(1, 1, (1, 3, 5), padding=(0, 1, 2)),
        nn.MaxPool3d((1, 2, 4)),
        nn.Upsample(scale_factor=(1, 2, 4)),
    )
    geometry = network_geometry(network, ndim=3, channels=1)
    assert geometry.stride == (1, 2, 4)
    assert geometry.reach == (0, 1 + 1, 2 + 3)


class Attention(nn.Module):
    def forward(self, x):
        places = x.flatten(2)
        return (places @ (places.transpose(1, 2) @ places).softmax(2)).view_as(x)


class Position(nn.Module):
    def forward(self, x):
        return x + torch.linspace(0, 1, x.shape[-1], device=x.device)


class Wrong(nn.Module):
    """Treats large images as it does not treat small ones."""

    def forward(self, x):
        return nn.functional.avg_pool2d(x, 3, 1, 1) if x.shape[-1] > 241_920 else x


class InPlace(nn.Module):
    """Adds to some of the channels, through a view of them."""

    def forward(self, x):
        y = nn.functional.avg_pool2d(x, 3, 1, 1)
        x = x + 0
        x[:, :1].add_(y[:, :1])
        return x


BREAKING = {
    "InstanceNorm2d": (nn.InstanceNorm2d(2), "statistics of the whole image"),
    "GroupNorm": (nn.GroupNorm(2, 2), "statistics of the whole image"),
    "LayerNorm": (nn.LayerNorm(241_920), "statistics of the whole image"),
    "BatchNorm2d": (nn.BatchNorm2d(2), r"training mode; call eval\(\)"),
    "Dropout2d": (nn.Dropout2d(), r"call eval\(\)"),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d(1), "pools over the whole image"),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d(4), "pools to a fixed size"),
    "Attention": (Attention(), "as attention does"),
    "Position": (Position(), "fixed places of the image"),
    "InPlace": (InPlace(), "in place"),
    "Softmax": (nn.Softmax(dim=3), "softmax over the whole image"),
    "Upsample": (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), "align_corners=True"),
    "UpsamplingBilinear2d": (nn.UpsamplingBilinear2d(scale_factor=2), "align_corners=True"),
    "Conv2d": (nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), "the image's own values"),
    "CircularPad2d": (nn.CircularPad2d(1), "pads an image with itself"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_network_that_breaks_the_rule_is_refused_by_the_modules_name(name):
    module, why = BREAKING[name]
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Sequential(nn.ReLU(), module))
    with pytest.raises(ModelError, match=rf"1\.1 \(\w+\).*{why}.*run_blended"):
        network_geometry(network, ndim=2, channels=2)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (nn.Conv2d(2, 2, 3), "not a value per pixel"),
        (nn.Upsample(scale_factor=2), "not a value per pixel"),
        (nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=1.5)), "no whole factor"),
        (nn.Upsample(scale_factor=3, mode="bilinear"), "factor of 3"),
        (Wrong(), "different sizes differently"),
        (nn.Conv2d(3, 2, 1), "cannot be followed"),
    ],
)
def test_other_networks_without_a_geometry_are_refused_too(network, why):
    with pytest.raises(ModelError, match=why):
        network_geometry(network, ndim=2, channels=2)


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network_geometry(network, ndim=2, channels=2)
    measured_geometry(network, ndim=2, channels=2, size=32, largest_stride=2)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_sums_in_place_are_followed():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(2, 2, 5, padding=2)

        def forward(self, x):
            y = nn.functional.relu(x * 2, inplace=True)
            y += self.convolution(x)
            return nn.functional.leaky_relu_(y[:, :1])

    assert network_geometry(Residual(), ndim=2, channels=2).reach == (2, 2)


@pytest.mark.parametrize(
    "module",
    [
        nn.PReLU(),
        nn.GELU(),
        nn.Hardswish(),
        nn.ReLU(inplace=True),
        nn.Softmax(dim=1),
        nn.Identity(),
        nn.LocalResponseNorm(2),
        nn.Sequential(nn.Conv2d(2, 4, 1), nn.GLU(dim=1)),
        nn.Sequential(nn.PixelUnshuffle(1), nn.PixelShuffle(1)),
        nn.BatchNorm2d(2, affine=False).eval(),
        nn.InstanceNorm2d(2, track_running_stats=True).eval(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_works_on_each_pixel_adds_nothing(module):
    assert network_geometry(module, ndim=2, channels=2).reach == (0, 0)


def test_pixel_shuffles():
    network = nn.Sequential(nn.PixelUnshuffle(3), nn.Conv2d(18, 18, 3, padding=1), nn.PixelShuffle(3))
    geometry = network_geometry(network, ndim=2, channels=2)
    assert geometry == Geometry((3, 3), (5, 5), ((3, 3), (3, 3)))
