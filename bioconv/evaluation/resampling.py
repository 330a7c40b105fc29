"""Intervals of any metric by drawing the samples again, within classes or by group.

Efron, Ann Stat 7:1-26 (1979), doi 10.1214/aos/1176344552.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.intervals import Difference, Interval, normal_quantile

Metric = Callable[[NDArray[Any], NDArray[Any]], float]


def bootstrap(
    metric: Metric,
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    count: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Return a metric with its percentile interval.

    Parameters
    ----------
    metric
        Called with scores and labels of a resample; it must not depend on the order of the samples.
    scores
        (n,) or (n, ...) predictions.
    labels
        (n,) classes.
    count
        Resamples.
    level
        Of confidence.
    seed
        Resamples depend on it, on the labels and on the groups, not on the scores.
    groups
        (n,) of anything that can be sorted (patients, chromosomes): whole groups are drawn, with no regard to
        class. None: samples are drawn within each class, so that every resample has as many of each.
        `range(n)`: samples are drawn with no regard to class.

    Returns
    -------
    Interval
        The metric of all samples, quantiles and standard deviation of the resamples'. A resample of groups
        in which a class is missing is drawn again.

    Raises
    ------
    InputError
        If the lengths differ, there is one group only, or the metric refuses most resamples.
    OptionError
        If `count` is below 2, `seed` is negative, or `level` is not between 0 and 1.

    Examples
    --------
    >>> from bioconv.evaluation.classification import accuracy
    >>> interval = bootstrap(accuracy, [0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1])
    >>> round(interval.value, 3), round(interval.low, 3), round(interval.high, 3)
    (0.667, 0.333, 1.0)
    """
    again = resamples(metric, scores, labels, count=count, seed=seed, groups=groups)
    return interval_of(float(metric(np.asarray(scores), np.asarray(labels))), again, level=level)


def paired_bootstrap(
    metric: Metric,
    a: ArrayLike,
    b: ArrayLike,
    labels: ArrayLike,
    *,
    count: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Difference:
    """Return the metric of `a` less that of `b`, both taken of the same resamples.

    The p-value is twice the smaller share of resampled differences
    on either side of 0, ties included, counted with one more on each side; it is never below 2 / (count + 1).

    Parameters
    ----------
    metric
        As in `bootstrap`.
    a, b
        (n,) predictions of two models of the same samples.
    labels, count, level, seed, groups
        As in `bootstrap`.

    Raises
    ------
    InputError, OptionError
        As `bootstrap`; if the predictions' shapes differ.
    """
    both = [np.asarray(scores) for scores in (a, b)]
    if both[0].shape != both[1].shape:
        message = f"scores of shape {both[0].shape} and {both[1].shape}; they must be of the same samples"
        raise InputError(message)

    def difference(pair: NDArray[Any], classes: NDArray[Any]) -> float:
        return metric(pair[:, 0], classes) - metric(pair[:, 1], classes)

    pair = np.stack(both, axis=1)
    again = resamples(difference, pair, labels, count=count, seed=seed, groups=groups)
    return difference_of(difference(pair, np.asarray(labels)), again, level=level)


def resamples(
    metric: Metric,
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    count: int = 2000,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Floats:
    """Return the metric of each resample: (count,) float64.

    Calls with the same labels, groups, count and seed use the same resamples, so that their results can be
    subtracted where a refusal depends on the labels alone. Parameters and errors as in `bootstrap`.
    """
    values, classes = np.asarray(scores), np.asarray(labels)
    if len(values) != len(classes) or not len(classes):
        message = f"{len(values)} predictions and {len(classes)} labels; expected as many of both, and at least one"
        raise InputError(message)
    if count < 2:
        message = f"{count} resamples; give 2 or more"
        raise OptionError(message)
    if seed < 0:
        message = f"seed is {seed}; give 0 or more"
        raise OptionError(message)
    # Resamples of sorted scores are sorted, and a metric that sorts is then done in linear time.
    order = np.lexsort(values.reshape(len(values), -1).T[:1])
    values, classes = values[order], classes[order]
    results: list[float] = []
    refused = 0
    for times in draw_times(np.asarray(labels), groups, seed):
        chosen = np.repeat(np.arange(len(order)), times[order])
        try:
            results.append(float(metric(values[chosen], classes[chosen])))
        except InputError as error:
            refused += 1
            if refused > count:
                message = f"more than {count} resamples could not be used: {error}; give more samples or groups"
                raise InputError(message) from error
        if len(results) == count:
            break
    return np.array(results)


def interval_of(value: float, again: Floats, *, level: float = 0.95) -> Interval:
    """Return the percentile interval of a metric from its resamples, (count,)."""
    normal_quantile(level)  # refuses a level that is none
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), float(np.std(again, ddof=1)))


def difference_of(value: float, again: Floats, *, level: float = 0.95) -> Difference:
    """Return the percentile interval and p-value of a difference from its resamples, (count,)."""
    interval = interval_of(value, again, level=level)
    # Differences that are 0 but for rounding count for both sides.
    tails = 1 + min(int((again <= 1e-12).sum()), int((again >= -1e-12).sum()))
    return Difference(value, interval.low, interval.high, min(1.0, 2 * tails / (len(again) + 1)))


def draw_times(labels: NDArray[Any], groups: ArrayLike | None, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield without end how often each sample is in a resample: (n,) int64."""
    rng = np.random.default_rng(seed)
    drawn, part = _units(labels, groups)
    members = [np.flatnonzero(part == number) for number in range(int(part.max()) + 1)]
    while True:
        times = np.zeros(len(part), dtype=np.int64)
        for units in members:
            times[units] = np.bincount(rng.integers(len(units), size=len(units)), minlength=len(units))
        yield times[drawn]


def _units(labels: NDArray[Any], groups: ArrayLike | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the unit that each sample belongs to, (n,), and the part within which each unit is drawn, (units,)."""
    if groups is None:
        return np.arange(len(labels)), np.unique(labels, return_inverse=True)[1]
    names, unit = np.unique(np.asarray(groups), return_inverse=True)
    if len(unit) != len(labels):
        message = f"{len(unit)} groups for {len(labels)} samples; expected one per sample"
        raise InputError(message)
    if len(names) < 2:
        message = "all samples are of one group; drawing groups again needs two or more"
        raise InputError(message)
    return unit, np.zeros(len(names), dtype=np.int64)
