"""Stride, reach and margin of a network: computed from its operations, and measured by perturbing its input."""

from __future__ import annotations

import copy
import math
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bioconv.conv.arithmetic import Geometry
from bioconv.conv.dependence import Axis
from bioconv.conv.tracing import Grid, NotLocalError, Trace
from bioconv.conv.tracing_rules import RULES
from bioconv.errors import ModelError

_LARGE = {1: 241_920, 2: 241_920, 3: 20_160}
"""Sizes to follow a network at, by axes: multiples of 1 to 10, of 64 and of 9; nothing is computed."""


def network_geometry(network: nn.Module, *, ndim: int, channels: int) -> Geometry:
    """Compute what a network needs for exact tiling, from its operations alone.

    Parameters
    ----------
    network
        From (N, C, *spatial) to (N, K, *spatial), in eval mode. It is run without data and left as it was.
    ndim
        Spatial axes, 1 to 3.
    channels
        Channels of the input, C.

    Returns
    -------
    Geometry

    Raises
    ------
    ModelError
        If some output depends on the whole image, or on where it lies in it; the message names the module and the
        way out, which is `blending.run_blended`.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Upsample(scale_factor=2))
    >>> network_geometry(network.eval(), ndim=2, channels=3)
    Geometry(stride=(2, 2), reach=(2, 2), margin=((2, 2), (2, 2)))
    """
    size = _LARGE[ndim]
    geometry = _followed(network, (size,) * ndim, channels)
    aligned = tuple(size // stride * stride for stride in geometry.stride)
    if aligned != (size,) * ndim:
        geometry = _followed(network, aligned, channels)
    longer = tuple(length + stride for length, stride in zip(aligned, geometry.stride, strict=True))
    if _followed(network, longer, channels) != geometry:
        _refuse("treats images of different sizes differently")
    return geometry


def _followed(network: nn.Module, sizes: tuple[int, ...], channels: int) -> Geometry:
    trace = Trace(RULES)
    kind = next((weight.dtype for weight in network.parameters() if weight.is_floating_point()), torch.float32)
    image = torch.empty((1, channels, *sizes), device="meta", dtype=kind)
    weights = {name: weight.to("meta") for name, weight in (*network.named_parameters(), *network.named_buffers())}
    trace.start(image)
    try:
        with torch.no_grad(), trace.watch(network), trace:
            output = functional_call(network, weights, (image,))
    except NotLocalError as error:
        _refuse(str(error), trace.module, error)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        _refuse(f"cannot be followed ({error})", trace.module, error)
    grid = trace.grid(output) if isinstance(output, Tensor) else None
    if grid is None:
        _refuse("gives no single tensor that depends on the image (in training mode?)")
    return _geometry(trace, grid, output, sizes)


def _geometry(trace: Trace, grid: Grid, output: Tensor, sizes: tuple[int, ...]) -> Geometry:
    """Return stride, reach and margin of a network's output."""
    if tuple(output.shape[2:]) != sizes or grid.dims != tuple(range(2, output.ndim)):
        _refuse(f"makes {tuple(output.shape)} of an image of {sizes}, not a value per pixel")
    strides = tuple(math.lcm(*periods) for periods in zip(*trace.periods(), strict=True))
    return Geometry(
        stride=strides,
        reach=tuple(_reach(axis) for axis in grid.axes),
        margin=tuple((axis.before, axis.after) for axis in grid.axes),
    )


def _reach(axis: Axis) -> int:
    if axis.period != axis.phases:
        _refuse("has an output grid that is not its input's")
    return axis.reach()


def _refuse(why: str, module: str = "the network", cause: Exception | None = None) -> NoReturn:
    message = (
        f"exact tiling is not possible with this network: {module} {why}; whole images, or overlapping windows "
        "with Gaussian weights (run_blended), are the ways to run it"
    )
    raise ModelError(message) from cause


def measured_geometry(network: nn.Module, *, ndim: int, channels: int, size: int, largest_stride: int = 32) -> Geometry:
    """Measure what `network_geometry` computes, by perturbing the input; slow, a check and no substitute.

    A copy of the network runs in float64 on noise, its weights made positive, so that nothing cancels and no
    rectifier hides a path. The reach is how far a changed pixel is seen; the stride, by how much the image can be
    shifted for the output to shift with it; the margin, where a piece cut out gives other outputs than the whole.

    Parameters
    ----------
    network
        From (N, C, *spatial) to (N, K, *spatial), in eval mode.
    ndim, channels
        As in `network_geometry`.
    size
        Pixels of the axis that is looked at, a multiple of the stride; more than three times the reach.
    largest_stride
        Strides that are tried, 1 to this; the other axes have this size.

    Returns
    -------
    Geometry
        What can be seen of it: a maximum pooling hides some of a margin.

    Raises
    ------
    ModelError
        If a changed pixel is seen across the whole of `size`, or no stride fits.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv1d(1, 1, 3, padding=1), nn.AvgPool1d(2), nn.Upsample(scale_factor=2))
    >>> measured_geometry(network, ndim=1, channels=1, size=32, largest_stride=4)
    Geometry(stride=(2,), reach=(2,), margin=((2, 2),))
    """
    probe = _Probe(positive_copy(network), ndim, channels, largest_stride)
    with torch.no_grad():
        strides = tuple(probe.stride(axis, size) for axis in range(ndim))
        return Geometry(
            stride=strides,
            reach=tuple(probe.reach(axis, size, stride) for axis, stride in enumerate(strides)),
            margin=tuple(probe.margin(axis, size) for axis in range(ndim)),
        )


def positive_copy(network: nn.Module) -> nn.Module:
    """Return a copy of a `network` in float64 with positive weights that sum to about 1, so that values stay near 1."""
    twin = copy.deepcopy(network).double().eval()
    for module in twin.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
            module.reset_running_stats()
    for weight in twin.parameters():
        weight.requires_grad_(False).abs_().add_(1e-3)
        if weight.ndim > 1:
            weight.mul_(weight.shape[0] / weight.sum())
    return twin


class _Probe:
    """Runs a network along one axis; the others have the smallest size that every stride divides."""

    def __init__(self, network: nn.Module, ndim: int, channels: int, largest_stride: int) -> None:
        self._network, self._ndim, self._channels, self._largest = network, ndim, channels, largest_stride
        self._random = torch.Generator().manual_seed(0)

    def _image(self, axis: int, size: int) -> Tensor:
        sizes = [self._largest] * self._ndim
        sizes[axis] = size
        return torch.rand((1, self._channels, *sizes), generator=self._random, dtype=torch.float64)

    def _profile(self, values: Tensor, axis: int) -> Tensor:
        """Return the largest absolute value at each place of an axis."""
        return values.abs().movedim(axis + 2, 0).flatten(1).amax(1)

    def stride(self, axis: int, size: int) -> int:
        image = self._image(axis, size + self._largest)
        still = self._network(image.narrow(axis + 2, 0, size))
        for shift in range(1, self._largest + 1):
            moved = self._network(image.narrow(axis + 2, shift, size))
            third = size // 3
            there = still.narrow(axis + 2, third + shift, third - shift)
            here = moved.narrow(axis + 2, third, third - shift)
            if torch.allclose(there, here, rtol=1e-9, atol=1e-9 * float(still.abs().max())):
                return shift
        _refuse(f"has no stride up to {self._largest} along axis {axis}, or sees farther than {size // 3} pixels")

    def reach(self, axis: int, size: int, stride: int) -> int:
        image = self._image(axis, size)
        still, farthest = self._network(image), 0
        for pixel in range(size // 2, size // 2 + stride):
            changed = image.clone()
            changed.select(axis + 2, pixel).add_(1e6)
            seen = self._profile(self._network(changed) - still, axis).nonzero().flatten() - pixel
            farthest = max(farthest, int(seen.abs().max()) if len(seen) else 0)
        if farthest >= size // 2 - stride:
            _refuse(f"sees {farthest} pixels or more along axis {axis}; measure with a larger size")
        return farthest

    def margin(self, axis: int, size: int) -> tuple[int, int]:
        image = self._image(axis, 3 * size)
        whole = self._network(image).narrow(axis + 2, size, size)
        piece = self._network(image.narrow(axis + 2, size, size))
        wrong = self._profile(piece - whole, axis) > 1e-9 * float(whole.abs().max())
        half = size // 2
        before, after = wrong[:half].nonzero(), wrong[half:].nonzero()
        return int(before.max()) + 1 if len(before) else 0, half - int(after.min()) if len(after) else 0
