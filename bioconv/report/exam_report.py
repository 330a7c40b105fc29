"""Pages on mammograms: one per exam with its views and heat maps, and one that lists all exams of a batch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioconv.outputs import open_output, provenance
from bioconv.report.drawing import embed
from bioconv.report.facts import Picture, Table
from bioconv.report.page import render_page

NOTICE = "Research use only, not a medical device."


@dataclass(frozen=True)
class PicturedView:
    """One view of an exam.

    Parameters
    ----------
    name
        Side and view, `R-CC`.
    caption
        Its score, or why it has none.
    picture
        JPEG bytes; empty where there is none.
    warnings
        What a reader should know of it.
    """

    name: str
    caption: str
    picture: bytes = b""
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class ExamReport:
    """What is said of one exam.

    Parameters
    ----------
    title
        What stands for patient and study.
    statements
        Score, probability, threshold, and what they come to.
    breasts
        One row per breast.
    views
        Right before left, CC before MLO, as they are hung.
    missing
        Standard views that are not there.
    domain
        A warning: what the model was trained on.
    warnings
        What a reader should know of the exam.
    settings
        Models and choices.
    """

    title: str
    statements: Mapping[str, object]
    breasts: Table
    views: Sequence[PicturedView] = ()
    missing: Sequence[str] = ()
    domain: str = ""
    warnings: Sequence[str] = ()
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluatedLevel:
    """How good the scores of images, breasts or exams are.

    Parameters
    ----------
    name
        Of the level, `exams`.
    counts
        How many there are, and of either label.
    figures
        A row per figure: value, interval, method.
    reliability
        A row per bin of probabilities.
    picture
        Curves; None where there are none.
    notes
        What a reader should know, a sentence each.
    """

    name: str
    counts: Mapping[str, object]
    figures: Table
    reliability: Table
    picture: Picture | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class ExamsReport:
    """What is said of a batch.

    Parameters
    ----------
    exams
        One row per exam; the first cell names it.
    links
        Addresses of the exams' own pages, one per row.
    failures
        (input, reason).
    evaluation
        Against labels, where there are any.
    """

    title: str
    counts: Mapping[str, object]
    exams: Table
    links: Sequence[str] = ()
    failures: Sequence[tuple[str, str]] = ()
    domain: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    evaluation: Sequence[EvaluatedLevel] = ()


def exam_report(path: str | Path, facts: ExamReport) -> None:
    """Write the page of one exam: one HTML file with everything in it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    pictures = [base64.b64encode(view.picture).decode() for view in facts.views]
    _write(path, "exam_report.html.j2", facts=facts, views=list(zip(facts.views, pictures, strict=True)))


def exams_report(path: str | Path, facts: ExamsReport) -> None:
    """Write the page of a batch.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    drawn = [
        "" if level.picture is None else embed(level.picture, place) for place, level in enumerate(facts.evaluation)
    ]
    _write(path, "exams_report.html.j2", facts=facts, levels=list(zip(facts.evaluation, drawn, strict=True)))


def _write(path: str | Path, template: str, **content: object) -> None:
    text = render_page(template, notice=NOTICE, provenance=provenance(), **content)
    with open_output(path) as stream:
        stream.write(text.encode())
