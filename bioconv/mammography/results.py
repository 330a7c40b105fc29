"""Rows of images.csv, breasts.csv and exams.csv: their columns are the same for every model and every batch."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioconv.mammography.classifier import Classifier, ImageScore, Statement, join_scores
from bioconv.mammography.exams import Exam, group_exams, score_exam
from bioconv.mammography.views import View
from bioconv.outputs import open_output

Row = dict[str, Any]
_STATED = ("score", "probability", "spread", "threshold", "positive")
_LAST = ("domain_warning", "warnings")
IMAGE_COLUMNS = (
    "image", "patient", "study", "laterality", "view", "modifiers", "status", "reason", *_STATED, "heat_map", *_LAST,
)  # fmt: skip
BREAST_COLUMNS = ("patient", "study", "laterality", *_STATED, "views", "missing", "rule", *_LAST)
EXAM_COLUMNS = ("patient", "study", *_STATED, "views", "missing", "extra", "rule", *_LAST)


@dataclass(frozen=True, eq=False)
class Tables:
    """The rows of a batch: dictionaries from column to value.

    Parameters
    ----------
    images, breasts, exams
        With the columns of `IMAGE_COLUMNS`, `BREAST_COLUMNS`, `EXAM_COLUMNS`; `images` have besides a column
        `HEAD=CLASS` for each answer of each further head.
    """

    images: list[Row]
    breasts: list[Row]
    exams: list[Row]


def make_tables(
    classifier: Classifier,
    scored: Sequence[ImageScore],
    listed: Sequence[View],
    *,
    identify: Callable[[str], str] = str,
    heat_maps: Mapping[Path, str] | None = None,
) -> Tables:
    """Return the rows of scored images and of those that are listed only.

    Parameters
    ----------
    listed
        Views that were not scored, for `View.excluded`.
    identify
        What stands for a patient, a study, a file.
    heat_maps
        Path of the view to the file of its heat map.
    """
    maps = heat_maps or {}
    found = {one.view.path: one for one in scored}
    images = [
        _image_row(classifier, view, found.get(view.path), identify) for view in [*(s.view for s in scored), *listed]
    ]
    for row, view in zip(images, [*(s.view for s in scored), *listed], strict=True):
        row["heat_map"] = maps.get(view.path, "")
    breasts: list[Row] = []
    exams: list[Row] = []
    scores = {one.view.path: one.scores for one in scored}
    for exam in group_exams([*(one.view for one in scored), *listed]):
        own_breasts, own = _exam_rows(classifier, exam, scores, identify)
        breasts += own_breasts
        exams.append(own)
    return Tables(images, breasts, exams)


def _image_row(classifier: Classifier, view: View, scored: ImageScore | None, identify: Callable[[str], str]) -> Row:
    row: Row = {
        "image": identify(view.name), "patient": identify(view.patient), "study": identify(view.study),
        "laterality": view.laterality, "view": view.view, "modifiers": "; ".join(view.modifiers),
        "status": "excluded" if scored is None else "scored", "reason": view.excluded if scored is None else "",
    }  # fmt: skip
    row |= _stated(classifier.state("image", None if scored is None else scored.scores))
    warnings = view.warnings if scored is None else scored.warnings
    row |= {"heat_map": "", "domain_warning": classifier.domain, "warnings": "; ".join(warnings)}
    if scored is not None:
        row |= {f"{head}={name}": value for head, own in scored.answers.items() for name, value in own.items()}
    return row


def _exam_rows(
    classifier: Classifier, exam: Exam, scores: Mapping[Path, Sequence[float]], identify: Callable[[str], str]
) -> tuple[list[Row], Row]:
    rule, domain = classifier.choices.rule, classifier.domain
    breasts, whole = join_scores(exam, scores, rule)
    said = score_exam(exam, {path: own[0] for path, own in scores.items()}, rule)
    who = {"patient": identify(exam.patient), "study": identify(exam.study)}
    rows = []
    for breast in said.breasts:
        rows.append(
            who
            | {"laterality": breast.laterality}
            | _stated(classifier.state("breast", breasts.get(breast.laterality)))
            | {"views": " ".join(breast.views), "missing": " ".join(breast.missing), "rule": breast.rule}
            | {"domain_warning": domain, "warnings": "" if breast.score is not None else "no view has a score"}
        )
    extra = " ".join(f"{view.laterality}-{view.view or '?'}" for view in exam.extra)
    own = who | _stated(classifier.state("exam", whole))
    own |= {"views": " ".join(said.views), "missing": " ".join(said.missing), "extra": extra, "rule": said.rule}
    return rows, own | {"domain_warning": domain, "warnings": "; ".join(said.warnings)}


def _stated(statement: Statement) -> Row:
    return {name: getattr(statement, name) for name in _STATED}


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows as CSV; numbers with six digits, what is not there empty.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    rows = list(rows)
    further = list(dict.fromkeys(name for row in rows for name in row if name not in columns))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*columns, *further])
    writer.writerows([[_cell(row.get(name)) for name in (*columns, *further)] for row in rows])
    with open_output(path) as target:
        target.write(stream.getvalue().encode())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
