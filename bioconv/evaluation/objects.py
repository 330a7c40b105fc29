"""Segmented objects against true ones: matching one to one at an IoU, tables of many images, Jaccard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.object_counts import Ints, ObjectCounts, average_precision

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""IoU from 0.5 to 0.95 in steps of 0.05, as challenges average over them."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Which predicted object is which true one.

    Parameters
    ----------
    threshold
        The least IoU of a pair.
    pairs
        (tp, 2) int64: the predicted and the true label of each pair, in the order of the true labels.
    ious
        (tp,) float64.
    predicted, truth
        How many objects there are.
    """

    threshold: float
    pairs: Ints
    ious: Floats
    predicted: int
    truth: int

    @property
    def tp(self) -> int:
        """How many predicted objects are true."""
        return len(self.pairs)

    @property
    def fp(self) -> int:
        """How many predicted objects have no partner."""
        return self.predicted - self.tp

    @property
    def fn(self) -> int:
        """How many true objects have no partner."""
        return self.truth - self.tp

    @property
    def counts(self) -> ObjectCounts:
        """The numbers that the figures are made of."""
        tp, fp, fn = (np.array(one) for one in (self.tp, self.fp, self.fn))
        return ObjectCounts(tp, fp, fn, np.array(self.ious.sum()))


@dataclass(frozen=True, eq=False)
class ObjectOverlap:
    """The pairs of objects that share pixels.

    Parameters
    ----------
    predicted, truth
        (P,) and (T,) int64: the labels there are, rising.
    predicted_pixels, true_pixels
        (P,) and (T,) int64: their sizes.
    rows, columns
        (E,) int64: index into `predicted` and `truth` of each pair that overlaps.
    pixels
        (E,) int64: how many they share.
    """

    predicted: Ints
    truth: Ints
    predicted_pixels: Ints
    true_pixels: Ints
    rows: Ints
    columns: Ints
    pixels: Ints

    @cached_property
    def ious(self) -> Floats:
        """(E,) float64, intersection over union of each pair."""
        union = self.predicted_pixels[self.rows] + self.true_pixels[self.columns] - self.pixels
        return self.pixels / union

    def match(self, threshold: float = 0.5) -> Matching:
        """Return the one-to-one matching with the most pairs of IoU >= `threshold`; see `match_objects`."""
        if not 0 < threshold <= 1:
            message = f"the IoU threshold is {threshold}; give a number above 0 and up to 1, such as 0.5"
            raise OptionError(message)
        good = np.flatnonzero(self.ious >= threshold)
        good = good[_assigned(self.rows[good], self.columns[good], self.ious[good])]
        good = good[np.argsort(self.columns[good])]
        pairs = np.stack([self.predicted[self.rows[good]], self.truth[self.columns[good]]], axis=1)
        return Matching(threshold, pairs, self.ious[good], len(self.predicted), len(self.truth))

    def aggregated_jaccard(self, *, empties: str = "perfect") -> float:
        """Return the Aggregated Jaccard index; see `aggregated_jaccard`."""
        best = np.lexsort((self.rows, -self.ious, self.columns))
        best = best[np.unique(self.columns[best], return_index=True)[1]]
        both = int(self.pixels[best].sum())
        either = int(self.true_pixels.sum() + self.predicted_pixels[self.rows[best]].sum()) - both
        unused = np.ones(len(self.predicted), dtype=bool)
        unused[self.rows[best]] = False
        either += int(self.predicted_pixels[unused].sum())
        return both / either if either else float(average_precision(0, 0, 0, empties=empties))


