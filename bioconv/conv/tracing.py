"""Follow, through a run of a network without data, which pixels each of its values depends on.

The network runs once on tensors of the `meta` device, which have sizes and no contents; every operation that torch
dispatches is seen, whatever Python calls led to it, and followed by the rules of `dependence`. An operation that has
no rule, or that ties a value to the whole image, ends the run by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bioconv.conv import dependence
from bioconv.conv.dependence import Axis


class NotLocalError(Exception):
    """An operation whose result at a pixel depends on more than a neighbourhood of fixed size."""


@dataclass(frozen=True)
class Grid:
    """Where a tensor's spatial axes are, and what is known of each."""

    dims: tuple[int, ...]
    axes: tuple[Axis, ...]

    def moved(self, dims: Sequence[int]) -> Grid:
        """Return the same axes at other places."""
        return Grid(tuple(dims), self.axes)

    def mapped(self, follow: Callable[[int, Axis], Axis]) -> Grid:
        """Return every axis followed through an operation, by its place."""
        return Grid(self.dims, tuple(follow(dim, axis) for dim, axis in zip(self.dims, self.axes, strict=True)))


@dataclass(frozen=True)
class Call:
    """One dispatched operation."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    grids: tuple[tuple[Tensor, Grid], ...]
    """Tensor arguments that depend on the image."""
    others: tuple[Tensor, ...]
    """Tensor arguments that do not: weights, constants."""
    result: Any

    @property
    def tensor(self) -> Tensor:
        """The first argument that depends on the image."""
        return self.grids[0][0]

    @property
    def grid(self) -> Grid:
        """What is known of it."""
        return self.grids[0][1]

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """Return an argument that may be given by position or by name."""
        return self.args[position] if len(self.args) > position else self.options.get(name, default)


Rule = Callable[[Call], Grid]


class Trace(TorchDispatchMode):
    """Follows tensors that depend on an image; `module` names the module that runs."""

    def __init__(self, rules: dict[str, Rule]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rules = rules
        # Tensors are kept so that no number is given twice; those of `meta` take no memory.
        self._known: dict[int, tuple[Tensor, Grid]] = {}
        self._modules: list[str] = []
        self._shared: set[int] = set()  # tensors that share their values with another

    def start(self, image: Tensor) -> None:
        """Take a tensor (N, C, *spatial) as the image."""
        axes = tuple(dependence.pixels(size) for size in image.shape[2:])
        self._known[id(image)] = image, Grid(tuple(range(2, image.ndim)), axes)

    def grid(self, tensor: Tensor) -> Grid | None:
        """Return what is known of a tensor, or None if it does not depend on the image."""
        known = self._known.get(id(tensor))
        return known[1] if known else None

    def periods(self) -> list[tuple[int, ...]]:
        """Return, for every tensor that depends on the image, the pixels after which each axis repeats."""
        return [tuple(axis.period for axis in grid.axes) for _, grid in self._known.values()]

    @property
    def module(self) -> str:
        """Name and class of the module that runs."""
        return self._modules[-1] if self._modules else "the network"

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        result = func(*args, **options)
        tensors = list(tensors_in([*args, *options.values()]))
        grids = tuple((tensor, grid) for tensor in tensors if (grid := self.grid(tensor)) is not None)
        if grids:
            self._watch_sharing(func, tensors, len(grids), result)
            others = tuple(tensor for tensor in tensors if self.grid(tensor) is None)
            call = Call(func.overloadpacket.__name__, args, options, grids, others, result)
            grid = self._rule(call.name, torch.Tag.pointwise in func.tags)(call)
            first, *rest = tensors_in([result])
            if not _fits(first, grid):
                message = f"gives {tuple(first.shape)} by the operation {call.name} called in a way that is not known"
                raise NotLocalError(message)
            # What does not fit is what a normalisation hands to its gradient.
            for tensor in [first, *(tensor for tensor in rest if _fits(tensor, grid))]:
                self._known[id(tensor)] = tensor, grid
        return result

    def _watch_sharing(self, func: Any, tensors: list[Tensor], count: int, result: Any) -> None:
        """Refuse to follow what is written through a view: the tensors that share it would not be told."""
        returned = [value.alias_info for value in func._schema.returns]
        if any(alias is not None and not alias.is_write for alias in returned):
            self._shared |= {id(tensor) for tensor in (tensors[0], *tensors_in([result]))}
        if func._schema.is_mutable and count > 1 and id(tensors[0]) in self._shared:
            message = "changes a part of a feature map in place"
            raise NotLocalError(message)

    def _rule(self, name: str, pointwise: bool) -> Rule:
        rule = self._rules.get(name) or self._rules.get("pointwise" if pointwise else name)
        if rule is None:
            message = f"uses the operation {name}, which is not known to see only a neighbourhood"
            raise NotLocalError(message)
        return rule

    @contextmanager
    def watch(self, network: nn.Module) -> Iterator[None]:
        """Know which module runs, by hooks that are taken off again."""
        hooks = []
        for name, module in network.named_modules():
            label = f"{name} ({type(module).__name__})" if name else type(module).__name__

            def enter(_module: nn.Module, _args: Any, label: str = label) -> None:
                self._modules.append(label)

            def leave(_module: nn.Module, _args: Any, _result: Any) -> None:
                self._modules.pop()

            hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _fits(tensor: Tensor, grid: Grid) -> bool:
    """Compare the sizes that torch gave with those the rule says."""
    last = tensor.ndim - 1
    return all(dim <= last and tensor.shape[dim] == axis.size for dim, axis in zip(grid.dims, grid.axes, strict=True))


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Yield the tensors among values, lists and tuples of them included."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)
