"""Receptive fields of layers: closed forms, the arithmetic of stacks, and brute force by changed pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bioconv.conv.arithmetic import Layer, receptive_field
from bioconv.conv.geometry import positive_copy
from bioconv.conv.receptive import output_places, view_layers
from bioconv.errors import ModelError

KERNELS = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))


@given(st.lists(KERNELS, min_size=1, max_size=4))
@settings(max_examples=12)
def test_a_stack_is_what_arithmetic_says(stack):
    layers = [nn.Conv2d(1, 1, kernel, stride, dilation=dilation) for kernel, stride, dilation in stack]
    views = view_layers(nn.Sequential(*layers).eval(), (1, 400, 400))
    for count, view in enumerate(views, 1):
        field, _ = receptive_field([Layer(kernel, stride, dilation) for kernel, stride, dilation in stack[:count]])
        assert view.field == (field, field)


class Branching(nn.Module):
    """Down, up, and a way around; then the mean over the image weighs channels."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 3, (3, 5), padding=(1, 2))
        self.down = nn.Conv2d(3, 3, 4, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(3, 3, 2, stride=2)
        self.joined = nn.Conv2d(6, 2, 3, padding=1)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.weighed = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, images):
        first = self.first(images)
        maps = self.joined(torch.cat([first, self.up(self.down(first))], 1))
        return self.weighed(maps * self.mean(maps))


def test_changed_pixels_see_no_more_and_no_less():
    network = positive_copy(Branching())
    views = {view.name: view for view in view_layers(network, (2, 48, 48))}
    seen = {}
    hooks = [m.register_forward_hook(lambda m, _, out, n=n: seen.setdefault(n, []).append(out)) for n, m in
             network.named_modules() if n]  # fmt: skip
    image = torch.rand(1, 2, 48, 48, dtype=torch.float64).requires_grad_()
    network(image)
    for hook in hooks:
        hook.remove()
    for name in ("first", "down", "up", "joined"):
        (out,) = seen[name]
        fields = []
        for dy in (0, 1):  # both phases of the upsampling
            (gradient,) = torch.autograd.grad(
                out[0, 0, out.shape[2] // 2 + dy, out.shape[3] // 2 + dy], image, retain_graph=True
            )
            ys, xs = gradient[0].abs().sum(0).nonzero().T
            fields.append((int(ys.max() - ys.min()) + 1, int(xs.max() - xs.min()) + 1))
        assert views[name].field == tuple(map(max, zip(*fields, strict=True))), name
        assert views[name].shape == out.shape[1:]
    assert views["mean"].field is None
    assert views["weighed"].field is None  # although its own kernel is small


def test_the_network_is_left_as_it_was_and_layers_come_in_order():
    network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Conv1d(2, 2, 3)).eval()
    network.insert(0, network[2])
    network[0] = nn.Identity()
    views = view_layers(network, (1, 20))
    assert [view.name for view in views] == ["0", "1", "2", "3"]
    assert [view.field for view in views] == [(1,), (3,), (3,), (5,)]
    assert not any(module._forward_hooks for module in network.modules())
    assert all(not weight.is_meta for weight in network.parameters())


def test_an_image_it_does_not_take():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 9)).eval()
    with pytest.raises(ModelError, match=r"Sequential does not take an image of \(3, 8, 8\).* behind 0 \(4, 6, 6\)"):
        view_layers(network, (3, 8, 8))
    with pytest.raises(ModelError, match="does not take an image"):
        view_layers(network, (1, 80, 80))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 3, 2, 1)],
        [nn.Conv2d(1, 1, 5), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3, padding=1)],
        [nn.Conv2d(1, 1, 7, 4, 2), nn.MaxPool2d(3, 2)],
        [nn.Conv2d(1, 1, 3, 2, 1), nn.MaxPool2d(3, 2, ceil_mode=True)],
        [nn.Conv2d(1, 1, 4, 3, 1, dilation=2)],
    ],
)
def test_values_lie_in_the_middle_of_what_changes_them(layers):
    network = positive_copy(nn.Sequential(*layers)).eval()
    image = torch.linspace(0, 1, 40 * 56, dtype=torch.float64).reshape(1, 1, 40, 56).requires_grad_()
    maps = network(image)
    rows, columns = output_places(network, (1, 40, 56))
    assert (len(rows), len(columns)) == tuple(maps.shape[2:])
    y, x = (size // 2 for size in maps.shape[2:])  # far from borders, which cut off what is seen
    pooled = any(isinstance(layer, nn.MaxPool2d) for layer in layers)
    network = nn.Sequential(*(_averaged(layer) for layer in network)) if pooled else network
    (slopes,) = torch.autograd.grad(network(image)[0, 0, y, x], image)
    changed = slopes[0, 0].nonzero()
    assert (rows[y], columns[x]) == tuple((changed.amin(0) + changed.amax(0)).div(2).tolist())


def _averaged(layer):
    """A pooling whose mean every pixel changes, in place of one whose maximum is one pixel's."""
    if not isinstance(layer, nn.MaxPool2d):
        return layer
    return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)


def test_what_sees_the_whole_image_has_no_place():
    assert output_places(nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1)).eval(), (1, 9, 9)) is None
