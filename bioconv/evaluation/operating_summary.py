"""Figures of an operating point: what calling positive from a threshold on does, here and at a stated prevalence."""

from __future__ import annotations

from functools import partial

import numpy as np

from bioconv.evaluation import classification
from bioconv.evaluation.figures import WILSON, Figures, Settings, entry, resampled
from bioconv.evaluation.inputs import Flags, Floats
from bioconv.evaluation.intervals import Interval
from bioconv.evaluation.prevalence import predictive_intervals, predictive_values, recall_rate_at
from bioconv.evaluation.resampling import Metric
from bioconv.evaluation.thresholds import OperatingPoint, operating_point

METRICS: dict[str, Metric] = {
    "sensitivity": classification.recall,
    "specificity": classification.specificity,
    "precision": classification.precision,
    "negative_predictive_value": lambda found, truth: classification.precision(1 - found, 1 - truth),
    "accuracy": classification.accuracy,
    "recall_rate": lambda found, _: float(found.mean()),
    "f1": classification.f1,
    "matthews": classification.matthews,
}


def operating_figures(scores: Floats, labels: Flags, name: str, settings: Settings) -> Figures:
    """Return threshold, counts, rates and, where a prevalence is stated, what they mean there.

    Parameters
    ----------
    scores
        (n,) of the model.
    labels
        (n,) bool, both classes present.
    name
        The model's: each may have its own threshold.
    settings
        With a threshold for this model.
    """
    threshold, origin = settings.threshold_of(name) or (np.nan, "")
    point = operating_point(scores, labels, threshold, level=settings.level)
    figures: Figures = {"threshold": entry(threshold, origin)}
    for key, value in vars(point).items():
        if isinstance(value, int):
            figures[key] = entry(value, "count")
    called, truth = (scores >= threshold).astype(np.int64), labels.astype(np.int64)
    for key, metric in METRICS.items():
        value = getattr(point, key)
        if settings.groups is None and isinstance(value, Interval):
            figures[key] = entry(value, WILSON)
        else:
            figures[key] = resampled(metric, called, truth, settings)
    if settings.prevalence is not None:
        figures |= _at_prevalence(point, called, truth, settings)
    return figures


def _at_prevalence(point: OperatingPoint, called: np.ndarray, truth: np.ndarray, settings: Settings) -> Figures:
    """Return predictive values and recall rate where positives are as common as stated."""
    share = settings.prevalence or 0.0
    said = f"prevalence {share:g}"
    both = predictive_intervals(point, share, level=settings.level)
    rate = recall_rate_at(point, share, level=settings.level)
    keys = ("ppv_at_prevalence", "npv_at_prevalence", "recall_rate_at_prevalence")
    if settings.groups is None:
        methods = ("logit", "logit", "Wilson's ends combined")
        return {k: entry(v, f"{said}, {m}") for k, v, m in zip(keys, (*both, rate), methods, strict=True)}
    figures = {}
    for number, key in enumerate(keys):
        found = resampled(partial(_meant, number, share), called, truth, settings)
        figures[key] = found | {"method": f"{said}, {found['method']}"}
    return figures


def _meant(number: int, prevalence: float, called: np.ndarray, truth: np.ndarray) -> float:
    """Return PPV, NPV or recall rate of a resample; 0 where nothing is called that way, as in `classification`."""
    sensitivity, specificity = classification.recall(called, truth), classification.specificity(called, truth)
    if number == 2:
        return prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    return float(np.nan_to_num(predictive_values(sensitivity, specificity, prevalence)[number]))
