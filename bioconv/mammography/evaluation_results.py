"""What an evaluation leaves behind: evaluation.json, evaluation.csv, and a part of report.html."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bioconv.errors import OutputError
from bioconv.evaluation.figures import Figures
from bioconv.mammography.batch_evaluation import Evaluation, LevelEvaluation
from bioconv.mammography.classifier import Classifier
from bioconv.outputs import open_output, provenance
from bioconv.report.exam_report import NOTICE, EvaluatedLevel
from bioconv.report.facts import Picture, Table
from bioconv.version import __version__

JSON, CSV = "evaluation.json", "evaluation.csv"
COLUMNS = ("level", "figure", "value", "low", "high", "method")


def to_json(classifier: Classifier, evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as values JSON can hold; it names nobody."""
    finding, choices, drawn = classifier.models[0].objective.heads[0], classifier.choices, evaluation.settings
    return {
        "notice": NOTICE,
        "bioconv": __version__,
        "models": [{"name": model.name, "sha256": model.hash} for model in classifier.models],
        "domain_warning": classifier.domain_warning,
        "finding": {"name": finding.name, "negative": finding.classes[0], "positive": finding.classes[1]},
        "rule": str(choices.rule),
        "prevalence": choices.prevalence,
        "partial_auroc": list(drawn.partial or ()),
        "level": drawn.level,
        "resamples": drawn.resamples,
        "seed": drawn.seed,
        "levels": {name: _level(own) for name, own in evaluation.levels.items()},
    }


def _level(own: LevelEvaluation) -> Figures:
    said = {"chosen": list(own.chosen), "figures": own.figures, "reliability": list(own.reliability)}
    return {**own.counts, **said, "notes": list(own.notes)}


def write_evaluation(folder: Path, classifier: Classifier, evaluation: Evaluation) -> None:
    """Write evaluation.json and evaluation.csv: a row per level and figure, the same figures in both.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    with open_output(folder / JSON) as target:
        target.write((json.dumps(to_json(classifier, evaluation), indent=1, allow_nan=False) + "\n").encode())
    stream = io.StringIO()
    stream.write(f"# {NOTICE} {provenance(models=','.join(model.hash for model in classifier.models))}\n")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for level, own in evaluation.levels.items():
        writer.writerows((level, key, value, "", "", "count") for key, value in own.counts.items())
        writer.writerows((level, key, *_cells(one)) for key, one in own.figures.items())
    with open_output(folder / CSV) as target:
        target.write(stream.getvalue().encode())


def _cells(one: Figures) -> list[str]:
    numbers = ["" if one[name] is None else f"{one[name]:.6g}" for name in ("value", "low", "high")]
    return [*numbers, one["method"]]


def remove_evaluation(folder: Path) -> None:
    """Remove the evaluation of an earlier run: it is not of the tables that are there now.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    for name in (JSON, CSV):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            message = f"cannot remove {folder / name}, which is of an earlier run: {error.strerror}"
            raise OutputError(message) from error


def evaluation_sections(evaluation: Evaluation) -> list[EvaluatedLevel]:
    """Return what report.html says of each level: exams first."""
    return [
        EvaluatedLevel(
            name=f"{level.capitalize()}s",
            counts={name.replace("_", " "): count for name, count in own.counts.items()},
            figures=Table(COLUMNS[1:], [(key, *one) for key, one in _shown(own)]),
            reliability=_reliability(own.reliability),
            picture=_curves(level, own) if own.figures else None,
            notes=own.notes,
        )
        for level, own in reversed(list(evaluation.levels.items()))
    ]


def _shown(own: LevelEvaluation) -> list[tuple[str, tuple[object, ...]]]:
    return [(key, tuple(one[name] for name in ("value", "low", "high", "method"))) for key, one in own.figures.items()]


def _reliability(bins: Sequence[Figures]) -> Table:
    parts = ("value", "low", "high")
    rows = [
        (f"{one['low']:.1f} to {one['high']:.1f}", one["count"], one["predicted"], *(one["observed"][p] for p in parts))
        for one in bins
    ]
    return Table(("probability", "count", "predicted", "observed", "low", "high"), rows)


def _curves(level: str, own: LevelEvaluation) -> Picture:
    from bioconv.report.curves import draw_curves
    from bioconv.report.drawing import svg

    name = f"{level}s"
    points = {}
    if "threshold" in own.figures:
        points[name] = (1 - own.figures["specificity"]["value"], own.figures["sensitivity"]["value"])
    likely = None if own.probabilities is None else {name: own.probabilities}
    figure = draw_curves({name: own.scores}, own.labels, reliability=likely, points=points)
    caption = f"{name}: ROC, precision and recall" + (", reliability in bins of equal count" if likely else "")
    return Picture(svg(figure), caption, f"Curves of {name}; area {own.figures['auroc']['value']:.3f}.")
