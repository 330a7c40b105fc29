"""Filters against plain Python over lists of hits."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.sequence.scanning import filters
from bioconv.sequence.scanning.hits import HitBatch


@dataclass(frozen=True)
class Row:
    number: int
    start: int
    end: int
    motif: int
    strand: int
    p: float
    score: float


def pack(rows: list[Row], names: int = 6) -> HitBatch:
    """Put rows into columns; record names repeat (as in a file of two records of one name)."""
    count = len(rows)
    return HitBatch(
        names=["x"] * names,
        numbers=np.arange(names, dtype=np.int64)[::-1].copy(),
        record=np.array([names - 1 - row.number for row in rows], dtype=np.int32),
        motif=np.array([row.motif for row in rows], dtype=np.int32),
        detail=np.zeros(count, dtype=np.int32),
        start=np.array([row.start for row in rows], dtype=np.int64),
        end=np.array([row.end for row in rows], dtype=np.int64),
        strand=np.array([row.strand for row in rows], dtype=np.int8),
        score=np.array([row.score for row in rows], dtype=np.float64),
        p=np.array([row.p for row in rows], dtype=np.float64),
        q=np.full(count, np.nan),
        matched=b"A" * count,
        matched_ends=np.arange(1, count + 1, dtype=np.int64),
    )


def unpack(batch: HitBatch) -> list[Row]:
    columns = (
        batch.numbers[batch.record],
        batch.start,
        batch.end,
        batch.motif,
        batch.strand,
        batch.p,
        batch.score,
    )
    return [Row(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.number, row.start, row.motif, -row.strand))


def best_per_sequence(rows: list[Row]) -> list[bool]:
    keep = []
    for k, row in enumerate(rows):
        rivals = [
            (other.p, -other.score, j)
            for j, other in enumerate(rows)
            if (other.number, other.motif) == (row.number, row.motif)
        ]
        keep.append(min(rivals)[2] == k)
    return keep


def no_overlap(rows: list[Row]) -> list[bool]:
    kept: list[int] = []
    for k in sorted(range(len(rows)), key=lambda k: (rows[k].p, -rows[k].score, k)):
        row = rows[k]
        if not any(
            (other.number, other.motif) == (row.number, row.motif) and other.start < row.end and row.start < other.end
            for other in (rows[j] for j in kept)
        ):
            kept.append(k)
    return [k in kept for k in range(len(rows))]


def top(rows: list[Row], count: int) -> list[Row]:
    keep: set[int] = set()
    for motif in {row.motif for row in rows}:
        mine = [k for k, row in enumerate(rows) if row.motif == motif]
        keep.update(sorted(mine, key=lambda k: (rows[k].p, -rows[k].score, k))[:count])
    return [row for k, row in enumerate(rows) if k in keep]


@st.composite
def some_rows(draw: st.DrawFn, *, lengths: tuple[int, ...] = (1, 4, 7, 30)) -> list[Row]:
    rows = []
    for _ in range(draw(st.integers(0, 30))):
        start, p = draw(st.integers(0, 40)), draw(st.sampled_from([0.1, 0.1, 0.25, 0.5]))
        end = start + draw(st.sampled_from(lengths))
        motif, strand = draw(st.integers(0, 2)), draw(st.sampled_from([1, -1]))
        rows.append(Row(draw(st.integers(0, 3)), start, end, motif, strand, p, draw(st.sampled_from([1.0, 2.0]))))
    return in_order(rows)


@settings(max_examples=300, deadline=None)
@given(rows=some_rows())
def test_best_per_sequence_is_the_minimum(rows):
    assert filters.best_per_sequence(pack(rows)).tolist() == best_per_sequence(rows)


@settings(max_examples=500, deadline=None)
@given(rows=some_rows())
def test_no_overlap_is_the_greedy_choice(rows):
    assert filters.no_overlap(pack(rows)).tolist() == no_overlap(rows)


def test_a_long_hit_reaches_over_a_short_one():
    """Hits of one motif may differ in length: the third overlaps the first, not its neighbour."""
    rows = [Row(0, 0, 30, 0, 1, 0.1, 1.0), Row(0, 2, 4, 0, 1, 0.2, 1.0), Row(0, 8, 10, 0, 1, 0.2, 1.0)]
    assert filters.no_overlap(pack(rows)).tolist() == [True, False, False]


@pytest.mark.parametrize("room", [0, 5, 1 << 18])
@settings(max_examples=150, deadline=None)
@given(rows=some_rows(), count=st.integers(1, 5), cuts=st.lists(st.integers(0, 30), max_size=4))
def test_top_is_the_first_of_the_sorted(room, rows, count, cuts):
    edges = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    batches = [pack(rows[a:b]) for a, b in itertools.pairwise(edges)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filters, "_TOP_WAITING", room)
        assert unpack(filters.top(iter(batches), count)) == top(rows, count)


@settings(max_examples=100, deadline=None)
@given(rows=some_rows())
def test_by_p_is_a_stable_sort(rows):
    assert unpack(filters.by_p(pack(rows))) == sorted(rows, key=lambda row: row.p)


@settings(max_examples=300, deadline=None)
@given(
    rows=some_rows(),
    cuts=st.lists(st.integers(0, 3 * 41), max_size=6),
    chosen=st.sampled_from([[], [0], [1], [0, 1]]),
    split=st.booleans(),
)
def test_record_buffer_does_not_depend_on_the_chunks(rows, cuts, chosen, split):
    """Chunks end at a (record, start); hits of a chunk come from one engine or from two."""
    functions = [(filters.best_per_sequence, best_per_sequence), (filters.no_overlap, no_overlap)]
    buffer = filters.RecordBuffer([functions[k][0] for k in chosen])
    expected = rows
    for k in chosen:
        expected = [row for row, keep in zip(expected, functions[k][1](expected), strict=True) if keep]
    found, before = [], (0, 0)
    ends = sorted({divmod(cut, 41) for cut in cuts})
    for place in [*ends, None]:
        mine = [
            row for row in rows if before <= (row.number, row.start) and (not place or (row.number, row.start) < place)
        ]
        parts = [[r for r in mine if r.motif == 0], [r for r in mine if r.motif > 0]] if split else [mine]
        unfinished = place[0] if place else None
        found += unpack(buffer.feed([pack(part) for part in parts], unfinished))
        assert not place or all(row.number < place[0] for row in found)
        before = place or before
    assert found == expected
