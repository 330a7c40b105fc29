"""Hits: one by one for Python, in columns for everything else, and on disk until their q-values are known."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_IN_MEMORY = 1 << 26
_COLUMNS = (
    ("record", np.int32),
    ("motif", np.int32),
    ("detail", np.int32),
    ("start", np.int64),
    ("end", np.int64),
    ("strand", np.int8),
    ("score", np.float64),
    ("p", np.float64),
    ("matched_ends", np.int64),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One match of a motif or model.

    Attributes
    ----------
    motif_id, motif_alt_id : str
        The motif's name and second name; for a model its name and the detector that matched.
    sequence_name : str
    start, end : int
        Interval on the sequence, 0-based half-open.
    strand : str
        `+` or `-`.
    score : float
        Bits for a motif, the model's own scale for a model.
    p_value, q_value : float
        `q_value` is NaN where it was not computed.
    matched_sequence : str
        Letters of the interval, reverse complemented for strand `-`.
    """

    motif_id: str
    motif_alt_id: str
    sequence_name: str
    start: int
    end: int
    strand: str
    score: float
    p_value: float
    q_value: float
    matched_sequence: str


@dataclass(frozen=True, eq=False)
class HitBatch:
    """Hits in columns, all (n,); text by index.

    Attributes
    ----------
    names : list of str
        Record names that `record` indexes.
    numbers : (len(names),) int64
        The records' numbers in their file; names may repeat, numbers do not.
    record, motif, detail : int32
        `motif` indexes the run's motifs and models; `detail` its second names.
    start, end : int64
        0-based half-open.
    strand : int8
        +1 or -1.
    score, p, q : float64
        `q` is NaN until it is known.
    matched : bytes
        The matched letters, one hit after the other.
    matched_ends : int64
        Where each hit's letters end.
    """

    names: list[str]
    numbers: NDArray[np.int64]
    record: NDArray[np.int32]
    motif: NDArray[np.int32]
    detail: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    strand: NDArray[np.int8]
    score: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    matched: bytes
    matched_ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.record)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> HitBatch:
        """Return the hits at these rows, in this order."""
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        starts = np.concatenate([[0], self.matched_ends[:-1]])[: len(self)]
        lengths = (self.matched_ends - starts)[index]
        ends = np.cumsum(lengths)
        places = np.repeat(starts[index] - (ends - lengths), lengths) + np.arange(int(ends[-1]) if len(ends) else 0)
        letters = np.frombuffer(self.matched, dtype=np.uint8)[places].tobytes()
        columns = {name: getattr(self, name)[index] for name, _ in _COLUMNS if name != "matched_ends"}
        return replace(self, **columns, q=self.q[index], matched=letters, matched_ends=ends.astype(np.int64))

    def hits(self, motifs: Sequence[str], details: Sequence[str]) -> Iterator[Hit]:
        """Yield the hits one by one; `motifs` and `details` are the run's texts."""
        text = self.matched.decode("ascii")
        begin = 0
        columns = (self.motif, self.detail, self.record, self.start, self.end, self.strand, self.score, self.p, self.q)
        for *row, stop in zip(*(column.tolist() for column in (*columns, self.matched_ends)), strict=True):
            motif, detail, record, start, end, strand, score, p, q = row
            sign = "+" if strand > 0 else "-"
            yield Hit(
                motifs[motif], details[detail], self.names[record], start, end, sign, score, p, q, text[begin:stop]
            )
            begin = stop


def join_batches(batches: Sequence[HitBatch]) -> HitBatch:
    """Put batches one after the other."""
    names: list[str] = []
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name, _ in _COLUMNS}
    letters = 0
    for batch in batches:
        for name, _ in _COLUMNS:
            shift = {"record": len(names), "matched_ends": letters}.get(name, 0)
            column = getattr(batch, name)
            columns[name].append(column + column.dtype.type(shift) if shift else column)
        names += batch.names
        letters += len(batch.matched)
    joined = {name: np.concatenate([np.empty(0, kind), *columns[name]]) for name, kind in _COLUMNS}
    q = np.concatenate([np.empty(0), *(batch.q for batch in batches)])
    numbers = np.concatenate([np.empty(0, np.int64), *(batch.numbers for batch in batches)])
    return HitBatch(names, numbers, q=q, matched=b"".join(batch.matched for batch in batches), **joined)


class Spool:
    """Batches kept until the end of the input: in memory while they are few, then in a temporary file."""

    def __init__(self) -> None:
        self._kept: list[HitBatch] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._ends: list[int] = []
        self.hits = 0

    def append(self, batch: HitBatch) -> None:
        """Add a batch."""
        if not len(batch):
            return
        self.hits += len(batch)
        if self._file is None:
            self._kept.append(batch)
            self._bytes += _size(batch)
            if self._bytes <= _IN_MEMORY:
                return
            import tempfile

            self._file = tempfile.TemporaryFile()  # noqa: SIM115
        for waiting in self._kept or [batch]:
            _write(self._file, waiting)
            self._ends.append(self._file.tell())
        self._kept = []

    def mark(self) -> tuple[int, int]:
        """Return a place to come back to: batches and hits so far."""
        return len(self._kept) + len(self._ends), self.hits

    def forget_since(self, mark: tuple[int, int]) -> None:
        """Drop what was added after `mark`."""
        batches, self.hits = mark
        del self._kept[batches:], self._ends[batches:]
        self._bytes = sum(map(_size, self._kept))
        if self._file is not None:
            self._file.seek(self._ends[-1] if self._ends else 0)
            self._file.truncate()

    def batches(self) -> Iterator[HitBatch]:
        """Yield the batches in the order they were added."""
        yield from self._kept
        if self._file is None:
            return
        self._file.seek(0)
        for _ in self._ends:
            yield _read(self._file)

    def close(self) -> None:
        """Let go of the batches, and remove the temporary file."""
        self._kept = []
        if self._file is not None:
            self._file.close()

    def __del__(self) -> None:
        self.close()


def _size(batch: HitBatch) -> int:
    columns = (*(getattr(batch, name) for name, _ in _COLUMNS), batch.q)
    return len(batch.matched) + sum(int(column.nbytes) for column in columns)


def _write(file: IO[bytes], batch: HitBatch) -> None:
    import json

    names = json.dumps(batch.names).encode()
    file.write(struct.pack("<3q", len(batch), len(names), len(batch.matched)))
    file.write(names)
    for name, _ in _COLUMNS:
        file.write(np.ascontiguousarray(getattr(batch, name)).data)
    file.write(batch.matched)


def _read(file: IO[bytes]) -> HitBatch:
    import json

    count, names, letters = struct.unpack("<3q", file.read(24))
    text = json.loads(file.read(names))
    columns: dict[str, NDArray[Any]] = {
        name: np.frombuffer(file.read(count * np.dtype(kind).itemsize), dtype=kind) for name, kind in _COLUMNS
    }
    numbers = np.full(len(text), -1, dtype=np.int64)  # no longer needed
    return HitBatch(text, numbers, q=np.full(count, np.nan), matched=file.read(letters), **columns)
