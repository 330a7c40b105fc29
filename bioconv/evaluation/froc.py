"""Marks with scores against lesions in images: which are found, and at how many false positives per image.

Bunch, Hamilton, Sanderson & Simmons, Proc SPIE 0127:124-135 (1977), doi 10.1117/12.955926.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.evaluation.inputs import Floats

Ints = NDArray[np.int64]
RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives per image at which sensitivity is read."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Places that a detector marked.

    Parameters
    ----------
    image
        (m,) int64 from 0.
    x, y
        (m,) float64, in the coordinates of the lesions.
    score
        (m,) float64, higher where it is surer.
    """

    image: Ints
    x: Floats
    y: Floats
    score: Floats


@dataclass(frozen=True, eq=False)
class Lesions:
    """Lesions as discs or boxes, whose edges belong to them.

    Parameters
    ----------
    image
        (l,) int64 from 0.
    box
        (l, 4) float64: lowest x and y, highest x and y; of a disc those of its square.
    disc
        Whether a mark hits within the circle of that square, or anywhere in the box.
    """

    image: Ints
    box: Floats
    disc: bool

    @property
    def centre(self) -> Floats:
        """(l, 2) x and y of the centres."""
        return (self.box[:, :2] + self.box[:, 2:]) / 2


@dataclass(frozen=True, eq=False)
class Detections:
    """What the marks found.

    Parameters
    ----------
    images
        How many there are, marked or not.
    lesion_image, lesion_score
        (l,) image of each lesion, and the highest score of the marks that found it; minus infinity: not found.
    false_image, false_score
        (f,) image and score of each mark on no lesion.
    """

    images: int
    lesion_image: Ints
    lesion_score: Floats
    false_image: Ints
    false_score: Floats

    @cached_property
    def _order(self) -> Ints:
        """The false marks from the highest score on."""
        return np.argsort(-self.false_score, kind="stable")

    @cached_property
    def _last_of_ties(self) -> NDArray[np.bool_]:
        ordered = self.false_score[self._order]
        return np.append(ordered[1:] != ordered[:-1], np.ones(min(1, len(ordered)), dtype=np.bool_))

    def sensitivity_at(self, rates: Floats, times: Ints | None = None) -> Floats:
        """Return the share of lesions found at each rate of false positives per image, (r,).

        It is that of the lowest threshold with no more false positives than the rate; nothing is interpolated.

        Parameters
        ----------
        rates
            (r,) false positives per image.
        times
            (images,) how often each image counts; None: once.

        Raises
        ------
        InputError
            If no lesion counts.
        """
        times = np.ones(self.images, dtype=np.int64) if times is None else times
        weight = times[self.lesion_image]
        if not weight.any():
            message = "no lesion in these images: no sensitivity"
            raise InputError(message)
        # Marks of equal scores come together: each counts as many as their last.
        total = np.cumsum(times[self.false_image[self._order]])
        last = self._last_of_ties
        totals, scores = total[last], self.false_score[self._order][last]
        allowed = np.asarray(rates) * times.sum()
        first = np.searchsorted(totals, allowed + 1e-9 * np.maximum(allowed, 1), side="right")
        # All found above the first false mark that would be too many.
        floor = np.append(scores, -np.inf)[first]
        found = self.lesion_score[None, :] > floor[:, None]
        return np.asarray((found * weight).sum(axis=1) / weight.sum(), dtype=np.float64)

    def at_threshold(self, threshold: float, times: Ints | None = None) -> tuple[float, float]:
        """Return the share of lesions found and the false positives per image with marks from a score on.

        Parameters
        ----------
        threshold
            Lowest score of a mark that counts.
        times
            (images,) int64, how often each image counts; None: once.

        Raises
        ------
        InputError
            As `sensitivity_at`.
        """
        times = np.ones(self.images, dtype=np.int64) if times is None else times
        weight = times[self.lesion_image]
        if not weight.any():
            message = "no lesion in these images: no sensitivity"
            raise InputError(message)
        false = times[self.false_image[self.false_score >= threshold]].sum()
        return float(weight[self.lesion_score >= threshold].sum() / weight.sum()), float(false / times.sum())

    def figure_of_merit(self, times: Ints | None = None) -> float:
        """Return the chance that a lesion scores higher than the highest mark of an image without lesions.

        A tie counts one half, and no mark is lower than any (JAFROC: Chakraborty & Berbaum, Med Phys 31:2313-2330
        (2004), doi 10.1118/1.1769352). False marks in images with lesions do not count.

        Parameters
        ----------
        times
            As in `at_threshold`.

        Raises
        ------
        InputError
            If there is no lesion, or no image without one.
        """
        times = np.ones(self.images, dtype=np.int64) if times is None else times
        highest = np.full(self.images, -np.inf)
        np.maximum.at(highest, self.false_image, self.false_score)
        normal = np.setdiff1d(np.arange(self.images), self.lesion_image)
        normal = normal[np.argsort(highest[normal], kind="stable")]
        below = np.append(0, np.cumsum(times[normal]))
        weight = times[self.lesion_image]
        if not weight.any() or not below[-1]:
            message = "no lesion, or no image without one: no figure of merit"
            raise InputError(message)
        low, high = (np.searchsorted(highest[normal], self.lesion_score, side=side) for side in ("left", "right"))
        return float(weight @ (below[low] + below[high]) / 2 / weight.sum() / below[-1])


