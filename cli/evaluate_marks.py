"""`bioconv evaluate --marks`: marks of a detector against lesions, FROC."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bioconv.cli.evaluate_options import Request
from bioconv.cli.evaluate_result import file_facts, heading, write_result


def evaluate_marks(marks: str, lesions: str, images: str, request: Request) -> None:
    """Match marks with lesions, and write the figures of the curve."""
    from bioconv.evaluation.froc import froc_curve, match_marks
    from bioconv.evaluation.froc_summary import summarise_froc
    from bioconv.evaluation.marks import lesions_of, marks_of, read_images, read_marks_tables
    from bioconv.report.tables import figures_table

    marked, true = read_marks_tables(marks, lesions)
    known = read_images(images, marked, true)
    found = match_marks(marks_of(marked, known.names), lesions_of(true, known.names), known.count)
    settings = replace(request.settings, groups=known.groups)
    figures = summarise_froc(found, settings)
    if known.groups is not None:
        figures["groups"] = len(set(known.groups))
    curve = froc_curve(found)
    if request.plot:
        from bioconv.report.curves import save_figure
        from bioconv.report.froc_figure import draw_froc

        save_figure(draw_froc(curve, figures["models"]["marks"]), request.plot)
    inputs = {"marks": file_facts(marks), "lesions": file_facts(lesions), "images": images}
    if Path(images).is_file():
        inputs["images"] = file_facts(images)
    result = heading("marks", inputs, settings) | figures
    # The first point is at infinity, where nothing is marked.
    columns = (one.tolist()[1:] for one in (curve.thresholds, curve.false_positives, curve.sensitivity))
    points = [list(point) for point in zip(*columns, strict=True)]
    write_result(result | {"curve": points}, request, figures_table(figures))
