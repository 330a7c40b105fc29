"""Scores of a position weight matrix, and their exact p-values.

A score is a sum of log-odds rounded to a grid; that rounded score is what is compared with the threshold,
reported and given a p-value, so the three agree exactly. Matrices of up to `SHORT` columns use the finer grid:
they have few distinct scores, and a coarse grid would merge or split them (see docs/p-values.md).

References
----------
Staden (1989) CABIOS 5:89-96, doi:10.1093/bioinformatics/5.2.89 (distribution by dynamic programming);
Grant, Bailey & Noble (2011) Bioinformatics 27:1017-1018, doi:10.1093/bioinformatics/btr064 (score definition).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import native
from bioconv.conv.pwm import Backend, choose_backend

SHORT = 10
"""Columns up to which all words within the threshold are listed one by one."""
SHORT_GRID = 1e-5
GRID = 1e-3
"""Steps of the score, in bits."""
FORBIDDEN = 1 << 28
"""Loss of a letter whose probability is zero (no pseudocount): more than any budget."""
_SLACK = 1 + 1e-12  # a probability equal to the limit counts as within, whatever the rounding


@dataclass(frozen=True, eq=False)
class ScoringMatrix:
    """A matrix of rounded log-odds, kept as losses.

    Attributes
    ----------
    losses : (L, 4) int32
        Grid steps by which each letter (A, C, G, T) falls below its column's best.
    best : int
        Score of the best word, in grid steps.
    grid : float
        One step, in bits.
    """

    losses: NDArray[np.int32]
    best: int
    grid: float

    def scores(self, losses: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the scores (bits) of windows with these losses."""
        return (self.best - losses.astype(np.float64)) * self.grid

    @property
    def reach(self) -> int:
        """The largest loss of any word without a forbidden letter."""
        allowed = np.where(self.losses < FORBIDDEN, self.losses, 0)
        return int(allowed.max(axis=1).sum())


@dataclass(frozen=True, eq=False)
class Tail:
    """The best part of a score distribution, up to a probability.

    Attributes
    ----------
    losses : (K,) int32
        The losses that occur, ascending.
    p : (K,) float64
        Probability of a loss that small or smaller; none exceeds the limit the tail was made for.
    """

    losses: NDArray[np.int32]
    p: NDArray[np.float64]

    @property
    def budget(self) -> int:
        """Largest loss within the limit, -1 if even the best word is beyond it."""
        return int(self.losses[-1]) if len(self.losses) else -1


def scoring_matrix(
    frequencies: NDArray[np.float64],
    sites: float,
    *,
    background: NDArray[np.float64],
    pseudocount: float = 0.1,
    prior: NDArray[np.float64] | None = None,
    grid: str = "fine",
) -> ScoringMatrix:
    """Return log2((f n + pc b) / ((n + pc) b)) per column and letter, rounded to the grid.

    Parameters
    ----------
    frequencies : (L, 4) float64
        Rows sum to 1.
    sites : float
        Number of sites behind the matrix (n).
    background : (4,) float64
        Frequencies of A, C, G, T as read on the scanned strand.
    pseudocount : float
        Sites added (pc).
    prior : (4,) float64, optional
        How they are distributed; default: as the background.
    grid : {"fine", "fimo"}
        `fimo` rounds as coarsely as FIMO does, and gives its scores and p-values.
    """
    with np.errstate(divide="ignore"):
        added = pseudocount * (background if prior is None else prior)
        odds = np.log2((frequencies * sites + added) / ((sites + pseudocount) * background))
    possible = np.isfinite(odds)
    step = _fimo_grid(odds[possible]) if grid == "fimo" else SHORT_GRID if len(frequencies) <= SHORT else GRID
    steps = np.rint(np.where(possible, odds, 0) / step).astype(np.int64)
    best = np.where(possible, steps, np.iinfo(np.int64).min).max(axis=1)
    losses = np.where(possible, best[:, None] - steps, FORBIDDEN)
    return ScoringMatrix(losses.astype(np.int32), int(best.sum()), step)


def _fimo_grid(odds: NDArray[np.float64]) -> float:
    """FIMO's step: about 1000 levels from the whole number below the smallest log-odds to the largest."""
    span = odds.max() - np.floor(odds.min()) or 1  # all alike and whole: one level
    return 1 / max(1.0, float(np.floor(1000 / span)))