@dataclass(frozen=True, eq=False)
class FrocCurve:
    """False positives and sensitivity at each threshold, highest first.

    Parameters
    ----------
    false_positives
        (t,) float64, per image.
    sensitivity
        (t,) float64, share of the lesions that were found.
    thresholds
        (t,) float64; the first is infinity, where nothing is marked.
    """

    false_positives: Floats
    sensitivity: Floats
    thresholds: Floats


def match_marks(marks: Marks, lesions: Lesions, images: int) -> Detections:
    """Return which lesions the marks find.

    A mark within a lesion finds it; within several, it finds the one whose centre is nearest. A lesion counts once,
    with its highest mark; further marks on it are no false positives. A mark within no lesion is one.

    Parameters
    ----------
    marks, lesions
        Places in the same coordinates.
    images
        How many images there are.
    """
    best = np.full(len(lesions.image), -np.inf)
    false = np.ones(len(marks.image), dtype=np.bool_)
    by_image = {int(one): np.flatnonzero(lesions.image == one) for one in np.unique(lesions.image)}
    for number in range(len(marks.image)):
        own = by_image.get(int(marks.image[number]))
        if own is None:
            continue
        place = np.array([marks.x[number], marks.y[number]])
        distance = np.hypot(*(lesions.centre[own] - place).T)
        inside = (lesions.box[own, :2] <= place).all(axis=1) & (place <= lesions.box[own, 2:]).all(axis=1)
        if lesions.disc:
            inside = distance <= (lesions.box[own, 2] - lesions.box[own, 0]) / 2
        if inside.any():
            nearest = own[np.argmin(np.where(inside, distance, np.inf))]
            best[nearest] = max(best[nearest], marks.score[number])
            false[number] = False
    return Detections(images, lesions.image, best, marks.image[false], marks.score[false])


def froc_curve(detections: Detections) -> FrocCurve:
    """Return the curve of `detections`, with one point per distinct score, from nothing marked on.

    Raises
    ------
    InputError
        If there is no lesion.
    """
    scores = np.concatenate([detections.lesion_score, detections.false_score])
    thresholds = np.append(np.inf, np.unique(scores[np.isfinite(scores)])[::-1])
    if not len(detections.lesion_score):
        message = "no lesion in these images: no sensitivity"
        raise InputError(message)
    reached = [
        np.searchsorted(np.sort(-one), -thresholds, side="right")
        for one in (detections.false_score, detections.lesion_score)
    ]
    return FrocCurve(reached[0] / detections.images, reached[1] / len(detections.lesion_score), thresholds)
