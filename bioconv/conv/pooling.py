"""Detectors slid over whole sequences and pooled over positions, with gradients: what training runs on.

Sequences are codes, uint8: 0 to 3 are known letters, anything else is unknown and counts as the mean of a
detector's four weights; so does the padding of m - 1 letters on both ends (Alipanahi et al. 2015, doi
10.1038/nbt.3300).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bioconv.conv import native

_LANES = 16  # native/pooling.c
_SYMBOLS = 5
_FASTEST = 3


def pool_detectors(
    codes: Tensor, filters: Tensor, thresholds: Tensor, *, reverse_complement: bool, average: bool
) -> Tensor:
    """Slide detectors over padded sequences, rectify, and pool over all positions.

    On the CPU the compiled kernels do it; on a device a Triton kernel, where it was measured to be faster than torch.
    Results agree to rounding, and do not depend on the number of threads.

    Parameters
    ----------
    codes
        (N, L) uint8; or (N, G, L): G groups of detectors, each with sequences of its own.
    filters
        (D, 4, m) float32; of groups (G, D, 4, m).
    thresholds
        (D,) float32, added before the rectifier; of groups (G, D).
    reverse_complement
        Whether the other strand is read as well.
    average
        Whether the mean over the L + m - 1 positions is a feature beside the maximum.

    Returns
    -------
    Tensor
        (S, N, P) float32, of groups (S, N, G, P), differentiable in filters and thresholds; strands first, P = D, or
        2 D with maximum and mean interleaved. Of equal maxima the first position gets the gradient.

    Examples
    --------
    >>> filters = torch.eye(4)[:1, :, None]  # the letter A
    >>> pool_detectors(torch.tensor([[3, 0, 3]]), filters, torch.zeros(1), reverse_complement=False, average=True)
    tensor([[[1.0000, 0.3333]]])
    """
    codes = codes.to(torch.uint8)
    if codes.device.type == "cpu" and _kernel() is not None:
        top, total = _native_pools(codes, filters, thresholds, reverse_complement, average)
    elif codes.is_cuda:
        from bioconv.conv.pooling_device import device_pools

        top, total = device_pools(codes, filters, thresholds, reverse_complement, average, torch_pools)
    else:
        top, total = torch_pools(codes, filters, thresholds, reverse_complement)
    highest: Tensor = top.relu()
    if not average:
        return highest
    mean = total / (codes.shape[-1] + filters.shape[-1] - 1)
    return torch.stack([highest, mean], dim=-1).flatten(-2)  # max0, mean0, max1, ...


def one_hot(codes: Tensor) -> Tensor:
    """Return (..., 4, L) float32 letters of (..., L) codes; an unknown letter is 0.25 each."""
    table = torch.cat([torch.eye(4), torch.full((252, 4), 0.25)]).to(codes.device)
    letters: Tensor = table[codes.long()]
    return letters.transpose(-2, -1)


def torch_pools(codes: Tensor, filters: Tensor, thresholds: Tensor, both: bool) -> tuple[Tensor, Tensor]:
    """Return maxima before the rectifier, and sums after it, by one-hot letters and a (grouped) convolution.

    Parameters
    ----------
    codes, filters, thresholds, both
        As `pool_detectors` takes them.

    Returns
    -------
    tuple of Tensor
        (S, N, D) each, of groups (S, N, G, D).
    """
    letters, (length, found) = one_hot(codes), (filters.shape[-1], thresholds.shape)
    tops, totals = [], []
    for strand in [letters, letters.flip(-2, -1)] if both else [letters]:
        padded = functional.pad(strand.flatten(1, -2), (length - 1,) * 2, value=0.25)
        values = functional.conv1d(padded, filters.flatten(0, -3), thresholds.flatten(), groups=padded.shape[1] // 4)
        values = values.reshape(len(values), *found, values.shape[-1])
        tops.append(values.max(-1).values)
        totals.append(values.relu().sum(-1))
    return torch.stack(tops), torch.stack(totals)


def _native_pools(
    codes: Tensor, filters: Tensor, thresholds: Tensor, both: bool, average: bool
) -> tuple[Tensor, Tensor]:
    """Return what `torch_pools` does, by the compiled kernels; sums are empty without `average`."""
    if codes.ndim == 2:
        return _Native.apply(codes, filters, thresholds, both, average)  # type: ignore[no-any-return, no-untyped-call]
    groups = [_native_pools(*own, both, average) for own in zip(codes.unbind(1), filters, thresholds, strict=True)]
    tops, totals = zip(*groups, strict=True)
    return torch.stack(tops, 2), torch.stack(totals, 2) if average else totals[0]


class _Block(ctypes.Structure):
    """`PoolBlock` of native/pooling.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("rows", "letters", "stride")),
        *((name, ctypes.c_int32) for name in ("strands", "length")),
        *((name, ctypes.c_void_p) for name in ("codes", "weights", "bias", "top", "at", "sum")),
        *((name, ctypes.c_void_p) for name in ("top_grad", "sum_grad", "weights_grad", "bias_grad")),
    )


