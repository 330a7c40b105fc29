"""The scores of `detectors` by the compiled kernels: tables laid out as native/detectors.h wants them."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import native
from bioconv.conv.arithmetic import output_size, padding_of

if TYPE_CHECKING:
    from bioconv.conv.detector_network import Detectors

Floats = NDArray[np.float32]

_LANE = 8  # native/detectors.h


class Plan(ctypes.Structure):
    """`DetectorPlan` of native/detectors.h."""

    _fields_ = [
        ("window", ctypes.c_int64),
        ("stride", ctypes.c_int64),
        ("length", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("strands", ctypes.c_int32),
        ("hidden", ctypes.c_int32),
        ("padded", ctypes.c_int32),
        ("average", ctypes.c_int32),
        ("letters", ctypes.c_void_p),
        ("constant", ctypes.c_void_p),
        ("weights1", ctypes.c_void_p),
        ("biases1", ctypes.c_void_p),
        ("weights2", ctypes.c_void_p),
        ("bias2", ctypes.c_float),
    ]


def scores(codes: NDArray[np.uint8], detectors: Detectors, grid: tuple[int, int, bool], *, simd: bool = True) -> Floats:
    """Return (N, S) scores of the windows of a grid (window, stride, padded); `simd=False`: plain C."""
    window, stride, padded = grid
    count = output_size(len(codes), window, stride=stride)
    out = np.empty((count, detectors.strands), np.float32)
    letters, constant = _letter_table(detectors)
    outside, _ = padding_of("full" if padded else "valid", detectors.length)
    head = _head(detectors, output_size(window, detectors.length, padding=outside))
    plan = Plan(
        window=window,
        stride=stride,
        length=detectors.length,
        channels=letters.shape[2],
        strands=detectors.strands,
        hidden=0 if detectors.weights2 is None else len(head[2]),
        padded=padded,
        average=detectors.average_pooling,
        letters=letters.ctypes.data,
        constant=constant.ctypes.data,
        weights1=head[0].ctypes.data,
        biases1=head[1].ctypes.data,
        weights2=head[2].ctypes.data,
        bias2=detectors.bias2,
    )
    kernel: Any = native.kernels()
    status = kernel.bioconv_detector_scores(
        ctypes.byref(plan), native.pointer(codes), ctypes.c_int64(len(codes)), int(simd), native.pointer(out)
    )
    if status != 0:
        raise MemoryError
    return out


def _letter_table(detectors: Detectors) -> tuple[Floats, Floats]:
    """Return what a letter adds at a place, (m, 5, C), and a detector's value without letters, (C,).

    An unknown letter is the zero of the table, so that it, and a detector's overhang, need no term of their
    own.
    """
    filters = detectors.stranded_filters().astype(np.float64)
    unknown = filters.mean(axis=2, keepdims=True)
    table = np.concatenate([filters - unknown, 0 * unknown], axis=2)
    padding = ((0, 0), (0, -detectors.count % _LANE), (0, 0), (0, 0))
    table = np.pad(table, padding).reshape(-1, 5, detectors.length)
    constant = np.pad(unknown.sum(axis=(2, 3)) + detectors.thresholds, padding[:2])
    return np.ascontiguousarray(table.transpose(2, 1, 0), np.float32), constant.reshape(-1).astype(np.float32)


def _head(detectors: Detectors, positions: int) -> tuple[Floats, Floats, Floats]:
    """Return weights1 (F, H), biases1 (H,), weights2 (H,), whole lanes, for maxima and sums apart."""
    surplus = -detectors.count % _LANE
    weights = detectors.weights1
    if detectors.average_pooling:
        mean = weights[1::2] / np.float32(positions)
        weights = np.concatenate([np.pad(half, ((0, surplus), (0, 0))) for half in (weights[0::2], mean)])
    else:
        weights = np.pad(weights, ((0, surplus), (0, 0)))
    if detectors.weights2 is None:
        bias = detectors.biases1 + np.float32(detectors.bias2)
        return np.ascontiguousarray(weights[:, 0]), bias, np.zeros(1, np.float32)
    more = -len(detectors.biases1) % _LANE
    weights = np.ascontiguousarray(np.pad(weights, ((0, 0), (0, more))))
    return weights, np.pad(detectors.biases1, (0, more)), np.pad(detectors.weights2, (0, more))
