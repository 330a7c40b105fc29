"""Scores of a one-layer detector network on every window of a sequence of codes.

Codes are uint8: 0 to 3 are known letters, anything else is unknown and counts as the mean of the four
weights. Three backends give the same scores: `native` (compiled), `torch` (any device) and `reference` (slow
NumPy, the specification). Coordinates are 0-based and half-open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import detectors_native, native, reference_detectors
from bioconv.errors import OptionError

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


def window_scores(
    codes: Codes,
    detectors: Detectors,
    *,
    window: int,
    padded: bool,
    backend: str | None = None,
    device: str = "cpu",
) -> Floats:
    """Score every window of a sequence.

    Parameters
    ----------
    codes
        (n,) uint8.
    window
        Letters of a window, W.
    padded
        False: only positions where a detector lies inside the window. True: the published definition, every
        window padded by m - 1 unknown letters on both ends.
    backend
        `native`, `torch`, `reference`, or None for the fastest one that fits `device`.
    device
        Where torch computes.

    Returns
    -------
    numpy.ndarray
        (max(n - W + 1, 0), S) float32; row i is window [i, i + W), column 0 the forward strand, column 1
        (where the detectors read both) the reverse one.

    Raises
    ------
    OptionError
        If the window is too short for the detectors, or the backend is unknown or not there.

    Examples
    --------
    >>> filters, one, zero = np.eye(4)[:1, :, None], np.ones(1), np.zeros(1)
    >>> letter_a = Detectors(filters, zero, False, one[:, None], zero, None, 0.0, False)
    >>> window_scores(np.array([3, 0, 3, 3], np.uint8), letter_a, window=2, padded=False).ravel()
    array([1., 1., 0.], dtype=float32)
    """
    return _scores(codes, detectors, (window, 1, padded), backend, device)


def batch_scores(
    windows: Codes, detectors: Detectors, *, padded: bool, backend: str | None = None, device: str = "cpu"
) -> Floats:
    """Score separate windows of one length.

    Parameters
    ----------
    windows
        (N, W) uint8 codes.
    padded, backend, device
        As in `window_scores`.

    Returns
    -------
    numpy.ndarray
        (N, S) float32.
    """
    length = windows.shape[1]
    return _scores(windows.reshape(-1), detectors, (length, length, padded), backend, device)


def record_scores(codes: Codes, detectors: Detectors, *, backend: str | None = None, device: str = "cpu") -> Floats:
    """Score one sequence as a whole, padded: the published definition of a record's score.

    Parameters
    ----------
    codes
        (n,) uint8, n >= 1.
    backend, device
        As in `window_scores`.

    Returns
    -------
    numpy.ndarray
        (S,) float32.
    """
    return cast("Floats", batch_scores(codes[None, :], detectors, padded=True, backend=backend, device=device)[0])


def _scores(
    codes: Codes, detectors: Detectors, grid: tuple[int, int, bool], backend: str | None, device: str
) -> Floats:
    """Score the windows of a grid: (window, stride, padded)."""
    window, _, padded = grid
    shortest = 1 if padded else detectors.length
    if window < shortest:
        message = f"window is {window}; these detectors span {detectors.length} letters, give {shortest} or more"
        raise OptionError(message)
    codes = np.ascontiguousarray(np.minimum(codes, 4), dtype=np.uint8)
    match _chosen(backend, device):
        case "native":
            return detectors_native.scores(codes, detectors, grid)
        case "torch":
            from bioconv.conv import detectors_torch

            return detectors_torch.scores(codes, detectors, grid, device)
        case "reference":
            return reference_detectors.scores(codes, detectors, grid)
        case unknown:
            message = f"backend {unknown!r} is not known; give native, torch or reference"
            raise OptionError(message)


def _chosen(backend: str | None, device: str) -> str:
    on_cpu = device == "cpu"
    if backend is None:
        return "native" if on_cpu and native.kernels() is not None else "torch"
    if backend == "native" and (not on_cpu or native.kernels() is None):
        reason = "there are no compiled kernels" if on_cpu else f"it does not run on {device}"
        message = f"backend 'native' cannot be used: {reason}; use torch"
        raise OptionError(message)
    return backend
