"""Which known motif a motif resembles, with the p-value that TOMTOM defines.

A column of the query and one of the target are scored by minus their Euclidean distance (TOMTOM's default) or by
their correlation, rounded to a grid; an alignment scores the sum over the columns that overlap. Its p-value is that
of a sum at least as high when each of those target columns is drawn, independently, from all columns of all targets
(with both orientations: and their complements). That distribution is computed exactly, by adding one query column
at a time. The best alignment's p-value is corrected for the number of alignments that were tried.

References
----------
Gupta, Stamatoyannopoulos, Bailey & Noble (2007) Genome Biology 8:R24, doi:10.1186/gb-2007-8-2-r24; q-values after
Benjamini & Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import MotifError, OptionError
from bioconv.sequence.motifs.information import column_bits, informative_span
from bioconv.sequence.motifs.matrix import Motif

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GRID = 1 / 200
"""Step of a column's score."""
MIN_OVERLAP = 5
"""Fewest columns that must overlap, or all of the shorter motif."""
FLANK_BITS = 0.05
"""Columns at a motif's ends that hold less are not compared: they would only add alignments."""


@dataclass(frozen=True)
class Match:
    """A query's best alignment with one target.

    Attributes
    ----------
    query : str
    target : Motif
    offset : int
        Column of the query (0-based) at which the target, read in `orientation`, begins; negative where it begins
        before the query.
    orientation : str
        `+`, or `-` where the target's reverse complement matches.
    overlap : int
        Columns compared.
    score : float
        Sum of the column scores.
    p, e, q : float
        p-value corrected for the alignments tried; expected number of targets that match as well by chance; false
        discovery rate (Benjamini-Hochberg over all targets).
    """

    query: str
    target: Motif
    offset: int
    orientation: str
    overlap: int
    score: float
    p: float
    e: float
    q: float


@dataclass(frozen=True, eq=False)
class Targets:
    """Motifs to compare with, their columns laid end to end.

    Attributes
    ----------
    motifs : tuple of Motif
    columns : (C, 4) float64
        Without uninformative flanks.
    lengths, cut_left, cut_right : (n,) int64
        Columns kept of each motif, and cut from its ends.
    """

    motifs: tuple[Motif, ...]
    columns: Floats
    lengths: Integers
    cut_left: Integers
    cut_right: Integers


@dataclass(frozen=True, eq=False)
class _Alignments:
    """All ways to lay w query columns on targets: target, and the query's columns [begin, end) that overlap it."""

    target: Integers
    shift: Integers
    begin: Integers
    end: Integers
    allowed: NDArray[np.bool_]


def gather_targets(motifs: Sequence[Motif]) -> Targets:
    """Return the motifs of a collection, prepared for `compare`.

    Raises
    ------
    MotifError
        If there are none.
    """
    if not motifs:
        message = "no motifs to compare with; give a collection that holds at least one"
        raise MotifError(message)
    spans = np.array([_span(motif) for motif in motifs], np.int64)
    widths = np.array([len(motif.frequencies) for motif in motifs], np.int64)
    columns = np.concatenate([motif.frequencies[b:e] for motif, (b, e) in zip(motifs, spans.tolist(), strict=True)])
    return Targets(tuple(motifs), columns, spans[:, 1] - spans[:, 0], spans[:, 0], widths - spans[:, 1])


def _span(motif: Motif) -> tuple[int, int]:
    begin, end = informative_span(column_bits(motif.frequencies), FLANK_BITS)
    return (begin, end) if end else (0, len(motif.frequencies))


