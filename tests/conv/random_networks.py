"""Small random networks whose output grid is their input's: what exact tiling has to hold for."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 2
CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {
    "max": {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d},
    "avg": {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d},
}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Padded(nn.Module):
    """Zeros, or a crop, before and after each axis."""

    def __init__(self, widths: list[tuple[int, int]]) -> None:
        super().__init__()
        self.widths = [side for pair in reversed(widths) for side in pair]

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, self.widths)


class Skip(nn.Module):
    """What goes in is added to, or joins the channels of, what comes out."""

    def __init__(self, inner: nn.Module, join: nn.Module | None) -> None:
        super().__init__()
        self.inner, self.join = inner, join

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        return x + y if self.join is None else self.join(torch.cat([x, y], dim=1))


@st.composite
def networks(draw, ndim: int, *, depth: int = 2, smooth: bool = False) -> nn.Module:
    """Draw a network (N, 2, *spatial) -> (N, 2, *spatial) in float64; `smooth`: no maximum that hides values."""
    torch.manual_seed(draw(st.integers(0, 2**16)))
    network = _stack(draw, ndim, depth, smooth).double()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def _stack(draw, ndim, depth, smooth):
    parts = [draw(st.sampled_from([_same, _shifted, _activation])) for _ in range(draw(st.integers(0, 2)))]
    if depth and draw(st.integers(0, 3)):
        parts.insert(draw(st.integers(0, len(parts))), _hourglass)
    return nn.Sequential(*(part(draw, ndim, depth, smooth) for part in parts))


def _activation(draw, ndim, _depth, _smooth):
    return draw(st.sampled_from([nn.LeakyReLU(0.3, inplace=False), nn.Softplus(), NORM[ndim](CHANNELS)]))


def _same(draw, ndim, _depth, smooth):
    kernel, dilation = draw(_each(ndim, st.integers(1, 4))), draw(_each(ndim, st.integers(1, 3)))
    if all(size % 2 for size in kernel) and not smooth and draw(st.booleans()):
        return POOL["max"][ndim](kernel, stride=1, padding=tuple(size // 2 for size in kernel))
    padding = [(d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2) for k, d in zip(kernel, dilation, strict=True)]
    layer = CONVOLUTION[ndim](CHANNELS, CHANNELS, kernel, dilation=dilation)
    return nn.Sequential(Padded(padding), layer)


def _shifted(draw, ndim, _depth, _smooth):
    """A convolution that need not see the pixel it stands for."""
    kernel = draw(_each(ndim, st.integers(1, 3)))
    before = draw(_each(ndim, st.integers(-3, 4)))
    widths = [(b, k - 1 - b) for b, k in zip(before, kernel, strict=True)]
    # Cropping must leave something of the smallest input.
    widths = [(b, a) if min(b, a) >= 0 else (k - 1, 0) for (b, a), k in zip(widths, kernel, strict=True)]
    return nn.Sequential(Padded(widths), CONVOLUTION[ndim](CHANNELS, CHANNELS, kernel))


def _hourglass(draw, ndim, depth, smooth):
    stride = draw(_each(ndim, st.integers(1, 3)))
    inner = nn.Sequential(
        _down(draw, ndim, stride, smooth), _stack(draw, ndim, depth - 1, smooth), _up(draw, ndim, stride)
    )
    match draw(st.sampled_from(["none", "add", "concatenate"])):
        case "none":
            return inner
        case "add":
            return Skip(inner, None)
    return Skip(inner, CONVOLUTION[ndim](2 * CHANNELS, CHANNELS, 1))


def _down(draw, ndim, stride, smooth):
    """Divide sizes by the stride: span - stride <= 2 padding <= span - 1."""
    kind = draw(st.sampled_from(["convolution", "avg"] if smooth else ["convolution", "avg", "max"]))
    kernel, padding, dilation = [], [], []
    for step in stride:
        d = draw(st.integers(1, 2)) if kind != "avg" else 1
        fitting = [(k, p) for k in range(1, 6) for p in range(6) if d * (k - 1) + 1 - step <= 2 * p <= d * (k - 1)]
        if kind != "convolution":
            # In 3-D torch's mean wants the kernel within the image, padding or not.
            fitting = [(k, p) for k, p in fitting if p <= k // 2 and (k <= step or (kind, ndim) != ("avg", 3))]
        k, p = draw(st.sampled_from(fitting))
        kernel.append(k), padding.append(p), dilation.append(d)
    if kind == "convolution":
        return CONVOLUTION[ndim](CHANNELS, CHANNELS, tuple(kernel), tuple(stride), tuple(padding), tuple(dilation))
    one = {"dilation": dilation[0] if ndim == 1 else tuple(dilation)} if kind == "max" else {}
    arguments = [values[0] if ndim == 1 else tuple(values) for values in (kernel, stride, padding)]
    return POOL[kind][ndim](*arguments, **one)


def _up(draw, ndim, stride):
    """Multiply sizes by the stride: output_padding = stride + 2 padding - span."""
    if draw(st.booleans()):
        mode = LINEAR[ndim] if all(step in (1, 2) for step in stride) and draw(st.booleans()) else "nearest"
        return nn.Upsample(scale_factor=tuple(float(step) for step in stride), mode=mode)
    chosen = []
    for step in stride:
        fitting = [
            (k, p, step + 2 * p - d * (k - 1) - 1, d)
            for k in range(1, 6)
            for p in range(3)
            for d in (1, 2)
            if 0 <= step + 2 * p - d * (k - 1) - 1 < max(step, d)
        ]
        chosen.append(draw(st.sampled_from(fitting)))
    kernel, padding, extra, dilation = (tuple(column) for column in zip(*chosen, strict=True))
    return TRANSPOSED[ndim](CHANNELS, CHANNELS, kernel, tuple(stride), padding, extra, 1, True, dilation)


def _each(ndim, values):
    return st.lists(values, min_size=ndim, max_size=ndim).map(tuple)
