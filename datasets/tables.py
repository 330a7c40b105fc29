"""What the loaders share: rows of text files read one by one, names chosen from a list, identical sequences found."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bioconv.datasets.records import SequenceRecord

from bioconv.errors import OptionError
from bioconv.sequence.letters import letters_fingerprint


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOBase]:
    """Open a text file, plain or gzip by its first bytes."""
    with path.open("rb") as raw:
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        with io.TextIOWrapper(gzip.open(raw) if packed else raw, "utf-8") as text:
            yield text


def lines_of(path: Path) -> Iterator[str]:
    """Read the lines of a text file, without their ends and without empty ones."""
    with open_text(path) as text:
        for line in text:
            if line := line.rstrip():
                yield line


def rows_of(path: Path, *, separator: str = ",") -> Iterator[dict[str, str]]:
    """Read the rows of a table with a header."""
    with open_text(path) as text:
        yield from csv.DictReader(text, delimiter=separator)


def fasta_of(path: Path) -> Iterator[tuple[str, str]]:
    """Read the headers (without `>`) and sequences of a FASTA file."""
    header = ""
    pieces: list[str] = []
    for line in lines_of(path):
        if line.startswith(">"):
            if header:
                yield header, "".join(pieces)
            header, pieces = line[1:].strip(), []
        else:
            pieces.append(line)
    if header:
        yield header, "".join(pieces)


def choose(owner: str, name: str, known: tuple[str, ...]) -> str:
    """Return `name` if it is known.

    Raises
    ------
    OptionError
        If it is not; the message lists what is.
    """
    if name not in known:
        message = f"{owner} has no {name!r}; choose one of {', '.join(known)}"
        raise OptionError(message)
    return name


def choose_parts(owner: str, part: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the part that was asked for, or all of them if it is empty.

    Raises
    ------
    OptionError
        If there is no such part; the message lists those there are.
    """
    return (choose(owner, part, known),) if part else known


def with_own_names(records: Iterable[tuple[str, str, str]], *, split: str = "") -> Iterator[SequenceRecord]:
    """Turn (name, sequence, label) into records whose names differ and whose groups hold identical sequences.

    A name that was there before gets `#2`, `#3`; a sequence that was, or whose reverse complement was, is of the group
    of the first one. Sixteen bytes are kept of each sequence.
    """
    seen: dict[str, int] = {}
    groups: dict[bytes, str] = {}
    for name, sequence, label in records:
        seen[name] = seen.get(name, 0) + 1
        own = name if seen[name] == 1 else f"{name}#{seen[name]}"
        key = bytes.fromhex(letters_fingerprint(sequence.encode()))[:16]
        yield SequenceRecord(own, sequence, label, group=groups.setdefault(key, own), split=split)