def match_objects(predicted: ArrayLike, truth: ArrayLike, *, threshold: float = 0.5) -> Matching:
    """Match predicted objects to true ones, one to one.

    Parameters
    ----------
    predicted, truth
        Label images of one shape, any number of axes: 0 is background, each other value an object.
    threshold
        Pairs of at least this IoU may match.

    Returns
    -------
    Matching
        The matching with the most pairs and, among those, the largest sum of IoUs. Above 0.5 only one is
        possible, as no two objects can each cover more than half of a third.

    Raises
    ------
    InputError
        If the shapes differ or the values are not whole numbers from 0.
    OptionError
        If the threshold is not in (0, 1].

    References
    ----------
    Matching as in StarDist: Weigert et al., WACV 2020, doi 10.1109/WACV45572.2020.9093435.

    Examples
    --------
    >>> matching = match_objects([[1, 1, 0, 2], [1, 1, 0, 2]], [[4, 4, 0, 0], [4, 0, 0, 0]])
    >>> matching.tp, matching.fp, matching.fn, matching.pairs.tolist(), matching.ious.tolist()
    (1, 1, 0, [[1, 4]], [0.75])
    """
    return object_overlap(predicted, truth).match(threshold)


def aggregated_jaccard(predicted: ArrayLike, truth: ArrayLike, *, empties: str = "perfect") -> float:
    """Return the Aggregated Jaccard index of two label images.

    Each true object takes the predicted one of the largest IoU, even if another has it too. The index is the
    pixels common to them over those in either, and predicted objects that nobody took count below the line.

    Parameters
    ----------
    predicted, truth
        Label images as in `match_objects`.
    empties
        What it is without any object: `perfect` 1, `zero` 0, `skip` nan.

    Raises
    ------
    InputError
        As `match_objects`.
    OptionError
        If `empties` is none of these.

    References
    ----------
    Kumar et al., IEEE Trans Med Imaging 36:1550-1560 (2017), doi 10.1109/TMI.2017.2677499.

    Examples
    --------
    >>> aggregated_jaccard([[1, 1, 0, 2]], [[1, 1, 1, 0]])
    0.5
    """
    return object_overlap(predicted, truth).aggregated_jaccard(empties=empties)


@dataclass(frozen=True, eq=False)
class ApTable:
    """Counts of several images at several thresholds.

    Parameters
    ----------
    thresholds
        T IoUs.
    counts
        Of shape (images, T).
    """

    thresholds: tuple[float, ...]
    counts: ObjectCounts

    def pooled(self) -> ObjectCounts:
        """Return the counts of all images together, (T,): every object counts the same."""
        return self.counts.pooled()

    def image_mean(self, figure: str = "average_precision", *, empties: str = "perfect") -> Floats:
        """Return the mean over images of a figure, (T,): every image counts the same.

        Images without any object count as `empties` says; nan if there are no others and they are left out.
        """
        values: Floats = getattr(self.counts, figure)(empties=empties)
        known = ~np.isnan(values)
        total = np.where(known, values, 0).sum(axis=0)
        return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def ap_table(pairs: Iterable[tuple[ArrayLike, ArrayLike]], *, thresholds: Sequence[float] = THRESHOLDS) -> ApTable:
    """Return the counts of pairs of a predicted and a true label image at each threshold.

    Parameters
    ----------
    pairs
        Of (predicted, truth) as in `match_objects`; read one at a time.
    thresholds
        IoUs, 0.5 to 0.95 in steps of 0.05 by default.

    Raises
    ------
    InputError, OptionError
        As `match_objects`.

    Examples
    --------
    >>> table = ap_table([([[1, 1, 0, 2]], [[1, 1, 1, 0]]), ([[0]], [[0]])], thresholds=(0.5, 0.7))
    >>> table.pooled().average_precision().tolist()
    [0.5, 0.0]
    >>> table.image_mean(empties="perfect").tolist(), table.image_mean(empties="skip").tolist()
    ([0.75, 0.5], [0.5, 0.0])
    """
    rows = []
    for predicted, truth in pairs:
        overlap = object_overlap(predicted, truth)
        matchings = [overlap.match(threshold) for threshold in thresholds]
        rows.append([(one.tp, one.fp, one.fn, float(one.ious.sum())) for one in matchings])
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(thresholds), 4)
    tp, fp, fn = (table[..., number].astype(np.int64) for number in range(3))
    return ApTable(tuple(thresholds), ObjectCounts(tp, fp, fn, table[..., 3]))


