"""How near predicted numbers are to measured ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Floats, numbers
from bioconv.evaluation.ranking import average_ranks


def pearson(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Return Pearson's correlation.

    Parameters
    ----------
    predicted, observed
        (n,) finite numbers, n at least 2.

    Raises
    ------
    InputError
        If the lengths differ, a number is not finite, or either is constant.

    Examples
    --------
    >>> round(pearson([1, 2, 3], [2, 4, 7]), 4)
    0.9934
    """
    return _correlation(*numbers(predicted, observed, least=2))


def spearman(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Return Spearman's correlation: Pearson's of the ranks, equal numbers sharing their mean rank.

    Parameters
    ----------
    predicted, observed
        (n,) finite numbers, n at least 2.

    Raises
    ------
    InputError
        As `pearson`.
    """
    return _correlation(*(average_ranks(values) for values in numbers(predicted, observed, least=2)))


def mse(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Return the mean squared error.

    Parameters
    ----------
    predicted, observed
        (n,) finite numbers, n at least 1.

    Raises
    ------
    InputError
        If the lengths differ or a number is not finite.
    """
    found, truth = numbers(predicted, observed)
    return float(np.mean((found - truth) ** 2))


def mae(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Return the mean absolute error.

    Parameters
    ----------
    predicted, observed
        (n,) finite numbers, n at least 1.

    Raises
    ------
    InputError
        If the lengths differ or a number is not finite.
    """
    found, truth = numbers(predicted, observed)
    return float(np.mean(np.abs(found - truth)))


def r2(predicted: ArrayLike, observed: ArrayLike) -> float:
    """Return the coefficient of determination: 1 - squared errors / squared deviations from the observed mean.

    It is negative where the mean would have been the better prediction, and not the square of a correlation.

    Parameters
    ----------
    predicted, observed
        (n,) finite numbers, n at least 2.

    Raises
    ------
    InputError
        If the lengths differ, a number is not finite, or the observed ones are all equal.
    """
    found, truth = numbers(predicted, observed, least=2)
    spread = float(np.sum((truth - truth.mean()) ** 2))
    if spread == 0:
        message = "all observed values are equal; there is no variance to explain"
        raise InputError(message)
    return 1 - float(np.sum((found - truth) ** 2)) / spread


def _correlation(a: Floats, b: Floats) -> float:
    if (a == a[0]).all() or (b == b[0]).all():
        message = "all predicted or all observed values are equal; there is no correlation"
        raise InputError(message)
    # Scaled before squares are taken, which could be too large or too small for a float.
    a, b = ((one - one.mean()) / np.abs(one - one.mean()).max() for one in (a, b))
    return float(np.clip((a @ b) / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))
