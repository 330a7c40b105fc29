"""Tables of images, marks and lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioconv.errors import InputError
from bioconv.evaluation.froc import Lesions, Marks
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.predictions import GROUPS
from bioconv.tables import Table, listed, read_table
from bioconv.wording import counted

X, Y, SCORE, RADIUS = ("x",), ("y",), ("score",), ("radius",)
EDGES = (("x0", "xmin", "left"), ("y0", "ymin", "top"), ("x1", "xmax", "right"), ("y1", "ymax", "bottom"))


@dataclass(frozen=True)
class Images:
    """The images that were looked at.

    Parameters
    ----------
    count
        All, with those that have neither mark nor lesion.
    names
        Those that are known by name; fewer than `count` where only the number was given.
    groups
        Patient of each, or None.
    """

    count: int
    names: list[str]
    groups: list[str] | None = None


def read_images(given: str, marks: Table, lesions: Table) -> Images:
    """Read how many images there are: a number, or a table whose first column is the image.

    A table may have a column `group` or `patient`. With a number, the names are those of marks and lesions.

    Raises
    ------
    InputError
        If the table cannot be read or repeats an image, or the number is below that of the images named.
    """
    try:
        count = int(given)
    except ValueError:
        table = read_table(given)
        names = table.unique(table.columns[0])
        column = table.find(GROUPS)
        groups = table.column(column) if column and column != table.columns[0] else None
        if groups and "" in groups:
            message = f"{table.source}, line {table.lines[groups.index('')]}: no {column}; every image needs one"
            raise InputError(message) from None
        if not names:
            message = f"{table.source} has a header but no rows; list every image, those without lesions too"
            raise InputError(message) from None
        return Images(len(names), names, groups)
    named = list(dict.fromkeys(_images(lesions) + _images(marks)))
    if count < max(1, len(named)):
        message = f"{count} images are given, but {lesions.source} and {marks.source} name {len(named)}; count all"
        raise InputError(message)
    return Images(count, named)


def marks_of(table: Table, images: Sequence[str]) -> Marks:
    """Return the marks of a table with columns image (the first), x, y and score.

    Raises
    ------
    InputError
        If a column is missing, a cell is not a finite number, or an image is not among those listed.
    """
    x, y, score = (_numbers(table, names) for names in (X, Y, SCORE))
    return Marks(_places(table, images), x, y, score)


def lesions_of(table: Table, images: Sequence[str]) -> Lesions:
    """Return the lesions of a table: image (the first column), then x, y, radius, or x0, y0, x1, y1.

    Raises
    ------
    InputError
        As `marks_of`; if a radius is not above 0, a box has no extent, or there is no lesion at all.
    """
    if not len(table):
        message = f"{table.source} lists no lesion; without any there is no sensitivity"
        raise InputError(message)
    disc = table.find(RADIUS) is not None
    if disc:
        x, y, radius = (_numbers(table, names) for names in (X, Y, RADIUS))
        box = np.stack([x - radius, y - radius, x + radius, y + radius], axis=1)
    else:
        box = np.stack([_numbers(table, names) for names in EDGES], axis=1)
    odd = np.flatnonzero((box[:, :2] >= box[:, 2:]).any(axis=1))
    if len(odd):
        what = "the radius is not above 0" if disc else "x1 must be above x0, and y1 above y0"
        message = f"{table.source}, line {table.lines[int(odd[0])]}: {what}"
        raise InputError(message)
    return Lesions(_places(table, images), box, disc)


def read_marks_tables(marks: str | Path, lesions: str | Path) -> tuple[Table, Table]:
    """Read both tables; see `marks_of` and `lesions_of`."""
    return read_table(marks), read_table(lesions)


def _numbers(table: Table, names: tuple[str, ...]) -> Floats:
    column = table.find(names)
    if column is None:
        message = (
            f"{table.source}: no column {' or '.join(names)}; the header has {', '.join(table.columns)}. Marks need "
            "image,x,y,score; lesions image,x,y,radius or image,x0,y0,x1,y1"
        )
        raise InputError(message)
    return table.numbers(column)


def _images(table: Table) -> list[str]:
    return table.column(table.columns[0])


def _places(table: Table, images: Sequence[str]) -> np.ndarray:
    """Return the image of each row, by its place in the list."""
    place = {name: number for number, name in enumerate(images)}
    unknown = [
        f"{name!r} (line {line})" for name, line in zip(_images(table), table.lines, strict=True) if name not in place
    ]
    if unknown:
        rows = counted(len(unknown), "row", does=("is", "are"))
        message = f"{table.source}: {rows} in no listed image: {listed(unknown)}; list every image that was looked at"
        raise InputError(message)
    return np.array([place[name] for name in _images(table)], dtype=np.int64)