def compare(
    query: Motif,
    targets: Targets,
    *,
    score: str = "euclidean",
    min_overlap: int = MIN_OVERLAP,
    both_orientations: bool = True,
) -> list[Match]:
    """Compare a motif with every target.

    Parameters
    ----------
    query
        The motif.
    targets
        From `gather_targets`. The p-values are those of a match with a motif made of these columns: with fewer than
        about 50 targets they are rough.
    score
        `euclidean` (minus the distance of two columns) or `pearson` (their correlation; 0 for a flat column).
    min_overlap
        Fewest columns that must overlap; all of the shorter motif where it has fewer.
    both_orientations
        Whether the targets are read on the other strand too.

    Returns
    -------
    list of Match
        One per target, best first (smallest p, then longest overlap, then the targets' order).

    Raises
    ------
    OptionError
        If `score` is unknown or `min_overlap` is below 1.

    Examples
    --------
    >>> eye = np.eye(4)
    >>> known = [Motif("tata", "", eye[[3, 0, 3, 0, 0, 0]], 20, ""), Motif("gc", "", eye[[2, 2, 2, 1, 2, 2]], 20, "")]
    >>> best = compare(Motif("query", "", eye[[3, 3, 3, 0, 3, 0]], 20, ""), gather_targets(known))[0]
    >>> best.target.name, best.orientation, best.offset, best.overlap
    ('tata', '-', 0, 6)
    """
    if score not in _SCORES or min_overlap < 1:
        message = (
            f"column score {score!r}, overlap of {min_overlap}; give one of {sorted(_SCORES)}, and 1 column or more"
        )
        raise OptionError(message)
    begin, end = _span(query)
    columns = query.frequencies[begin:end]
    ways = _alignments(len(columns), targets.lengths, min_overlap)
    forward = _levels(columns, targets.columns, _SCORES[score])
    turned = _levels(columns, targets.columns[:, ::-1], _SCORES[score]) if both_orientations else None
    null = _Null(forward if turned is None else np.hstack([forward, turned]))
    sums = _sums(forward, targets.lengths)
    p = null.p_values(sums, ways.begin, ways.end, ways.allowed)
    if turned is not None:  # the other strand: the query's columns from last to first
        w = len(columns)
        sums = np.concatenate([sums, _sums(turned[::-1], targets.lengths)])
        p = np.concatenate([p, null.p_values(sums[len(p) :], w - ways.end, w - ways.begin, ways.allowed)])
    scores = np.asarray(sums * GRID, np.float64)
    return _matches((query.name, begin, len(columns)), targets, ways, scores, p)


def _euclidean(a: Floats, b: Floats) -> Floats:
    return np.asarray(-np.sqrt(((a[:, None] - b) ** 2).sum(axis=2)))


def _pearson(a: Floats, b: Floats) -> Floats:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.outer((a**2).sum(axis=1), (b**2).sum(axis=1)))
    return np.where(scale > 1e-12, (a @ b.T) / np.maximum(scale, 1e-12), 0.0)


_SCORES: dict[str, Callable[[Floats, Floats], Floats]] = {"euclidean": _euclidean, "pearson": _pearson}


def _levels(query: Floats, columns: Floats, score: Callable[[Floats, Floats], Floats]) -> Integers:
    """Return (w, C) column scores in grid steps."""
    return np.asarray(np.rint(score(query, columns) / GRID), np.int64)


def _alignments(width: int, lengths: Integers, min_overlap: int) -> _Alignments:
    counts = lengths + width - 1
    target = np.repeat(np.arange(len(lengths)), counts)
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])
    shift = np.arange(int(counts.sum())) - before[target] - (width - 1)
    begin, end = np.maximum(0, -shift), np.minimum(width, lengths[target] - shift)
    needed = np.minimum(min(min_overlap, width), lengths)[target]
    return _Alignments(target, shift, begin, end, end - begin >= needed)


def _sums(levels: Integers, lengths: Integers) -> Integers:
    """Return the score of every alignment, in the order of `_alignments`.

    With w - 1 blank columns around every target, each stretch of w columns overlaps exactly one target.
    """
    width, columns = levels.shape
    owner = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(columns) + (width - 1) * (owner + 1)
    laid = np.zeros((width, columns + (width - 1) * (len(lengths) + 1)), np.int64)
    laid[:, places] = levels
    count = laid.shape[1] - width + 1
    total = np.zeros(count, np.int64)
    for i in range(width):
        total += laid[i, i : i + count]
    return total


