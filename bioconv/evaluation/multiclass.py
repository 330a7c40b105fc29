"""Scores of several classes per sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.ranking import auroc


def one_vs_rest_auroc(scores: ArrayLike, labels: ArrayLike) -> Floats:
    """Return each class's area under the ROC curve against all others.

    Parameters
    ----------
    scores
        (n, C), one column per class.
    labels
        (n,) whole numbers from 0 to C - 1, every one present.

    Returns
    -------
    numpy.ndarray
        (C,) float64.

    Raises
    ------
    InputError
        If the shapes do not fit, a score is not finite, or a class has no sample.
    """
    values, truth = class_scores(scores, labels)
    return np.array([auroc(values[:, number], truth == number) for number in range(values.shape[1])])


def macro_auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the plain mean over the classes of `one_vs_rest_auroc`.

    Parameters
    ----------
    scores, labels
        (n, C) and (n,), as there.

    Raises
    ------
    InputError
        As `one_vs_rest_auroc`.
    """
    return float(one_vs_rest_auroc(scores, labels).mean())


def log_loss(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of minus the natural logarithm of the true class's probability.

    Probabilities below 1e-15 are taken as 1e-15, so that one sure mistake is not infinitely bad.

    Parameters
    ----------
    probabilities
        (n, C), rows that sum to 1.
    labels
        (n,) whole numbers from 0 to C - 1.

    Raises
    ------
    InputError
        If the shapes do not fit or a row does not sum to 1 (within 1e-3).

    Examples
    --------
    >>> round(log_loss([[0.5, 0.5], [0.1, 0.9]], [0, 1]), 4)
    0.3993
    """
    values, truth = class_scores(probabilities, labels)
    if not sums_to_one(values):
        message = "rows of probabilities must lie between 0 and 1 and sum to 1"
        raise InputError(message)
    return float(-np.log(np.maximum(values[np.arange(len(truth)), truth], 1e-15)).mean())


def sums_to_one(values: Floats) -> bool:
    """Say whether rows (n, C) are probabilities: between 0 and 1, sums within 1e-3 of 1."""
    return bool(values.min() >= 0 and values.max() <= 1 and np.abs(values.sum(axis=1) - 1).max() < 1e-3)


def class_scores(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    """Return finite scores (n, C) and labels (n,) from 0 to C - 1.

    Raises
    ------
    InputError
        If the shapes do not fit, a score is not finite, or a label is no class.
    """
    values, given = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or values.shape[1] < 2 or not len(values) or given.shape != values.shape[:1]:
        message = f"scores {values.shape} and labels {given.shape}; expected (n, C) with two classes or more, and (n,)"
        raise InputError(message)
    truth = given.astype(np.int64)
    if not np.isfinite(values).all() or (truth != given).any() or truth.min() < 0 or truth.max() >= values.shape[1]:
        message = f"expected finite scores, and labels that are whole numbers from 0 to {values.shape[1] - 1}"
        raise InputError(message)
    return values, truth
