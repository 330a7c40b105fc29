"""Hits as text: TSV (FIMO's columns), BED6+, GFF3 and JSON lines.

A layout is a list of fields; the same list drives the compiled writer and the plain Python one.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import native
from bioconv.sequence.scanning.hits import HitBatch

(LITERAL, RECORD, MOTIF, DETAIL, START, END, STRAND, SCORE, P, Q, TEN_LOG_P, MATCHED) = range(12)
_NUMBER = 32  # bytes allowed for a number

Field = tuple[int, int] | str


@dataclass(frozen=True)
class Layout:
    """How one format writes a hit.

    Attributes
    ----------
    head : str
        Lines before the first hit, after the provenance line.
    fields : tuple
        Literals (str) and (instruction, argument) pairs; the argument is added to a coordinate.
    escape : callable
        Makes a name safe for the format.
    escape_record : callable, optional
        The same for the name of a sequence, where the format is stricter there.
    escape_detail : callable, optional
        The same for the second name of a motif, where the format wants nothing of an empty one.
    """

    head: str
    fields: tuple[Field, ...]
    escape: Callable[[str], str]
    escape_record: Callable[[str], str] | None = None
    escape_detail: Callable[[str], str] | None = None


def _plain(text: str) -> str:
    return " ".join(text.split()) if any(mark in text for mark in "\t\n\r") else text


def _gff(text: str) -> str:
    return quote(text, safe=" .:^*$@!+?|()[]{}<>/~#'-_")


def _gff_alias(text: str) -> str:
    return f";Alias={_gff(text)}" if text else ""


def _gff_seqid(text: str) -> str:
    return quote(text, safe=".:^*$@!+?|-_")  # the characters that the format lists; a '#' would make a comment


def _json(text: str) -> str:
    import json

    return json.dumps(text)[1:-1]


def layout(name: str, *, with_q: bool) -> Layout:
    """Return the layout of `tsv`, `bed`, `gff3` or `jsonl`; without q-values their field stays empty."""
    tab = "\t"
    where: tuple[Field, ...] = ((MOTIF, 0), tab, (DETAIL, 0), tab, (RECORD, 0))
    if name == "tsv":
        columns = "motif_id motif_alt_id sequence_name start stop strand score p-value q-value matched_sequence"
        rest: tuple[Field, ...] = (
            *(tab, (START, 1), tab, (END, 0), tab, (STRAND, 0), tab, (SCORE, 0), tab, (P, 0), tab, (Q, 0)),
            *(tab, (MATCHED, 0), "\n"),
        )
        return Layout("\t".join(columns.split()) + "\n", (*where, *rest), _plain)
    if name == "bed":
        return Layout(
            "",
            (
                *((RECORD, 0), tab, (START, 0), tab, (END, 0), tab, (MOTIF, 0), tab, (TEN_LOG_P, 1), tab, (STRAND, 0)),
                *(tab, (SCORE, 0), tab, (P, 0), tab, (Q, 0) if with_q else ".", tab, (MATCHED, 0), "\n"),
            ),
            _plain,
        )
    if name == "gff3":
        q: tuple[Field, ...] = (";qvalue=", (Q, 0)) if with_q else ()
        return Layout(
            "##gff-version 3\n",
            (
                *((RECORD, 0), "\tbioconv\tnucleotide_motif\t", (START, 1), tab, (END, 0), tab, (TEN_LOG_P, 0), tab),
                *((STRAND, 0), "\t.\tName=", (MOTIF, 0), (DETAIL, 0), ";score=", (SCORE, 0), ";pvalue="),
                *((P, 0), *q, ";sequence=", (MATCHED, 0), "\n"),
            ),
            _gff,
            _gff_seqid,
            _gff_alias,
        )
    return Layout(
        "",
        (
            *('{"motif_id":"', (MOTIF, 0), '","motif_alt_id":"', (DETAIL, 0), '","sequence_name":"', (RECORD, 0)),
            *('","start":', (START, 1), ',"stop":', (END, 0), ',"strand":"', (STRAND, 0), '","score":', (SCORE, 0)),
            *(',"p-value":', (P, 0), ',"q-value":', (Q, 0) if with_q else "null", ',"matched_sequence":"'),
            *((MATCHED, 0), '"}\n'),
        ),
        _json,
    )


def head(name: str, form: Layout, line: str) -> bytes:
    """Return what comes before the first row: provenance (`line`, may be empty) and column names."""
    if not line:
        return form.head.encode()
    if name == "jsonl":
        return f'{{"provenance":"{_json(line)}"}}\n'.encode()
    if name == "gff3":  # its version must come first
        return f"{form.head}# {line}\n".encode()
    return f"# {line}\n{form.head}".encode()


class RowWriter:
    """Writes batches in one layout; motifs and details are the run's texts."""

    def __init__(self, form: Layout, motifs: Sequence[str], details: Sequence[str]) -> None:
        self._layout = form
        self._motifs = [form.escape(text) for text in motifs]
        self._details = [(form.escape_detail or form.escape)(text) for text in details]

    def text(self, batch: HitBatch) -> bytes:
        """Return the rows of a batch."""
        names = list(map(self._layout.escape_record or self._layout.escape, batch.names))
        if native.kernels() is None:
            return self._python_text(batch, names)
        return self._native_text(batch, names)

    def _python_text(self, batch: HitBatch, names: list[str]) -> bytes:
        texts = [names[k] for k in batch.record]
        ends = batch.matched_ends.tolist()
        matched = batch.matched.decode("ascii")
        columns: dict[int, list[str]] = {
            RECORD: texts,
            MOTIF: [self._motifs[k] for k in batch.motif],
            DETAIL: [self._details[k] for k in batch.detail],
            STRAND: ["+" if strand > 0 else "-" for strand in batch.strand],
            SCORE: [f"{value:.6g}" for value in batch.score.tolist()],
            P: [f"{value:.3g}" for value in batch.p.tolist()],
            Q: ["" if math.isnan(value) else f"{value:.3g}" for value in batch.q.tolist()],
            MATCHED: [matched[a:b] for a, b in pairwise([0, *ends])],
        }
        parts = []
        for field in self._layout.fields:
            if isinstance(field, str):
                parts.append([field] * len(batch))
            elif field[0] in {START, END}:
                values = batch.start if field[0] == START else batch.end
                parts.append([str(value + field[1]) for value in values.tolist()])
            elif field[0] == TEN_LOG_P:
                parts.append([_ten_log(p, whole=bool(field[1])) for p in batch.p.tolist()])
            else:
                parts.append(columns[field[0]])
        return "".join("".join(row) for row in zip(*parts, strict=True)).encode()

    def _native_text(self, batch: HitBatch, names: list[str]) -> bytes:
        kernels = native.kernels()
        assert kernels is not None
        program = np.array(
            [(LITERAL, k) if isinstance(field, str) else field for k, field in enumerate(self._layout.fields)],
            dtype=np.int32,
        )
        literals = [field if isinstance(field, str) else "" for field in self._layout.fields]
        matched = _Text(batch.matched, np.concatenate([[0], batch.matched_ends]).astype(np.int64))
        texts = [matched, *map(_text, (names, self._motifs, self._details, literals))]
        columns = [
            np.ascontiguousarray(getattr(batch, name))
            for name in ("record", "motif", "detail", "start", "end", "strand", "score", "p", "q")
        ]
        rows = (ctypes.c_int64 * 20)(len(batch), *(column.ctypes.data for column in columns))
        for k, text in enumerate(texts):
            rows[10 + 2 * k] = text.address
            rows[11 + 2 * k] = text.offsets.ctypes.data
        room = len(batch.matched) + len(batch) * (
            sum(map(len, literals)) * 4 + _NUMBER * len(program) + sum(text.widest for text in texts[1:4])
        )
        out = np.empty(room, dtype=np.uint8)
        kernels.rows_format.restype = ctypes.c_int64
        written = kernels.rows_format(
            rows,
            ctypes.c_int64(0),
            ctypes.c_int64(len(batch)),
            native.pointer(program),
            len(program),
            native.pointer(out),
        )
        return out[:written].tobytes()


class _Text:
    """Strings one after the other, as the kernel takes them."""

    def __init__(self, raw: bytes, offsets: NDArray[np.int64]) -> None:
        self.raw = np.frombuffer(raw or b"\0", dtype=np.uint8)
        self.offsets = offsets
        self.address = self.raw.ctypes.data
        self.widest = int(np.diff(offsets).max(initial=0))


def _text(strings: Sequence[str]) -> _Text:
    encoded = [string.encode() for string in strings]
    return _Text(b"".join(encoded), np.cumsum([0, *map(len, encoded)]).astype(np.int64))


def _ten_log(p: float, *, whole: bool) -> str:
    score = min(1000.0, max(0.0, -10 * math.log10(p))) if p > 0 else 1000.0
    return str(math.floor(score + 0.5)) if whole else f"{score:.4g}"
