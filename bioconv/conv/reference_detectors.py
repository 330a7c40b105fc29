"""What the scores of `detectors` mean, window by window in NumPy: slow, the specification for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bioconv.conv.detector_network import Detectors

Floats = NDArray[np.float64]

# Row c is the letter with code c as the detectors see it; the last one, and padding, is the unknown letter.
LETTERS = np.vstack([np.eye(4), np.full((1, 4), 0.25)])


def scores(codes: NDArray[np.uint8], detectors: Detectors, grid: tuple[int, int, bool]) -> NDArray[np.float32]:
    """Return (N, S) scores of the windows of a grid (window, stride, padded), one at a time."""
    window, stride, padded = grid
    starts = range(0, len(codes) - window + 1, stride)
    rows = [_both_strands(codes[i : i + window], detectors, padded) for i in starts]
    return np.array(rows, np.float32).reshape(len(rows), detectors.strands)


def _both_strands(codes: NDArray[np.uint8], detectors: Detectors, padded: bool) -> list[float]:
    values = [score(codes, detectors, padded)]
    if detectors.reverse_complement:
        values.append(score(reverse_complement(codes), detectors, padded))
    return values


def reverse_complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the codes read backwards, each with its partner (0 with 3, 1 with 2; unknown stays unknown)."""
    partners = np.array([3, 2, 1, 0, 4], np.uint8)
    return partners[np.minimum(codes, 4)[..., ::-1]]


def score(codes: NDArray[np.uint8], detectors: Detectors, padded: bool) -> float:
    """Return the score of one window, forward strand."""
    letters = LETTERS[np.minimum(codes, 4)]
    if padded:
        letters = np.pad(letters, ((detectors.length - 1,) * 2, (0, 0)), constant_values=0.25)
    return float(head(pool(responses(letters, detectors), detectors), detectors))


def responses(letters: Floats, detectors: Detectors) -> Floats:
    """Return (..., D, positions): detectors, thresholds added, at all positions of (..., n, 4) letters."""
    places = np.lib.stride_tricks.sliding_window_view(letters, detectors.length, axis=-2)
    flat = places.reshape(*places.shape[:-2], -1)
    values = flat @ detectors.filters.astype(np.float64).reshape(detectors.count, -1).T
    return np.moveaxis(values + detectors.thresholds, -1, -2)


def pool(values: Floats, detectors: Detectors) -> Floats:
    """Return (..., P): the rectified maximum over positions, or maximum and mean interleaved."""
    rectified = np.maximum(values, 0)
    if not detectors.average_pooling:
        return np.asarray(rectified.max(axis=-1))
    both = np.stack([rectified.max(axis=-1), rectified.mean(axis=-1)], axis=-1)
    return both.reshape(*both.shape[:-2], -1)


def head(pooled: Floats, detectors: Detectors) -> Floats:
    """Return (...): the scores of (..., P) pooled features."""
    hidden = pooled @ detectors.weights1.astype(np.float64) + detectors.biases1
    if detectors.weights2 is None:
        return hidden[..., 0] + detectors.bias2
    score = np.maximum(hidden, 0) @ detectors.weights2.astype(np.float64) + detectors.bias2
    return np.asarray(score)