class _Null:
    """Distribution of the score of query columns [b, e) against independently drawn target columns.

    levels : (w, N) scores of every query column against every column that may be drawn, all equally likely.
    """

    def __init__(self, levels: Integers) -> None:
        self._low = levels.min(axis=1)
        self._share = [
            np.bincount(row - low) / levels.shape[1] for row, low in zip(levels, self._low.tolist(), strict=True)
        ]

    def p_values(self, sums: Integers, begin: Integers, end: Integers, allowed: NDArray[np.bool_]) -> Floats:
        """Return P(score >= sum) for each alignment; infinity where it is not allowed."""
        width = len(self._low)
        lowest = np.concatenate([[0], np.cumsum(self._low)])
        span = begin * (width + 1) + end
        wanted = np.zeros((width + 1) ** 2, bool)
        wanted[span[allowed]] = True
        tails, starts = self._tails(wanted.reshape(width + 1, width + 1))
        place = starts.reshape(-1)[span] + sums - (lowest[end] - lowest[begin])
        return np.where(allowed, tails[np.where(allowed, place, 0)], np.inf)

    def _tails(self, wanted: NDArray[np.bool_]) -> tuple[Floats, Integers]:
        """Return P(score >= s) of all wanted spans one after another, and where each begins."""
        starts, parts, size = np.zeros(wanted.shape, np.int64), [], 0
        for first in np.flatnonzero(wanted.any(axis=1)).tolist():
            share = np.ones(1)
            for last in range(first, int(np.flatnonzero(wanted[first])[-1])):
                share = np.convolve(share, self._share[last])
                if wanted[first, last + 1]:
                    starts[first, last + 1] = size
                    # Added up from the rare end, so that small p-values keep their digits.
                    parts.append(np.minimum(np.cumsum(share[::-1])[::-1], 1.0))
                    size += len(share)
        return np.concatenate(parts), starts


def _matches(
    query: tuple[str, int, int], targets: Targets, ways: _Alignments, scores: Floats, p: Floats
) -> list[Match]:
    """Choose each target's best alignment; `scores` and `p` hold one orientation after the other."""
    name, cut, width = query
    count, orientations = len(ways.target), len(p) // len(ways.target)
    target = np.tile(ways.target, orientations)
    order = np.lexsort((-np.tile(ways.end - ways.begin, orientations), p, target))
    best = order[np.searchsorted(target[order], np.arange(len(targets.motifs)))]
    tried = np.bincount(target, weights=np.isfinite(p))
    corrected = -np.expm1(tried * np.log1p(-np.minimum(p[best], 1 - 1e-16)))
    corrected = np.maximum(corrected, np.finfo(np.float64).tiny)
    q = benjamini_hochberg(corrected)
    way, turned = best % count, best >= count
    overlap = (ways.end - ways.begin)[way]
    # On the other strand the query was turned around instead of the target.
    offset = np.where(turned, width - targets.lengths + ways.shift[way], -ways.shift[way])
    offset = offset + cut - np.where(turned, targets.cut_right, targets.cut_left)
    return [
        Match(
            query=name,
            target=targets.motifs[k],
            offset=int(offset[k]),
            orientation="-" if turned[k] else "+",
            overlap=int(overlap[k]),
            score=float(scores[best[k]]),
            p=float(corrected[k]),
            e=float(corrected[k]) * len(targets.motifs),
            q=float(q[k]),
        )
        for k in np.lexsort((-overlap, corrected)).tolist()
    ]


def benjamini_hochberg(p: Floats) -> Floats:
    """Return the q-values (n,) of p-values `p` (n,).

    References
    ----------
    Benjamini & Hochberg, J R Stat Soc B 57:289-300 (1995), doi 10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5]))
    array([0.04      , 0.05333333, 0.05333333, 0.5       ])
    """
    order = np.argsort(p)
    ranked = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return np.minimum(q, 1.0)
