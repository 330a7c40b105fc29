"""Slow NumPy definitions: the specification that tests compare the fast paths with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNKNOWN = 4


def matrix_losses(codes: NDArray[np.uint8], losses: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the loss of every window of a sequence, forward strand.

    Parameters
    ----------
    codes : (n,) uint8
        A=0 C=1 G=2 T=3, anything else 4.
    losses : (L, 4) int32
        Loss of each letter in each column.

    Returns
    -------
    (n - L + 1,) int64
        The loss of window [i, i + L), or -1 where it holds an unknown letter.
    """
    length = len(losses)
    out = np.full(max(0, len(codes) - length + 1), -1, dtype=np.int64)
    for i in range(len(out)):
        window = codes[i : i + length]
        if (window < UNKNOWN).all():
            out[i] = losses[np.arange(length), window].sum(dtype=np.int64)
    return out


def matrix_hits(
    codes: NDArray[np.uint8], matrices: list[NDArray[np.int32]], budgets: list[int], strands: int = 3
) -> list[tuple[int, int, int, int]]:
    """Return (position, motif, strand, loss) of every window within its motif's budget, in that order.

    strands: 1 forward (strand 0), 2 reverse complement (strand 1), 3 both.
    """
    hits = []
    for motif, (losses, budget) in enumerate(zip(matrices, budgets, strict=True)):
        for strand, oriented in enumerate((losses, losses[::-1, ::-1])):
            if strands >> strand & 1:
                found = matrix_losses(codes, oriented)
                hits += [
                    (int(i), motif, strand, int(found[i])) for i in np.flatnonzero((found >= 0) & (found <= budget))
                ]
    return sorted(hits)
