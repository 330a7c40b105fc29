"""One HTML file that says how a training run went: to be read, printed, mailed and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bioconv.errors import OptionError
from bioconv.outputs import open_output, provenance
from bioconv.report.drawing import draw_curves, draw_learning_rate, embed
from bioconv.report.facts import Errors, Metric, Table, TrainingReport
from bioconv.report.next_step import error_gaps, next_step
from bioconv.report.page import figure, render_page


def training_report(path: str | Path, facts: TrainingReport) -> None:
    """Write the report of a training run: one HTML file with everything in it.

    Raises
    ------
    OptionError
        If a table's rows do not fit its columns, a picture is no plain SVG, or an error is not finite.
    OutputError
        If the file cannot be written.
    """
    text = render(facts)
    with open_output(path) as stream:
        stream.write(text.encode())


def render(facts: TrainingReport) -> str:
    """Return the HTML of the report of a training run."""
    for table in (facts.worst, facts.split, facts.search):
        _check_table(table)
    drawn = [draw_curves(panel, lines, best=facts.best_epoch) for panel, lines in facts.curves.items()]
    if facts.learning_rate:
        drawn.append(draw_learning_rate(facts.learning_rate))
    return render_page(
        "training_report.html.j2",
        facts=facts,
        plots=[(embed(one, place), one.caption) for place, one in enumerate(drawn)],
        pictures=[(embed(one, place), one.caption) for place, one in enumerate(facts.pictures, len(drawn))],
        errors=None if facts.errors is None else _error_rows(facts.errors),
        advice=None if facts.errors is None else _advice(facts.errors),
        metrics=_metric_table(facts.metrics) if facts.metrics else None,
        provenance=provenance(),
    )


def _error_rows(errors: Errors) -> list[tuple[str, float, str]]:
    """Return the rows of the bias and variance table: level, error, the gap to the level above it."""
    gaps = error_gaps(errors.train, errors.train_dev, errors.dev, errors.reference)
    named = [f"{gap.name} {gap.size:+.3g}" for gap in gaps]
    rows = [] if errors.reference is None else [(errors.reference_name, errors.reference, "")]
    rows.append(("train", errors.train, named[0] if errors.reference is not None else f"{named[0]} (to 0)"))
    if errors.train_dev is not None:
        rows.append(("train-dev", errors.train_dev, named[1]))
    rows.append(("dev", errors.dev, named[-1]))
    if errors.test is not None:
        rows.append(("test", errors.test, f"fitted to dev {errors.test - errors.dev:+.3g}"))
    return rows


def _advice(errors: Errors) -> str:
    return next_step(errors.train, errors.train_dev, errors.dev, errors.reference)


def _metric_table(metrics: Sequence[Metric]) -> Table:
    return Table(("metric", "part", "value", "interval", "how"), [_metric_row(metric) for metric in metrics])


def _metric_row(metric: Metric) -> tuple[object, ...]:
    interval = "" if metric.low is None or metric.high is None else f"{figure(metric.low)} to {figure(metric.high)}"
    return metric.name, metric.part, metric.value, interval, metric.how


def _check_table(table: Table | None) -> None:
    if table is None:
        return
    odd = [row for row in table.rows if len(row) != len(table.columns)]
    if odd or (table.chosen is not None and not 0 <= table.chosen < len(table.rows)):
        problem = f"row {odd[0]}" if odd else f"chosen row {table.chosen} of {len(table.rows)}"
        message = f"table with columns {', '.join(table.columns)}: {problem} does not fit"
        raise OptionError(message)
