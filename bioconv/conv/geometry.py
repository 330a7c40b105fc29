"""Stride, reach and margin of a network: computed from its operations, and measured by perturbing its input."""

from __future__ import annotations

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

_LARGE = {1: 107_520, 2: 107_520, 3: 13_440}
"""Sizes to follow a network at, by axes: multiples of common strides, larger than any reach; nothing is computed."""


def network_geometry(network: nn.Module, *, ndim: int, channels: int) -> Geometry:
    """Compute what a network needs for exact tiling, from its operations alone.

    Parameters
    ----------
    network
        From (N, C, *spatial) to (N, K, *spatial), in eval mode. It is run without data and left as it was.
    ndim
        Spatial axes, 1 to 3.
    channels
        C.

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
    image = torch.empty((1, channels, *sizes), device="meta")
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
