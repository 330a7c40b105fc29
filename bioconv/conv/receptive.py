"""What each layer of a network makes of an image, how much of the image one of its values sees, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from bioconv.conv.dependence import Axis
from bioconv.conv.tracing import Grid, NotLocalError, Trace, tensors_in
from bioconv.conv.tracing_rules import RULES
from bioconv.errors import ModelError


@dataclass(frozen=True, eq=False)
class LayerView:
    """One call of a module that has no modules of its own.

    Attributes
    ----------
    name
        As in `network.named_modules()`.
    module
        The module.
    shape
        Of its output, without the axis of images.
    field
        Pixels along each spatial axis from the first to the last that one value can depend on, also where that is
        more than the image has; None: the whole image, or nothing that is known to be less.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    field: tuple[int, ...] | None


def view_layers(network: nn.Module, sizes: tuple[int, ...]) -> list[LayerView]:
    """Run a network without data, and return its layers in the order they are called.

    Parameters
    ----------
    network
        In evaluation mode; from (N, C, *spatial). Left as it was.
    sizes
        (C, *spatial) of the image.

    Raises
    ------
    ModelError
        If the network does not take such an image.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.AdaptiveAvgPool2d(1))
    >>> [(view.shape, view.field) for view in view_layers(network.eval(), (1, 32, 32))]
    [((4, 30, 30), (3, 3)), ((4, 15, 15), (4, 4)), ((8, 13, 13), (8, 8)), ((8, 1, 1), None)]
    """
    trace = _WholeTrace()
    views: list[LayerView] = []
    hooks = [
        module.register_forward_hook(_noting(views, trace, name))
        for name, module in network.named_modules()
        if not any(True for _ in module.children())
    ]
    try:
        _followed(network, trace, sizes)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        last = f" behind {views[-1].name} {views[-1].shape}" if views else ""
        message = f"{type(network).__name__} does not take an image of {sizes} (channels first): {error}{last}"
        raise ModelError(message) from error
    finally:
        for hook in hooks:
            hook.remove()
    return views


def output_places(network: nn.Module, sizes: tuple[int, ...]) -> tuple[NDArray[np.float64], ...] | None:
    """Return where the values of a network's map lie in its image: the middle of the pixels that each can depend on.

    Padding and stride decide it: behind a 3x3 convolution of stride 2 that pads one pixel, value j lies on pixel 2 j,
    behind a 2x2 pooling between pixels 2 j and 2 j + 1.

    Parameters
    ----------
    network
        In evaluation mode; from (N, C, *spatial) to (N, K, *spatial). Run without data, and left as it was.
    sizes
        (C, *spatial) of the image.

    Returns
    -------
    tuple of NDArray or None
        Of each spatial axis the places (values,) float64, in pixels: 0 is the middle of the first one. None where a
        value depends on the whole image, or on nothing of it.

    Examples
    --------
    >>> halved = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.MaxPool2d(2))
    >>> [places.tolist() for places in output_places(halved.eval(), (1, 8, 12))]
    [[1.0, 5.0], [1.0, 5.0, 9.0]]
    """
    trace = _WholeTrace()
    result = _followed(network, trace, sizes)
    grid = trace.grid(result) if isinstance(result, Tensor) else None
    if grid is None or any((axis.highest < axis.lowest).any() for axis in grid.axes):
        return None
    return tuple(_middles(axis) for axis in grid.axes)


def _middles(axis: Axis) -> NDArray[np.float64]:
    turn, phase = np.divmod(np.arange(axis.size), axis.phases)
    return np.asarray((axis.lowest[phase] + axis.highest[phase]) / 2 + turn * axis.period, np.float64)


def _followed(network: nn.Module, trace: _WholeTrace, sizes: tuple[int, ...]) -> Any:
    """Return what a network makes of an image without contents, followed by a trace."""
    # A float64 network is followed as it is; only sizes matter.
    kind = next((weight.dtype for weight in network.parameters() if weight.is_floating_point()), torch.float32)
    image = torch.empty((1, *sizes), device="meta", dtype=kind)
    weights = {name: weight.to("meta") for name, weight in (*network.named_parameters(), *network.named_buffers())}
    trace.start(image)
    with torch.no_grad(), trace:
        return functional_call(network, weights, (image,))


def _noting(views: list[LayerView], trace: _WholeTrace, name: str) -> Any:
    def note(module: nn.Module, _given: Any, result: Any) -> None:
        if isinstance(result, Tensor):
            views.append(LayerView(name, module, tuple(result.shape[1:]), _field(trace.grid(result))))

    return note


def _field(grid: Grid | None) -> tuple[int, ...] | None:
    if grid is None:
        return None
    return tuple(int((axis.highest - axis.lowest + 1).max()) for axis in grid.axes)


class _WholeTrace(Trace):  # type: ignore[no-untyped-call]  # torch's __init_subclass__
    """Goes on where a value comes to depend on the whole image, and knows which do."""

    def __init__(self) -> None:
        super().__init__(RULES)
        self._everywhere: dict[int, Tensor] = {}

    def grid(self, tensor: Tensor) -> Grid | None:
        return None if id(tensor) in self._everywhere else super().grid(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        if not any(id(tensor) in self._everywhere for tensor in tensors_in([*args, *options.values()])):
            try:
                return super().__torch_dispatch__(func, types, args, kwargs)
            except NotLocalError:
                pass
        result = func(*args, **options)
        self._everywhere |= {id(tensor): tensor for tensor in tensors_in([result])}
        return result
