"""Scan base codes with position weight matrices: every window within its motif's budget of losses.

A matrix is given as whole-number losses per column and letter (how far the letter falls below the column's
best), so that every backend finds exactly the same windows with exactly the same loss.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import native
from bioconv.conv.functional import choose

UNKNOWN = 4
HIT = np.dtype([("position", np.int32), ("key", np.int32), ("loss", np.int32)])
"""A hit: window start, 2 * motif + strand (0 forward, 1 reverse complement), loss."""

Backend = Literal["native", "numpy"]
_NO_LOSS = np.iinfo(np.int32).max


def choose_backend(backend: Backend | None) -> Backend:
    """Return the backend to use on the CPU: the one asked for, else the one `functional` chooses."""
    return backend or cast("Backend", choose("scan").backend)


class MatrixScanner:
    """Matrices made ready for scanning.

    Parameters
    ----------
    matrices : sequence of (L, 4) int32
        Losses, at least 0, columns in the order A, C, G, T.
    budgets : sequence of int
        Largest loss of a hit, per motif; -1 where nothing can be a hit.
    strands : int
        1 forward, 2 reverse complement, 3 both.
    backend : {"native", "numpy"}, optional
        Default: compiled kernels if there are any.
    simd : int
        The most the compiled kernels may use: 0 plain C, 2 AVX2, 3 AVX-512 VBMI; less where the processor has less.

    Attributes
    ----------
    padding : int
        How many codes of `UNKNOWN` must follow the sequence in every array given to the methods.
    """

    def __init__(
        self,
        matrices: Sequence[NDArray[np.int32]],
        budgets: Sequence[int],
        *,
        strands: int = 3,
        backend: Backend | None = None,
        simd: int = 3,
    ) -> None:
        self.lengths = np.array([len(matrix) for matrix in matrices], dtype=np.int32)
        self.longest = int(self.lengths.max(initial=1))
        self.padding = self.longest + 16
        self.backend = choose_backend(backend)
        self._matrices = [np.ascontiguousarray(matrix, dtype=np.int32) for matrix in matrices]
        self._budgets = np.array(budgets, dtype=np.int32)
        self._strands = strands
        self._simd = simd
        self._plan = self._build() if self.backend == "native" else None

    def __del__(self) -> None:
        kernels = native.kernels() if getattr(self, "_plan", None) else None
        if kernels is not None:
            kernels.pwm_plan_free(ctypes.c_void_p(self._plan))

    def _build(self) -> int:
        kernels = _kernels()
        losses = np.concatenate([*self._matrices, np.zeros((1, 4), np.int32)])
        plan = kernels.pwm_plan(
            len(self.lengths),
            native.pointer(self.lengths),
            native.pointer(losses),
            native.pointer(self._budgets),
            self._strands,
            self._simd,
        )
        if not plan:
            raise MemoryError
        return int(plan)

    def hits(self, codes: NDArray[np.uint8], *, start: int = 0, limit: int | None = None) -> NDArray[np.void]:
        """Find the hits among the windows that start in [start, limit).

        Parameters
        ----------
        codes : (n + padding,) uint8
            The sequence, then `padding` codes of `UNKNOWN`.
        start, limit : int
            Range of window starts; `limit` defaults to n.

        Returns
        -------
        (k,) HIT
            By position, motif and strand.
        """
        size = len(codes) - self.padding
        limit = size if limit is None else min(limit, size)
        if self._plan is None:
            return _numpy_hits(self, codes[:size], start, limit)
        parts = []
        capacity = 1024 + (limit - start) // 64
        reached = ctypes.c_int64(start)
        while True:
            out = np.empty(capacity, dtype=HIT)
            found = _kernels().pwm_scan(
                ctypes.c_void_p(self._plan),
                native.pointer(codes),
                size,
                reached.value,
                limit,
                native.pointer(out),
                capacity,
                ctypes.byref(reached),
            )
            if found == -1:
                raise MemoryError
            if found >= 0:
                parts.append(out[:found])
                if reached.value >= limit:
                    return parts[0] if len(parts) == 1 else np.concatenate(parts)
            capacity = max(capacity * 4, -found)

    def lower_best(
        self, codes: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], best: NDArray[np.int32]
    ) -> None:
        """Lower `best` to the smallest loss of each motif within each segment [start, end) of the codes.

        Parameters
        ----------
        codes : (n + padding,) uint8
        starts, ends : (S,) int64
        best : (S, M) int32, changed in place
            Begin with `no_best(S)`; it stays at the largest int32 where no window is scorable.
        """
        if self._plan is None:
            _numpy_best(self, codes, starts, ends, best)
            return
        _kernels().pwm_best(
            ctypes.c_void_p(self._plan),
            native.pointer(codes),
            len(starts),
            native.pointer(starts),
            native.pointer(ends),
            native.pointer(best),
        )

    def no_best(self, segments: int) -> NDArray[np.int32]:
        """Return the (segments, M) array that `lower_best` begins with."""
        return np.full((segments, len(self.lengths)), _NO_LOSS, dtype=np.int32)

    def oriented(self, motif: int) -> list[tuple[int, NDArray[np.int32]]]:
        """Return (strand, losses (L, 4)) of a `motif`, by number, for each strand scanned: 0 forward, 1 reverse."""
        matrix = self._matrices[motif]
        both = [(0, matrix), (1, np.ascontiguousarray(matrix[::-1, ::-1]))]
        return [pair for pair in both if self._strands >> pair[0] & 1]

    def budget(self, motif: int) -> int:
        """Return the motif's budget."""
        return int(self._budgets[motif])


