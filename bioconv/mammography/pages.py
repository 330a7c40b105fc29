"""The pages of a batch: report.html, and one page per exam."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bioconv.mammography.batch import Batch, Outcome, settings_said
from bioconv.mammography.results import Row, Tables
from bioconv.report.exam_report import ExamReport, ExamsReport, PicturedView, exam_report, exams_report
from bioconv.report.facts import Table

EXAMS = "exams"
_HUNG = {"R-CC": 0, "L-CC": 1, "R-MLO": 2, "L-MLO": 3}
_BREASTS = ("laterality", "score", "probability", "positive", "views", "missing")


def write_pages(batch: Batch, outcomes: Sequence[Outcome], tables: Tables) -> None:
    """Write report.html and exams/*.html.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    folder = batch.output / EXAMS
    folder.mkdir(exist_ok=True)
    thumbnails = _thumbnails(batch, outcomes)
    settings, links = settings_said(batch.classifier), []
    for number, exam in enumerate(tables.exams, start=1):
        links.append(f"{EXAMS}/exam-{number:04d}.html")
        own = [row for row in tables.images if _same(row, exam)]
        exam_report(
            batch.output / links[-1],
            ExamReport(
                title=_title(exam),
                statements=_statements(exam),
                breasts=_breasts([row for row in tables.breasts if _same(row, exam)]),
                views=[_view(row, thumbnails) for row in sorted(own, key=_hung)],
                missing=exam["missing"].split(),
                domain=batch.classifier.domain,
                warnings=[text for text in exam["warnings"].split("; ") if text],
                settings=settings,
            ),
        )
    failures = [(batch.identify(one.name), _reason(one, batch)) for one in outcomes if one.failed]
    exams_report(
        batch.output / "report.html",
        ExamsReport(
            title=batch.output.name,
            counts=_counts(outcomes, tables),
            exams=Table(
                ("exam", "score", "probability", "positive", "missing"),
                [
                    (_title(row), row["score"], row["probability"], row["positive"], row["missing"])
                    for row in tables.exams
                ],
            ),
            links=links,
            failures=failures,
            domain=batch.classifier.domain,
            settings=settings,
        ),
    )


def _thumbnails(batch: Batch, outcomes: Sequence[Outcome]) -> dict[str, Path]:
    """Return the small pictures by what stands for their images."""
    return {
        batch.identify(one.name): batch.output / own.path
        for one in outcomes
        for own in one.record.outputs
        if own.kind == "thumbnail"
    }


def _same(row: Row, exam: Row) -> bool:
    return bool(row["patient"] == exam["patient"] and row["study"] == exam["study"])


def _title(exam: Row) -> str:
    return f"Patient {exam['patient']}" + (f", study {exam['study']}" if exam["study"] else "")


def _statements(exam: Row) -> dict[str, object]:
    said = {name: exam[name] for name in ("score", "probability", "spread", "threshold", "positive")}
    return {name: value for name, value in said.items() if value is not None} | {"rule": exam["rule"]}


def _breasts(rows: Sequence[Row]) -> Table:
    return Table(_BREASTS, [tuple(row[name] for name in _BREASTS) for row in rows])


def _hung(row: Row) -> tuple[int, str]:
    return _HUNG.get(f"{row['laterality']}-{row['view']}", len(_HUNG)), row["image"]


def _view(row: Row, thumbnails: dict[str, Path]) -> PicturedView:
    score = row["score"]
    caption = f"listed, not scored: {row['reason']}" if score is None else f"score {score:.3f}"
    if row["probability"] is not None:
        caption += f", probability {row['probability']:.2f}"
    path = thumbnails.get(row["image"])
    picture = path.read_bytes() if path is not None and score is not None else b""
    warnings = [text for text in row["warnings"].split("; ") if text]
    return PicturedView(f"{row['laterality']}-{row['view'] or '?'}", caption, picture, warnings)


def _counts(outcomes: Sequence[Outcome], tables: Tables) -> dict[str, object]:
    failed = sum(one.failed for one in outcomes)
    scored = sum(one.scored is not None for one in outcomes)
    positive = sum(row["positive"] is True for row in tables.exams)
    return {
        "images scored": scored, "listed only": len(outcomes) - scored - failed, "failed": failed,
        "exams": len(tables.exams), "exams called positive": positive,
    }  # fmt: skip


def _reason(outcome: Outcome, batch: Batch) -> str:
    """Return why an input failed, without its name where names are hashed."""
    text = outcome.record.reason
    if batch.identify(outcome.name) == outcome.name:
        return text
    for name in (outcome.record.source, outcome.name, Path(outcome.name).name):
        text = text.replace(name, "the file")
    return text
