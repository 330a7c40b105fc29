"""Detectors pooled over sequences on a device, by Triton from base codes or by torch: which, and how it is launched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bioconv.conv.functional import Choice, Contest, choose
from bioconv.conv.tuning import tuned_launch

Pools = tuple[Tensor, Tensor]
"""(S, N, D), of groups (S, N, G, D): largest values before the rectifier, and sums of the rectified ones."""
TorchPools = Callable[[Tensor, Tensor, Tensor, bool], Pools]
TOLERANCE = 5e-3
"""By how much backends may differ, relatively, over all numbers: torch's convolutions may take 11-bit numbers."""
_MOST_FEATURES = 256  # that a program's registers and shared memory hold
_PROGRAMS = 512  # of the gradients' kernel


@dataclass(frozen=True)
class PoolLaunch:
    """How the kernels are launched: positions and detectors of a tile, Triton's warps and stages."""

    rows: int = 64
    channels: int = 32
    warps: int = 8
    stages: int = 2


LAUNCHES = (
    PoolLaunch(),
    PoolLaunch(warps=4),
    PoolLaunch(channels=16, warps=4),
    PoolLaunch(rows=32, warps=4),
    PoolLaunch(rows=128),
    PoolLaunch(channels=64),
)
"""The shapes worth measuring."""
_chosen: dict[tuple[str, str], tuple[str, PoolLaunch]] = {}  # by device and shape: a training asks at every step


def device_pools(
    codes: Tensor, filters: Tensor, thresholds: Tensor, both: bool, average: bool, by_torch: TorchPools
) -> Pools:
    """Pool by what is chosen for batches of this shape; the first one decides.

    Parameters
    ----------
    by_torch : function
        (codes, filters, thresholds, both) -> what torch finds.
    """
    device, shape = str(codes.device), _shape(codes, filters, both=both, average=average)
    if (device, shape) not in _chosen:
        backend = choose_pooling(codes, filters, both, average, by_torch).backend
        _chosen[device, shape] = backend, tuned_launch(f"pooling {shape}", device, LAUNCHES)
    backend, launch = _chosen[device, shape]
    if backend == "torch":
        return by_torch(codes, filters, thresholds, both)
    return triton_pools(codes, filters, thresholds, both, average, launch)


def choose_pooling(
    codes: Tensor, filters: Tensor, both: bool, average: bool, by_torch: TorchPools, *, anew: bool = False
) -> Choice:
    """Choose the backend, by a contest on this batch: values and gradients.

    Parameters
    ----------
    codes : (N, L) or (N, G, L) uint8
        On the device.
    filters : (D, 4, m) or (G, D, 4, m) float32
    both, average : bool
        As `reverse_complement` and `average` of `pooling.pool_detectors`.
    by_torch : function
        As in `device_pools`.
    anew : bool
        Measure again what was measured before.
    """
    device, length = str(codes.device), filters.shape[-1]
    if features_of(length) > _MOST_FEATURES:
        return Choice("pooling", device, "torch", f"detectors of {length} letters are too long for the kernel")

    def run(pools: Callable[[Tensor, Tensor], Pools]) -> Tensor:
        with torch.inference_mode(mode=False), torch.enable_grad():
            own = filters.detach().clone().requires_grad_()
            thresholds = own.new_zeros(own.shape[:-2]).requires_grad_()
            top, total = pools(own, thresholds)
            reached = top.relu().sum() + (total.sum() if average else 0)
            grads = torch.autograd.grad(reached, (own, thresholds))
            return torch.cat([part.detach().flatten() for part in (top, *grads)])

    def in_shape(launch: PoolLaunch) -> Callable[[], Tensor]:
        return lambda: run(lambda own, thresholds: triton_pools(codes, own, thresholds, both, average, launch))

    def contest() -> Contest:
        launch = tuned_launch(f"pooling {shape}", device, LAUNCHES, in_shape)
        by_triton = in_shape(launch)
        return Contest(
            {"torch": lambda: run(lambda own, thresholds: by_torch(codes, own, thresholds, both)), "triton": by_triton},
            _agree,
        )

    shape = _shape(codes, filters, both=both, average=average)
    return choose("pooling", device, shape=shape, contest=contest, anew=anew)


def _shape(codes: Tensor, filters: Tensor, *, both: bool, average: bool) -> str:
    """Return what the speed depends on; numbers of sequences to the next power of two."""
    rows = 1 << max(0, len(codes) - 1).bit_length()
    strands = "2 strands" if both else "1 strand"
    of = "".join(f"{groups} groups of " for groups in filters.shape[:-3])
    detectors = f"{of}{filters.shape[-3]}x{filters.shape[-1]}"
    return f"{rows}x{codes.shape[-1]} by {detectors} {strands} {'mean' if average else 'max'}"


