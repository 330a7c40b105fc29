"""How each operation of torch passes on what its values depend on; see `tracing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from bioconv.conv import dependence
from bioconv.conv.dependence import Axis
from bioconv.conv.tracing import Call, Grid, NotLocalError, Rule

_EXACT_LINEAR = (1, 2, 4, 8, 16, 32, 64)
_EXACT_NEAREST = 40
"""Up to this factor the neighbour that torch takes, floor(place * float32(1 / factor)), is place // factor."""


def _convolution(call: Call) -> Grid:
    _, weight, _, stride, padding, dilation, is_transposed, output_padding = call.args[:8]
    first = call.tensor.ndim - len(stride)
    _among_last(call, len(stride), "mixes places of the image as if they were channels")

    def follow(dim: int, axis: Axis) -> Axis:
        at = dim - first
        layer: dict[str, Any] = {name: _at(values, at) for name, values in _named(stride, padding, dilation)}
        kernel = int(weight.shape[dim - call.tensor.ndim])
        if is_transposed:
            return dependence.transposed(axis, kernel, output_padding=_at(output_padding, at), **layer)
        return dependence.convolved(axis, kernel, **layer)

    return call.grid.mapped(follow)


def _pool(call: Call) -> Grid:
    kernel = call.args[1]
    stride = call.argument(2, "stride") or kernel
    padding = call.argument(3, "padding", 0)
    average = call.name.startswith("avg")
    dilation = 1 if average else call.argument(4, "dilation", 1)
    ceil = bool(call.argument(4 if average else 5, "ceil_mode", False))
    _among_last(call, len(kernel), "pools over channels and places at once")
    first = call.tensor.ndim - len(kernel)

    def follow(dim: int, axis: Axis) -> Axis:
        layer: dict[str, Any] = {name: _at(values, dim - first) for name, values in _named(stride, padding, dilation)}
        return dependence.convolved(axis, kernel[dim - first], ceil=ceil, **layer)

    return call.grid.mapped(follow)


def _named(stride: Any, padding: Any, dilation: Any) -> list[tuple[str, Any]]:
    return [("stride", stride), ("padding", padding), ("dilation", dilation)]


def _at(values: Any, place: int) -> int:
    """Return the value of a place: one for all, a list of one, or a list of one per place."""
    if isinstance(values, int):
        return values
    return int(values[place] if len(values) > 1 else values[0])


def _among_last(call: Call, count: int, why: str) -> None:
    if any(dim < call.tensor.ndim - count for dim in call.grid.dims):
        raise NotLocalError(why)


def _upsample(call: Call) -> Grid:
    linear = "linear" in call.name
    if linear and call.argument(2, "align_corners", False):
        message = "interpolates with align_corners=True, which stretches its grid with the image's size"
        raise NotLocalError(message)

    def follow(dim: int, axis: Axis) -> Axis:
        factor, rest = divmod(call.result.shape[dim], axis.size)
        if rest or not factor:
            message = f"changes its size from {axis.size} to {call.result.shape[dim]}, which is no whole factor"
            raise NotLocalError(message)
        if not linear and factor <= _EXACT_NEAREST:
            return dependence.repeated(axis, factor)
        if factor not in _EXACT_LINEAR or not linear:
            message = f"upsamples by a factor of {factor}, whose weights are rounded by place (powers of 2 are not)"
            raise NotLocalError(message)
        return dependence.interpolated(axis, factor)

    return call.grid.mapped(follow)


def _constant_pad(call: Call) -> Grid:
    widths = call.args[1]

    def follow(dim: int, axis: Axis) -> Axis:
        pair = 2 * (call.tensor.ndim - 1 - dim)
        before, after = widths[pair : pair + 2] if pair < len(widths) else (0, 0)
        return dependence.padded(axis, before, after)

    return call.grid.mapped(follow)


def _pointwise(call: Call) -> Grid:
    """Join tensors of one grid, each broadcast to the result's axes."""
    shape = call.args[0].shape if call.name.endswith("_") else _first(call.result).shape
    grids = [grid.moved([dim + len(shape) - tensor.ndim for dim in grid.dims]) for tensor, grid in call.grids]
    for tensor in call.others:
        sizes = (1,) * (len(shape) - tensor.ndim) + tuple(tensor.shape)
        if any(sizes[dim] != 1 for dim in grids[0].dims):
            message = "adds or multiplies values that belong to fixed places of the image"
            raise NotLocalError(message)
    return _joined(grids)


