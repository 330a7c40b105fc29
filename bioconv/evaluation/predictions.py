"""Anybody's predictions from a table, joined by name with the truth from another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Flags, Floats
from bioconv.tables import Table, listed, read_table

Task = Literal["binary", "multiclass", "regression"]
LABELS = ("label", "Bound", "class", "target", "truth")
GROUPS = ("group", "patient")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scores and truth of the same samples, in the order of the file of labels.

    Parameters
    ----------
    names
        N names, all different.
    scores
        Column of the scores -> (N,) float64: one per model, or one per class.
    labels
        N cells as they were written.
    groups
        N groups (patients, chromosomes), or None.
    source
        The file of labels, for messages.
    lines
        Line of each label in it; 0 where that is not known.
    facts
        All columns of the file of labels but the first, for strata.
    """

    names: list[str]
    scores: dict[str, Floats]
    labels: list[str]
    groups: list[str] | None
    source: str
    lines: list[int]
    facts: dict[str, list[str]] = field(default_factory=dict)

    def task(self) -> Task:
        """Say whether the labels are 0 and 1 or names of classes.

        Raises
        ------
        InputError
            If they are neither.
        """
        found = set(self.labels)
        per_class = len(self.scores) > 1 and found <= set(self.scores)
        if all(cell in _BINARY for cell in found):
            return "multiclass" if per_class and {"0", "1"} <= set(self.scores) else "binary"
        if per_class:
            return "multiclass"
        odd = next(i for i, cell in enumerate(self.labels) if cell not in _BINARY and cell not in self.scores)
        where = f"line {self.lines[odd]}" if self.lines[odd] else f"sample {self.names[odd]!r}"
        message = (
            f"{self.source}, {where}: label {self.labels[odd]!r} is not 0 or 1, nor the name of a "
            f"column of scores ({listed(list(self.scores))}); for measured numbers give --regression"
        )
        raise InputError(message)

    def binary(self) -> Flags:
        """Return the labels 0 and 1 as (N,) bool."""
        return np.array([_BINARY[cell] for cell in self.labels], dtype=np.bool_)

    def classes(self) -> tuple[list[str], Floats, NDArray[np.int64]]:
        """Return the C class names, scores (N, C), and labels (N,) from 0 to C - 1."""
        names = list(self.scores)
        place = {name: number for number, name in enumerate(names)}
        values = np.stack(list(self.scores.values()), axis=1)
        return names, values, np.array([place[cell] for cell in self.labels], dtype=np.int64)

    def measured(self) -> Floats:
        """Return the labels as (N,) numbers.

        Raises
        ------
        InputError
            If one is not a finite number; it names file and line.
        """
        return Table(self.source, ("label",), (self.labels,), self.lines).numbers("label")


_BINARY = {"0": False, "1": True, "0.0": False, "1.0": True}


def read_predictions(scores: str | Path, labels: str | Path, *, columns: tuple[str, ...] = ()) -> Predictions:
    """Read a table of scores and a table of labels (CSV or TSV, plain or gzip) and join them by name.

    The first column of both is the name. Labels are in the column `label` (or `Bound`, `class`, `target`,
    `truth`, or the only other one), groups in `group` or `patient`. All other columns of the scores are read, or those
    that `columns` names; columns with the names of the label and the group are left out.

    Raises
    ------
    InputError
        If a file cannot be read, a column is missing, a score is not a finite number, or the names of both
        files are not the same, once each.
    """
    scored, labelled = read_table(scores), read_table(labels)
    names = labelled.unique(labelled.columns[0])
    order = _join(scored, labelled.source, names)
    label, group = _label_column(labelled), labelled.find(GROUPS)
    chosen = columns or [one for one in scored.columns[1:] if one not in (label, group)]
    if not chosen:
        message = f"{scored.source} has no column of scores; the header has {', '.join(scored.columns)}"
        raise InputError(message)
    groups = labelled.column(group) if group else None
    if groups and "" in groups:
        message = f"{labelled.source}, line {labelled.lines[groups.index('')]}: no {group}; every row needs one"
        raise InputError(message)
    return Predictions(
        names,
        {one: scored.numbers(one)[order] for one in chosen},
        labelled.column(label),
        groups,
        labelled.source,
        labelled.lines,
        {one: labelled.column(one) for one in labelled.columns[1:]},
    )


def _join(scored: Table, source: str, names: list[str]) -> NDArray[np.int64]:
    """Return the row of the scores for each name."""
    rows = {name: number for number, name in enumerate(scored.unique(scored.columns[0]))}
    wanted = set(names)
    missing = [name for name in names if name not in rows]
    surplus = [name for name in rows if name not in wanted]
    faults = []
    if missing:
        faults.append(f"no scores for {len(missing)} of {len(names)} names of {source}: {listed(missing)}")
    if surplus:
        faults.append(f"{len(surplus)} names are not in {source}: {listed(surplus)}")
    if faults or not names:
        what = "; ".join(faults) or f"{source} has a header but no rows"
        message = f"{scored.source}: {what}. Both files need the same names, once each"
        raise InputError(message)
    return np.array([rows[name] for name in names], dtype=np.int64)


def _label_column(labelled: Table) -> str:
    group = labelled.find(GROUPS)
    others = [one for one in labelled.columns[1:] if one != group]
    label = labelled.find(LABELS) or (others[0] if len(others) == 1 else None)
    if label is None or label == labelled.columns[0]:
        message = f"{labelled.source}: no column {' or '.join(LABELS)}; the header has {', '.join(labelled.columns)}"
        raise InputError(message)
    return label
