"""False discovery rates over everything that was tested, from the hits alone.

References
----------
Benjamini & Hochberg (1995) J R Stat Soc B 57:289-300, doi:10.1111/j.2517-6161.1995.tb02031.x.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COMPRESS = 1 << 21


class FalseDiscovery:
    """Collect p-values per motif, then turn them into q-values.

    The q-value of a hit is the smallest p' m / rank(p') over the reported p' >= p, where m is the number of
    tests of its motif. Hits beyond the reporting threshold are not seen, so it can only be too large.
    """

    def __init__(self) -> None:
        self._motifs = np.empty(0, dtype=np.int64)
        self._p = np.empty(0)
        self._counts = np.empty(0, dtype=np.int64)
        self._pending: list[tuple[NDArray[np.int32], NDArray[np.float64]]] = []
        self._waiting = 0

    def add(self, motifs: NDArray[np.int32], p: NDArray[np.float64]) -> None:
        """Add hits: motif indices and p-values, both (n,)."""
        self._pending.append((motifs, p))
        self._waiting += len(p)
        if self._waiting > _COMPRESS:
            self._compress()

    def _compress(self) -> None:
        """Keep each (motif, p) once, with its count: windows share few distinct p-values."""
        motifs = np.concatenate([self._motifs, *(motifs for motifs, _ in self._pending)])
        p = np.concatenate([self._p, *(p for _, p in self._pending)])
        counts = np.concatenate([self._counts, np.ones(self._waiting, dtype=np.int64)])
        order = np.lexsort((p, motifs))
        motifs, p, counts = motifs[order], p[order], counts[order]
        first = np.flatnonzero(np.r_[True, (motifs[1:] != motifs[:-1]) | (p[1:] != p[:-1])][: len(p)])
        self._motifs, self._p = motifs[first], p[first]
        self._counts = np.add.reduceat(counts, first) if len(first) else counts
        self._pending, self._waiting = [], 0

    def finish(self, tests: NDArray[np.int64]) -> QValues:
        """Return the q-values; tests: (M,) number of windows tested per motif, both strands counted."""
        self._compress()
        q = np.empty(len(self._p))
        for motif in np.unique(self._motifs):
            rows = slice(*np.searchsorted(self._motifs, [motif, motif + 1]))
            rank = np.cumsum(self._counts[rows])
            raw = self._p[rows] * tests[motif] / rank
            q[rows] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
        return QValues(self._motifs, self._p, q)


class QValues:
    """Q-value of every (motif, p) that was collected."""

    def __init__(self, motifs: NDArray[np.int64], p: NDArray[np.float64], q: NDArray[np.float64]) -> None:
        self._levels = np.unique(p)
        self._keys = motifs * len(self._levels) + np.searchsorted(self._levels, p)
        self._q = q

    def of(self, motifs: NDArray[np.int32], p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the q-values of hits that were added: motif indices and p-values, both (n,)."""
        keys = motifs.astype(np.int64) * len(self._levels) + np.searchsorted(self._levels, p)
        return self._q[np.searchsorted(self._keys, keys)]