def join_tables(tables: Sequence[ApTable]) -> ApTable:
    """Return the table of the images of several tables, which have the same thresholds."""
    every = [table.counts for table in tables]
    tp, fp, fn = (np.concatenate([getattr(one, name) for one in every]) for name in ("tp", "fp", "fn"))
    return ApTable(tables[0].thresholds, ObjectCounts(tp, fp, fn, np.concatenate([one.iou_sum for one in every])))


def object_overlap(predicted: ArrayLike, truth: ArrayLike) -> ObjectOverlap:
    """Return the sizes of all objects and the overlaps of those that share pixels.

    Parameters and errors as in `match_objects`. Matching at several thresholds needs it once.
    """
    (found, labels, sizes), (true, true_labels, true_sizes) = _objects(predicted), _objects(truth)
    if found.shape != true.shape:
        message = f"the predicted labels have shape {found.shape}, the true ones {true.shape}; they must be equal"
        raise InputError(message)
    both = (found > 0) & (true > 0)
    codes = (found[both] - 1) * len(true_labels) + (true[both] - 1)
    if len(labels) * len(true_labels) <= max(found.size, 1 << 20):
        pixels = np.bincount(codes, minlength=1)
        shared = np.flatnonzero(pixels)
        pixels = pixels[shared]
    else:
        shared, pixels = np.unique(codes, return_counts=True)
    rows, columns = np.divmod(shared, max(len(true_labels), 1))
    return ObjectOverlap(labels, true_labels, sizes, true_sizes, rows, columns, pixels)


def _objects(given: ArrayLike) -> tuple[Ints, Ints, Ints]:
    """Return labels numbered 1, 2, ... with 0 as background, their own values, and their sizes in pixels."""
    labels: NDArray[Any] = np.asarray(given)
    if labels.dtype.kind not in "biu" or (labels.size and labels.min() < 0):
        message = f"a label image of {labels.dtype}; expected whole numbers, 0 for background and above for objects"
        raise InputError(message)
    if labels.size and labels.max() > max(labels.size, 1 << 16):
        values, numbered = np.unique(labels, return_inverse=True)
        numbered = numbered.reshape(labels.shape) + (values[0] > 0)
        values = values[values > 0].astype(np.int64)
        return numbered, values, np.bincount(numbered.ravel(), minlength=len(values) + 1)[1:]
    labels = labels.astype(np.int64, copy=False)
    sizes = np.bincount(labels.ravel(), minlength=1)
    sizes[0] = 0
    values = np.flatnonzero(sizes)
    number = np.zeros(len(sizes), dtype=np.int64)
    number[values] = np.arange(1, len(values) + 1)
    return number[labels], values, sizes[values]


def _assigned(rows: Ints, columns: Ints, ious: Floats) -> Ints:
    """Return which edges of a bipartite graph are in its matching of most edges and, then, largest IoUs."""
    alone = np.bincount(rows)[rows] * np.bincount(columns)[columns] == 1 if len(rows) else np.zeros(0, bool)
    several = np.flatnonzero(~alone)  # at an IoU above 0.5 there are none
    if not len(several):
        return np.flatnonzero(alone)
    from scipy.optimize import linear_sum_assignment

    row, column = (np.unique(one[several], return_inverse=True)[1] for one in (rows, columns))
    edge = np.full((row.max() + 1, column.max() + 1), -1)
    edge[row, column] = several
    gain = np.where(edge < 0, 0, 1 + ious[edge] / (2 * min(edge.shape)))
    chosen = edge[linear_sum_assignment(gain, maximize=True)]
    return np.concatenate([np.flatnonzero(alone), chosen[chosen >= 0]])
