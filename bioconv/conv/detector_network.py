"""A one-layer detector network as plain arrays: what every backend scores with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Floats = NDArray[np.float32]

STRAND_POOLING = ("max", "mean")


@dataclass(frozen=True, eq=False)
class Detectors:
    """D detectors of m letters, pooled over positions, and a linear or one-hidden-layer head.

    Parameters
    ----------
    filters
        (D, 4, m) float32.
    thresholds
        (D,) float32, added before the rectifier.
    average_pooling
        Whether the mean over positions is a feature beside the maximum.
    weights1
        (P, H) float32; P = D, or 2 D with maximum and mean interleaved. H is 1 for a linear head.
    biases1
        (H,) float32.
    weights2
        (H,) float32, applied after a rectifier; None for a linear head.
    bias2
        Added to the score.
    reverse_complement
        Whether the detectors also read the other strand.
    strand_pooling
        `max`: the better strand's score is the score; `mean`: that of both.
    """

    filters: Floats
    thresholds: Floats
    average_pooling: bool
    weights1: Floats
    biases1: Floats
    weights2: Floats | None
    bias2: float
    reverse_complement: bool
    strand_pooling: str = "max"

    def __post_init__(self) -> None:
        for name in ("filters", "thresholds", "weights1", "biases1", "weights2"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.ascontiguousarray(value, dtype=np.float32))
        count, hidden = self.count, len(self.biases1)
        features = 2 * count if self.average_pooling else count
        fits = (
            self.filters.ndim == 3
            and self.filters.shape[1] == 4
            and min(self.filters.shape) > 0
            and self.thresholds.shape == (count,)
            and self.weights1.shape == (features, hidden)
            and (hidden == 1 if self.weights2 is None else self.weights2.shape == (hidden,))
        )
        if not fits:
            message = (
                f"detectors do not fit together: filters {self.filters.shape}, "
                f"thresholds {self.thresholds.shape}, "
                f"weights1 {self.weights1.shape} (expected {(features, hidden)}), "
                f"biases1 {self.biases1.shape}, "
                f"weights2 {None if self.weights2 is None else self.weights2.shape}"
            )
            raise ValueError(message)
        if self.strand_pooling not in STRAND_POOLING:
            message = f"strand_pooling is {self.strand_pooling!r}; expected one of {', '.join(STRAND_POOLING)}"
            raise ValueError(message)

    def pool_strands(self, scores: Floats) -> Floats:
        """Return (N, ...) scores from (N, S, ...) scores of strands."""
        pooled: Floats = scores.max(axis=1) if self.strand_pooling == "max" else scores.mean(axis=1, dtype=np.float32)
        return pooled

    @property
    def count(self) -> int:
        """Number of detectors, D."""
        return int(self.filters.shape[0])

    @property
    def length(self) -> int:
        """Letters a detector spans, m."""
        return int(self.filters.shape[2])

    @property
    def strands(self) -> int:
        """1, or 2 where the reverse complement is scored as well."""
        return 2 if self.reverse_complement else 1

    def stranded_filters(self) -> Floats:
        """Return (S, D, 4, m): the filters, and as strand 1 their reverse complements."""
        return np.stack([self.filters, self.filters[:, ::-1, ::-1]][: self.strands])
