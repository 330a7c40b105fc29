"""Every figure that fits scores of samples labelled 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations

from bioconv.errors import InputError
from bioconv.evaluation import calibration, ranking
from bioconv.evaluation.delong import delong_test
from bioconv.evaluation.figures import Figures, Settings, comparison, delong_entry, entry, resampled
from bioconv.evaluation.inputs import Flags, Floats, ranked
from bioconv.evaluation.operating_summary import operating_figures
from bioconv.evaluation.partial_area import partial_metric
from bioconv.evaluation.resampling import Metric, difference_of, interval_of


def summarise_binary(
    models: Mapping[str, Floats],
    labels: Flags,
    settings: Settings,
    *,
    calibrated: bool | Mapping[str, bool] | None = None,
) -> Figures:
    """Judge the scores of one or more models against labels 0 and 1.

    Parameters
    ----------
    models
        Name -> (n,) scores.
    labels
        (n,) bool, both classes present.
    settings
        Resamples, level, groups, thresholds, prevalence, part of the ROC curve.
    calibrated
        Whether scores are probabilities, or model -> that; None: those of a model are, if all lie between 0 and 1.

    Returns
    -------
    dict
        `samples`, `positives`, `negatives`, `models` (name -> figure -> value, low, high, error, method),
        `comparisons` (each two models), `reliability` (name -> bins) and `notes`.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`.
    """
    result: Figures = {"samples": len(labels), "positives": int(labels.sum()), "negatives": int((~labels).sum())}
    result |= {"models": {}, "comparisons": [], "reliability": {}, "notes": []}
    draws: dict[str, dict[str, Floats]] = {}
    for name, given in models.items():
        scores, _ = ranked(given, labels)
        figures, draws[name] = _ranking(scores, labels, settings, compared=len(models) > 1)
        inside = bool(scores.min() >= 0 and scores.max() <= 1)
        known = calibrated.get(name) if isinstance(calibrated, Mapping) else calibrated
        if inside if known is None else known:
            own, result["reliability"][name], said = calibration_figures(scores, labels, settings)
            figures |= own
            result["notes"] += [f"{name}: {note}" for note in said]
        else:
            result["notes"].append(f"{name}: no calibration, the scores are not probabilities")
        if settings.threshold_of(name) is not None:
            figures |= operating_figures(scores, labels, name, settings)
        result["models"][name] = figures
    result["comparisons"] = [
        row for a, b in combinations(models, 2) for row in _compared(a, b, models, labels, draws, settings)
    ]
    if all(settings.threshold_of(name) is None for name in models):
        result["notes"].append("no threshold is chosen on test data: choose one on validation data for --threshold")
    return result


def _ranking(scores: Floats, labels: Flags, settings: Settings, *, compared: bool) -> tuple[Figures, dict[str, Floats]]:
    """Return the areas, and their resamples for comparisons."""
    method, draws = settings.drawn(stratified=True), {}
    draws["auprc"] = settings.draw(ranking.auprc, scores, labels, stratified=True)
    if compared or settings.groups is not None:
        draws["auroc"] = settings.draw(ranking.auroc, scores, labels, stratified=True)
    if settings.groups is None:
        area = delong_entry(scores, labels, level=settings.level)
    else:
        area = entry(interval_of(ranking.auroc(scores, labels), draws["auroc"], level=settings.level), method)
    precision = interval_of(ranking.auprc(scores, labels), draws["auprc"], level=settings.level)
    figures = {"auroc": area, "auprc": entry(precision, method)}
    if settings.partial is not None:
        low, high = settings.partial
        part = resampled(partial_metric(low, high), scores, labels, settings, stratified=True)
        figures["partial_auroc"] = part | {"method": f"false-positive rates {low:g} to {high:g}, {part['method']}"}
    return figures, draws


def calibration_figures(
    predicted: Floats, labels: Flags, settings: Settings
) -> tuple[Figures, list[Figures], list[str]]:
    """Judge probabilities.

    Parameters
    ----------
    predicted
        (n,) probabilities.
    labels, settings
        As in `summarise_binary`.

    Returns
    -------
    figures : dict
        Figure -> value, low, high, error, method: Brier score, calibration errors, slope and intercept.
    reliability : list of dict
        Bins, as `bioconv.evaluation.calibration.ReliabilityBin`.
    notes : list of str
        Why there are no slope and intercept.

    Raises
    ------
    InputError
        If they are no probabilities.
    """
    notes, error = [], calibration.expected_calibration_error
    figures = {"brier": resampled(calibration.brier, predicted, labels, settings)}
    figures["expected_calibration_error"] = entry(error(predicted, labels), "15 bins of equal width")
    figures["expected_calibration_error_equal_count"] = entry(
        error(predicted, labels, by="count"), "15 bins of equal count"
    )
    try:
        both = calibration.calibration_slope_intercept(predicted, labels, level=settings.level)
        for number, part in enumerate(("slope", "intercept")):
            key = f"calibration_{part}"
            figures[key] = entry(both[number], "Wald")
            if settings.groups is not None:
                figures[key] = resampled(_recalibration(number), predicted, labels, settings)
    except InputError as reason:
        notes.append(f"no calibration slope and intercept: {reason}")
    bins = calibration.reliability_table(predicted, labels, level=settings.level)
    return figures, [asdict(one) for one in bins], notes


def _recalibration(number: int) -> Metric:
    return lambda scores, labels: calibration.calibration_slope_intercept(scores, labels)[number].value


def _compared(
    a: str,
    b: str,
    models: Mapping[str, Floats],
    labels: Flags,
    draws: Mapping[str, Mapping[str, Floats]],
    settings: Settings,
) -> list[Figures]:
    rows = []
    if settings.groups is None and min(labels.sum(), (~labels).sum()) > 1:
        tested = delong_test(models[a], models[b], labels, level=settings.level)
        rows.append(comparison(a, b, "auroc", tested, "DeLong"))
    for key, metric in (("auroc", ranking.auroc), ("auprc", ranking.auprc)):
        value = metric(models[a], labels) - metric(models[b], labels)
        tested = difference_of(value, draws[a][key] - draws[b][key], level=settings.level)
        rows.append(comparison(a, b, key, tested, "paired " + settings.drawn(stratified=True)))
    return rows
