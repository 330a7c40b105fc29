"""The area under a part of the ROC curve: where false positives are as rare as they have to be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import OptionError
from bioconv.evaluation.ranking import RocCurve, roc_curve
from bioconv.evaluation.resampling import Metric


def partial_auroc(scores: ArrayLike, labels: ArrayLike, low: float, high: float) -> float:
    """Return the standardised area under the ROC curve between two false-positive rates.

    McClish's standardisation makes it 1 for a perfect and 1/2 for a chance curve, whatever the range. Over the
    whole range, 0 to 1, it is `auroc`.

    Parameters
    ----------
    scores, labels
        As in `bioconv.evaluation.ranking.auroc`.
    low, high
        False-positive rates, 0 <= low < high <= 1; within ties the curve is straight.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`.
    OptionError
        If the rates are not in order between 0 and 1.

    References
    ----------
    McClish, Med Decis Making 9:190-195 (1989), doi 10.1177/0272989X8900900307.

    Examples
    --------
    >>> partial_auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0, 0.5)
    0.6666666666666666
    """
    check_rates(low, high)
    curve = roc_curve(scores, labels)
    area = _area_to(curve, high) - _area_to(curve, low)
    chance = (high**2 - low**2) / 2
    return (1 + (area - chance) / (high - low - chance)) / 2


def partial_metric(low: float, high: float) -> Metric:
    """Return `partial_auroc` between these rates as a function of scores and labels."""
    return lambda scores, labels: partial_auroc(scores, labels, low, high)


def check_rates(low: float, high: float) -> None:
    """Refuse a range of false-positive rates that is none.

    Raises
    ------
    OptionError
    """
    if not 0 <= low < high <= 1:
        message = f"false-positive rates {low:g} to {high:g}; give two numbers from 0 to 1, the lower first"
        raise OptionError(message)


def _area_to(curve: RocCurve, rate: float) -> float:
    """Return the area under the curve from 0 to a false-positive rate."""
    x: NDArray[Any] = curve.false_positive_rate
    y: NDArray[Any] = curve.true_positive_rate
    last = int(np.searchsorted(x, rate, side="right")) - 1  # of several points above each other the highest
    whole = float(np.sum(np.diff(x[: last + 1]) * (y[1 : last + 1] + y[:last]) / 2))
    beyond = rate - float(x[last])
    if beyond <= 0:
        return whole
    slope = float((y[last + 1] - y[last]) / (x[last + 1] - x[last]))
    return whole + beyond * (float(y[last]) + slope * beyond / 2)
