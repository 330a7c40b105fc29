"""Labelled mammograms: read, prepared once, and refused together with what is wrong with each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import BioconvError, InputError
from bioconv.images.copies import thumbnail
from bioconv.mammography.objective import Head, Objective
from bioconv.mammography.preparation import Preparation, Prepared, prepare
from bioconv.mammography.tables import Row, read_view_table
from bioconv.mammography.views import View, read_pixels, read_view
from bioconv.tables import Table, read_table
from bioconv.training.splits import Split
from bioconv.wording import counted

POSITIVE = ("1", "yes", "true", "positive", "malignant", "cancer")
"""Answers that are taken for the positive one where nothing is said, whatever their case."""

_SHOWN = 10
_PARTS = ("train", "dev", "test")
_MOST_CLASSES = 32
_FULL = 65535  # prepared pixels are kept as whole numbers, of which this is 1


@dataclass(frozen=True)
class Reading:
    """What is learnt from a table.

    Parameters
    ----------
    label
        Column of the finding: two answers; where it is empty the image is left out of the finding's loss and scores.
    positive
        The answer that scores speak for; None: the one of `POSITIVE`.
    also
        Further columns, each a head, with the weight of its loss.
    """

    label: str = "label"
    positive: str | None = None
    also: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, eq=False)
class LabelledView:
    """A prepared mammogram and its answers.

    Parameters
    ----------
    answers
        Of each head; empty: not known.
    group
        Never divided between parts: the table's, else the patient.
    part
        Part of the split the table gives it to; empty: not said.
    pixels
        (Y, X) uint16, 65535 is 1.
    """

    view: View
    answers: dict[str, str]
    group: str
    part: str
    pixels: NDArray[np.uint16]

    @property
    def name(self) -> str:
        """The path as the table has it."""
        return self.view.name


@dataclass(frozen=True, eq=False)
class ClassificationData:
    """What a classifier is trained on.

    Parameters
    ----------
    patch
        Side of the patches that the images are, in pixels of prepared mammograms; None: they are mammograms.
    whole
        The mammograms that patches were cut from.
    """

    images: tuple[LabelledView, ...]
    objective: Objective
    preparation: Preparation
    patch: int | None = None
    whole: tuple[LabelledView, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [image.name for image in self.images]

    @cached_property
    def thumbnails(self) -> NDArray[np.float32]:
        """(n, 1024), by which copies are found: of the mammograms, also where images are patches of them."""
        return np.stack([thumbnail(as_floats(image.pixels)) for image in self.whole or self.images])

    def split_of_whole(self, split: Split) -> Split:
        """Return the split of the mammograms from that of the images."""
        if not self.whole:
            return split
        parts = {image.view.path: split.parts[image.name] for image in self.images}
        return Split({image.name: parts[image.view.path] for image in self.whole}, {})

    def of(self, names: Sequence[str]) -> list[LabelledView]:
        """Return the images of some names, in the data's order."""
        wanted = set(names)
        return [image for image in self.images if image.name in wanted]


