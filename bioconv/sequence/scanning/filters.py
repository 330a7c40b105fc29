"""Which hits are kept, and in what order: between the scan and the output.

None of this depends on how the input was cut into chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from bioconv.sequence.scanning.hits import HitBatch, join_batches

_TOP_WAITING = 1 << 18
Filter = Callable[[HitBatch], NDArray[np.bool_]]


class RecordBuffer:
    """Holds the hits of an unfinished record, for what needs to see a record whole.

    Hits leave in the order record, start, motif, strand, once their record is complete, less those that the
    filters drop.
    """

    def __init__(self, filters: list[Filter]) -> None:
        self._filters = filters
        self._held: HitBatch | None = None

    def feed(self, batches: list[HitBatch], unfinished: int | None) -> HitBatch:
        """Take one chunk's hits, one batch per engine; unfinished: number of the record that goes on."""
        waiting = [self._held] if self._held is not None else []
        hits = join_batches([*waiting, *batches])
        number = hits.numbers[hits.record]
        rows = np.lexsort((-hits.strand, hits.motif, hits.start, number))
        goes_on = number[rows] == unfinished if unfinished is not None else np.zeros(len(rows), dtype=bool)
        self._held = hits.take(rows[goes_on]) if goes_on.any() else None
        done = hits.take(rows[~goes_on])
        for keep in self._filters:
            done = done.take(keep(done))
        return done


def best_per_sequence(hits: HitBatch) -> NDArray[np.bool_]:
    """Keep the best hit of each motif in each record: smallest p, then highest score, then first."""
    number = hits.numbers[hits.record]
    rows = np.lexsort((np.arange(len(hits)), -hits.score, hits.p, hits.motif, number))
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (number[rows][1:] != number[rows][:-1]) | (hits.motif[rows][1:] != hits.motif[rows][:-1])
    keep = np.zeros(len(hits), dtype=bool)
    keep[rows[first]] = True
    return keep


def no_overlap(hits: HitBatch) -> NDArray[np.bool_]:
    """Keep hits of a motif that overlap no better hit of that motif kept before them, on either strand.

    Greedy, by smallest p, then highest score, then first.
    """
    number = hits.numbers[hits.record]
    rows = np.lexsort((hits.start, hits.motif, number))
    keep = np.ones(len(hits), dtype=bool)
    start, end = hits.start[rows], hits.end[rows]
    same = (number[rows][1:] == number[rows][:-1]) & (hits.motif[rows][1:] == hits.motif[rows][:-1])
    group = np.concatenate([[0], np.cumsum(~same)])[: len(rows)] * (end.max(initial=0) + 1)
    reach = np.maximum.accumulate(group + end) - group  # furthest end so far: hits may differ in length
    touches = np.append(same & (start[1:] < reach[:-1]), False)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], touches, [False]]).astype(np.int8)))
    for begin, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        chain = rows[begin : last + 1]
        _thin(hits, chain, keep)
    return keep


def _thin(hits: HitBatch, chain: NDArray[np.intp], keep: NDArray[np.bool_]) -> None:
    """Choose among the overlapping hits of one motif in one record, in place."""
    kept: list[tuple[int, int]] = []
    for row in chain[np.lexsort((chain, -hits.score[chain], hits.p[chain]))].tolist():
        start, end = int(hits.start[row]), int(hits.end[row])
        keep[row] = all(end <= a or b <= start for a, b in kept)
        if keep[row]:
            kept.append((start, end))


def top(batches: Iterator[HitBatch], count: int) -> HitBatch:
    """Return the `count` best hits of each motif over all batches, in input order; ties go to the first."""
    held = join_batches([])
    waiting: list[HitBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) > max(_TOP_WAITING, len(held)):
            held, waiting = _top(join_batches([held, *waiting]), count), []
    return _top(join_batches([held, *waiting]), count)


def _top(hits: HitBatch, count: int) -> HitBatch:
    rows = np.lexsort((np.arange(len(hits)), -hits.score, hits.p, hits.motif))
    motif = hits.motif[rows]
    first = np.searchsorted(motif, motif)  # where each row's motif begins
    return hits.take(np.sort(rows[np.arange(len(rows)) - first < count]))


def by_p(hits: HitBatch) -> HitBatch:
    """Return the hits by p-value, best first; ties stay in input order."""
    return hits.take(np.lexsort((np.arange(len(hits)), hits.p)))
