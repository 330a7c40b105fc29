"""What the metrics accept: arrays of one length, labels 0 and 1, finite numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError
from bioconv.wording import counted

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def ranked(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Flags]:
    """Return scores (n,) without nan and labels (n,) with both classes.

    Raises
    ------
    InputError
        If the lengths differ, a score is nan, a label is not 0 or 1, or a class is missing.
    """
    values, positive = _scores(scores), flags(labels)
    _same_length(values, positive)
    count = int(positive.sum())
    if count in (0, len(positive)):
        message = f"all {len(positive)} labels are {int(count > 0)}; both classes, 0 and 1, are needed"
        raise InputError(message)
    return values, positive


def probabilities(given: ArrayLike, labels: ArrayLike) -> tuple[Floats, Flags]:
    """Return probabilities (n,) in [0, 1] and labels (n,), of which one class may be missing.

    Raises
    ------
    InputError
        If the lengths differ, there are none, one lies outside [0, 1], or a label is not 0 or 1.
    """
    values, positive = _scores(given), flags(labels)
    _same_length(values, positive)
    if values.min() < 0 or values.max() > 1:
        message = f"values go from {values.min():g} to {values.max():g}; probabilities lie between 0 and 1"
        raise InputError(message)
    return values, positive


def numbers(predicted: ArrayLike, observed: ArrayLike, *, least: int = 1) -> tuple[Floats, Floats]:
    """Return two arrays (n,) of finite numbers, n at least `least`.

    Raises
    ------
    InputError
        If the lengths differ, there are too few, or one is not finite.
    """
    pair = _scores(predicted), _scores(observed, "observed values")
    _same_length(*pair)
    for values in pair:
        if not np.isfinite(values).all():
            message = f"value {int(np.argmin(np.isfinite(values)))} (from 0) is not finite; take it out"
            raise InputError(message)
    if len(pair[0]) < least:
        message = f"{counted(len(pair[0]), 'sample')}; at least {least} are needed"
        raise InputError(message)
    return pair


def flags(labels: ArrayLike) -> Flags:
    """Return labels as (n,) bool.

    Raises
    ------
    InputError
        If one is not 0 or 1, or they are no list.
    """
    array = np.asarray(labels)
    if array.ndim != 1:
        message = f"labels have shape {array.shape}; expected one per sample, (n,)"
        raise InputError(message)
    if array.dtype == np.bool_:
        return array
    positive = array == 1
    odd = ~(positive | (array == 0))
    if odd.any():
        message = f"label {int(np.argmax(odd))} (from 0) is {array[odd][0]!r}; expected 0 or 1"
        raise InputError(message)
    return np.asarray(positive, dtype=np.bool_)


def class_indices(predicted: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return predicted and true classes, (n,) whole numbers from 0.

    Raises
    ------
    InputError
        If the lengths differ, there are none, or one is negative or not whole.
    """
    pair = []
    for name, given in (("predictions", predicted), ("labels", labels)):
        array = np.asarray(given)
        whole = array.astype(np.int64) if array.dtype.kind in "biuf" and np.isfinite(array).all() else None
        if array.ndim != 1 or whole is None or (whole != array).any() or (len(array) and whole.min() < 0):
            message = f"{name} (shape {array.shape}, {array.dtype}) are no classes; expected (n,) whole numbers from 0"
            raise InputError(message)
        pair.append(whole)
    _same_length(*pair)
    return pair[0], pair[1]


def _scores(given: ArrayLike, what: str = "scores") -> Floats:
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = f"{what} are not numbers: {error}"
        raise InputError(message) from error
    if values.ndim != 1:
        message = f"{what} have shape {values.shape}; expected one per sample, (n,)"
        raise InputError(message)
    if np.isnan(values).any():
        message = f"{what}: number {int(np.argmax(np.isnan(values)))} (from 0) is nan; take the sample out"
        raise InputError(message)
    return values


def _same_length(a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
    if len(a) != len(b) or not len(a):
        message = f"{len(a)} predictions and {len(b)} labels; expected as many of both, and at least one"
        raise InputError(message)
