"""From scores of windows to hits: overlapping windows merged to their best, and what matched there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import reference_detectors as definition
from bioconv.conv.arithmetic import chunk_overlap, padding_of
from bioconv.conv.detectors import Codes, Detectors, Floats, batch_scores, qualifying_windows, window_scores

HIT = np.dtype(
    [
        ("first", np.int64),  # start of the first qualifying window of the cluster
        ("last", np.int64),  # start of its last one
        ("start", np.int64),  # start of its best one
        ("score", np.float32),
        ("strand", np.int8),  # 1 or -1
        ("match_start", np.int64),  # the strongest detector's match, half-open
        ("match_end", np.int64),
        ("detector", np.int32),
    ]
)
Hits = np.ndarray[tuple[int], np.dtype[np.void]]

_BATCH = 64  # windows explained at once: bounds the memory of their responses


def detector_hits(
    codes: Codes,
    detectors: Detectors,
    *,
    window: int,
    padded: bool,
    threshold: float,
    limit: int,
    backend: str | None = None,
    device: str = "cpu",
) -> Hits:
    """Find the clusters of overlapping windows that score at least `threshold`, strands pooled.

    Parameters
    ----------
    codes
        (n,) uint8; a code above 4 is a break, which no window may span.
    window, padded, backend, device
        As in `window_scores`.
    threshold
        Lowest score of a qualifying window. Windows with more than half unknown letters never qualify.
    limit
        Windows that start here or later belong to the next chunk and are left out.

    Returns
    -------
    numpy.ndarray
        One `HIT` row per cluster, in order. Qualifying windows whose starts are closer than W are one
        cluster; its best window is the first with the highest score, forward strand before reverse. The match
        is that of the detector without whose pooled value(s) the score would fall most, clipped to the
        window.

    Raises
    ------
    OptionError
        As `window_scores`.
    """
    codes = codes[: max(0, limit) + chunk_overlap(window)]
    starts, scores = qualifying_windows(
        codes, detectors, window=window, padded=padded, threshold=threshold, backend=backend, device=device
    )
    kept = scorable(codes, window)[starts]
    starts, scores = starts[kept], scores[kept]
    best, strands = detectors.pool_strands(scores), _better_strand(scores)
    hits = _clusters(starts, best, strands, window)
    _explain(codes, detectors, hits, window, padded)
    return hits


def record_hits(
    records: Codes, detectors: Detectors, *, threshold: float, backend: str | None = None, device: str = "cpu"
) -> Hits:
    """Find the records that score at least `threshold` as a whole, padded.

    Parameters
    ----------
    records
        (N, n) uint8 codes of separate records of one length.

    Returns
    -------
    numpy.ndarray
        One `HIT` row per record found; positions are those in the records laid end to end.
    """
    length = records.shape[1]
    scores = batch_scores(records, detectors, padded=True, backend=backend, device=device)
    better = detectors.pool_strands(scores)
    rows = np.flatnonzero((better >= threshold) & (2 * (records >= 4).sum(axis=1) <= length))
    hits = np.zeros(len(rows), HIT)
    hits["first"] = hits["last"] = hits["start"] = rows * length
    hits["score"], hits["strand"] = better[rows], _better_strand(scores[rows])
    _explain(records.reshape(-1), detectors, hits, length, padded=True)
    return hits


def best_window(
    codes: Codes,
    detectors: Detectors,
    *,
    window: int,
    padded: bool,
    backend: str | None = None,
    device: str = "cpu",
) -> float:
    """Return the highest score over scorable windows and strands; NaN where there is none."""
    scores = window_scores(codes, detectors, window=window, padded=padded, backend=backend, device=device)
    kept = detectors.pool_strands(scores[scorable(codes, window)])
    return float(kept.max()) if len(kept) else float("nan")


def scorable(codes: Codes, window: int) -> NDArray[np.bool_]:
    """Say which windows may be hits: at most half their letters unknown, and no break (code above 4) among them.

    Returns
    -------
    numpy.ndarray
        (max(n - window + 1, 0),) bool.
    """
    if len(codes) < window:
        return np.zeros(0, dtype=bool)
    unknown = np.concatenate([[0], np.cumsum(codes >= 4)])
    breaks = np.concatenate([[0], np.cumsum(codes > 4)])
    few = 2 * (unknown[window:] - unknown[:-window]) <= window
    return np.asarray(few & (breaks[window:] == breaks[:-window]))


def _better_strand(scores: Floats) -> NDArray[np.int8]:
    return np.where(scores[:, 0] >= scores.max(axis=1, initial=-np.inf), 1, -1).astype(np.int8)


def _clusters(starts: NDArray[np.int64], scores: Floats, strands: NDArray[np.int8], window: int) -> Hits:
    """Merge windows whose starts are closer than `window` to the neighbour's."""
    if not len(starts):
        return np.zeros(0, HIT)
    firsts = np.flatnonzero(np.diff(starts, prepend=starts[0] - window) >= window)
    lasts = np.append(firsts[1:], len(starts)) - 1
    cluster = np.repeat(np.arange(len(firsts)), lasts - firsts + 1)
    order = np.lexsort((starts, -scores, cluster))  # best first in every cluster, ties by start
    best = order[firsts]
    hits = np.zeros(len(firsts), HIT)
    hits["first"], hits["last"], hits["start"] = starts[firsts], starts[lasts], starts[best]
    hits["score"], hits["strand"] = scores[best], strands[best]
    return hits


def _explain(codes: Codes, detectors: Detectors, hits: Hits, window: int, padded: bool) -> None:
    """Fill in detector and match of every hit."""
    outside, _ = padding_of("full" if padded else "valid", detectors.length)
    for first in range(0, len(hits), _BATCH):
        part = hits[first : first + _BATCH]
        windows = np.minimum(codes[part["start"][:, None] + np.arange(window)], 4)
        reverse = part["strand"] < 0
        windows[reverse] = definition.reverse_complement(windows[reverse])
        letters = np.pad(definition.LETTERS[windows], ((0, 0), (outside, outside), (0, 0)), constant_values=0.25)
        detector, place = _strongest(letters, detectors)
        left = place - outside
        left = np.where(reverse, window - left - detectors.length, left)
        part["detector"] = detector
        part["match_start"] = part["start"] + np.maximum(left, 0)
        part["match_end"] = part["start"] + np.minimum(left + detectors.length, window)


def _strongest(letters: definition.Floats, detectors: Detectors) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for (N, n, 4) letters, the detector the score needs most and the position of its maximum."""
    values = definition.responses(letters, detectors)  # (N, D, positions)
    pooled = definition.pool(values, detectors)  # (N, P)
    keep = 1 - np.eye(detectors.count)
    if detectors.average_pooling:
        keep = np.repeat(keep, 2, axis=1)
    without = definition.head(pooled[:, None, :] * keep, detectors)  # (N, D)
    detector = np.argmin(without, axis=1)
    place = np.argmax(values[np.arange(len(values)), detector], axis=1)
    return detector, place