def _joined(grids: Sequence[Grid]) -> Grid:
    first = grids[0]
    for grid in grids[1:]:
        same = all(mine.same_grid(other) for mine, other in zip(first.axes, grid.axes, strict=True))
        if grid.dims != first.dims or not same:
            message = "joins feature maps whose grids differ"
            raise NotLocalError(message)
    columns = zip(*(grid.axes for grid in grids), strict=True)
    return Grid(first.dims, tuple(dependence.merged(column) for column in columns))


def _first(result: Any) -> Tensor:
    tensor: Tensor = result if isinstance(result, Tensor) else result[0]
    return tensor


def _cat(call: Call) -> Grid:
    dim = call.argument(1, "dim", 0) % call.tensor.ndim
    if call.others or dim in call.grid.dims:
        message = "joins feature maps along an axis of the image, or to values that do not depend on it"
        raise NotLocalError(message)
    return _joined([grid for _, grid in call.grids])


def _along(position: int, why: str) -> Rule:
    """Make the rule of an operation along axes that must not be the image's; the axes stay where they are."""

    def rule(call: Call) -> Grid:
        dims = call.argument(position, "dim", 0)
        chosen = [dims] if isinstance(dims, int) else dims
        if not chosen or {dim % call.tensor.ndim for dim in chosen} & set(call.grid.dims):
            raise NotLocalError(why)
        return call.grid

    return rule


def _reduction(call: Call) -> Grid:
    position = 2 if call.name == "linalg_vector_norm" else 1
    dims = call.argument(position, "dim", [])
    chosen = {dim % call.tensor.ndim for dim in ([dims] if isinstance(dims, int) else dims or [])}
    if not chosen or chosen & set(call.grid.dims):
        message = "pools over the whole image"
        raise NotLocalError(message)
    if _first(call.result).ndim == call.tensor.ndim:
        return call.grid
    return call.grid.moved([dim - sum(gone < dim for gone in chosen) for dim in call.grid.dims])


def _slice(call: Call) -> Grid:
    dim = call.argument(1, "dim", 0) % call.tensor.ndim
    if dim not in call.grid.dims:
        return call.grid
    start, stop, step = call.argument(2, "start") or 0, call.argument(3, "end"), call.argument(4, "step", 1)
    size = call.tensor.shape[dim]
    start, stop, _ = slice(start, stop).indices(size)
    if step != 1:
        message = "takes every so many places by slicing; a pooling with kernel 1 does the same"
        raise NotLocalError(message)
    return call.grid.mapped(lambda at, axis: dependence.padded(axis, -start, stop - size) if at == dim else axis)


def _select(call: Call) -> Grid:
    dim = call.argument(1, "dim", 0) % call.tensor.ndim
    if dim in call.grid.dims:
        message = "picks one place of the image"
        raise NotLocalError(message)
    return call.grid.moved([at - (dim < at) for at in call.grid.dims])


def _unsqueeze(call: Call) -> Grid:
    dim = call.args[1] % (call.tensor.ndim + 1)
    return call.grid.moved([at + (dim <= at) for at in call.grid.dims])


def _squeeze(call: Call) -> Grid:
    dims = call.args[1] if len(call.args) > 1 else range(call.tensor.ndim)
    asked = {dim % call.tensor.ndim for dim in ([dims] if isinstance(dims, int) else dims)}
    gone = {dim for dim in asked if call.tensor.shape[dim] == 1}
    return call.grid.moved([at - sum(dim < at for dim in gone) for at in call.grid.dims])


def _permute(call: Call) -> Grid:
    order = [dim % call.tensor.ndim for dim in call.args[1]]
    return call.grid.moved([order.index(dim) for dim in call.grid.dims])


def _transpose(call: Call) -> Grid:
    one, other = (dim % call.tensor.ndim for dim in call.args[1:3])
    swap = {one: other, other: one}
    return call.grid.moved([swap.get(dim, dim) for dim in call.grid.dims])