@cache
def _kernel() -> Any:
    """Return the kernel, or None where there is none, or the compiler had no vector types."""
    library = native.kernels()
    if library is None or library.bioconv_pool(ctypes.byref(_Block()), 0, 0) != 0:
        return None
    return library.bioconv_pool


class _Native(torch.autograd.Function):
    """The compiled kernels, LANES detectors a task, tasks over threads."""

    @staticmethod
    def forward(
        context: Any, codes: Tensor, filters: Tensor, thresholds: Tensor, both: bool, average: bool
    ) -> tuple[Tensor, Tensor]:
        work = _Work(codes, filters, thresholds, both)
        top, at, total = work.room(np.float32), work.room(np.int32), work.room(np.float32) if average else None
        work.run(back=False, top=top, at=at, sum=total)
        context.work, context.at, context.average = work, at, average
        first = torch.from_numpy(top)[:, :, : work.count].transpose(0, 1)
        if total is None:
            return first, first.new_zeros(0)
        return first, torch.from_numpy(total)[:, :, : work.count].transpose(0, 1)

    @staticmethod
    def backward(context: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        work = context.work
        weights, bias = np.zeros_like(work.weights), np.zeros_like(work.bias)
        work.run(
            back=True,
            at=context.at,
            top_grad=work.padded(grads[0]),
            sum_grad=work.padded(grads[1]) if context.average else None,
            weights_grad=weights,
            bias_grad=bias,
        )
        return None, *work.gradients(weights, bias), None, None


class _Work:
    """Detectors laid out as native/pooling.c wants them: (blocks, m, SYMBOLS, LANES)."""

    def __init__(self, codes: Tensor, filters: Tensor, thresholds: Tensor, both: bool) -> None:
        self.codes = np.ascontiguousarray(np.minimum(codes.numpy(), 4))
        self.count, _, self.length = filters.shape
        self.strands = 2 if both else 1
        self.blocks = -(-self.count // _LANES)
        weights = np.zeros((self.length, _SYMBOLS, self.blocks * _LANES), np.float32)
        weights[:, :4, : self.count] = filters.detach().numpy().transpose(2, 1, 0)
        weights[:, 4] = weights[:, :4].mean(axis=1)
        blocked = weights.reshape(self.length, _SYMBOLS, self.blocks, _LANES)
        self.weights = np.ascontiguousarray(blocked.transpose(2, 0, 1, 3))
        self.bias = np.zeros((self.blocks, _LANES), np.float32)
        self.bias.reshape(-1)[: self.count] = thresholds.detach().numpy()

    def room(self, kind: type[np.generic]) -> NDArray[Any]:
        """Return an empty (N, S, detectors) array."""
        return np.empty((len(self.codes), self.strands, self.blocks * _LANES), kind)

    def padded(self, grad: Tensor) -> NDArray[np.float32]:
        """Return an (S, N, D) gradient as (N, S, detectors), zero for the surplus ones."""
        room = self.room(np.float32)
        room[:, :, self.count :] = 0
        room[:, :, : self.count] = grad.detach().numpy().transpose(1, 0, 2)
        return room

    def run(self, *, back: bool, **arrays: NDArray[Any] | None) -> None:
        """Run the kernel on every block of detectors; arrays by the names of `PoolBlock`."""
        present = {name: array for name, array in arrays.items() if array is not None}

        def task(block: int) -> int:
            own = ("weights_grad", "bias_grad")
            offset = {name: a[block] if name in own else a[..., block * _LANES :] for name, a in present.items()}
            described = _Block(
                rows=len(self.codes),
                letters=self.codes.shape[1],
                stride=self.blocks * _LANES,
                strands=self.strands,
                length=self.length,
                codes=self.codes.ctypes.data,
                weights=self.weights[block].ctypes.data,
                bias=self.bias[block].ctypes.data,
                **{name: array.ctypes.data for name, array in offset.items()},
            )
            return int(_kernel()(ctypes.byref(described), int(back), _FASTEST))

        if any(_each(task, self.blocks)):
            raise MemoryError

    def gradients(self, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return the gradients of filters and thresholds; a letter's share of an unknown one is a quarter."""
        letters = weights.transpose(1, 2, 0, 3).reshape(self.length, _SYMBOLS, -1)[:, :, : self.count]
        filters = (letters[:, :4] + letters[:, 4:] / 4).transpose(2, 1, 0)
        return torch.from_numpy(np.ascontiguousarray(filters)), torch.from_numpy(bias.reshape(-1)[: self.count])


def _each(task: Callable[[int], int], count: int) -> list[int]:
    threads = min(count, torch.get_num_threads())
    if threads < 2:
        return [task(number) for number in range(count)]
    return list(_threads(threads).map(task, range(count)))


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="bioconv-pool")
