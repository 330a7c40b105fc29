"""Rows of text: the compiled writer against Python's formatting, and the formats against their readers."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import struct
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bioconv.conv import native
from bioconv.sequence.scanning.hits import HitBatch
from bioconv.sequence.scanning.rows import RowWriter, head, layout

FORMATS = ["tsv", "bed", "gff3", "jsonl"]
needs_kernels = pytest.mark.skipif(native.kernels() is None, reason="no compiled kernels")


def make_batch(
    names: list[str],
    motifs: int,
    values: list[tuple[float, float, float]],
    *,
    letters: str = "ACGT",
    start: int = 7,
    seed: int = 0,
) -> HitBatch:
    """Return one hit per (score, p, q), of any record, motif and strand."""
    rng = np.random.default_rng(seed)
    count = len(values)
    lengths = rng.integers(0, 5, count) if seed else np.full(count, len(letters))
    score, p, q = (np.array([row[k] for row in values], dtype=np.float64) for k in range(3))
    begins = start + rng.integers(0, 99, count) if seed else np.full(count, start)
    return HitBatch(
        names=names,
        numbers=np.arange(len(names), dtype=np.int64),
        record=rng.integers(0, len(names), count).astype(np.int32),
        motif=rng.integers(0, motifs, count).astype(np.int32),
        detail=rng.integers(0, motifs, count).astype(np.int32),
        start=begins.astype(np.int64),
        end=(begins + lengths).astype(np.int64),
        strand=rng.choice([1, -1], count).astype(np.int8),
        score=score,
        p=p,
        q=q,
        matched="".join((letters * 2)[:n] for n in lengths.tolist()).encode(),
        matched_ends=np.cumsum(lengths).astype(np.int64),
    )


DOUBLES = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
SCORES = st.floats(-60, 60) | st.sampled_from([0.0, -0.0, 1e300, -1e-300, 5e-324]) | DOUBLES.filter(math.isfinite)
P = st.floats(0, 1) | st.floats(-320, 0).map(lambda e: 10.0**e) | st.sampled_from([0.0, 1.0, 9.995e-5, 1e-4])
NAMES = st.text(
    st.sampled_from("ab:|.-_ \"'\t\r\n;=&,%#>@\\/é漢\U0001f9ec\x00\x1f\x7f") | st.characters(codec="utf-8"),
    max_size=12,
)


@needs_kernels
@pytest.mark.parametrize("with_q", [True, False])
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=100, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=3),
    texts=st.lists(NAMES, min_size=1, max_size=3),
    values=st.lists(st.tuples(SCORES, P, P | st.just(math.nan)), max_size=6),
    seed=st.integers(0, 9),
)
@example(names=["a"], texts=["m"], values=[(1.0, 1.0, 1.0)], seed=0)
def test_compiled_rows_equal_python_rows(name, with_q, names, texts, values, seed, no_kernels):
    form = layout(name, with_q=with_q)
    batch = make_batch(names, len(texts), values, seed=seed)
    writer = RowWriter(form, texts, texts[::-1])
    compiled = writer.text(batch)
    with no_kernels():
        assert writer.text(batch) == compiled
    assert compiled.count(b"\n") == len(values)


def adversarial() -> np.ndarray:
    """Return doubles at which formatting goes wrong: ties, powers of ten, and their neighbours."""
    rng = np.random.default_rng(11)
    powers = 10.0 ** np.arange(-320.0, 300.0)
    digits = np.concatenate([np.arange(100, 1000), rng.integers(100_000, 1_000_000, 5_000)])
    ties = np.array([float(f"{d}5e{e}") for e in range(-31, 4) for d in digits.tolist()])
    nines = np.array([float(f"{m}e{e}") for m in ("9.995", "9.999995", "9.9949", "1.0005") for e in range(-30, 30)])
    exact = rng.integers(-(2**20), 2**20, 50_000) / 1024.0  # ties that doubles hold exactly
    some = np.concatenate([powers, ties, nines, exact, [0.0, 5e-324, 1.797693134862315e308]])
    near = np.concatenate([some, np.nextafter(some, np.inf), np.nextafter(some, -np.inf)])
    bits = rng.integers(0, 2**63, 200_000).view(np.float64)
    spread = 10.0 ** rng.uniform(-30, 8, 300_000)
    values = np.concatenate([near, bits, spread, rng.normal(0, 20, 300_000)])
    return values[np.isfinite(values)]


@needs_kernels
@pytest.mark.parametrize(("column", "digits"), [(7, 6), (8, 3)], ids=["%.6g", "%.3g"])
def test_numbers_are_formatted_as_printf_does(column, digits):
    values = adversarial()
    values = np.concatenate([values, -values[::7]])
    count = len(values)
    assert count > 1_000_000
    whole = HitBatch(
        ["r"],
        np.zeros(1, np.int64),
        *(np.zeros(count, np.int32) for _ in range(3)),
        *(np.zeros(count, np.int64) for _ in range(2)),
        np.ones(count, np.int8),
        *((values, np.abs(values)) if column == 7 else (np.zeros(count), values)),
        np.full(count, np.nan),
        b"",
        np.zeros(count, np.int64),
    )
    text = RowWriter(layout("bed", with_q=False), ["m"], ["m"]).text(whole).decode()
    fields = [line.split("\t")[column - 1] for line in text.splitlines()]
    wrong = [(v, f) for v, f in zip(values.tolist(), fields, strict=True) if f != f"%.{digits}g" % v]
    assert not wrong, wrong[:5]


@settings(max_examples=200, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=3),
    texts=st.lists(NAMES, min_size=1, max_size=3),
    values=st.lists(st.tuples(SCORES, P, P), min_size=1, max_size=6),
    seed=st.integers(1, 9),
)
def test_json_lines_are_read_back_by_json(names, texts, values, seed):
    batch = make_batch(names, len(texts), values, seed=seed)
    lines = RowWriter(layout("jsonl", with_q=True), texts, texts[::-1]).text(batch).decode().split("\n")
    assert lines.pop() == ""
    for line, hit in zip(lines, batch.hits(texts, texts[::-1]), strict=True):
        expected = {
            "motif_id": hit.motif_id,
            "motif_alt_id": hit.motif_alt_id,
            "sequence_name": hit.sequence_name,
            "start": hit.start + 1,
            "stop": hit.end,
            "strand": hit.strand,
            "score": float(f"{hit.score:.6g}"),
            "p-value": float(f"{hit.p_value:.3g}"),
            "q-value": float(f"{hit.q_value:.3g}"),
            "matched_sequence": hit.matched_sequence,
        }
        assert json.loads(line) == expected
        assert list(json.loads(line)) == list(expected)


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_kernels), False])
def test_json_lines_without_q(compiled, no_kernels):
    batch = make_batch(["r"], 1, [(1.5, 1e-5, math.nan)])
    writer = RowWriter(layout("jsonl", with_q=False), ["m"], [""])
    if compiled:
        text = writer.text(batch)
    else:
        with no_kernels():
            text = writer.text(batch)
    assert json.loads(text)["q-value"] is None


CELLS = st.text(st.sampled_from("ab:|.-_ \"'\t\r\n;=&,%#é漢"), min_size=1, max_size=9)


def collapsed(text: str) -> str:
    return " ".join(text.split()) if set(text) & set("\t\r\n") else text


@settings(max_examples=100, deadline=None)
@given(
    names=st.lists(CELLS, min_size=1, max_size=3),
    values=st.lists(st.tuples(SCORES, P, P | st.just(math.nan)), min_size=1, max_size=6),
    seed=st.integers(1, 9),
)
def test_tsv_is_read_back_by_pandas(names, values, seed):
    batch = make_batch(names, 2, values, seed=seed)
    form = layout("tsv", with_q=True)
    text = (head("tsv", form, "") + RowWriter(form, ["m 1", 'm"2'], ["", "x"]).text(batch)).decode()
    table = pd.read_csv(
        io.StringIO(text),
        sep="\t",
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
        na_values={"q-value": [""]},
    )
    fimo = "motif_id motif_alt_id sequence_name start stop strand score p-value q-value matched_sequence"
    assert list(table.columns) == fimo.split()
    for row, hit in zip(table.itertuples(index=False), batch.hits(["m 1", 'm"2'], ["", "x"]), strict=True):
        assert row[:3] == (hit.motif_id, hit.motif_alt_id, collapsed(hit.sequence_name))
        assert (row.start, row.stop, row.strand) == (hit.start + 1, hit.end, hit.strand)
        assert row.score == pytest.approx(hit.score, rel=1e-5, abs=1e-320)
        assert row[7:9] == pytest.approx((hit.p_value, hit.q_value), rel=1e-2, abs=1e-320, nan_ok=True)
        assert row[9] == hit.matched_sequence


def bounded_log(p: float) -> float:
    return min(1000.0, -10 * math.log10(p)) if p > 0 else 1000.0


@settings(max_examples=100, deadline=None)
@given(
    names=st.lists(CELLS, min_size=1, max_size=3),
    values=st.lists(st.tuples(st.floats(-50, 50), P, P), min_size=1, max_size=6),
    with_q=st.booleans(),
    seed=st.integers(1, 9),
)
def test_bed_and_gff3_columns(names, values, with_q, seed):
    batch = make_batch(names, 2, values, seed=seed)
    motifs, details = ["m;1=2", "m,&%2 x"], ["", "alt\tname"]
    hits = list(batch.hits(motifs, details))
    text = RowWriter(layout("bed", with_q=with_q), motifs, details).text(batch).decode()
    for line, hit in zip(text.split("\n")[:-1], hits, strict=True):
        chrom, start, end, name, score, strand, *rest = line.split("\t")
        assert (chrom, name, strand) == (collapsed(hit.sequence_name), hit.motif_id, hit.strand)
        assert (int(start), int(end)) == (hit.start, hit.end)
        assert 0 <= int(score) <= 1000
        assert abs(int(score) - bounded_log(hit.p_value)) <= 0.5 + 1e-9
        assert [float(rest[0]), rest[2] == "."] == [float(f"{hit.score:.6g}"), not with_q]
    text = RowWriter(layout("gff3", with_q=with_q), motifs, details).text(batch).decode()
    for line, hit in zip(text.split("\n")[:-1], hits, strict=True):
        seqid, source, kind, start, end, score, strand, phase, attributes = line.split("\t")
        assert re.fullmatch(r"[a-zA-Z0-9.:^*$@!+_?|%-]+", seqid), "the characters that GFF3 allows in a seqid"
        assert unquote(seqid) == hit.sequence_name
        assert (source, kind, phase, strand) == ("bioconv", "nucleotide_motif", ".", hit.strand)
        assert (int(start), int(end)) == (hit.start + 1, hit.end)
        assert not score.startswith("-")
        assert float(score) == pytest.approx(bounded_log(hit.p_value), rel=1e-3, abs=1e-12)
        pairs = {key: unquote(value) for key, value in (pair.split("=") for pair in attributes.split(";"))}
        alias = {"Alias": hit.motif_alt_id} if hit.motif_alt_id else {}
        expected = {"Name": hit.motif_id, **alias, "sequence": hit.matched_sequence}
        assert {key: pairs[key] for key in (*expected, *({"Alias"} & pairs.keys()))} == expected
        assert float(pairs["pvalue"]) == float(f"{hit.p_value:.3g}")
        assert ("qvalue" in pairs) == with_q


def test_heads():
    for name in FORMATS:
        form = layout(name, with_q=True)
        lines = head(name, form, "bioconv 1 p=0.1").decode().splitlines()
        if name == "jsonl":
            assert [json.loads(line) for line in lines] == [{"provenance": "bioconv 1 p=0.1"}]
        else:
            assert "# bioconv 1 p=0.1" in lines
        assert head(name, form, "") == form.head.encode()
    assert head("gff3", layout("gff3", with_q=True), "x").startswith(b"##gff-version 3\n# x\n")


WIDEST = [
    (-1.23456e-300, 1.23e-300, 1.23e-300),
    (-9.87654e307, 9.87e-308, 5e-324),
    (5e-324, 5e-324, 1.0),
    (-123456.0, 0.000123, 0.000123),
]


@needs_kernels
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", ["\U0001f9ec" * 3000, "é" * 70_000, "\x01" * 500, "%" * 999, "", '"\\' * 400])
def test_the_buffer_is_large_enough(name, text, no_kernels, monkeypatch):
    """The widest numbers and names: what is written ends within the room that was set aside."""
    rooms = []
    empty = np.empty

    def guarded(room: int, dtype: object = float) -> np.ndarray:
        if dtype is np.uint8:
            rooms.append(empty(room + 4096, dtype))
            rooms[-1][:] = 0xFE
            return rooms[-1][:room]
        return empty(room, dtype)

    batch = make_batch([text, "r"], 2, WIDEST * 8, start=2**62, letters="ACGTN" * 40)
    for with_q in (True, False):
        writer = RowWriter(layout(name, with_q=with_q), [text, "m"], [text, ""])
        with no_kernels():
            expected = writer.text(batch)
        with monkeypatch.context() as patch:
            patch.setattr(np, "empty", guarded)
            assert writer.text(batch) == expected
        assert (rooms[-1][-4096:] == 0xFE).all()
        assert len(expected) <= len(rooms[-1]) - 4096
        one = make_batch([text], 1, WIDEST[:1], start=2**62)
        with monkeypatch.context() as patch:
            patch.setattr(np, "empty", guarded)
            RowWriter(layout(name, with_q=with_q), [text], [text]).text(one)
        assert (rooms[-1][-4096:] == 0xFE).all()
