"""After a batch: which images to label next, and the report; from the manifest, so that shards and reruns count."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bioconv.manifest import DONE, FAILED, Manifest, Output, Record
from bioconv.outputs import open_output
from bioconv.report.facts import Table
from bioconv.report.segmentation_report import Pictured, SegmentationReport, segmentation_report
from bioconv.wording import counted

REVIEW, REPORT = "review.csv", "report.html"
_COLUMNS = ("rank", "input", "score", "mean_uncertainty", "mutual_information", "objects", "foreground", "mask")


def records_of(manifest: Manifest, names: Iterable[str], models: Mapping[str, str]) -> list[Record]:
    """Return the records of some inputs, made with these models, in the order of the names."""
    found = (manifest.records.get(name) for name in names)
    return [one for one in found if one is not None and (one.status == FAILED or dict(one.models) == dict(models))]


def ranked(records: Iterable[Record]) -> list[Record]:
    """Return the images that have a score, the one to label first first."""
    scored = [one for one in records if one.status == DONE and "score" in one.facts]
    return sorted(scored, key=lambda one: (-one.facts["score"], one.input))


def write_review(path: Path, records: Iterable[Record]) -> None:
    """Write the images as a table, the one to label first first.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for rank, record in enumerate(ranked(records), 1):
        facts = record.facts
        values = [facts.get(name) for name in _COLUMNS[2:-1]]
        writer.writerow([rank, record.input, *("" if one is None else one for one in values), _path(record, "mask")])
    with open_output(path) as stream:
        stream.write(text.getvalue().encode())


def _path(record: Record, kind: str) -> str:
    return next((one.path for one in record.outputs if one.kind == kind), "")


def write_report(path: Path, manifest: Manifest, records: Sequence[Record], settings: Mapping[str, object]) -> None:
    """Write the HTML report of a batch.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    done = [one for one in records if one.status == DONE]
    first = ranked(done)
    shown = first or done
    segmentation_report(
        path,
        SegmentationReport(
            title=manifest.folder.name or str(manifest.folder),
            counts=_counts(records, done),
            pictures=[one for one in (_pictured(manifest.folder, record) for record in shown) if one is not None],
            failures=[(one.input, one.reason) for one in records if one.status == FAILED],
            warnings=[(one.input, warning) for one in done for warning in one.warnings],
            images=_table(shown),
            settings=settings,
            note="Most worth labelling first (review.csv)." if first else "",
        ),
    )


def _counts(records: Sequence[Record], done: Sequence[Record]) -> dict[str, object]:
    objects = [one.facts["objects"] for one in done if one.facts.get("objects") is not None]
    found: dict[str, object] = {"inputs": len(records), "segmented": len(done), "failed": len(records) - len(done)}
    if objects:
        found["objects"] = sum(objects)
    found["with warnings"] = sum(bool(one.warnings) for one in done)
    found["seconds"] = round(sum(one.seconds for one in done), 1)
    return found


def _pictured(folder: Path, record: Record) -> Pictured | None:
    thumbnail = next((one for one in record.outputs if one.kind == "thumbnail"), None)
    data = _read(folder, thumbnail) if thumbnail is not None else b""
    return Pictured(record.input, _caption(record.facts), data, bool(record.warnings)) if data else None


def _read(folder: Path, output: Output) -> bytes:
    try:
        return (folder / output.path).read_bytes()
    except OSError:  # taken away since: the report is made without it
        return b""


def _caption(facts: Mapping[str, Any]) -> str:
    size = " x ".join(str(length) for length in facts["shape"])
    objects = facts.get("objects")
    words = [f"{facts['foreground']:.1%} foreground" if objects is None else counted(objects, "object"), size]
    plane = facts.get("overlay_plane")
    words += [f"plane {', '.join(f'{axis} {at}' for axis, at in plane.items())}"] if plane else []
    words += [f"score {facts['score']:.4f}"] if "score" in facts else []
    return "; ".join(words)


def _table(records: Sequence[Record]) -> Table | None:
    if not records:
        return None
    columns = ["image", "axes", "size", "objects", "foreground", "seconds"]
    scored = "score" in records[0].facts
    rows = []
    for one in records:
        facts = one.facts
        size = " x ".join(str(length) for length in facts["shape"])
        row = [one.input, facts["axes"], size, facts.get("objects"), float(facts["foreground"]), float(one.seconds)]
        rows.append(row + ([float(facts["score"])] if scored else []))
    return Table([*columns, *(["score"] if scored else [])], rows)
