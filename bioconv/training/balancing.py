"""Classes that count alike although some are rare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError


def class_weights(classes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return each class's weight in the loss: inversely as frequent, mean 1 over the samples.

    Parameters
    ----------
    classes
        (n,) class of every sample, from 0.

    Returns
    -------
    numpy.ndarray
        (largest class + 1,) float32; 0 for a class without samples.

    Raises
    ------
    InputError
        If there are no samples, or a class is negative.

    Examples
    --------
    >>> class_weights(np.array([0, 0, 0, 1])).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = _counts(classes)
    weights = np.zeros(len(counts))
    present = counts > 0
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights.astype(np.float32)


def sampling_probabilities(classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of drawing each sample, (n,), that makes all present classes equally likely.

    Raises
    ------
    InputError
        If there are no samples, or a class is negative.
    """
    counts = _counts(classes)
    return np.asarray(1 / ((counts > 0).sum() * counts[classes]))


def _counts(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(classes) == 0 or classes.min() < 0:
        found = "no samples" if len(classes) == 0 else f"class {classes.min()}"
        message = f"classes cannot be balanced: {found}; whole numbers from 0 were expected, one per sample"
        raise InputError(message)
    return np.bincount(classes)
