"""Overlap of a predicted and a true mask. Two empty masks agree: their Dice and IoU are 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Floats


@dataclass(frozen=True, eq=False)
class ClassOverlap:
    """Overlap class by class.

    Parameters
    ----------
    classes
        C label values.
    dice, iou
        (C,) float64; 1 for a class that is in neither mask.
    predicted, truth
        (C,) int64 pixels of each class.
    """

    classes: tuple[int, ...]
    dice: Floats
    iou: Floats
    predicted: NDArray[np.int64]
    truth: NDArray[np.int64]

    @property
    def mean_dice(self) -> float:
        """Mean over the classes; 1 where there are none."""
        return float(self.dice.mean()) if len(self.dice) else 1.0

    @property
    def mean_iou(self) -> float:
        """Mean over the classes; 1 where there are none."""
        return float(self.iou.mean()) if len(self.iou) else 1.0


def dice(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Return 2 |A and B| / (|A| + |B|) of two binary masks; 1.0 if both are empty.

    Parameters
    ----------
    predicted, truth
        Arrays of one shape, any number of axes; what is not 0 is foreground.

    Raises
    ------
    InputError
        If the shapes differ, or a value is not finite.

    References
    ----------
    Dice, Ecology 26:297-302 (1945), doi 10.2307/1932409.

    Examples
    --------
    >>> dice([[1, 1], [0, 0]], [[1, 0], [0, 0]])
    0.6666666666666666
    """
    both, either = _counts(predicted, truth)
    return 2 * both / (both + either) if either else 1.0


def iou(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Return |A and B| / |A or B| of two binary masks, Jaccard's index; 1.0 if both are empty.

    Parameters
    ----------
    predicted, truth
        Arrays of one shape, any number of axes; what is not 0 is foreground.

    Raises
    ------
    InputError
        As `dice`.

    References
    ----------
    Jaccard, New Phytol 11:37-50 (1912), doi 10.1111/j.1469-8137.1912.tb05611.x.
    """
    both, either = _counts(predicted, truth)
    return both / either if either else 1.0


def class_overlap(predicted: ArrayLike, truth: ArrayLike, *, classes: Sequence[int] | None = None) -> ClassOverlap:
    """Return the overlap of two label masks, class by class.

    Parameters
    ----------
    predicted, truth
        Arrays of one shape of whole numbers: each value is a class.
    classes
        Which to report; by default those but 0 (background) that are in either mask. Given classes that are
        in neither count as 1.

    Raises
    ------
    InputError
        If the shapes differ or the values are not whole numbers.

    Examples
    --------
    >>> overlap = class_overlap([[1, 2], [2, 0]], [[1, 1], [2, 0]])
    >>> overlap.classes, overlap.iou.tolist()
    ((1, 2), [0.5, 0.5])
    """
    found, true = np.asarray(predicted), np.asarray(truth)
    same_labels(found, true)
    if "f" in (found.dtype.kind, true.dtype.kind) and (np.any(found % 1) or np.any(true % 1)):
        message = "a mask holds fractions; expected whole numbers, one per class"
        raise InputError(message)
    values, index = np.unique(np.concatenate([found.ravel(), true.ravel()]), return_inverse=True)
    first, second = index[: found.size], index[found.size :]
    counts = [np.bincount(one, minlength=len(values)) for one in (first, second, first[first == second])]
    if classes is None:
        classes = [int(value) for value in values if value != 0]
    place = {int(value): number for number, value in enumerate(values)}
    picked = [[int(count[place[one]]) if one in place else 0 for one in classes] for count in counts]
    sizes, truths, both = (np.array(one, dtype=np.int64) for one in picked)
    total = sizes + truths
    absent = total == 0
    return ClassOverlap(
        tuple(int(one) for one in classes),
        np.where(absent, 1.0, 2 * both / np.maximum(total, 1)),
        np.where(absent, 1.0, both / np.maximum(total - both, 1)),
        sizes,
        truths,
    )


def _counts(predicted: ArrayLike, truth: ArrayLike) -> tuple[int, int]:
    """Return how many pixels are foreground in both and in either."""
    found, true = np.asarray(predicted), np.asarray(truth)
    same_labels(found, true)
    a, b = found != 0, true != 0
    return int(np.count_nonzero(a & b)), int(np.count_nonzero(a | b))


def same_labels(found: NDArray[np.generic], true: NDArray[np.generic]) -> None:
    """Refuse masks of different shapes, or of values that are no finite numbers."""
    if found.shape != true.shape:
        message = f"the predicted mask has shape {found.shape}, the true one {true.shape}; they must be equal"
        raise InputError(message)
    for mask in (found, true):
        if mask.dtype.kind not in "biuf":
            message = f"a mask of {mask.dtype}; expected numbers"
            raise InputError(message)
        if mask.dtype.kind == "f" and not np.isfinite(mask).all():
            message = "a mask holds values that are not finite"
            raise InputError(message)
