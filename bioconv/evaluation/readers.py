"""Decisions of readers on the same cases: a table of one row per case and reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Flags, Floats
from bioconv.tables import Table, listed, read_table
from bioconv.wording import counted

READER, DECISION, SCORE, THRESHOLD = ("reader",), ("decision",), ("score",), ("threshold",)


@dataclass(frozen=True, eq=False)
class Readings:
    """Who called which case positive.

    Parameters
    ----------
    readers
        R names, in the order in which they first occur.
    read
        (n, R) bool: whether this reader read this case.
    called
        (n, R) bool: whether it was called positive; False where it was not read.
    """

    readers: list[str]
    read: Flags
    called: Flags

    def points(self, labels: Flags) -> dict[str, tuple[float, float]]:
        """Return false- and true-positive rate of each reader, of the cases that one read.

        Parameters
        ----------
        labels
            (n,) bool.
        """
        return {
            reader: (_rate(self, number, ~labels), _rate(self, number, labels))
            for number, reader in enumerate(self.readers)
        }


def read_readings(path: str | Path, names: Sequence[str], labels: Flags) -> Readings:
    """Read a table (CSV or TSV, plain or gzip) of readers' decisions.

    The first column is the case, `reader` the reader; `decision` is 0 or 1, or else `score` is what the reader gave
    and `threshold` from where on it means positive.

    Parameters
    ----------
    path
        The table; `-` is stdin.
    names, labels
        n cases and (n,) bool, as the labels have them.

    Raises
    ------
    InputError
        If a column is missing, a decision is not 0 or 1, a case is unknown or read twice by one reader, or a reader
        read no positive or no negative case.
    """
    table = read_table(path)
    reader = table.find(READER)
    if reader is None:
        message = f"{table.source}: no column reader; the header has {', '.join(table.columns)}"
        raise InputError(message)
    people = table.column(reader)
    if "" in people:
        message = f"{table.source}, line {table.lines[people.index('')]}: no {reader}; every row needs one"
        raise InputError(message)
    rows = _rows(table, names)
    readers = list(dict.fromkeys(people))
    columns = np.array([readers.index(one) for one in people], dtype=np.int64)
    _once(table, rows * len(readers) + columns, people)
    read, called = (np.zeros((len(names), len(readers)), dtype=np.bool_) for _ in range(2))
    read[rows, columns] = True
    called[rows, columns] = _decisions(table)
    for number, one in enumerate(readers):
        for side, word in ((labels, "positive"), (~labels, "negative")):
            if not read[side, number].any():
                message = f"{table.source}: reader {one!r} read no {word} case; both kinds are needed"
                raise InputError(message)
    return Readings(readers, read, called)


def _rows(table: Table, names: Sequence[str]) -> np.ndarray:
    """Return the case of each row."""
    place = {name: number for number, name in enumerate(names)}
    cases = table.column(table.columns[0])
    unknown = [f"{case!r} (line {line})" for case, line in zip(cases, table.lines, strict=True) if case not in place]
    if unknown or not cases:
        rows = counted(len(unknown), "row", does=("is", "are"))
        what = f"{rows} of no labelled case: {listed(unknown)}" if unknown else "a header but no rows"
        message = f"{table.source}: {what}; the first column must hold names of the labels"
        raise InputError(message)
    return np.array([place[case] for case in cases], dtype=np.int64)


def _once(table: Table, keys: np.ndarray, people: list[str]) -> None:
    first: dict[int, int] = {}
    for number, key in enumerate(keys.tolist()):
        before = first.setdefault(key, number)
        if before != number:
            case = table.column(table.columns[0])[number]
            message = (
                f"{table.source}: reader {people[number]!r} read {case!r} twice (lines {table.lines[before]} and "
                f"{table.lines[number]}); keep one reading"
            )
            raise InputError(message)


def _decisions(table: Table) -> Flags:
    decision, score, threshold = (table.find(one) for one in (DECISION, SCORE, THRESHOLD))
    if decision is None and (score is None or threshold is None):
        message = (
            f"{table.source}: no column decision (0 or 1), nor columns score and threshold; the header has "
            f"{', '.join(table.columns)}"
        )
        raise InputError(message)
    if decision is None:
        return np.asarray(table.numbers(score or "") >= table.numbers(threshold or ""), dtype=np.bool_)
    values: Floats = table.numbers(decision)
    odd = np.flatnonzero((values != 0) & (values != 1))
    if len(odd):
        row = int(odd[0])
        message = (
            f"{table.source}, line {table.lines[row]}: decision {table.column(decision)[row]!r} is not 0 or 1; for "
            "scores give columns score and threshold"
        )
        raise InputError(message)
    return np.asarray(values == 1, dtype=np.bool_)


def _rate(readings: Readings, number: int, side: Flags) -> float:
    cases = readings.read[:, number] & side
    return float(readings.called[cases, number].mean())
