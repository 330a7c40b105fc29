"""What a test's result means where the condition is as common as stated, not as common as among the samples."""

from __future__ import annotations

import math

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.intervals import Interval, normal_quantile, wilson_interval
from bioconv.evaluation.thresholds import OperatingPoint


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Return positive and negative predictive value at a prevalence, by Bayes' rule.

    Parameters
    ----------
    sensitivity, specificity
        0 to 1.
    prevalence
        Share of positives where the test is used, between 0 and 1.

    Returns
    -------
    tuple of float
        nan where nothing would be called positive (or negative).

    Raises
    ------
    OptionError
        If `prevalence` is not between 0 and 1.

    Examples
    --------
    >>> ppv, npv = predictive_values(0.9, 0.9, 0.01)
    >>> round(ppv, 4), round(npv, 4)
    (0.0833, 0.9989)
    """
    check_prevalence(prevalence)
    return (
        _share(sensitivity * prevalence, (1 - specificity) * (1 - prevalence)),
        _share(specificity * (1 - prevalence), (1 - sensitivity) * prevalence),
    )


def predictive_intervals(point: OperatingPoint, prevalence: float, *, level: float = 0.95) -> tuple[Interval, Interval]:
    """Return positive and negative predictive value at a prevalence, with logit intervals.

    The prevalence is taken as known. Where one of the two counts that a value is made of is 0, its ends come from
    proportions with half the squared quantile added to both successes and failures.

    Parameters
    ----------
    point
        Counts at a threshold.
    prevalence
        Between 0 and 1.
    level
        Of confidence.

    Raises
    ------
    OptionError
        If `prevalence` or `level` is not between 0 and 1.
    InputError
        If a class has no sample.

    References
    ----------
    Mercaldo, Lau & Zhou, Stat Med 26:2170-2183 (2007), doi 10.1002/sim.2677.
    """
    check_prevalence(prevalence)
    z = normal_quantile(level)
    prior = prevalence / (1 - prevalence)
    tp, fp = point.true_positives, point.false_positives
    fn, tn = point.false_negatives, point.true_negatives
    return _posterior((tp, tp + fn), (fp, fp + tn), prior, z), _posterior((tn, fp + tn), (fn, tp + fn), 1 / prior, z)


def recall_rate_at(point: OperatingPoint, prevalence: float, *, level: float = 0.95) -> Interval:
    """Return the share that would be called positive at a prevalence; Wilson's ends of both rates combined.

    Raises
    ------
    OptionError
        If `prevalence` or `level` is not between 0 and 1.

    References
    ----------
    Zou & Donner, Stat Med 27:1693-1702 (2008), doi 10.1002/sim.3095.
    """
    check_prevalence(prevalence)
    false = wilson_interval(point.false_positives, point.false_positives + point.true_negatives, level=level)
    parts = ((prevalence, point.sensitivity), (1 - prevalence, false))
    value = sum(weight * one.value for weight, one in parts)
    below, above, error = (
        math.hypot(*(weight * part for (weight, _), part in zip(parts, lengths, strict=True)))
        for lengths in (
            [one.value - one.low for _, one in parts],
            [one.high - one.value for _, one in parts],
            [one.error for _, one in parts],
        )
    )
    return Interval(value, max(0.0, value - below), min(1.0, value + above), error)


def check_prevalence(prevalence: float) -> None:
    """Refuse what is no prevalence.

    Raises
    ------
    OptionError
    """
    if not 0 < prevalence < 1:
        message = f"prevalence is {prevalence:g}; give a share between 0 and 1, such as 0.006 for 6 in 1,000"
        raise OptionError(message)


def _posterior(right: tuple[int, int], wrong: tuple[int, int], prior: float, z: float) -> Interval:
    """Return odds that are a proportion over another times `prior`, as a share, with its logit interval."""
    if min(right[1], wrong[1]) == 0:
        message = "a class is missing; both classes, 0 and 1, are needed"
        raise InputError(message)
    value = _share(prior * right[0] / right[1], wrong[0] / wrong[1])
    more = z * z / 2 if 0 in (right[0], wrong[0]) else 0.0
    (a, n), (b, m) = (((k + more), (total + 2 * more)) for k, total in (right, wrong))
    error = math.sqrt((1 - a / n) / a + (1 - b / m) / b)
    centre = math.log(prior * a / n / (b / m))
    low, high = (1 / (1 + math.exp(-(centre + side * z * error))) for side in (-1, 1))
    if math.isnan(value):
        return Interval(value, 0.0, 1.0, math.nan)
    return Interval(value, 0.0 if value == 0 else low, 1.0 if value == 1 else high, value * (1 - value) * error)


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest > 0 else math.nan
