"""Rows of images.csv, breasts.csv and exams.csv: their columns are the same for every batch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioconv.mammography.classifier import Classifier, ImageScore, Statement
from bioconv.mammography.exams import Exam, group_exams, score_exam
from bioconv.mammography.finding import Failure
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.views import View
from bioconv.outputs import open_output

Row = dict[str, Any]
BETWEEN = " | "  # warnings of one row
_STATED = ("score", "probability", "spread", "threshold", "positive")
_LAST = ("domain_warning", "warnings")
IMAGE_COLUMNS = (
    "image", "patient", "study", "laterality", "view", "modifiers", "status", "reason", *_STATED, "heat_map", *_LAST,
)  # fmt: skip
BREAST_COLUMNS = ("patient", "study", "laterality", *_STATED, "views", "missing", "rule", *_LAST)
EXAM_COLUMNS = ("patient", "study", *_STATED, "views", "missing", "extra", "failed", "rule", *_LAST)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What became of the inputs of a batch.

    Parameters
    ----------
    scored
        What the models say of those that could be scored.
    listed
        Views that are listed only, for `View.excluded`.
    unread
        Views whose pixels could not be read, and why.
    unknown
        What is no mammogram at all; some are known from their line of a table.
    """

    scored: Sequence[ImageScore]
    listed: Sequence[View] = ()
    unread: Sequence[tuple[View, str]] = ()
    unknown: Sequence[Failure] = ()


@dataclass(frozen=True, eq=False)
class Tables:
    """The rows of a batch: dictionaries from column to value.

    Parameters
    ----------
    images
        One of each input, with `IMAGE_COLUMNS` and a column `HEAD=CLASS` for each answer of each further head.
    breasts, exams
        With `BREAST_COLUMNS` and `EXAM_COLUMNS`.
    """

    images: list[Row]
    breasts: list[Row]
    exams: list[Row]


def make_tables(
    classifier: Classifier,
    inputs: Inputs,
    *,
    identifiers: Identifiers | None = None,
    heat_maps: Mapping[Path, str] | None = None,
) -> Tables:
    """Return the rows of a batch.

    Parameters
    ----------
    identifiers
        What stands for patients, studies and files; None: they themselves.
    heat_maps
        Path of the view to the file of its heat map.
    """
    named = _Rows(classifier, identifiers or Identifiers(), heat_maps or {})
    images = [named.scored(one) for one in inputs.scored]
    images += [named.image(view, status="excluded", reason=view.excluded) for view in inputs.listed]
    images += [named.image(view, status="failed", reason=reason) for view, reason in inputs.unread]
    images += [named.unknown(failure) for failure in inputs.unknown]
    unread = [view for view, _ in inputs.unread] + [one.view for one in inputs.unknown if one.view is not None]
    views = [*(one.view for one in inputs.scored), *inputs.listed, *unread]
    scored = {one.view.path: one for one in inputs.scored}
    breasts: list[Row] = []
    exams: list[Row] = []
    for exam in group_exams(views):
        own_breasts, own = named.exam(exam, scored)
        breasts += own_breasts
        exams.append(own)
    return Tables(images, breasts, exams)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of one batch."""

    classifier: Classifier
    identifiers: Identifiers
    heat_maps: Mapping[Path, str]

    def scored(self, one: ImageScore) -> Row:
        row = self.image(one.view, status="scored", warnings=one.warnings)
        row |= _stated(self.classifier.state("image", one.scores))
        row["heat_map"] = self.heat_maps.get(one.view.path, "")
        return row | {f"{head}={name}": value for head, own in one.answers.items() for name, value in own.items()}

    def image(self, view: View, *, status: str, reason: str = "", warnings: Sequence[str] | None = None) -> Row:
        """Return the row of a view, without a score."""
        of = self.identifiers.of
        words = self.identifiers.words_of(view.path, view.name, view) | {view.copy_of: of(view.copy_of)}
        said = [self.identifiers.without(text, words) for text in (view.warnings if warnings is None else warnings)]
        return self._blank() | {
            "image": of(view.name), "patient": of(view.patient), "study": of(_study(view)),
            "laterality": view.laterality, "view": view.view, "modifiers": "; ".join(view.modifiers), "status": status,
            "reason": self._reason(reason, words, view.name), "warnings": BETWEEN.join(said),
        }  # fmt: skip

    def unknown(self, failure: Failure) -> Row:
        words = self.identifiers.words_of(failure.path, failure.name, table=failure.table)
        reason = self._reason(failure.reason, words, failure.name)
        if failure.view is not None:
            return self.image(failure.view, status="failed") | {"reason": reason}
        return self._blank() | {"image": self.identifiers.of(failure.name), "status": "failed", "reason": reason}

    def exam(self, exam: Exam, scored: Mapping[Path, ImageScore]) -> tuple[list[Row], Row]:
        """Return the rows of an exam's breasts, and its own."""
        rule, domain = self.classifier.choices.rule, {"domain_warning": self.classifier.domain_warning}
        breasts, whole = self.classifier.join(exam, scored)
        said = score_exam(
            exam, {view.path: scored[view.path].scores[0] for view in exam.views if view.path in scored}, rule,
            joined={side: own[0] for side, own in breasts.items()},
        )  # fmt: skip
        failed = " ".join(f"{view.laterality}-{view.view}" for view in exam.views if view.path not in scored)
        of = self.identifiers.of
        who = {"patient": of(exam.patient), "study": of(exam.study or exam.study_date)}
        joined = [self.classifier.rule_warning] if self.classifier.rule_warning else []
        rows = [
            who
            | {"laterality": breast.laterality}
            | _stated(self.classifier.state("breast", breasts.get(breast.laterality)))
            | {"views": " ".join(breast.views), "missing": " ".join(breast.missing), "rule": breast.rule}
            | domain
            | {"warnings": BETWEEN.join(joined if breast.score is not None else ["no view has a score"])}
            for breast in said.breasts
        ]
        extra = " ".join(f"{view.laterality}-{view.view or '?'}" for view in exam.extra)
        warnings = [*said.warnings, *joined] + ([f"could not be read: {failed}"] if failed else [])
        own = who | _stated(self.classifier.state("exam", whole)) | {"views": " ".join(said.views)}
        own |= {"missing": " ".join(said.missing), "extra": extra, "failed": failed, "rule": said.rule}
        return rows, own | domain | {"warnings": BETWEEN.join(warnings)}

    def _reason(self, text: str, words: Mapping[str, str], name: str) -> str:
        """Return a reason that does not say again what stands for its image."""
        return self.identifiers.without(text, words).removeprefix(f"{self.identifiers.of(name)}: ")

    def _blank(self) -> Row:
        """Return an image's row in which nothing is said but what the models were trained on."""
        row: Row = dict.fromkeys(IMAGE_COLUMNS, "") | dict.fromkeys((*_STATED, *self.classifier.further_columns))
        return row | {"domain_warning": self.classifier.domain_warning}


def _study(view: View) -> str:
    """Return what tells a patient's exams apart."""
    return view.study or view.study_date


def _stated(statement: Statement) -> Row:
    return {name: getattr(statement, name) for name in _STATED}


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows as CSV; numbers with six digits, what is not there empty.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(row[name]) for name in columns] for row in rows])
    with open_output(path) as target:
        target.write(stream.getvalue().encode())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
