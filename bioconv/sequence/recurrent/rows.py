"""Sequences with labels as text: rows of a table, or records of FASTA files, each with its place for messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bioconv.errors import InputError, OptionError
from bioconv.sequence.labelled import NAMES, SEQUENCES
from bioconv.tables import Table, parse_table, read_bytes

LABEL, LABELS, GROUP, SPLIT = "label", "labels", "group", "split"


@dataclass(frozen=True)
class Row:
    """A sequence as it was given.

    Parameters
    ----------
    label
        The sequence's label, or one character per letter.
    group, part
        Empty where not said.
    where
        File and line.
    """

    name: str
    sequence: str
    label: str
    group: str
    part: str
    where: str


def read_rows(paths: Sequence[Path], labels: Sequence[str] = ()) -> tuple[list[Row], bool]:
    """Read one table, or several FASTA files with a class each; gzip or not.

    Parameters
    ----------
    labels
        Of the FASTA files, in their order; none: they are called as the files are, up to the first dot.

    Returns
    -------
    rows : list of Row
    per_position : bool
        Whether labels are of letters.

    Raises
    ------
    InputError
        If a file cannot be read or lacks a column; it names file and line.
    OptionError
        If files and labels do not fit each other.
    """
    contents = [read_bytes(path) for path in paths]
    records = [text.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b">") for text in contents]
    if len(paths) == 1 and not records[0]:
        if labels:
            message = (
                f"labels {', '.join(labels)} were given for FASTA files, but {paths[0]} is a table; leave them out"
            )
            raise OptionError(message)
        return _of_table(parse_table(contents[0], "stdin" if str(paths[0]) == "-" else str(paths[0])))
    if not all(records):
        odd = paths[records.index(False)]
        message = f"{odd} is no FASTA file; give one table, or several FASTA files with a class each"
        raise InputError(message)
    names = tuple(labels) or tuple(path.name.partition(".")[0] for path in paths)
    if len(names) != len(paths) or len(set(names)) < len(names) or "" in names:
        message = (
            f"{len(paths)} FASTA files and the labels {', '.join(names)}: give --labels a label of its own per file"
        )
        raise OptionError(message)
    rows = [row for path, text, name in zip(paths, contents, names, strict=True) for row in _of_fasta(path, text, name)]
    return rows, False


def _of_table(table: Table) -> tuple[list[Row], bool]:
    name, sequence = table.find(NAMES), table.find(SEQUENCES)
    of_letters, of_whole = table.find((LABELS,)), table.find((LABEL,))
    missing = [said for said, column in (("name", name), ("sequence", sequence)) if column is None]
    if of_letters is None and of_whole is None:
        missing.append("label (or labels, with a character per letter)")
    header = f"the header has {', '.join(table.columns)}"
    if missing:
        message = f"{table.source}: no column {' and no column '.join(missing)}; {header}"
        raise InputError(message)
    if of_letters is not None and of_whole is not None:
        message = f"{table.source}: both {of_whole} (of sequences) and {of_letters} (of letters); keep one; {header}"
        raise InputError(message)
    label = of_letters if of_whole is None else of_whole
    optional = [table.find((column,)) for column in (GROUP, SPLIT)]
    columns = [table.column(str(one)) for one in (name, sequence, label)]
    columns += [[""] * len(table) if one is None else table.column(one) for one in optional]
    places = [f"{table.source}, line {line}" for line in table.lines]
    return [Row(*cells) for cells in zip(*columns, places, strict=True)], of_letters is not None


def _of_fasta(path: Path, content: bytes, label: str) -> Iterator[Row]:
    """Yield the records of a FASTA file; a record's name is the header's first word."""
    name, where, pieces = None, "", []
    lines = content.decode("utf-8-sig", "replace").splitlines()
    for number, line in enumerate([*lines, ">"], 1):
        if not line.startswith(">"):
            pieces.append("".join(line.split()))
            if name is None and pieces[-1]:
                message = f"{path}, line {number}: {line[:40]!r} is before the first record; a record begins with '>' "
                raise InputError(message + "as the first character of a line")
            continue
        if name is not None:
            yield Row(name, "".join(pieces), label, "", "", where)
        name, where, pieces = next(iter(line[1:].split()), ""), f"{path}, line {number}", []