def count_windows(codes: NDArray[np.uint8], lengths: NDArray[np.int32], *, limit: int) -> NDArray[np.int64]:
    """Count, per length, the windows without unknown letters that start before `limit`.

    Parameters
    ----------
    codes : (n,) uint8
    lengths : (K,) int32
    limit : int

    Returns
    -------
    (K,) int64
    """
    counts = np.zeros(len(lengths), dtype=np.int64)
    if native.kernels() is not None:
        _kernels().count_windows(
            native.pointer(codes), len(codes), limit, len(lengths), native.pointer(lengths), native.pointer(counts)
        )
        return counts
    known = np.concatenate([[False], codes < UNKNOWN, [False]])
    edges = np.flatnonzero(known[1:] != known[:-1])
    begins, ends = edges[::2, None], edges[1::2, None]
    last = np.minimum(ends - lengths[None, :] + 1, limit)
    counts += np.maximum(last - begins, 0).sum(axis=0)
    return counts


def _kernels() -> ctypes.CDLL:
    kernels = native.kernels()
    if kernels is None:  # pragma: no cover - asked for by name on a machine without a compiler
        message = "the native backend was asked for, but there are no compiled kernels"
        raise RuntimeError(message)
    kernels.pwm_plan.restype = ctypes.c_void_p
    kernels.pwm_scan.restype = ctypes.c_int64
    kernels.pwm_scan.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
    ]  # fmt: skip
    kernels.pwm_best.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] + [ctypes.c_void_p] * 3
    kernels.pwm_best.restype = None
    kernels.count_windows.argtypes = [
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    kernels.count_windows.restype = None
    kernels.pwm_plan_free.restype = None
    return kernels


def _window_losses(
    codes: NDArray[np.uint8], losses: NDArray[np.int32], positions: NDArray[np.int64], budget: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions whose window is within budget, and their losses; most telling columns first."""
    wide = np.concatenate([losses.astype(np.int64), np.full((len(losses), 1), 1 << 40)], axis=1)
    total = np.zeros(len(positions), dtype=np.int64)
    for column in np.argsort(-losses.clip(max=budget + 1).sum(axis=1, dtype=np.int64), kind="stable"):
        total += wide[column, codes[positions + column]]
        keep = total <= budget
        if keep.sum() < len(keep) // 2:
            positions, total = positions[keep], total[keep]
    keep = total <= budget
    return positions[keep], total[keep]


def _numpy_hits(scanner: MatrixScanner, codes: NDArray[np.uint8], start: int, limit: int) -> NDArray[np.void]:
    parts = []
    for motif, length in enumerate(scanner.lengths):
        positions = np.arange(start, min(limit, len(codes) - int(length) + 1), dtype=np.int64)
        if scanner.budget(motif) < 0:
            continue
        for strand, losses in scanner.oriented(motif):
            at, loss = _window_losses(codes, losses, positions, scanner.budget(motif))
            part = np.empty(len(at), dtype=HIT)
            part["position"], part["key"], part["loss"] = at, 2 * motif + strand, loss
            parts.append(part)
    hits = np.concatenate([np.empty(0, dtype=HIT), *parts])
    return hits[np.lexsort((hits["key"], hits["position"]))]


def _numpy_best(
    scanner: MatrixScanner,
    codes: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    best: NDArray[np.int32],
) -> None:
    for segment, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for motif, length in enumerate(scanner.lengths):
            positions = np.arange(start, end - int(length) + 1, dtype=np.int64)
            for _, losses in scanner.oriented(motif):
                _, loss = _window_losses(codes, losses, positions, int(best[segment, motif]) - 1)
                best[segment, motif] = min(best[segment, motif], loss.min(initial=_NO_LOSS))
