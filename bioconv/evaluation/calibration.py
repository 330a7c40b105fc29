"""Whether probabilities mean what they say: of samples given 0.8, eight in ten should be positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.inputs import Flags, Floats, probabilities
from bioconv.evaluation.intervals import Interval, normal_quantile, wilson_interval
from bioconv.evaluation.logistic import fit_logistic, fit_newton, fit_temperature, separated

__all__ = [
    "ReliabilityBin",
    "brier",
    "calibration_slope_intercept",
    "expected_calibration_error",
    "fit_logistic",
    "fit_temperature",
    "reliability_table",
]

Binning = Literal["width", "count"]
_NEAREST = 1e-7
"""Probabilities nearer to 0 or 1 are taken as this far from it: about the spacing of float32 below 1."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Samples of similar probability.

    Parameters
    ----------
    low, high
        Ends of the bin; `high` belongs to it, `low` only in the first.
    count
        Samples.
    predicted
        Mean probability.
    observed
        Share of positives with Wilson's interval.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: Interval


def reliability_table(
    predicted: ArrayLike, labels: ArrayLike, *, bins: int = 10, by: Binning = "width", level: float = 0.95
) -> list[ReliabilityBin]:
    """Return the bins that hold samples, lowest first.

    Parameters
    ----------
    predicted
        (n,) probabilities.
    labels
        (n,) 0 or 1.
    bins
        How many at most.
    by
        `width`: of equal width from 0 to 1; `count`: cut at quantiles, equal probabilities kept together.
    level
        Of confidence.

    Raises
    ------
    InputError
        If the lengths differ, a probability is not between 0 and 1, or a label is not 0 or 1.
    OptionError
        If `bins` is below 1, `by` is neither, or `level` is not between 0 and 1.

    Examples
    --------
    >>> for one in reliability_table([0.1, 0.2, 0.9], [0, 1, 1], bins=2):
    ...     print(one.low, one.high, one.count, round(one.predicted, 2), one.observed.value)
    0.0 0.5 2 0.15 0.5
    0.5 1.0 1 0.9 1.0
    """
    values, positive = probabilities(predicted, labels)
    edges, count, mean, observed = _binned(values, positive, bins, by)
    return [
        ReliabilityBin(
            float(edges[i]),
            float(edges[i + 1]),
            int(count[i]),
            float(mean[i]),
            wilson_interval(int(observed[i]), int(count[i]), level=level),
        )
        for i in np.flatnonzero(count)
    ]


def expected_calibration_error(
    predicted: ArrayLike, labels: ArrayLike, *, bins: int = 15, by: Binning = "width"
) -> float:
    """Return the mean over the samples of their bin's |share of positives - mean probability|.

    It depends on the bins and is biased upwards on few samples. For several classes give the highest probability, and
    as label whether it was right.

    Parameters
    ----------
    predicted
        (n,) probabilities.
    labels
        (n,) 0 or 1.
    bins, by
        As in `reliability_table`.

    Raises
    ------
    InputError, OptionError
        As `reliability_table`.

    References
    ----------
    Naeini, Cooper & Hauskrecht, Proc. AAAI 29:2901-2907 (2015), doi 10.1609/aaai.v29i1.9602.

    Examples
    --------
    >>> round(expected_calibration_error([0.1, 0.2, 0.9], [0, 1, 1], bins=2), 4)
    0.2667
    """
    values, positive = probabilities(predicted, labels)
    _, count, mean, observed = _binned(values, positive, bins, by)
    return float(np.abs(observed - count * mean).sum() / len(values))


def _binned(
    values: Floats, positive: Flags, bins: int, by: str
) -> tuple[Floats, NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Return the bins' edges (B + 1,), and per bin (B,) the count, mean probability and positives."""
    if bins < 1 or by not in ("width", "count"):
        message = f"bins={bins}, by={by!r}; give 1 bin or more, and by 'width' or 'count'"
        raise OptionError(message)
    shares = np.arange(bins + 1) / bins
    edges = shares if by == "width" else np.quantile(values, shares)
    number = np.searchsorted(edges[1:-1], values, side="left")
    count = np.bincount(number, minlength=bins)
    total = np.bincount(number, values, minlength=bins)
    observed = np.bincount(number[positive], minlength=bins)
    return edges, count, total / np.maximum(count, 1), observed


def brier(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean squared difference between probability and label.

    Parameters
    ----------
    predicted
        (n,) probabilities.
    labels
        (n,) 0 or 1.

    Raises
    ------
    InputError
        As `reliability_table`.

    References
    ----------
    Brier, Mon Weather Rev 78:1-3 (1950), doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    values, positive = probabilities(predicted, labels)
    return float(np.mean((values - positive) ** 2))


def calibration_slope_intercept(
    predicted: ArrayLike, labels: ArrayLike, *, level: float = 0.95
) -> tuple[Interval, Interval]:
    """Return slope and intercept of logistic recalibration, with Wald intervals.

    The slope is that of the label's log-odds on the prediction's log-odds: 1 where they are right, below 1 where
    predictions are too extreme. The intercept is fitted with the slope held at 1 (calibration in the
    large): 0 where the mean is right, below 0 where predictions are too high.

    Parameters
    ----------
    predicted
        (n,) probabilities; those within 1e-7 of 0 or 1 are taken as that far from it.
    labels
        (n,) 0 or 1, both present.
    level
        Of confidence.

    Raises
    ------
    InputError
        As `reliability_table`; if a class is missing, all probabilities are equal, or a threshold separates
        the classes (the slope is then infinite).
    OptionError
        If `level` is not between 0 and 1.

    References
    ----------
    Cox, Biometrika 45:562-565 (1958), doi 10.1093/biomet/45.3-4.562; Van Calster et al., J Clin Epidemiol
    74:167-176 (2016), doi 10.1016/j.jclinepi.2015.12.005.
    """
    values, positive = probabilities(predicted, labels)
    z = normal_quantile(level)
    clipped = np.clip(values, _NEAREST, 1 - _NEAREST)
    odds = np.log(clipped) - np.log1p(-clipped)
    if positive.all() or not positive.any() or separated(odds, positive):
        message = "a class is missing, all probabilities are equal, or a threshold separates the classes"
        raise InputError(message)
    targets = positive.astype(np.float64)
    scale = float(odds.std())
    design = np.stack([(odds - odds.mean()) / scale, np.ones(len(odds))], axis=1)
    coefficients, covariance = fit_newton(design, targets)
    slope = _wald(float(coefficients[0]) / scale, float(np.sqrt(covariance[0, 0])) / scale, z)
    shift, variance = fit_newton(design[:, 1:], targets, odds)
    return slope, _wald(float(shift[0]), float(np.sqrt(variance[0, 0])), z)


def _wald(value: float, error: float, z: float) -> Interval:
    return Interval(value, value - z * error, value + z * error, error)
