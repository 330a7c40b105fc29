"""Where in each sequence every detector responds most, and what each detector adds to the score.

Coordinates are 0-based and half-open; they may lie outside the sequence, by up to m - 1 letters, because a record is
padded by unknown letters as in the published definition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.arithmetic import chunk_overlap
from bioconv.conv.detectors import Codes, Detectors, Floats
from bioconv.conv.reference_detectors import LETTERS

_BLOCK = 1 << 15  # positions at once: their responses are to fit in a few tens of megabytes


@dataclass(frozen=True, eq=False)
class Peaks:
    """The detectors' maxima in N sequences of one length.

    Attributes
    ----------
    response : (N, D) float32
        Rectified maximum on `strand`.
    start : (N, D) int64
        Where that window begins on the sequence as given; on the reverse strand it is read backwards.
    strand : (N, D) int8
        1, or -1 for the reverse complement.
    score : (N,) float32
        Score of the sequence.
    fall : (N, D) float32
        How much the score falls when the detector's features are set to zero.
    """

    response: Floats
    start: NDArray[np.int64]
    strand: NDArray[np.int8]
    score: Floats
    fall: Floats


def detector_peaks(records: Codes, detectors: Detectors) -> Peaks:
    """Find every detector's maximum in every sequence.

    Of detectors that read both strands, a maximum is that on the strand with the higher score where this strand alone
    counts, and the higher of the two where the score is the strands' mean (forward in a tie; the leftmost of equal
    maxima). For the fall the better strand is chosen anew.

    Parameters
    ----------
    records
        (N, n) uint8 codes, n >= 1.

    Examples
    --------
    >>> filters, one, zero = np.eye(4)[:1, :, None], np.ones(1), np.zeros(1)
    >>> letter_a = Detectors(filters, zero, False, one[:, None], zero, None, 0.0, True)
    >>> peaks = detector_peaks(np.array([[2, 1, 0], [2, 3, 3]], np.uint8), letter_a)
    >>> peaks.start.ravel(), peaks.strand.ravel(), peaks.fall.ravel()
    (array([2, 1]), array([ 1, -1], dtype=int8), array([1., 1.], dtype=float32))
    """
    many = max(1, _BLOCK // (records.shape[1] + chunk_overlap(detectors.length)))
    parts = [_peaks(records[first : first + many], detectors) for first in range(0, max(len(records), 1), many)]
    names = ("response", "start", "strand", "score", "fall")
    return Peaks(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _peaks(records: Codes, detectors: Detectors) -> Peaks:
    top, start, mean = _pooled(records, detectors)
    scores, without = _scores(top, mean, detectors)
    alone = detectors.strand_pooling == "max"
    better = (np.broadcast_to(scores[:, :, None], top.shape) if alone else top).argmax(axis=1)  # (N, D)
    score = detectors.pool_strands(scores)
    fall = score[:, None] - detectors.pool_strands(without)
    chosen = np.arange(len(records))[:, None], better, np.arange(detectors.count)
    return Peaks(
        response=top[chosen],
        start=start[chosen],
        strand=np.where(better == 0, 1, -1).astype(np.int8),
        score=score,
        fall=np.where(top.any(axis=1), fall, np.float32(0)),  # exactly 0 for the silent
    )


def _pooled(records: Codes, detectors: Detectors) -> tuple[Floats, NDArray[np.int64], Floats | None]:
    """Return rectified maxima, where their windows start, and (with average pooling) rectified means: (N, S, D)."""
    count, (n, m) = len(records), (records.shape[1], detectors.length)
    padded = np.pad(np.minimum(records, 4), ((0, 0), (m - 1, m - 1)), constant_values=4)
    letters = LETTERS.astype(np.float32)[padded].reshape(count, -1)
    # A window's letters are neighbours in memory: m letters of 4 numbers, the order of a filter's transpose.
    places = np.lib.stride_tricks.sliding_window_view(letters, 4 * m, axis=1)[:, ::4]
    filters = detectors.stranded_filters().transpose(0, 1, 3, 2).reshape(-1, 4 * m)
    bias = np.tile(detectors.thresholds, detectors.strands)
    shape = (count, detectors.strands, detectors.count)
    top = np.zeros((count, len(bias)), np.float32)
    start = np.zeros((count, len(bias)), np.int64)
    total = np.zeros((count, len(bias)), np.float64)
    for begin in range(0, n + m - 1, _BLOCK):  # one turn, but for long records
        piece = np.ascontiguousarray(places[:, begin : begin + _BLOCK]).reshape(-1, 4 * m)
        values = np.maximum(piece @ filters.T + bias, 0).reshape(count, -1, len(bias))
        place = values.argmax(axis=1)
        best = np.take_along_axis(values, place[:, None], axis=1)[:, 0]
        start = np.where(best > top, place + begin - (m - 1), start)
        top = np.maximum(best, top)
        if detectors.average_pooling:
            total += values.sum(axis=1, dtype=np.float64)
    mean = (total / (n + m - 1)).astype(np.float32).reshape(shape) if detectors.average_pooling else None
    return top.reshape(shape), start.reshape(shape), mean


def _by_detector(detectors: Detectors) -> Floats:
    """Return the head's first weights as (D, 1 or 2, H): for the maximum, and for the mean where there is one."""
    return detectors.weights1.reshape(detectors.count, -1, detectors.weights1.shape[1])


def _score(hidden: Floats, detectors: Detectors) -> Floats:
    """Return (...): the scores of (..., H) first-layer values."""
    if detectors.weights2 is None:
        return hidden[..., 0] + np.float32(detectors.bias2)
    return np.asarray(np.maximum(hidden, 0) @ detectors.weights2 + np.float32(detectors.bias2))


def _scores(top: Floats, mean: Floats | None, detectors: Detectors) -> tuple[Floats, Floats]:
    """Return the scores of both strands, (N, S), and those without each detector, (N, S, D)."""
    weights = _by_detector(detectors)
    added = top[..., None] * weights[:, 0]  # (N, S, D, H)
    if mean is not None:
        added += mean[..., None] * weights[:, 1]
    hidden = added.sum(axis=2) + detectors.biases1
    return _score(hidden, detectors), _score(hidden[:, :, None] - added, detectors)