def as_floats(pixels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return kept pixels as numbers from 0 to 1."""
    return np.asarray(pixels, np.float32) / np.float32(_FULL)


def read_data(table: Path, reading: Reading, preparation: Preparation) -> ClassificationData:
    """Read and prepare all images of a table.

    Parameters
    ----------
    table
        CSV or TSV as `bioconv.mammography.tables.read_view_table` takes it, with the columns of `reading` and, if
        wanted, `split` (train, dev, test).

    Raises
    ------
    InputError
        If columns are missing, images cannot be read or scored (all of them are listed), or the answers make no
        question.
    """
    cells, rows = read_table(table), read_view_table(table)
    columns = (reading.label, *(name for name, _ in reading.also))
    answers = [
        dict(zip(columns, own, strict=True)) for own in zip(*(cells.column(name) for name in columns), strict=True)
    ]
    objective = Objective((_finding(cells, reading), *(_head(cells, name, weight) for name, weight in reading.also)))
    parts = parts_of(cells)
    images: list[LabelledView] = []
    faults: list[str] = []
    with runtime.progress(len(rows), "reading", unit="image") as bar:
        for row, own, part in zip(rows, answers, parts, strict=True):
            try:
                view, prepared = prepared_row(row, preparation)
            except BioconvError as error:
                faults.append(str(error))
            else:
                images.append(LabelledView(view, own, view.group or view.patient, part, kept(prepared)))
            bar.update()
    twice = [name for name, count in Counter(image.name for image in images).items() if count > 1]
    faults += [f"{table}: {name} is listed more than once; keep one line" for name in twice]
    refuse([*faults, *divided_women(images)], len(rows), table)
    return ClassificationData(tuple(images), objective, preparation)


def refuse(faults: Sequence[str], count: int, table: Path) -> None:
    """Raise an error that lists the faults of a table with `count` images, if there are any.

    Raises
    ------
    InputError
    """
    if faults:
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        message = f"{len(faults)} of {counted(count, 'image')} of {table} cannot be trained on:\n  "
        raise InputError(message + "\n  ".join(faults[:_SHOWN]) + more)


def divided_women(images: Sequence[LabelledView]) -> list[str]:
    """Say which women are in more than one group: parts made of groups would divide them."""
    groups: dict[str, set[str]] = {}
    for image in images:
        groups.setdefault(image.view.patient, set()).add(image.group)
    return [
        f"patient {patient} is in the groups {', '.join(sorted(own))}; give all her images one group"
        for patient, own in groups.items()
        if len(own) > 1
    ]


def prepared_row(row: Row, preparation: Preparation) -> tuple[View, Prepared]:
    """Read and prepare the image of a line.

    Raises
    ------
    InputError
        If it cannot be read, or is not scored.
    """
    if row.reason:
        raise InputError(row.reason)
    view = read_view(row.path, name=row.name, given=row.given)
    if view.excluded:
        message = f"{row.where}: {view.name}: {view.excluded}; leave the line out"
        raise InputError(message)
    pixels, view = read_pixels(view)
    return view, prepare(pixels, view, preparation)


def kept(prepared: Prepared) -> NDArray[np.uint16]:
    """Return prepared pixels (Y, X) as they are kept."""
    return np.asarray(np.rint(prepared.pixels[0] * _FULL), np.uint16)


def _finding(cells: Table, reading: Reading) -> Head:
    found = sorted(set(cells.column(reading.label)) - {""})
    said = f"{cells.source}: column {reading.label} has the answers {', '.join(found[:8]) or 'none'}"
    if len(found) != 2:
        message = f"{said}; two are expected, and empty cells where the answer is not known"
        raise InputError(message)
    known = [one for one in found if (one == reading.positive if reading.positive else one.lower() in POSITIVE)]
    if len(known) != 1:
        given = (
            f"{reading.positive!r} is none of them" if reading.positive else "which one scores speak for is not said"
        )
        message = f"{said}: {given}; give --positive {found[0]} or --positive {found[1]}"
        raise InputError(message)
    return Head(reading.label, (next(one for one in found if one != known[0]), known[0]))


def _head(cells: Table, name: str, weight: float) -> Head:
    found = sorted(set(cells.column(name)) - {""})
    if not 2 <= len(found) <= _MOST_CLASSES:
        message = f"{cells.source}: column {name} has {len(found)} answers; 2 to {_MOST_CLASSES} are expected"
        raise InputError(message)
    return Head(name, tuple(found), weight)


def parts_of(cells: Table) -> list[str]:
    """Return the part of the split that each line is given to; empty where none is.

    Raises
    ------
    InputError
        If a part is none of train, dev and test.
    """
    parts = cells.column("split") if "split" in cells.columns else [""] * len(cells)
    for part, line in zip(parts, cells.lines, strict=True):
        if part not in ("", *_PARTS):
            message = f"{cells.source}, line {line}: split {part!r}; expected one of {', '.join(_PARTS)}"
            raise InputError(message)
    return parts


def data_hash(data: ClassificationData) -> dict[str, Any]:
    """Return how many images there are, and one hash of all prepared pixels and answers."""
    digest = hashlib.sha256()
    for image in sorted(data.images, key=lambda image: image.name):
        digest.update(f"{image.name} {sorted(image.answers.items())}".encode() + image.pixels.tobytes())
    return {"images": len(data.images), "sha256": digest.hexdigest()}
