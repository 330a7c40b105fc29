"""Segmentations as partitions of the pixels: Rand and information scores of ISBI 2012, Rand error, pixel error.

Two segmentations are compared by which pixels they put together, not by the names of the parts. Precision says how
much of what was put together belongs together (it falls where objects are merged), recall how much of what belongs
together was put together (it falls where objects are cut).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.overlap import same_labels


@dataclass(frozen=True)
class PartitionScore:
    """How well two partitions agree.

    Parameters
    ----------
    precision, recall
        0 to 1: low where parts are merged, low where parts are cut.
    """

    precision: float
    recall: float

    @property
    def f(self) -> float:
        """The harmonic mean of both: V_Rand or V_Info."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def error(self) -> float:
        """1 - f: the adapted Rand error, if it is of pairs."""
        return 1 - self.f


@dataclass(frozen=True)
class Information:
    """Variation of information, in bits.

    Parameters
    ----------
    split
        Entropy of the prediction where the truth is known: 0 unless a true part is cut.
    merge
        Entropy of the truth where the prediction is known: 0 unless true parts are merged.
    """

    split: float
    merge: float

    @property
    def total(self) -> float:
        """The distance."""
        return self.split + self.merge


def rand_score(predicted: ArrayLike, truth: ArrayLike, *, background: bool = False) -> PartitionScore:
    """Return the Rand score of ISBI 2012, V_Rand: agreement over pairs of pixels; its `error` is the Rand error.

    Two pixels drawn with replacement: precision is the chance that they are together in the truth if they are so in
    the prediction, recall the reverse.

    Parameters
    ----------
    predicted, truth
        Label images of one shape, whole numbers.
    background
        False, as in the challenge: only pixels whose true label is not 0 count, for membranes belong to no cell; a
        predicted 0 among them is a part like any other. True: all pixels count, and 0 is a part in the truth too.

    Returns
    -------
    PartitionScore
        1 and 1 if no pixel counts.

    Raises
    ------
    InputError
        If the shapes differ or a value is no whole number.

    References
    ----------
    Arganda-Carreras et al., Front Neuroanat 9:142 (2015), doi 10.3389/fnana.2015.00142.

    Examples
    --------
    >>> score = rand_score([[1, 1, 1, 1]], [[1, 1, 2, 2]])
    >>> score.precision, score.recall, round(score.error, 3)
    (0.5, 1.0, 0.333)
    """
    both, found, true = _shares(predicted, truth, background=background)
    if not len(both):
        return PartitionScore(1.0, 1.0)
    return PartitionScore(float((both**2).sum() / (found**2).sum()), float((both**2).sum() / (true**2).sum()))


def information_score(predicted: ArrayLike, truth: ArrayLike, *, background: bool = False) -> PartitionScore:
    """Return the information score of ISBI 2012, V_Info: mutual information over either's entropy.

    Precision is the share of the prediction's entropy that the truth explains, recall the reverse; a partition of
    one part has no entropy, and its share is 1. The source is that of `rand_score`.

    Parameters
    ----------
    predicted, truth, background
        As in `rand_score`.

    Raises
    ------
    InputError
        As `rand_score`.

    Examples
    --------
    >>> score = information_score([[1, 1, 2, 3]], [[1, 1, 2, 2]])
    >>> round(score.precision, 3), score.recall
    (0.667, 1.0)
    """
    both, found, true = _shares(predicted, truth, background=background)
    joint, of_found, of_true = _entropy(both), _entropy(found), _entropy(true)
    mutual = max(0.0, of_found + of_true - joint)
    return PartitionScore(*(min(1.0, mutual / one) if one > 0 else 1.0 for one in (of_found, of_true)))


def variation_of_information(predicted: ArrayLike, truth: ArrayLike, *, background: bool = False) -> Information:
    """Return the variation of information of two partitions, in bits, as cuts and merges.

    Parameters
    ----------
    predicted, truth, background
        As in `rand_score`.

    Raises
    ------
    InputError
        As `rand_score`.

    References
    ----------
    Meila, J Multivar Anal 98:873-895 (2007), doi 10.1016/j.jmva.2006.11.013.

    Examples
    --------
    >>> variation_of_information([[1, 1, 2, 3]], [[1, 1, 2, 2]])
    Information(split=0.5, merge=0.0)
    """
    both, found, true = _shares(predicted, truth, background=background)
    joint = _entropy(both)
    return Information(max(0.0, joint - _entropy(true)), max(0.0, joint - _entropy(found)))


def pixel_error(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Return the share of pixels on which two binary masks differ; 0 where there are no pixels.

    Parameters
    ----------
    predicted, truth
        Of one shape; what is not 0 is foreground. For ISBI 2012's squared error of probabilities take
        `bioconv.evaluation.brier`: for masks it is the same number.

    Raises
    ------
    InputError
        If the shapes differ.

    Examples
    --------
    >>> pixel_error([[1, 1, 0, 0]], [[1, 0, 0, 0]])
    0.25
    """
    found, true = np.asarray(predicted), np.asarray(truth)
    same_labels(found, true)
    return float(np.mean((found != 0) != (true != 0))) if found.size else 0.0


def _shares(predicted: ArrayLike, truth: ArrayLike, *, background: bool) -> tuple[Floats, Floats, Floats]:
    """Return the share of pixels in each pair of parts that meet, in each predicted part and in each true one."""
    found: NDArray[Any] = np.asarray(predicted)
    true: NDArray[Any] = np.asarray(truth)
    same_labels(found, true)
    if any(one.dtype.kind == "f" and bool(np.any(one % 1)) for one in (found, true)):
        message = "a segmentation holds fractions; expected whole numbers, one per part"
        raise InputError(message)
    counted = np.ones(true.shape, bool) if background else true != 0
    found, true = (np.unique(one[counted], return_inverse=True)[1].ravel() for one in (found, true))
    width = int(true.max(initial=-1)) + 1
    both = np.unique(found * width + true, return_counts=True)[1]
    total = max(1, len(found))
    return both / total, np.bincount(found) / total, np.bincount(true) / total


def _entropy(shares: Floats) -> float:
    """Return the entropy in bits of shares above 0."""
    return float(-(shares * np.log2(shares)).sum())
