"""Every figure that fits scores of several classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.evaluation import calibration, classification, multiclass, ranking
from bioconv.evaluation.figures import WILSON, Figures, Settings, delong_entry, entry, resampled
from bioconv.evaluation.inputs import Flags, Floats
from bioconv.evaluation.intervals import wilson_interval


def summarise_classes(names: Sequence[str], scores: Floats, labels: NDArray[np.int64], settings: Settings) -> Figures:
    """Judge the scores of C classes, (n, C), against labels (n,) from 0 to C - 1; the highest score is the class.

    Returns
    -------
    dict
        `samples`, `classes` (name -> samples), `models` (`all` -> figure -> value, low, high, error, method),
        `confusion_matrix` (rows the truth, columns the prediction) and `notes`. Areas are one against the
        rest, their mean over the classes that occur.

    Raises
    ------
    InputError
        If the shapes do not fit, or one class only occurs.
    """
    values, truth = multiclass.class_scores(scores, labels)
    found = values.argmax(axis=1)
    counts = np.bincount(truth, minlength=len(names))
    present = [int(k) for k in np.flatnonzero(counts)]
    if len(present) < 2:
        message = f"all {len(truth)} labels are {names[present[0]]!r}; two classes or more are needed"
        raise InputError(message)

    def macro(some: Floats, classes: NDArray[np.int64]) -> float:
        return float(np.mean([ranking.auroc(some[:, k], classes == k) for k in present]))

    def macro_f1(predicted: NDArray[np.int64], classes: NDArray[np.int64]) -> float:
        return classification.f1(predicted, classes, average="macro")

    right = wilson_interval(int((found == truth).sum()), len(truth), level=settings.level)
    figures = {"macro_auroc": resampled(macro, values, truth, settings, stratified=True)}
    for k in present:
        figures[f"auroc {names[k]}"] = area_entry(values[:, k], truth == k, settings)
    grouped = settings.groups is not None
    figures["accuracy"] = (
        resampled(classification.accuracy, found, truth, settings) if grouped else entry(right, WILSON)
    )
    figures["macro_f1"] = resampled(macro_f1, found, truth, settings)
    figures["matthews"] = resampled(classification.matthews, found, truth, settings)
    notes = [f"class {names[k]!r} has no sample" for k in range(len(names)) if not counts[k]]
    if multiclass.sums_to_one(values):
        figures["log_loss"] = resampled(multiclass.log_loss, values, truth, settings)
        figures["expected_calibration_error"] = entry(
            calibration.expected_calibration_error(values.max(axis=1), found == truth),
            "15 bins of equal width of the highest probability",
        )
    else:
        notes.append("no log loss and calibration: the scores of a sample are not probabilities that sum to 1")
    return {
        "samples": len(truth),
        "classes": dict(zip(names, counts.tolist(), strict=True)),
        "models": {"all": figures},
        "confusion_matrix": classification.confusion_matrix(found, truth, classes=len(names)).tolist(),
        "notes": notes,
    }


def area_entry(scores: Floats, labels: Flags, settings: Settings) -> Figures:
    """Return the area with its DeLong interval, or that of groups drawn again."""
    if settings.groups is None:
        return delong_entry(scores, labels, level=settings.level)
    return resampled(ranking.auroc, scores, labels, settings)
