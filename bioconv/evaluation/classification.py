"""How often predicted classes are right. A ratio of nothing to nothing is 0, as in scikit-learn."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError
from bioconv.evaluation.inputs import class_indices, flags


def confusion_matrix(predicted: ArrayLike, labels: ArrayLike, *, classes: int | None = None) -> NDArray[np.int64]:
    """Count samples by true and predicted class.

    Parameters
    ----------
    predicted, labels
        (n,) classes, whole numbers from 0.
    classes
        How many there are; by default one more than the highest that occurs, and at least 2.

    Returns
    -------
    numpy.ndarray
        (C, C) int64, rows the truth, columns the prediction.

    Raises
    ------
    InputError
        If the lengths differ, or a class is no whole number from 0 to C - 1.

    Examples
    --------
    >>> confusion_matrix([0, 1, 1, 1], [0, 0, 1, 1]).tolist()
    [[1, 1], [0, 2]]
    """
    found, truth = class_indices(predicted, labels)
    highest = int(max(found.max(), truth.max()))
    size = max(highest + 1, 2) if classes is None else classes
    if highest >= size:
        message = f"class {highest} occurs; expected 0 to {size - 1}"
        raise InputError(message)
    return np.bincount(truth * size + found, minlength=size * size).reshape(size, size)


def accuracy(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of samples whose class is right.

    Parameters
    ----------
    predicted, labels
        (n,) classes, whole numbers from 0.

    Raises
    ------
    InputError
        As `confusion_matrix`.
    """
    found, truth = class_indices(predicted, labels)
    return float((found == truth).mean())


def precision(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of predicted positives that are positive; 0 where there are none.

    Parameters
    ----------
    predicted, labels
        (n,) 0 or 1.

    Raises
    ------
    InputError
        As `confusion_matrix`; if a class is neither 0 nor 1.
    """
    _, false_positive, _, true_positive = _binary_counts(predicted, labels)
    return _ratio(true_positive, true_positive + false_positive)


def recall(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Return the sensitivity: the share of positives that are predicted to be; 0 where there are none.

    Parameters
    ----------
    predicted, labels
        (n,) 0 or 1.

    Raises
    ------
    InputError
        As `precision`.
    """
    _, _, false_negative, true_positive = _binary_counts(predicted, labels)
    return _ratio(true_positive, true_positive + false_negative)


def specificity(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of negatives that are predicted to be; 0 where there are none.

    Parameters
    ----------
    predicted, labels
        (n,) 0 or 1.

    Raises
    ------
    InputError
        As `precision`.
    """
    true_negative, false_positive, _, _ = _binary_counts(predicted, labels)
    return _ratio(true_negative, true_negative + false_positive)


def f1(predicted: ArrayLike, labels: ArrayLike, *, average: Literal["binary", "macro"] = "binary") -> float:
    """Return the harmonic mean of precision and recall.

    Parameters
    ----------
    predicted, labels
        (n,) classes, whole numbers from 0.
    average
        `binary`: of class 1, with classes 0 and 1 only; `macro`: the plain mean over the classes that occur in
        either.

    Raises
    ------
    InputError
        As `confusion_matrix`; if `binary` and a class is neither 0 nor 1.
    """
    if average == "binary":
        flags(predicted), flags(labels)
    counts = confusion_matrix(predicted, labels)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    values = 2 * np.diag(counts) / np.maximum(total, 1)
    return float(values[1] if average == "binary" else values[total > 0].mean())


def matthews(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Return Matthews' correlation of predicted and true classes, two or more; 0 if either is constant.

    Parameters
    ----------
    predicted, labels
        (n,) classes, whole numbers from 0.

    Raises
    ------
    InputError
        As `confusion_matrix`.

    References
    ----------
    Matthews, Biochim Biophys Acta 405:442-451 (1975), doi 10.1016/0005-2795(75)90109-9; for several classes
    Gorodkin, Comput Biol Chem 28:367-374 (2004), doi 10.1016/j.compbiolchem.2004.09.006.
    """
    counts = confusion_matrix(predicted, labels).astype(np.float64)
    total, right = counts.sum(), np.trace(counts)
    found, truth = counts.sum(axis=0), counts.sum(axis=1)
    spread = (total**2 - found @ found) * (total**2 - truth @ truth)
    return float((right * total - found @ truth) / math.sqrt(spread)) if spread > 0 else 0.0


def _binary_counts(predicted: ArrayLike, labels: ArrayLike) -> tuple[int, int, int, int]:
    """Return true negatives, false positives, false negatives, true positives."""
    counts = confusion_matrix(flags(predicted), flags(labels)).ravel()
    return int(counts[0]), int(counts[1]), int(counts[2]), int(counts[3])


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
