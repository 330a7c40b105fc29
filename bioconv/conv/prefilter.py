"""Whole-number prefilters of position weight matrices: few bits, one matrix product, and no hit lost.

A matrix unit multiplies numbers of few bits fast. The losses of a matrix (whole numbers up to millions) are therefore
divided by a step and rounded down, so that they lie between 0 and `levels`, and so is the budget:

    q(j, a) = floor(l(j, a) / s), but `levels` where l(j, a) > B;   Q = floor(B / s);   s = ceil((B + 1) / levels)

**No hit is lost.** A hit's losses sum to at most B, so none of them is above B, and

    sum floor(l / s) <= floor(sum l / s) <= floor(B / s) = Q

because a sum of floors is a whole number and not above the sum.

**No rounding in the product.** All q are whole numbers
up to `levels` (Q <= levels - 1, since B < levels s), at most 2047 for 16-bit floats (11 significant bits) or 127 for
8-bit integers, so products with 0 and 1 are exact, and every partial sum is a whole number below 2^24, exact in a
float32 in any order of addition.

**What passes wrongly** sums to at most B + L (s - 1), as each floor loses less than s; the exact losses sort it out.
Where s = 1 nothing does.

**Four features per letter, unknown ones included.** Known letters have three degrees of freedom, as every letter is
one of four. The features are "is A", "is C", "is G" and "is unknown"; their weights are q(A) - q(T), q(C) - q(T),
q(G) - q(T) and levels - q(T), and the sum of q(T) goes to the limit. A window with an unknown letter then sums to
`levels` or more, above every Q: it never passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOAT16_LEVELS = 2047
"""Largest whole number of which differences are exact in a 16-bit float."""
INT8_LEVELS = 127
"""The same for 8-bit integers."""
GROUP = 16
"""Motif strands whose answers share a word; a bucket's columns are a multiple of it."""
LETTERS = (8, 16, 32, 64, 128)
"""Letters of the buckets: a motif belongs to the first it fits in."""
_NEVER = -(1 << 24)  # a limit no sum of features reaches


@dataclass(frozen=True, eq=False)
class Bucket:
    """The strands of the motifs of up to `letters` letters; S columns, padded to a multiple of `GROUP`.

    Attributes
    ----------
    letters : int
    keys : (S,) int32
        2 * motif + strand, ascending; -1 for padding.
    lengths : (S,) int32
    losses : (S, letters, 4) int32
        The exact losses, cut at budget + 1; 0 beyond a motif's end.
    budgets : (S,) int32
        -1 for padding.
    """

    letters: int
    keys: NDArray[np.int32]
    lengths: NDArray[np.int32]
    losses: NDArray[np.int32]
    budgets: NDArray[np.int32]

    @property
    def columns(self) -> int:
        """Number of columns, padding included."""
        return len(self.keys)

    def quantised(self, levels: int) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
        """Return q (S, letters, 4) between 0 and `levels`, and Q (S,), -1 for padding."""
        step = np.maximum(-(-(self.budgets.astype(np.int64) + 1) // levels), 1)
        q = np.where(self.losses > self.budgets[:, None, None], levels, self.losses // step[:, None, None])
        return q.astype(np.int16), (self.budgets // step).astype(np.int32)

    def features(self, levels: int) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
        """Return the product's weights, (4 * letters, S), and the limits a sum must not exceed, (S,)."""
        q, budget = self.quantised(levels)
        last = q[:, :, 3]
        weights = np.concatenate([q[:, :, :3] - last[:, :, None], (levels - last)[:, :, None]], axis=2)
        weights[self._beyond()] = 0
        limits = np.where(self.keys < 0, _NEVER, budget - last.sum(axis=1, dtype=np.int32))
        return np.ascontiguousarray(weights.reshape(self.columns, -1).T), limits.astype(np.int32)

    def lookup(self, levels: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return q by letter of the code, (letters, 8, S) with `levels` for an unknown one, and Q (S,)."""
        q, budget = self.quantised(levels)
        table = np.zeros((self.columns, self.letters, 8), dtype=np.int32)
        table[:, :, :4] = q
        table[:, :, 4:] = levels
        table[self._beyond()] = 0
        return np.ascontiguousarray(table.transpose(1, 2, 0)), np.where(self.keys < 0, _NEVER, budget).astype(np.int32)

    def _beyond(self) -> NDArray[np.bool_]:
        """Say which columns lie beyond their motif's end: (S, letters)."""
        return np.asarray(np.arange(self.letters) >= self.lengths[:, None])


def make_buckets(
    oriented: Iterable[tuple[int, NDArray[np.int32]]], budgets: Sequence[int] | NDArray[np.int32]
) -> list[Bucket]:
    """Sort motif strands into buckets.

    Parameters
    ----------
    oriented : iterable of (key, (L, 4) int32)
        2 * motif + strand, and the losses on that strand, L <= `LETTERS[-1]`.
    budgets : (M,) int
        Largest loss of a hit, per motif; motifs of negative budget are left out.
    """
    kept = [(key, losses) for key, losses in oriented if budgets[key >> 1] >= 0]
    return list(_buckets(kept, np.asarray(budgets, dtype=np.int32)))


def _buckets(oriented: list[tuple[int, NDArray[np.int32]]], budgets: NDArray[np.int32]) -> Iterator[Bucket]:
    shortest = 0
    for letters in LETTERS:
        some = [(key, losses) for key, losses in oriented if shortest < len(losses) <= letters]
        shortest = letters
        if not some:
            continue
        columns = -(-len(some) // GROUP) * GROUP
        bucket = Bucket(
            letters,
            np.full(columns, -1, np.int32),
            np.zeros(columns, np.int32),
            np.zeros((columns, letters, 4), np.int32),
            np.full(columns, -1, np.int32),
        )
        for column, (key, losses) in enumerate(some):
            budget = int(budgets[key >> 1])
            bucket.keys[column], bucket.lengths[column], bucket.budgets[column] = key, len(losses), budget
            bucket.losses[column, : len(losses)] = np.minimum(losses.astype(np.int64), budget + 1)
        yield bucket
