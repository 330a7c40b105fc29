"""Intervals and tests of areas under ROC curves, by DeLong's variance.

DeLong, DeLong & Clarke-Pearson, Biometrics 44:837-845 (1988), doi 10.2307/2531595, computed from ranks as in
Sun & Xu, IEEE Signal Process Lett 21:1389-1393 (2014), doi 10.1109/LSP.2014.2337313.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Flags, Floats, ranked
from bioconv.evaluation.intervals import Difference, Interval, normal_quantile, wilson_interval
from bioconv.evaluation.ranking import average_ranks


def delong_interval(scores: ArrayLike, labels: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the area under the ROC curve with its DeLong error and an interval on the logit scale.

    On the logit scale the interval stays between 0 and 1 and covers better near 1 than a symmetric one. Where
    the variance vanishes (every positive above every negative, or all scores equal) or a class has one sample,
    the interval is Wilson's for a proportion of as many trials as the smaller class has samples. That is
    conservative: no area has a larger variance than A (1 - A) / min(m, n)
    (Birnbaum & Klose 1957, doi 10.1214/aoms/1177706882).

    Parameters
    ----------
    scores
        (n,) any numbers, higher for positives.
    labels
        (n,) 0 or 1, both present.
    level
        Of confidence.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`.
    OptionError
        If `level` is not between 0 and 1.

    Examples
    --------
    >>> area = delong_interval([1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 1, 1])
    >>> round(area.value, 3), round(area.low, 3), round(area.high, 3)
    (0.889, 0.261, 0.995)
    """
    values, positive = ranked(scores, labels)
    z = normal_quantile(level)
    of_positives, of_negatives = _placements(values, positive)
    area = float(of_positives.mean())
    smaller = min(len(of_positives), len(of_negatives))
    if smaller > 1:
        error = math.sqrt(_variance(of_positives, of_negatives))
        # Rounding leaves about 1e-16 of a variance that is nothing.
        if error > 1e-12 and 0 < area < 1:
            half = z * error / (area * (1 - area))
            centre = math.log(area / (1 - area))
            return Interval(area, _logistic(centre - half), _logistic(centre + half), error)
    bound = wilson_interval(area * smaller, smaller, level=level)
    return Interval(area, bound.low, bound.high, 0.0 if smaller > 1 else bound.error)


def delong_test(a: ArrayLike, b: ArrayLike, labels: ArrayLike, *, level: float = 0.95) -> Difference:
    """Compare the areas of two scores of the same samples.

    Parameters
    ----------
    a, b
        (n,) scores of the two models.
    labels
        (n,) 0 or 1, at least two of each.
    level
        Of confidence.

    Returns
    -------
    Difference
        Area of `a` less that of `b`, with a symmetric interval and the p-value of the z test. Where the
        difference has no variance, p is 1 for equal areas and 0 for others, and the interval is the value.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`, or if a class has one sample only.
    OptionError
        If `level` is not between 0 and 1.
    """
    placed = [_placements(*ranked(scores, labels)) for scores in (a, b)]
    if len(placed[0][0]) != len(placed[1][0]) or min(map(len, placed[0])) < 2:
        message = f"{min(map(len, placed[0]))} sample in the smaller class; a comparison needs two of each or more"
        raise InputError(message)
    of_positives, of_negatives = (placed[0][side] - placed[1][side] for side in (0, 1))
    value = float(placed[0][0].mean() - placed[1][0].mean())
    error = math.sqrt(_variance(of_positives, of_negatives))
    if error < 1e-12:
        return Difference(value, value, value, 1.0 if abs(value) < 1e-12 else 0.0)
    half = normal_quantile(level) * error
    p = 2 * NormalDist().cdf(-abs(value) / error)
    return Difference(value, max(-1.0, value - half), min(1.0, value + half), p)


def _placements(values: Floats, positive: Flags) -> tuple[Floats, Floats]:
    """Return for each positive the share of negatives below it, and for each negative that of positives above."""
    ranks = average_ranks(values)
    count, others = int(positive.sum()), int((~positive).sum())
    of_positives = (ranks[positive] - average_ranks(values[positive])) / others
    of_negatives = 1 - (ranks[~positive] - average_ranks(values[~positive])) / count
    return of_positives, of_negatives


def _variance(of_positives: Floats, of_negatives: Floats) -> float:
    """Return DeLong's variance of a mean placement, or of the mean difference of two."""
    return sum(float(np.var(one, ddof=1)) / len(one) for one in (of_positives, of_negatives))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))
