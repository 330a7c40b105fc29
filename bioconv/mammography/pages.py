"""The pages of a batch: report.html, and one page per exam."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from bioconv.errors import OutputError
from bioconv.mammography.batch import Batch, Outcome
from bioconv.mammography.batch_evaluation import Evaluation
from bioconv.mammography.classifier import Classifier
from bioconv.mammography.evaluation_results import evaluation_sections
from bioconv.mammography.results import BETWEEN, Row, Tables
from bioconv.report.exam_report import ExamReport, ExamsReport, PicturedView, exam_report, exams_report
from bioconv.report.facts import Table

EXAMS = "exams"
_NUMBERED = re.compile(r"exam-\d+\.html")
_HUNG = ("R-CC", "L-CC", "R-MLO", "L-MLO")
_BREASTS = ("laterality", "score", "probability", "positive", "views", "missing")
_LISTED = ("score", "probability", "positive", "missing")


def write_pages(
    batch: Batch, outcomes: Sequence[Outcome], tables: Tables, *, evaluation: Evaluation | None = None
) -> None:
    """Write report.html and exams/exam-0001.html and on, in the order of exams.csv; those of earlier runs go.

    Parameters
    ----------
    evaluation
        Of the tables, for report.html.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    folder = batch.output / EXAMS
    try:
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if _NUMBERED.fullmatch(path.name):
                path.unlink()
    except OSError as error:
        message = f"cannot write {folder}: {error.strerror}; give another -o"
        raise OutputError(message) from error
    pictures, settings = _pictures(batch, outcomes), settings_said(batch.classifier)
    images, breasts, links = _by_exam(tables.images), _by_exam(tables.breasts), []
    for number, exam in enumerate(tables.exams, start=1):
        links.append(f"{EXAMS}/exam-{number:04d}.html")
        exam_report(
            batch.output / links[-1],
            ExamReport(
                title=_title(exam),
                statements=_statements(exam),
                breasts=_breasts(breasts[_exam(exam)]),
                views=_hung(images[_exam(exam)], pictures),
                missing=exam["missing"].split(),
                domain=batch.classifier.domain_warning,
                warnings=_warnings(exam),
                settings=settings,
            ),
        )
    judged = [] if evaluation is None else evaluation_sections(evaluation)
    exams_report(batch.output / "report.html", replace(_list(batch, outcomes, tables, links), evaluation=judged))


def _list(batch: Batch, outcomes: Sequence[Outcome], tables: Tables, links: Sequence[str]) -> ExamsReport:
    """Return what report.html says."""
    exams = [(_title(row), *(row[name] for name in _LISTED)) for row in tables.exams]
    return ExamsReport(
        # A folder is called after its input unless it is named, and inputs are called after women.
        title=batch.output.resolve().name if batch.identifiers.kept else "Mammograms",
        counts=_counts(outcomes, tables),
        exams=Table(("exam", *_LISTED), exams),
        links=links,
        failures=[(row["image"], row["reason"]) for row in tables.images if row["status"] == "failed"],
        domain=batch.classifier.domain_warning,
        settings=settings_said(batch.classifier),
    )


def settings_said(classifier: Classifier) -> dict[str, object]:
    """Return models and choices, for pages."""
    models: dict[str, object] = {f"model {model.name}": f"sha256 {model.hash}" for model in classifier.models}
    choices = asdict(classifier.choices) | {"rule": str(classifier.choices.rule)}
    return models | {name: value for name, value in choices.items() if value is not None}


def _pictures(batch: Batch, outcomes: Sequence[Outcome]) -> dict[str, tuple[Path, bool]]:
    """Return small pictures, and whether anything is hot there, by what stands for their images."""
    return {
        batch.identifiers.of(one.name): (batch.output / own.path, one.record.facts.get("heat") != 0)
        for one in outcomes
        for own in one.record.outputs
        if own.kind == "thumbnail"
    }


def _exam(row: Row) -> tuple[str, str]:
    return row["patient"], row["study"]


def _by_exam(rows: Sequence[Row]) -> defaultdict[tuple[str, str], list[Row]]:
    found: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[_exam(row)].append(row)
    return found


def _title(exam: Row) -> str:
    return f"Patient {exam['patient']}" + (f", study {exam['study']}" if exam["study"] else "")


def _statements(exam: Row) -> dict[str, object]:
    said = {name: exam[name] for name in ("score", "probability", "spread", "threshold", "positive")}
    return {name: value for name, value in said.items() if value is not None} | {"rule": exam["rule"]}


def _breasts(rows: Sequence[Row]) -> Table:
    return Table(_BREASTS, [tuple(row[name] for name in _BREASTS) for row in rows])


def _hung(rows: Sequence[Row], pictures: dict[str, tuple[Path, bool]]) -> list[PicturedView]:
    """Return the four standard views where they hang, missing ones and unreadable ones too, then all others."""
    rest = sorted(rows, key=lambda row: (row["status"] != "scored", _name(row), row["image"]))
    hung = []
    for name in _HUNG:
        named = sorted((row for row in rest if _name(row) == name), key=lambda row: row["status"] != "scored")
        own = next((row for row in named if row["status"] != "excluded"), None)
        hung.append(PicturedView(name, "missing") if own is None else _view(own, pictures))
        rest = [row for row in rest if row is not own]
    return [*hung, *(_view(row, pictures) for row in rest)]


def _name(row: Row) -> str:
    return f"{row['laterality']}-{row['view'] or '?'}"


def _view(row: Row, pictures: dict[str, tuple[Path, bool]]) -> PicturedView:
    if row["status"] != "scored":
        said = "could not be read" if row["status"] == "failed" else "listed, not scored"
        return PicturedView(_name(row), f"{said}: {row['reason']}", warnings=_warnings(row))
    caption = f"score {row['score']:.3f}"
    if row["probability"] is not None:
        caption += f", probability {row['probability']:.2f}"
    path, hot = pictures.get(row["image"], (None, True))
    if not hot:
        caption += "; no part raised the score"
    return PicturedView(_name(row), caption, b"" if path is None else path.read_bytes(), _warnings(row))


def _warnings(row: Row) -> list[str]:
    return [text for text in row["warnings"].split(BETWEEN) if text]


def _counts(outcomes: Sequence[Outcome], tables: Tables) -> dict[str, object]:
    failed = sum(one.failed for one in outcomes)
    scored = sum(one.scored is not None for one in outcomes)
    decided = [row["positive"] for row in tables.exams if row["positive"] is not None]
    return {
        "images scored": scored, "listed only": len(outcomes) - scored - failed, "failed": failed,
        "exams": len(tables.exams), "exams called positive": sum(map(bool, decided)) if decided else "no threshold",
    }  # fmt: skip
