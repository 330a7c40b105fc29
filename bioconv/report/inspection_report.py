"""One HTML file that says what a folder of data holds."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioconv.outputs import open_output, provenance
from bioconv.report.drawing import embed
from bioconv.report.facts import Picture, Table
from bioconv.report.page import render_page


@dataclass(frozen=True)
class Shown:
    """A picture of an image: name, what is said below it, JPEG bytes."""

    name: str
    caption: str
    picture: bytes


@dataclass(frozen=True)
class InspectionReport:
    """What a folder holds. What is empty is left out.

    Parameters
    ----------
    title
        Name of the folder.
    counts
        Files, images, sequences, ...
    leaks
        What crosses the parts of a split, a sentence each; None: no split was given.
    troubles
        Heading to (file, what is wrong with it).
    tables
        Heading to table.
    plots
        Histograms and bars.
    pictures, pairs
        Images, and pairs of images that are copies of each other.
    note
        Which images are shown.
    """

    title: str
    counts: Mapping[str, object]
    leaks: Sequence[str] | None = None
    troubles: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    plots: Sequence[Picture] = ()
    pictures: Sequence[Shown] = ()
    pairs: Sequence[tuple[Shown, Shown, str]] = ()
    note: str = ""


def inspection_report(path: str | Path, facts: InspectionReport) -> None:
    """Write the report of a folder: one HTML file with everything in it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = render(facts)
    with open_output(path) as stream:
        stream.write(text.encode())


def render(facts: InspectionReport) -> str:
    """Return the HTML of the report of a folder."""
    return render_page(
        "inspection_report.html.j2",
        facts=facts,
        plots=[(embed(plot, number), plot.caption) for number, plot in enumerate(facts.plots)],
        encoded=lambda picture: base64.b64encode(picture).decode(),
        provenance=provenance(),
    )
