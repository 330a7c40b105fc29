"""How well scores put the positives before the negatives: ROC and precision-recall curves, the areas below them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bioconv.evaluation.inputs import Flags, Floats, ranked


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Rates at each threshold, highest first.

    Parameters
    ----------
    false_positive_rate, true_positive_rate
        (t,) float64, 0 to 1.
    thresholds
        (t,) float64; the first is infinity, where nothing is positive.
    """

    false_positive_rate: Floats
    true_positive_rate: Floats
    thresholds: Floats


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Precision and recall at each threshold, highest first.

    Parameters
    ----------
    precision
        (t,) float64, 0 to 1.
    recall
        (t,) float64; it ends at 1.
    thresholds
        (t,) float64, the distinct scores.
    """

    precision: Floats
    recall: Floats
    thresholds: Floats


def average_ranks(values: Floats) -> Floats:
    """Return (n,) ranks from 1, equal values sharing the mean of theirs.

    Examples
    --------
    >>> average_ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    order = np.argsort(values, kind="stable")  # in linear time where the values are sorted already
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the area under the ROC curve: the chance that a positive scores higher than a negative.

    Parameters
    ----------
    scores
        (n,) any numbers, higher for positives; a tie counts one half.
    labels
        (n,) 0 or 1, both present.

    Raises
    ------
    InputError
        If the lengths differ, a score is nan, a label is not 0 or 1, or a class is missing.

    References
    ----------
    Hanley & McNeil, Radiology 143:29-36 (1982), doi 10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    values, positive = ranked(scores, labels)
    count = int(positive.sum())
    above = average_ranks(values)[positive].sum() - count * (count + 1) / 2
    return float(above / count / (len(values) - count))


def roc_curve(scores: ArrayLike, labels: ArrayLike) -> RocCurve:
    """Return the ROC curve, with one point per distinct score and none left out.

    A sample is positive where its score is not below the threshold.

    Parameters
    ----------
    scores
        (n,) any numbers, higher for positives.
    labels
        (n,) 0 or 1, both present.

    Raises
    ------
    InputError
        As `auroc`.
    """
    values, positive = ranked(scores, labels)
    thresholds, true, false = _counts_above(values, positive)
    return RocCurve(
        np.concatenate([[0.0], false / false[-1]]),
        np.concatenate([[0.0], true / true[-1]]),
        np.concatenate([[np.inf], thresholds]),
    )


def precision_recall_curve(scores: ArrayLike, labels: ArrayLike) -> PrecisionRecallCurve:
    """Return precision and recall, with one point per distinct score and no artificial end.

    A sample is positive where its score is not below the threshold.

    Parameters
    ----------
    scores
        (n,) any numbers, higher for positives.
    labels
        (n,) 0 or 1, both present.

    Raises
    ------
    InputError
        As `auroc`.
    """
    values, positive = ranked(scores, labels)
    thresholds, true, false = _counts_above(values, positive)
    return PrecisionRecallCurve(true / (true + false), true / true[-1], thresholds)


def auprc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the average precision: the mean of the precision over the positives, ties taken together.

    This is the sum of precision times gain in recall over falling thresholds, without interpolation, which
    would be too optimistic (Davis & Goadrich 2006, doi 10.1145/1143844.1143874). Chance level is the
    share of positives.

    Parameters
    ----------
    scores
        (n,) any numbers, higher for positives.
    labels
        (n,) 0 or 1, both present.

    Raises
    ------
    InputError
        As `auroc`.

    Examples
    --------
    >>> round(auprc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
    0.8333
    """
    curve = precision_recall_curve(scores, labels)
    return float(curve.precision @ np.diff(curve.recall, prepend=0.0))


def _counts_above(values: Floats, positive: Flags) -> tuple[Floats, Floats, Floats]:
    """Return the distinct scores, highest first, and how many positives and negatives reach each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    below = np.concatenate([[0], np.cumsum(positive[order])])
    true = below[-1] - below[starts]
    false = len(values) - starts - true
    return ordered[starts][::-1], true[::-1].astype(np.float64), false[::-1].astype(np.float64)