def _agree(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).norm() <= TOLERANCE * one.norm())


def features_of(length: int) -> int:
    """Return the features of a detector of so many letters, to a power of two that a matrix unit takes."""
    return max(16, 1 << (4 * length - 1).bit_length())


def triton_pools(
    codes: Tensor,
    filters: Tensor,
    thresholds: Tensor,
    both: bool,
    average: bool,
    launch: PoolLaunch | None = None,
) -> Pools:
    """Return what `pooling` asks for, differentiable in filters and thresholds; sums are empty without `average`."""
    top, total = _Triton.apply(codes, filters, thresholds, both, average, launch or PoolLaunch())  # type: ignore[no-untyped-call]
    return top.unflatten(2, thresholds.shape), total.unflatten(2, thresholds.shape) if average else total


class _Triton(torch.autograd.Function):
    """The kernels of `triton_pooling`."""

    @staticmethod
    def forward(
        context: Any, codes: Tensor, filters: Tensor, thresholds: Tensor, both: bool, average: bool, launch: PoolLaunch
    ) -> Pools:
        work = _Work(codes, filters, thresholds, 1 + both, average, launch)
        top, total, at = work.pool()
        context.work = work
        context.save_for_backward(at)
        return top, total

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (at,) = context.saved_tensors
        return None, *context.work.gradients(at, *grads), None, None, None


class _Work:
    """One batch, and the weights (features, detectors of all groups) as the kernels want them."""

    def __init__(
        self, codes: Tensor, filters: Tensor, thresholds: Tensor, strands: int, average: bool, launch: PoolLaunch
    ) -> None:
        from bioconv.conv import triton_pooling

        self._kernels: Any = triton_pooling  # triton's decorator has no types
        self._filters, (self.rows, *_) = filters.shape, codes.shape
        self.codes, self.launch, self.average = codes.movedim(0, -2).contiguous(), launch, average
        self.each, _, self.length = filters.shape[-3:]
        self.strands, self.features = strands, features_of(self.length)
        weights = filters.detach().float().flatten(0, -3).permute(2, 1, 0).flatten(0, 1)
        self.count, surplus = weights.shape[1], self.features - 4 * self.length
        self.weights = functional.pad(weights, (0, 0, 0, surplus)).contiguous()
        self.thresholds = thresholds.detach().float().flatten().contiguous()

    @property
    def _tiles(self) -> int:
        return self.count // max(1, self.each) * -(-self.each // self.launch.channels)

    def _told(self) -> tuple[Any, ...]:
        letters = self.codes.shape[-1]
        return self.codes, self.rows, letters, self.length, self.weights, self.thresholds, self.count, self.each

    def _shape(self) -> dict[str, Any]:
        launch = self.launch
        blocks = {"ROWS": launch.rows, "FEATURES": self.features, "CHANNELS": launch.channels}
        kinds = {"STRANDS": self.strands, "AVERAGE": self.average}
        return blocks | kinds | {"num_warps": launch.warps, "num_stages": launch.stages}

    def pool(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return (S, N, D) maxima and sums, and where the maxima are."""
        room = (self.strands, self.rows, self.count)
        top = self.weights.new_empty(room)
        total = self.weights.new_empty(room if self.average else (0,))
        at = torch.empty(room, dtype=torch.int32, device=top.device)
        if top.numel():
            grid = (self.strands * self.rows, self._tiles)
            self._kernels.pool[grid](*self._told(), top, at, total, **self._shape())
        return top, total, at

    def gradients(self, at: Tensor, top_grad: Tensor, total_grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of filters and thresholds."""
        parts = max(1, min(self.strands * self.rows, _PROGRAMS // self._tiles))
        weights = self.weights.new_zeros((parts, self.features, self.count))
        thresholds = self.weights.new_zeros((parts, self.count))
        if at.numel():
            grads = (top_grad.float().contiguous(), total_grad.float().contiguous())
            self._kernels.pool_gradients[(parts, self._tiles)](
                *self._told(), parts, at, *grads, weights, thresholds, **self._shape()
            )
        letters = weights.sum(0)[: 4 * self.length].reshape(self.length, 4, self.count)
        found = letters.permute(2, 1, 0).reshape(self._filters)
        return found, thresholds.sum(0).reshape(self._filters[:-2])
