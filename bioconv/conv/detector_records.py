"""The score of one long sequence as a whole, fed piece by piece: maxima and sums over positions combine exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.arithmetic import chunk_overlap, padding_of
from bioconv.conv.detectors import Codes, Detectors, Floats
from bioconv.conv.reference_detectors import LETTERS
from bioconv.conv.reference_detectors import head as score_of

BLOCK = 1 << 14  # positions at once: a few MB of letters


class RecordPool:
    """Pool a detector network over a sequence that does not fit into memory.

    The same definition as `record_scores`: padded with m - 1 unknown letters on both ends. Scores do not depend on
    how the sequence is cut into pieces.

    Examples
    --------
    >>> filters, one, zero = np.eye(4)[:1, :, None], np.ones(1), np.zeros(1)
    >>> letter_a = Detectors(filters, zero, False, one[:, None], zero, None, 0.0, False)
    >>> pool = RecordPool(letter_a)
    >>> for piece in ([3, 3], [0], [3]):
    ...     pool.feed(np.array(piece, np.uint8))
    >>> pool.scores()
    array([1.], dtype=float32)
    """

    def __init__(self, detectors: Detectors) -> None:
        self._detectors = detectors
        filters = detectors.stranded_filters().reshape(-1, 4, detectors.length)
        # A row of `_weights` is a letter at a place, in the order of a flattened window of one-hot letters.
        self._weights = np.ascontiguousarray(filters.transpose(2, 1, 0).reshape(4 * detectors.length, -1))
        self._thresholds = np.tile(detectors.thresholds, detectors.strands)
        self._top = np.zeros(len(self._thresholds), np.float32)  # rectified: never below 0
        self._total = np.zeros(len(self._thresholds), np.float64)
        self._positions = 0
        before, self._after = padding_of("full", detectors.length)
        self._waiting = [np.full(before, 4, np.uint8)]
        self._waits = before

    def feed(self, codes: Codes) -> None:
        """Take the next letters: (n,) uint8 codes."""
        self._waiting.append(np.minimum(codes, 4).astype(np.uint8))
        self._waits += len(codes)
        block = BLOCK + chunk_overlap(self._detectors.length)
        if self._waits < block:
            return
        held = np.concatenate(self._waiting)
        start = 0
        while len(held) - start >= block:
            self._pool(held[start : start + block])
            start += BLOCK
        self._waiting = [held[start:].copy()]
        self._waits = len(held) - start

    def _pool(self, codes: Codes) -> None:
        length = self._detectors.length
        places = np.lib.stride_tricks.sliding_window_view(LETTERS.astype(np.float32)[codes], length, axis=0)
        flat = places.transpose(0, 2, 1).reshape(len(places), -1)
        values = np.maximum(flat @ self._weights + self._thresholds, 0)
        np.maximum(self._top, values.max(axis=0), out=self._top)
        if self._detectors.average_pooling:
            self._total += values.sum(axis=0, dtype=np.float64)
        self._positions += len(values)

    def scores(self) -> Floats:
        """End the sequence; return (S,) float32, the strands as in `record_scores`."""
        self.feed(np.full(self._after, 4, np.uint8))
        rest = np.concatenate(self._waiting)
        if len(rest) >= self._detectors.length:
            self._pool(rest)
        self._waiting, self._waits = [], 0
        pooled: NDArray[np.float64] = self._top.astype(np.float64)
        if self._detectors.average_pooling:
            pooled = np.stack([pooled, self._total / self._positions], axis=1).reshape(-1)
        return score_of(pooled.reshape(self._detectors.strands, -1), self._detectors).astype(np.float32)
