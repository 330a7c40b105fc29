"""Sequences with labels: tables with a name, a sequence and a label per row, or FASTA files."""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.sequence.fasta import BAD, BLANK, FastaReader, byte_classes, encode
from bioconv.tables import Table, read_table
from bioconv.wording import unreadable

Codes = NDArray[np.uint8] | list[NDArray[np.uint8]]

NAMES = ("name", "sequence_name", "id", "EventID")
SEQUENCES = ("sequence", "seq")
LABELS = ("label", "Bound")


@dataclass(frozen=True, eq=False)
class LabelledSequences:
    """Sequences of base codes, and what is known about each.

    Parameters
    ----------
    names
        N names.
    codes
        (N, L) uint8 where all lengths are equal, else a list of N arrays (n_i,) uint8: A=0 C=1 G=2 T/U=3, 4
        for anything else.
    labels
        (N,) float32, or None where the file has none.
    """

    names: list[str]
    codes: Codes
    labels: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.names)


def read_labelled(path: str | Path) -> LabelledSequences:
    r"""Return the sequences of a table or a FASTA file, told apart by content.

    A table (CSV or TSV, plain or gzip, `-` for stdin) has a header with a column `name` (or `sequence_name`,
    `id`, `EventID`), a column `sequence` (or `seq`) and, for labels, a column `label` (or `Bound`); case does
    not matter, other columns are left alone. Names must differ, labels may be any finite numbers. This covers
    the `.seq.gz` files published with DeepBind (`FoldID EventID seq Bound`). A FASTA file has no labels.

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing, a name is repeated, a sequence is empty or holds
        something that is no letter, or a label is not a number: names file and line.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", suffix=".csv") as file:
    ...     print("name,sequence,label", "a,ACGT,1", "b,TTNA,0", sep="\n", file=file, flush=True)
    ...     data = read_labelled(file.name)
    >>> data.names, data.codes.tolist(), data.labels.tolist()
    (['a', 'b'], [[0, 1, 2, 3], [3, 3, 4, 0]], [1.0, 0.0])
    """
    return _read_fasta(path) if is_fasta(path) else _from_table(read_table(path))


def read_two_classes(positives: str | Path, negatives: str | Path) -> LabelledSequences:
    """Return the sequences of two files: label 1 for the first, 0 for the second.

    Parameters
    ----------
    positives, negatives
        FASTA files, or tables without labels.

    Raises
    ------
    InputError
        As `read_labelled`; if a file has labels of its own, or both are the same file.
    """
    if str(positives) == str(negatives):
        message = f"{positives} is given as positives and as negatives; give two files"
        raise InputError(message)
    parts = [read_labelled(path) for path in (positives, negatives)]
    for part, path in zip(parts, (positives, negatives), strict=True):
        if part.labels is not None:
            message = f"{path} has labels of its own; give it alone, or two files without labels"
            raise InputError(message)
    labels = np.repeat(np.array([1, 0], np.float32), [len(part) for part in parts])
    rows = [row for part in parts for row in part.codes]
    return LabelledSequences(parts[0].names + parts[1].names, _stacked(rows), labels)


def by_length(codes: Codes) -> list[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Return sequences grouped by length: pairs of indices (n,) int64 and `codes` (n, length) uint8, shortest first."""
    if isinstance(codes, np.ndarray):
        return [(np.arange(len(codes)), codes)]
    lengths = np.array([len(one) for one in codes], dtype=np.int64)
    groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    return [(group, np.stack([codes[index] for index in group])) for group in groups]


def is_fasta(path: str | Path) -> bool:
    """Return whether a file's first letter (plain or gzip; `-`: stdin) is `>`; what was looked at can still be read.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if Path(path).is_dir():
        raise InputError(unreadable(path, IsADirectoryError()))
    if str(path) != "-" and Path(path).exists() and not Path(path).is_file():
        message = f"{path} is not a file; give a file, or - and pipe into stdin"
        raise InputError(message)
    try:
        if str(path) == "-":
            peek = getattr(sys.stdin.buffer, "peek", None)
            head = peek(1 << 10) if peek else b""
        else:
            with Path(path).open("rb") as stream:
                head = stream.read(1 << 12)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(wbits=31).decompress(head, 1 << 10)
    except zlib.error as error:
        message = f"{path}: the gzip data is damaged ({error}); fetch or compress it again"
        raise InputError(message) from error
    except OSError as error:
        raise InputError(unreadable(path, error)) from error
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b">", b";"))


def _read_fasta(path: str | Path) -> LabelledSequences:
    reader = FastaReader(path, overlap=0, padding=0)
    names: list[str] = []
    pieces: list[list[NDArray[np.uint8]]] = []
    for chunk in reader.chunks():
        for record, begin, end in zip(chunk.records, chunk.begins, chunk.ends, strict=True):
            if record.number == len(names):
                names.append(record.name)
                pieces.append([])
            pieces[-1].append(chunk.codes[begin:end].copy())
    rows = [np.concatenate(parts) for parts in pieces]
    if not rows:
        message = f"{reader.source} holds no sequences"
        raise InputError(message)
    for name, row in zip(names, rows, strict=True):
        if not len(row):
            message = f"{reader.source}, record {name!r}: has no sequence; take it out"
            raise InputError(message)
    return LabelledSequences(names, _stacked(rows), None)


def _from_table(table: Table) -> LabelledSequences:
    columns = [table.find(names) for names in (NAMES, SEQUENCES, LABELS)]
    for column, accepted in zip(columns[:2], (NAMES, SEQUENCES), strict=True):
        if column is None:
            message = f"{table.source}: no column {' or '.join(accepted)}; the header has {', '.join(table.columns)}"
            raise InputError(message)
    name, sequence, label = columns
    if not len(table):
        message = f"{table.source} holds no sequences, only a header"
        raise InputError(message)
    names = table.unique(str(name))
    codes = _encoded(table, table.column(str(sequence)))
    labels = None if label is None else table.numbers(label).astype(np.float32)
    return LabelledSequences(names, codes, labels)


def _encoded(table: Table, sequences: list[str]) -> Codes:
    """Encode all sequences at once and cut the codes apart again."""
    letters = "".join(sequences).encode("latin-1", "replace")
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    ends = np.cumsum(lengths)
    kinds = byte_classes()[np.frombuffer(letters, dtype=np.uint8)]
    odd = np.flatnonzero((kinds == BAD) | (kinds == BLANK))
    empty = np.flatnonzero(lengths == 0)
    if len(odd):
        row = int(np.searchsorted(ends, odd[0], side="right"))
        found = sequences[row][int(odd[0] - ends[row] + lengths[row])]
        message = f"{table.source}, line {table.lines[row]}: {found!r} is not a letter of a sequence"
        raise InputError(message)
    if len(empty):
        message = f"{table.source}, line {table.lines[int(empty[0])]}: has no sequence; take it out"
        raise InputError(message)
    codes = encode(letters)
    if (lengths == lengths[0]).all():
        return codes.reshape(len(lengths), -1)
    return np.split(codes, ends[:-1])


def _stacked(rows: list[NDArray[np.uint8]]) -> Codes:
    """Return one array where all lengths are equal."""
    return np.stack(rows) if len({len(row) for row in rows}) == 1 else rows