def _view(call: Call) -> Grid:
    """Allow what leaves the image's axes alone: they keep their sizes, and what is behind them."""
    old, new = tuple(call.tensor.shape), tuple(call.result.shape)
    first, shift = min(call.grid.dims), len(new) - len(old)
    if first + shift < 0 or old[first:] != new[first + shift :]:
        message = "folds axes of the image into others, as attention does"
        raise NotLocalError(message)
    return call.grid.moved([dim + shift for dim in call.grid.dims])


def _expand(call: Call) -> Grid:
    return call.grid.moved([dim + call.result.ndim - call.tensor.ndim for dim in call.grid.dims])


def _batch_norm(call: Call) -> Grid:
    if "no_training" in call.name or not call.args[5]:
        return call.grid
    if call.args[3] is None:  # no running mean: instance norm
        return _STATISTICS(call)
    message = "is a batch norm in training mode; call eval() first"
    raise NotLocalError(message)


def _layer_norm(call: Call) -> Grid:
    if any(dim >= call.tensor.ndim - len(call.args[1]) for dim in call.grid.dims):
        message = "normalises by statistics of the whole image"
        raise NotLocalError(message)
    return call.grid


def _shuffle(call: Call) -> Grid:
    return call.grid.mapped(lambda _, axis: dependence.repeated(axis, call.args[1]))


def _unshuffle(call: Call) -> Grid:
    return call.grid.mapped(lambda _, axis: dependence.convolved(axis, call.args[1], stride=call.args[1]))


def _kept(call: Call) -> Grid:
    return call.grid


def _refused(why: str) -> Rule:
    def rule(_call: Call) -> Grid:
        raise NotLocalError(why)

    return rule


_STATISTICS = _refused("normalises by statistics of the whole image")
_FIXED_SIZE = _refused("pools to a fixed size, whatever the image's")
_MIRROR = _refused("pads with the image's own values, which a tile's edge does not have; pad with zeros")
_RANDOM = _refused("draws random numbers; call eval() first")
_ATTENTION = _refused("multiplies places of the image with each other, as attention does")

RULES: dict[str, Rule] = {
    "convolution": _convolution,
    **{f"{kind}_pool{n}d{end}": _pool for kind, end in (("max", "_with_indices"), ("avg", "")) for n in (2, 3)},
    **{f"upsample_nearest{n}d": _upsample for n in (1, 2, 3)},
    **{f"_upsample_nearest_exact{n}d": _upsample for n in (1, 2, 3)},
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"), _upsample),
    "pixel_shuffle": _shuffle,
    "pixel_unshuffle": _unshuffle,
    "constant_pad_nd": _constant_pad,
    "cat": _cat,
    "pointwise": _pointwise,
    **dict.fromkeys(("hardswish", "hardswish_", "_prelu_kernel", "_to_copy", "_unsafe_copy"), _pointwise),
    **dict.fromkeys(("detach", "alias", "lift_fresh", "zeros_like", "ones_like", "full_like", "empty_like"), _kept),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    "native_layer_norm": _layer_norm,
    "native_group_norm": _STATISTICS,
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "argmax", "linalg_vector_norm"), _reduction),
    **dict.fromkeys(("_softmax", "_log_softmax"), _along(1, "takes a softmax over the whole image, as attention does")),
    "glu": _along(1, "gates one half of the image by the other"),
    **dict.fromkeys(("split", "split_with_sizes"), _along(2, "splits the image")),
    "slice": _slice,
    **dict.fromkeys(("select", "unbind"), _select),
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "permute": _permute,
    "transpose": _transpose,
    "expand": _expand,
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), _view),
    **{f"_adaptive_avg_pool{n}d": _FIXED_SIZE for n in (2, 3)},
    **{f"adaptive_max_pool{n}d": _FIXED_SIZE for n in (2, 3)},
    **{f"{kind}_pad{n}d": _MIRROR for kind in ("reflection", "replication") for n in (1, 2, 3)},
    **dict.fromkeys(("bernoulli", "bernoulli_", "native_dropout"), _RANDOM),
    **dict.fromkeys(("bmm", "mm", "matmul", "baddbmm"), _ATTENTION),
    "copy_": _refused("writes into parts of a feature map"),
    "new_empty": _refused("is a dropout in training mode (call eval() first), or pads an image with itself"),
}
