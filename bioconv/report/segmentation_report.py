"""One HTML file that says what a batch of segmentations came to: a contact sheet, counts, failures, warnings."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioconv.outputs import open_output, provenance
from bioconv.report.facts import Table
from bioconv.report.page import render_page

MOST_PICTURES = 400
"""Pictures of a contact sheet: beyond, the page would be too large to open."""


@dataclass(frozen=True)
class Pictured:
    """One image of the contact sheet.

    Parameters
    ----------
    name
        Of the input.
    caption
        What is said below it: objects, score.
    picture
        JPEG bytes.
    marked
        Whether something is odd about it.
    """

    name: str
    caption: str
    picture: bytes
    marked: bool = False


@dataclass(frozen=True)
class SegmentationReport:
    """What a batch came to.

    Parameters
    ----------
    title
        Name of the folder.
    counts
        Inputs, done, failed, objects, ...
    pictures
        In the order of the page.
    failures, warnings
        (input, what happened).
    images
        One row per image.
    settings
        Models and options.
    note
        A sentence on the order of the pictures, or on what the model must not be used for.
    """

    title: str
    counts: Mapping[str, object]
    pictures: Sequence[Pictured] = ()
    failures: Sequence[tuple[str, str]] = ()
    warnings: Sequence[tuple[str, str]] = ()
    images: Table | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    note: str = ""


def segmentation_report(path: str | Path, facts: SegmentationReport) -> None:
    """Write the report of a batch: one HTML file with everything in it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = render(facts)
    with open_output(path) as stream:
        stream.write(text.encode())


def render(facts: SegmentationReport) -> str:
    """Return the HTML of the report of a batch."""
    shown = facts.pictures[:MOST_PICTURES]
    return render_page(
        "segmentation_report.html.j2",
        facts=facts,
        pictures=[(one, base64.b64encode(one.picture).decode()) for one in shown],
        left_out=len(facts.pictures) - len(shown),
        provenance=provenance(),
    )