def score_tail(
    matrix: ScoringMatrix,
    background: NDArray[np.float64],
    limit: float,
    *,
    by_words: bool | None = None,
    backend: Backend | None = None,
) -> Tail:
    """Return the exact tail of a matrix's scores over random words of independent letters.

    Parameters
    ----------
    background : (4,) float64
        Letter frequencies, summing to 1.
    limit : float
        Largest p-value wanted, included.
    by_words : bool, optional
        List words one by one (default for up to `SHORT` columns) or add sums up by dynamic programming.
    """
    words = len(matrix.losses) <= SHORT if by_words is None else by_words
    if choose_backend(backend) == "native":
        return _native_tail(matrix, background, limit, words)
    return _numpy_words(matrix, background, limit) if words else _numpy_sums(matrix, background, limit)


def _native_tail(matrix: ScoringMatrix, background: NDArray[np.float64], limit: float, words: bool) -> Tail:
    kernels = native.kernels()
    assert kernels is not None
    function = kernels.tail_by_words if words else kernels.tail_by_sums
    function.restype = ctypes.c_int64
    losses = np.ascontiguousarray(matrix.losses)
    letters = np.ascontiguousarray(background, dtype=np.float64)
    levels = ctypes.c_void_p()
    count = function(
        len(losses),
        native.pointer(losses),
        native.pointer(letters),
        ctypes.c_double(limit),
        ctypes.c_int64(matrix.reach),
        ctypes.byref(levels),
    )
    if count < 0 or levels.value is None:
        raise MemoryError
    level = np.dtype([("loss", np.int32), ("p", np.float64)], align=True)
    raw = (ctypes.c_char * (count * level.itemsize)).from_address(levels.value)
    table = np.frombuffer(raw, dtype=level)
    tail = Tail(table["loss"].copy(), table["p"].copy())
    del table, raw
    kernels.tail_free(levels)
    return tail


def _numpy_words(matrix: ScoringMatrix, background: NDArray[np.float64], limit: float) -> Tail:
    budget = matrix.reach // 16 + 1
    while True:
        losses = np.zeros(1, dtype=np.int64)
        p = np.ones(1)
        for column in matrix.losses.astype(np.int64):
            losses = (losses[:, None] + column).ravel()
            p = (p[:, None] * background).ravel()
            losses, p = losses[losses <= budget], p[losses <= budget]
        tail, beyond = _cut(losses, p, limit)
        if beyond or budget >= matrix.reach:
            return tail
        budget *= 2


def _numpy_sums(matrix: ScoringMatrix, background: NDArray[np.float64], limit: float) -> Tail:
    top = min(matrix.reach, 8192)
    while True:
        mass = np.zeros(top + 1)
        mass[0] = 1
        for column in matrix.losses.tolist():
            spread = np.zeros(top + 1)
            for step, weight in zip(column, background.tolist(), strict=True):
                if step <= top:
                    spread[step:] += mass[: top + 1 - step] * weight
            mass = spread
        levels = np.flatnonzero(mass).astype(np.int64)
        tail, beyond = _cut(levels, mass[levels], limit)
        if beyond or top >= matrix.reach:
            return tail
        top = min(2 * top, matrix.reach)


def _cut(losses: NDArray[np.int64], p: NDArray[np.float64], limit: float) -> tuple[Tail, bool]:
    """Sort and add up; keep the levels within the limit, and say whether there are any beyond."""
    levels, place = np.unique(losses, return_inverse=True)
    total: NDArray[np.float64] = np.cumsum(np.bincount(place, weights=p, minlength=len(levels)))
    kept = int(np.searchsorted(total, limit * _SLACK, side="right"))
    return Tail(levels[:kept].astype(np.int32), total[:kept]), kept < len(levels)


class TailTable:
    """The tails of several motifs, for looking up the p-values of many hits at once."""

    def __init__(self, tails: Sequence[Tail]) -> None:
        self._tails = list(tails)
        self._first = np.concatenate([[0], np.cumsum([len(tail.losses) for tail in tails])]).astype(np.int64)
        self._losses = np.concatenate([np.empty(0, np.int32), *(tail.losses for tail in tails)])
        self._p = np.concatenate([np.empty(0), *(tail.p for tail in tails)])

    def p_values(self, motifs: NDArray[np.int32], losses: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the p-values of hits given by motif and loss, each loss within its motif's tail."""
        p = np.empty(len(motifs))
        kernels = native.kernels()
        if kernels is None:
            for motif in np.unique(motifs):
                rows = motifs == motif
                tail = self._tails[motif]
                p[rows] = tail.p[np.searchsorted(tail.losses, losses[rows])]
            return p
        motifs, losses = np.ascontiguousarray(motifs), np.ascontiguousarray(losses)
        tables = (self._first, self._losses, self._p, p)
        kernels.tail_lookup(
            ctypes.c_int64(len(p)), native.pointer(motifs), native.pointer(losses), *map(native.pointer, tables)
        )
        return p
