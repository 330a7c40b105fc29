"""Hits in columns against plain lists of tuples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.sequence.scanning import hits as hits_module
from bioconv.sequence.scanning.hits import HitBatch, Spool, join_batches

Row = tuple[str, int, int, int, int, int, int, float, float, float, str]
"""Record name and number, motif, detail, start, end, strand, score, p, q, letters."""


def pack(rows: Sequence[Row]) -> HitBatch:
    names = sorted({row[:2] for row in rows}, key=lambda pair: pair[1])
    columns = list(zip(*rows, strict=True)) or [()] * 11
    letters = "".join(columns[10]).encode()
    return HitBatch(
        names=[name for name, _ in names],
        numbers=np.array([number for _, number in names], dtype=np.int64),
        record=np.array([names.index(row[:2]) for row in rows], dtype=np.int32),
        motif=np.array(columns[2], dtype=np.int32),
        detail=np.array(columns[3], dtype=np.int32),
        start=np.array(columns[4], dtype=np.int64),
        end=np.array(columns[5], dtype=np.int64),
        strand=np.array(columns[6], dtype=np.int8),
        score=np.array(columns[7], dtype=np.float64),
        p=np.array(columns[8], dtype=np.float64),
        q=np.array(columns[9], dtype=np.float64),
        matched=letters,
        matched_ends=np.cumsum([len(row[10]) for row in rows]).astype(np.int64),
    )


def unpack(batch: HitBatch) -> list[Row]:
    motifs = details = [str(k) for k in range(9)]
    return [
        (
            *(
                hit.sequence_name,
                int(batch.numbers[batch.record[k]]),
                int(hit.motif_id),
                int(hit.motif_alt_id),
            ),
            *(hit.start, hit.end, 1 if hit.strand == "+" else -1, hit.score, hit.p_value, hit.q_value),
            hit.matched_sequence,
        )
        for k, hit in enumerate(batch.hits(motifs, details))
    ]


ROWS = st.lists(
    st.tuples(
        *(st.sampled_from(["a", "chr 1", "", "é", "two\nlines"]), st.integers(0, 4)),
        *(st.integers(0, 8), st.integers(0, 8), st.integers(-5, 2**40), st.integers(0, 2**62)),
        *(st.sampled_from([1, -1]), st.floats(-1e9, 1e9), st.floats(0, 1), st.floats(0, 1)),
        st.text("ACGTN", max_size=9),
    ),
    max_size=12,
)


@given(rows=ROWS)
def test_packing_and_unpacking(rows):
    assert unpack(pack(rows)) == rows


@settings(max_examples=200)
@given(rows=ROWS, data=st.data())
def test_take_is_indexing(rows, data):
    batch = pack(rows)
    index = data.draw(st.lists(st.integers(0, len(rows) - 1))) if rows else []
    assert unpack(batch.take(np.array(index, dtype=np.intp))) == [rows[k] for k in index]
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    kept = [row for row, keep in zip(rows, mask, strict=True) if keep]
    assert unpack(batch.take(np.array(mask, dtype=bool))) == kept


@settings(max_examples=200)
@given(parts=st.lists(ROWS, max_size=5))
def test_join_is_concatenation(parts):
    joined = join_batches([pack(part) for part in parts])
    assert unpack(joined) == [row for part in parts for row in part]
    assert (joined.record.dtype, joined.matched_ends.dtype) == (np.int32, np.int64)


@pytest.mark.parametrize("room", [1, 1 << 26], ids=["on disk", "in memory"])
@settings(max_examples=100, deadline=None)
@given(parts=st.lists(ROWS, max_size=6), forgotten=st.lists(ROWS, max_size=3), more=ROWS)
def test_spool_gives_back_what_was_kept(room, parts, forgotten, more):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hits_module, "_IN_MEMORY", room)
        spool = Spool()
        for part in parts:
            spool.append(pack(part))
        mark = spool.mark()
        for part in forgotten:
            spool.append(pack(part))
        spool.forget_since(mark)
        spool.append(pack(more))
        expected = [[(row[0], *row[2:9], row[10]) for row in part] for part in (*parts, more) if part]
        for _ in range(2):
            batches = list(spool.batches())
            assert [[(r[0], *r[2:9], r[10]) for r in unpack(batch)] for batch in batches] == expected
        assert spool.hits == sum(map(len, expected))
    spool.close()
    spool.close()
