"""`bioconv evaluate` of scores and labels: ranking, calibration, operating point, strata, readers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from bioconv.cli.evaluate_options import Request
from bioconv.cli.evaluate_result import Figures, file_facts, heading, write_result

from bioconv.errors import OptionError

if TYPE_CHECKING:
    from bioconv.evaluation.figures import Settings
    from bioconv.evaluation.predictions import Predictions
    from bioconv.evaluation.readers import Readings


@dataclass(frozen=True)
class Wanted:
    """What is asked of scores and labels beyond their figures.

    Parameters
    ----------
    by
        Columns of the labels, as `--by` has them.
    readers, margin
        The table of readers' decisions, and how much lower than a reader's a rate may be.
    validation
        Tables of scores and labels on which thresholds are chosen.
    sensitivity, specificity
        What a threshold must have there; neither: Youden's.
    """

    by: str | None = None
    readers: str | None = None
    margin: float | None = None
    validation: tuple[str, str] | None = None
    sensitivity: float | None = None
    specificity: float | None = None


def wanted_of(given: dict[str, Any]) -> Wanted:
    """Return what the options ask for."""
    tables = (given["validation_scores"], given["validation_labels"])
    return Wanted(
        given["by"], given["readers"], given["margin"], tables if tables[0] else None,
        given["at_sensitivity"], given["at_specificity"],
    )  # fmt: skip


def table_predictions(scores: str, labels: str, columns: tuple[str, ...]) -> tuple[Figures, Predictions]:
    """Return facts about the inputs, and the scores beside their labels."""
    from bioconv.evaluation.predictions import read_predictions

    predictions = read_predictions(scores, labels, columns=columns)
    return {"scores": file_facts(scores), "labels": file_facts(labels)}, predictions


def evaluate_predictions(
    inputs: Figures,
    predictions: Predictions,
    request: Request,
    *,
    wanted: Wanted,
    calibrated: dict[str, bool] | None = None,
) -> None:
    """Judge the scores as their labels allow, and write the result."""
    from bioconv.report.tables import figures_table

    settings = replace(request.settings, groups=predictions.groups)
    task = "regression" if request.regression else predictions.task()
    if task == "binary":
        figures, settings = _binary(predictions, request, settings, wanted, calibrated)
        inputs = inputs | _more_inputs(wanted)
    else:
        _only_binary(request, wanted)
        figures = _other(task, predictions, settings)
    if predictions.groups is not None:
        figures["groups"] = len(set(predictions.groups))
        figures["notes"].append("intervals are of the groups drawn again; DeLong's would take samples as independent")
    write_result(heading(task, inputs, settings) | figures, request, figures_table(figures))


def _binary(
    predictions: Predictions, request: Request, settings: Settings, wanted: Wanted, calibrated: dict[str, bool] | None
) -> tuple[Figures, Settings]:
    """Return all figures of labels 0 and 1, and the settings with the thresholds chosen; draw the curves."""
    from bioconv.evaluation.binary_summary import summarise_binary
    from bioconv.evaluation.readers import read_readings
    from bioconv.evaluation.readers_summary import compare_readers

    labels, found = predictions.binary(), {}
    if wanted.validation:
        settings = _with_thresholds(predictions, settings, wanted)
        found["validation"] = {name: asdict(one) for name, one in settings.chosen.items()}
    readings = read_readings(wanted.readers, predictions.names, labels) if wanted.readers else None
    figures = summarise_binary(predictions.scores, labels, settings, calibrated=calibrated) | found
    if settings.chosen:
        figures["notes"] += _validation_notes(settings)
    if wanted.by:
        known = {name: name in figures["reliability"] for name in predictions.scores}
        figures["strata"] = _strata(predictions, settings, wanted.by, known)
    if readings is not None:
        compared = compare_readers(predictions.scores, labels, readings, settings, margin=wanted.margin)
        figures["notes"] += compared.pop("notes")
        figures["readers"] = compared | {"margin": wanted.margin}
    if request.plot:
        _draw(request.plot, predictions, figures, readings)
    return figures, settings


def _with_thresholds(predictions: Predictions, settings: Settings, wanted: Wanted) -> Settings:
    from bioconv.evaluation.predictions import read_predictions
    from bioconv.evaluation.validation import choose_thresholds

    scores, labels = wanted.validation or ("", "")
    validation = read_predictions(scores, labels, columns=tuple(predictions.scores))
    chosen = choose_thresholds(validation, predictions, sensitivity=wanted.sensitivity, specificity=wanted.specificity)
    return replace(settings, chosen=chosen)


def _validation_notes(settings: Settings) -> list[str]:
    notes = [
        f"{name}: threshold {one.value:g} chosen on validation data: {one.rule} ({one.positives} positives, "
        f"{one.negatives} negatives; there sensitivity {one.sensitivity:.4f}, specificity {one.specificity:.4f})"
        for name, one in settings.chosen.items()
    ]
    return [
        *notes,
        "intervals at a threshold take it as fixed: they leave out that other validation data gives another",
    ]


def _strata(predictions: Predictions, settings: Settings, by: str, calibrated: dict[str, bool]) -> list[Figures]:
    from bioconv.evaluation.strata import divide, parse_splits
    from bioconv.evaluation.strata_summary import summarise_strata

    strata = divide(parse_splits(by), predictions.facts, predictions.source, predictions.lines)
    return summarise_strata(predictions.scores, predictions.binary(), strata, settings, calibrated=calibrated)


def _draw(path: str, predictions: Predictions, figures: Figures, readings: Readings | None) -> None:
    from bioconv.report.curves import draw_curves, save_figure

    labels = predictions.binary()
    points = {
        name: (1 - entries["specificity"]["value"], entries["sensitivity"]["value"])
        for name, entries in figures["models"].items()
        if "threshold" in entries
    }
    figure = draw_curves(
        predictions.scores, labels, reliability={name: predictions.scores[name] for name in figures["reliability"]},
        points=points,
        readers={} if readings is None else readings.points(labels),
    )  # fmt: skip
    save_figure(figure, path)


def _other(task: str, predictions: Predictions, settings: Settings) -> Figures:
    from bioconv.evaluation.class_summary import summarise_classes
    from bioconv.evaluation.regression_summary import summarise_regression

    if task == "regression":
        return summarise_regression(predictions.scores, predictions.measured(), settings)
    return summarise_classes(*predictions.classes(), settings)


def _only_binary(request: Request, wanted: Wanted) -> None:
    """Refuse what makes sense for labels 0 and 1 alone."""
    settings = request.settings
    given = {
        "--plot": request.plot,
        "--threshold": settings.threshold,
        "--validation-scores": wanted.validation,
        "--partial-auroc": settings.partial,
        "--prevalence": settings.prevalence,
        "--by": wanted.by,
        "--readers": wanted.readers,
    }
    names = [name for name, value in given.items() if value is not None]
    if names:
        message = f"{', '.join(names)}: labels must be 0 and 1, and these are not"
        raise OptionError(message)


def _more_inputs(wanted: Wanted) -> Figures:
    found = {}
    if wanted.validation:
        found = dict(zip(("validation_scores", "validation_labels"), map(file_facts, wanted.validation), strict=True))
    return found | ({"readers": file_facts(wanted.readers)} if wanted.readers else {})
