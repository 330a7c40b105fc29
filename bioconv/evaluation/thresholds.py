"""Thresholds on scores: chosen on validation data, judged on test data.

A threshold chosen on the samples it is judged on looks better than it is. A sample is positive where its score
is not below the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.classification import confusion_matrix, f1, matthews
from bioconv.evaluation.inputs import ranked
from bioconv.evaluation.intervals import Interval, wilson_interval
from bioconv.evaluation.ranking import roc_curve


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold does: counts, proportions with Wilson's interval, F1 and Matthews' correlation.

    Parameters
    ----------
    threshold
        Samples are called positive from it on.
    true_positives, false_positives, true_negatives, false_negatives
        Samples.
    sensitivity, specificity
        Shares of the positives and of the negatives that are called what they are.
    precision, negative_predictive_value
        Shares of what is called positive (negative) that is so; they hold for the share of positives among these
        samples. The first is also called positive predictive value.
    accuracy
        Share of the samples that are called what they are.
    recall_rate
        Share of the samples that are called positive; it too holds for the share of positives among these.
    f1
        Harmonic mean of precision and sensitivity.
    matthews
        Matthews' correlation, -1 to 1.
    """

    threshold: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    sensitivity: Interval
    specificity: Interval
    precision: Interval
    negative_predictive_value: Interval
    accuracy: Interval
    recall_rate: Interval
    f1: float
    matthews: float


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold, the rule it was chosen by, and what it does on the validation samples it was chosen on.

    Parameters
    ----------
    value
        The threshold: positive is what scores as high or higher.
    rule
        What was asked for, in words.
    sensitivity, specificity
        Shares on these samples, and so better than they will be on others.
    positives, negatives
        How many of these samples are.
    """

    value: float
    rule: str
    sensitivity: float
    specificity: float
    positives: int
    negatives: int


def choose_threshold(
    scores: ArrayLike, labels: ArrayLike, *, sensitivity: float | None = None, specificity: float | None = None
) -> ChosenThreshold:
    """Return a threshold chosen on validation data: with at least that sensitivity or specificity, else Youden's.

    Parameters
    ----------
    scores, labels
        Of validation samples, as in `bioconv.evaluation.ranking.auroc`.
    sensitivity, specificity
        One of them, or neither for the largest sum of both.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`; if the highest score is a negative's and no score has the specificity.
    OptionError
        If both are given, or one is not above 0 and at most 1.

    Examples
    --------
    >>> choose_threshold([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], sensitivity=1).value
    0.35
    """
    if sensitivity is not None and specificity is not None:
        message = "a sensitivity and a specificity are given; one threshold is chosen by one of them"
        raise OptionError(message)
    if sensitivity is not None:
        value, rule = threshold_at_sensitivity(scores, labels, sensitivity), f"sensitivity at least {sensitivity:g}"
    elif specificity is not None:
        value, rule = threshold_at_specificity(scores, labels, specificity), f"specificity at least {specificity:g}"
    else:
        value, rule = youden_threshold(scores, labels), "largest sensitivity + specificity"
    if np.isinf(value):
        message = f"no score has {rule}: a negative scores highest; ask for less, or take more samples"
        raise InputError(message)
    point = operating_point(scores, labels, value)
    return ChosenThreshold(
        value,
        rule,
        point.sensitivity.value,
        point.specificity.value,
        point.true_positives + point.false_negatives,
        point.false_positives + point.true_negatives,
    )


def youden_threshold(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the threshold with the largest sensitivity + specificity; of equal ones the highest.

    Parameters
    ----------
    scores, labels
        (n,) each, of validation samples, as in `bioconv.evaluation.ranking.auroc`.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`.

    References
    ----------
    Youden, Cancer 3:32-35 (1950), doi 10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.

    Examples
    --------
    >>> youden_threshold([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.8
    """
    curve = roc_curve(scores, labels)
    gain = curve.true_positive_rate - curve.false_positive_rate
    return float(curve.thresholds[int(np.argmax(gain >= gain.max() - 1e-12))])


def threshold_at_sensitivity(scores: ArrayLike, labels: ArrayLike, sensitivity: float) -> float:
    """Return the highest threshold with at least that sensitivity; use validation data.

    Parameters
    ----------
    scores, labels
        (n,) each, of validation samples, as in `bioconv.evaluation.ranking.auroc`.
    sensitivity
        Above 0, at most 1.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`.
    OptionError
        If `sensitivity` is not above 0 and at most 1.
    """
    if not 0 < sensitivity <= 1:
        message = f"sensitivity is {sensitivity}; give a number above 0 and at most 1"
        raise OptionError(message)
    curve = roc_curve(scores, labels)
    return float(curve.thresholds[int(np.argmax(curve.true_positive_rate >= sensitivity - 1e-12))])


def threshold_at_specificity(scores: ArrayLike, labels: ArrayLike, specificity: float) -> float:
    """Return the lowest of the scores that as threshold has at least that specificity; use validation data.

    It is infinite, and nothing is positive, where no score does: a negative scores highest.

    Parameters
    ----------
    scores, labels
        (n,) each, of validation samples, as in `bioconv.evaluation.ranking.auroc`.
    specificity
        Above 0, at most 1.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`.
    OptionError
        If `specificity` is not above 0 and at most 1.
    """
    if not 0 < specificity <= 1:
        message = f"specificity is {specificity}; give a number above 0 and at most 1"
        raise OptionError(message)
    curve = roc_curve(scores, labels)
    enough = np.flatnonzero(1 - curve.false_positive_rate >= specificity - 1e-12)
    return float(curve.thresholds[enough[-1]])


def operating_point(scores: ArrayLike, labels: ArrayLike, threshold: float, *, level: float = 0.95) -> OperatingPoint:
    """Return what a threshold does on these samples.

    Parameters
    ----------
    scores, labels
        As in `bioconv.evaluation.ranking.auroc`.
    threshold
        Chosen before, on other samples.
    level
        Of confidence.

    Raises
    ------
    InputError
        As `bioconv.evaluation.ranking.auroc`.
    OptionError
        If the threshold is nan, or `level` is not between 0 and 1.

    Examples
    --------
    >>> point = operating_point([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.38)
    >>> point.true_positives, point.sensitivity.value, point.f1
    (1, 0.5, 0.5)
    """
    values, positive = ranked(scores, labels)
    if np.isnan(threshold):
        message = "the threshold is nan; give a number"
        raise OptionError(message)
    called = values >= threshold
    tn, fp, fn, tp = (int(one) for one in confusion_matrix(called, positive).ravel())
    return OperatingPoint(
        threshold=float(threshold),
        true_positives=tp,
        false_positives=fp,
        true_negatives=tn,
        false_negatives=fn,
        sensitivity=wilson_interval(tp, tp + fn, level=level),
        specificity=wilson_interval(tn, tn + fp, level=level),
        precision=wilson_interval(tp, tp + fp, level=level),
        negative_predictive_value=wilson_interval(tn, tn + fn, level=level),
        accuracy=wilson_interval(tp + tn, len(values), level=level),
        recall_rate=wilson_interval(tp + fp, len(values), level=level),
        f1=f1(called, positive),
        matthews=matthews(called, positive),
    )
