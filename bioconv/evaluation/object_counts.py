"""Figures of matched objects: average precision, precision, recall, F1, panoptic quality.

They follow from how many objects are matched (tp), found but not true (fp) and true but not found (fn). What they
are of an image in which there is nothing, neither found nor true, is a convention, not a fact; it is chosen by name
(`EMPTIES`): `perfect` counts such an image as 1, `zero` as 0 (as StarDist's `matching` does), `skip` gives nan,
which means leave out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import OptionError
from bioconv.evaluation.inputs import Floats

Ints = NDArray[np.int64]

EMPTIES = {"perfect": 1.0, "skip": np.nan, "zero": 0.0}
"""What a figure is of an image without any object, found or true."""


@dataclass(frozen=True, eq=False)
class ObjectCounts:
    """Matched and unmatched objects, of one image or of many at several thresholds.

    Parameters
    ----------
    tp, fp, fn
        int64 of one shape: matched pairs, predicted objects without a partner, true objects without one.
    iou_sum
        float64 of the same shape: the matched pairs' IoUs added up.

    Raises
    ------
    OptionError
        By its methods, if `empties` is none of `EMPTIES`.
    """

    tp: Ints
    fp: Ints
    fn: Ints
    iou_sum: Floats

    def pooled(self) -> ObjectCounts:
        """Return the counts added over the first axis, the images."""
        return ObjectCounts(
            self.tp.sum(axis=0), self.fp.sum(axis=0), self.fn.sum(axis=0), np.asarray(self.iou_sum.sum(axis=0))
        )

    def chosen(self, images: ArrayLike) -> ObjectCounts:
        """Return the counts of some `images`, entries of the first axis by index (n,), which may come several times."""
        chosen = np.asarray(images)
        return ObjectCounts(self.tp[chosen], self.fp[chosen], self.fn[chosen], self.iou_sum[chosen])

    def average_precision(self, *, empties: str = "perfect") -> Floats:
        """Return tp / (tp + fp + fn), float64 of their shape.

        Parameters
        ----------
        empties
            What it is where all three are 0: `perfect` 1, `zero` 0, `skip` nan.
        """
        return self._share(self.tp, self.tp + self.fp + self.fn, empties)

    def precision(self, *, empties: str = "perfect") -> Floats:
        """Return tp / (tp + fp), the share of predicted objects that are true; `empties` as in `average_precision`."""
        return self._share(self.tp, self.tp + self.fp, empties)

    def recall(self, *, empties: str = "perfect") -> Floats:
        """Return tp / (tp + fn), the share of true objects that were found; `empties` as in `average_precision`."""
        return self._share(self.tp, self.tp + self.fn, empties)

    def f1(self, *, empties: str = "perfect") -> Floats:
        """Return 2 tp / (2 tp + fp + fn), panoptic quality's recognition quality.

        `empties` as in `average_precision`.
        """
        return self._share(2 * self.tp, 2 * self.tp + self.fp + self.fn, empties)

    def matched_iou(self, *, empties: str = "perfect") -> Floats:
        """Return the matched pairs' mean IoU, the segmentation quality; `empties` as in `average_precision`."""
        return self._share(self.iou_sum, self.tp, empties)

    def panoptic_quality(self, *, empties: str = "perfect") -> Floats:
        """Return the matched pairs' IoUs, added, over tp + fp / 2 + fn / 2; `empties` as in `average_precision`."""
        return self._share(2 * self.iou_sum, 2 * self.tp + self.fp + self.fn, empties)

    def _share(self, part: NDArray[Any], whole: NDArray[Any], empties: str) -> Floats:
        """Return the quotient: 0 where there are objects but none that count, and the policy where there are none."""
        if empties not in EMPTIES:
            message = f"empties is {empties!r}; expected one of {', '.join(EMPTIES)}"
            raise OptionError(message)
        anything = (self.tp + self.fp + self.fn) > 0
        return np.where(anything, part / np.maximum(whole, 1), EMPTIES[empties])


def average_precision(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, *, empties: str = "perfect") -> Floats:
    """Return tp / (tp + fp + fn), element by element: the average precision of the nuclei challenges.

    Parameters
    ----------
    tp, fp, fn
        Whole numbers of one shape: matched pairs, predicted objects without a partner, true objects without one.
    empties
        What it is where all three are 0: `perfect` 1, `zero` 0, `skip` nan.

    Returns
    -------
    numpy.ndarray
        float64 of the same shape.

    Raises
    ------
    OptionError
        If `empties` is none of these.

    References
    ----------
    Caicedo et al., Nat Methods 16:1247-1253 (2019), doi 10.1038/s41592-019-0612-7.

    Examples
    --------
    >>> average_precision([8, 0], [1, 0], [1, 0]).tolist()
    [0.8, 1.0]
    """
    a, b, c = (np.asarray(one, dtype=np.int64) for one in (tp, fp, fn))
    return ObjectCounts(a, b, c, np.zeros(a.shape)).average_precision(empties=empties)
