"""False discovery rates over everything that was tested, from the hits alone.

References
----------
Benjamini & Hochberg (1995) J R Stat Soc B 57:289-300, doi:10.1111/j.2517-6161.1995.tb02031.x.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import native

_COMPRESS = 1 << 20
_Counted = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]
_NONE = (np.empty(0, dtype=np.int32), np.empty(0), np.empty(0, dtype=np.int64))


class FalseDiscovery:
    """Collect p-values per motif, then turn them into q-values.

    The q-value of a hit is the smallest p' m / rank(p') over the reported p' >= p, where m is the number of
    tests of its motif. Hits beyond the reporting threshold are not seen, so it can only be too large.
    """

    def __init__(self) -> None:
        self._levels: _Counted = _NONE
        self._pending: list[tuple[NDArray[np.int32], NDArray[np.float64]]] = []
        self._waiting = 0

    def add(self, motifs: NDArray[np.int32], p: NDArray[np.float64]) -> None:
        """Add hits: motif indices and p-values, both (n,)."""
        self._pending.append((motifs, p))
        self._waiting += len(p)
        if self._waiting > _COMPRESS:
            self._compress()

    def merge(self, other: FalseDiscovery) -> None:
        """Add all that another has collected."""
        other._compress()
        self._levels = _merged(self._levels, other._levels)

    def _compress(self) -> None:
        """Keep each (motif, p) once, with its count: windows share few distinct p-values."""
        if self._waiting:
            motifs = np.concatenate([motifs for motifs, _ in self._pending])
            p = np.concatenate([p for _, p in self._pending])
            self._pending, self._waiting = [], 0
            self._levels = _merged(self._levels, _counted(motifs, p))

    def finish(self, tests: NDArray[np.int64]) -> QValues:
        """Return the q-values; tests: (M,) number of windows tested per motif, both strands counted."""
        self._compress()
        motifs, p, counts = self._levels
        first = np.searchsorted(motifs, np.arange(len(tests) + 1)).astype(np.int64)
        q = np.empty(len(p))
        for motif in np.flatnonzero(np.diff(first)).tolist():
            rows = slice(first[motif], first[motif + 1])
            raw = p[rows] * tests[motif] / np.cumsum(counts[rows])
            q[rows] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
        return QValues(first, p, q)


def _counted(motifs: NDArray[np.int32], p: NDArray[np.float64]) -> _Counted:
    """Return each (motif, p) once with its count, in order."""
    p = p[np.argsort(motifs.astype(np.uint16) if motifs.max() < 1 << 16 else motifs, kind="stable")]
    ends = np.cumsum(np.bincount(motifs))
    for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        p[begin:end].sort()
    new = np.concatenate([[True], p[1:] != p[:-1]])
    new[ends[ends < len(p)]] = True
    first = np.flatnonzero(new)
    owner = np.searchsorted(ends, first, side="right").astype(np.int32)
    return owner, p[first], np.diff(first, append=len(p))


def _merged(one: _Counted, two: _Counted) -> _Counted:
    """Join two lists of levels, each in order; levels in both get the sum of their counts."""
    motifs = np.concatenate([one[0], two[0]])
    p = np.concatenate([one[1], two[1]])
    counts = np.concatenate([one[2], two[2]])
    if not len(one[0]) or not len(two[0]):
        return motifs, p, counts
    order = np.lexsort((p, motifs))
    motifs, p, counts = motifs[order], p[order], counts[order]
    first = np.flatnonzero(np.concatenate([[True], (motifs[1:] != motifs[:-1]) | (p[1:] != p[:-1])]))
    return motifs[first], p[first], np.add.reduceat(counts, first)


class QValues:
    """Q-value of every (motif, p) that was collected; motif m's levels are [first[m], first[m + 1])."""

    def __init__(self, first: NDArray[np.int64], p: NDArray[np.float64], q: NDArray[np.float64]) -> None:
        self._first = first
        self._p = p
        self._q = q

    def of(self, motifs: NDArray[np.int32], p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the q-values of hits that were added: motif indices and p-values, both (n,)."""
        q = np.empty(len(p))
        kernels = native.kernels()
        if kernels is None:
            for motif in np.flatnonzero(np.bincount(motifs)).tolist():
                hits, levels = motifs == motif, slice(self._first[motif], self._first[motif + 1])
                q[hits] = self._q[levels][np.searchsorted(self._p[levels], p[hits])]
            return q
        arrays: tuple[NDArray[Any], ...] = (
            np.ascontiguousarray(motifs),
            np.ascontiguousarray(p),
            self._first,
            self._p,
            self._q,
            q,
        )
        kernels.level_lookup(native.size(len(p)), *(native.pointer(array) for array in arrays))
        return q
