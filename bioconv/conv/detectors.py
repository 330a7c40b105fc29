"""Scores of a one-layer detector network on every window of a sequence of codes.

Codes are uint8: 0 to 3 are known letters, anything else is unknown and counts as the mean of the four
weights. Four backends give the same scores: `native` (compiled), `torch` (any device), `triton` (CUDA) and `reference`
(slow NumPy, the specification). Coordinates are 0-based and half-open.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import detectors_native, native, reference_detectors
from bioconv.conv.detector_network import STRAND_POOLING, Codes, Detectors, Floats
from bioconv.conv.functional import choose
from bioconv.errors import OptionError

__all__ = [
    "STRAND_POOLING",
    "Codes",
    "Detectors",
    "Floats",
    "batch_scores",
    "qualifying_windows",
    "record_scores",
    "window_scores",
]


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
        `native`, `torch`, `triton`, `reference`, or None for the one that `functional` chooses.
    device
        Where torch and Triton compute.

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


def qualifying_windows(
    codes: Codes,
    detectors: Detectors,
    *,
    window: int,
    padded: bool,
    threshold: float,
    backend: str | None = None,
    device: str = "cpu",
) -> tuple[NDArray[np.int64], Floats]:
    """Find the windows that score at least `threshold`, strands pooled; on a device the others never leave it.

    Parameters
    ----------
    codes, detectors, window, padded, backend, device
        As in `window_scores`.
    threshold
        Lowest pooled score.

    Returns
    -------
    starts : numpy.ndarray
        (k,) int64, ascending.
    scores : numpy.ndarray
        (k, S) float32.

    Raises
    ------
    OptionError
        As `window_scores`.
    """
    threshold = float(np.float32(threshold))
    if device != "cpu" and backend != "reference":
        from bioconv.conv import device_windows

        codes = _checked(codes, detectors, (window, 1, padded))
        chosen = _chosen(backend, device)
        return device_windows.qualifying(
            codes, detectors, (window, 1, padded), threshold, device=device, backend=chosen
        )
    scores = window_scores(codes, detectors, window=window, padded=padded, backend=backend, device=device)
    starts = np.flatnonzero(detectors.pool_strands(scores) >= threshold)
    return starts, scores[starts]


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
    codes = _checked(codes, detectors, grid)
    match _chosen(backend, device):
        case "native":
            return detectors_native.scores(codes, detectors, grid)
        case "torch" if device == "cpu":
            from bioconv.conv import detectors_torch

            return detectors_torch.scores(codes, detectors, grid, device)
        case "reference":
            return reference_detectors.scores(codes, detectors, grid)
        case "torch" | "triton" | None as on_device:
            from bioconv.conv import device_windows

            return device_windows.scores(codes, detectors, grid, device=device, backend=on_device)
        case unknown:
            message = f"backend {unknown!r} is not known; give native, torch, triton or reference"
            raise OptionError(message)


def _checked(codes: Codes, detectors: Detectors, grid: tuple[int, int, bool]) -> Codes:
    """Return the codes as backends take them; refuse windows too short for the detectors."""
    window, _, padded = grid
    shortest = 1 if padded else detectors.length
    if window < shortest:
        message = f"window is {window}; these detectors span {detectors.length} letters, give {shortest} or more"
        raise OptionError(message)
    return np.ascontiguousarray(np.minimum(codes, 4), dtype=np.uint8)


def _chosen(backend: str | None, device: str) -> str | None:
    """Return the backend; None where it depends on the work."""
    if backend is None:
        return choose("windows").backend if device == "cpu" else None
    if backend == "native" and (device != "cpu" or native.kernels() is None):
        reason = "there are no compiled kernels" if device == "cpu" else f"it does not run on {device}"
        message = f"backend 'native' cannot be used: {reason}; use torch"
        raise OptionError(message)
    return backend
