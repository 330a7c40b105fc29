"""Random draws as functions of (seed, epoch, sample index): never of a worker, a batch or a device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]


def sample_keys(seed: int | NDArray[np.int64], epoch: int, indices: NDArray[np.int64]) -> Keys:
    """Return an independent 64-bit key per sample, to seed whatever is drawn for it.

    Three rounds of the SplitMix64 finaliser (Steele, Lea & Flood, OOPSLA 2014, doi 10.1145/2660193.2660195).

    Parameters
    ----------
    seed
        One, or (G, 1) of groups.
    epoch
        Counted from 0.
    indices
        (N,) int64.

    Returns
    -------
    numpy.ndarray
        (N,) uint64; of groups (G, N).
    """
    key = _mix(np.asarray(seed).astype(np.uint64))
    key = _mix(key ^ np.asarray(epoch, np.uint64))
    return _mix(key ^ np.asarray(indices).astype(np.uint64))


def uniforms(keys: Keys, count: int) -> NDArray[np.float64]:
    """Return (N, count) numbers in [0, 1) from (N,) keys."""
    counters = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    return np.asarray((_mix(keys[:, None] + counters) >> np.uint64(11)) * 2.0**-53)


def epoch_order(
    seed: int, epoch: int, size: int, probabilities: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Return the order in which an epoch visits its samples: (size,) indices.

    Without `probabilities` a permutation, with them `size` draws with replacement, sample i with
    probability `probabilities[i]`.
    """
    rng = np.random.default_rng([seed, epoch])
    if probabilities is None:
        return rng.permutation(size).astype(np.int64)
    return rng.choice(size, size, p=probabilities).astype(np.int64)


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(values: Keys) -> Keys:
    with np.errstate(over="ignore"):
        mixed = np.asarray(values + _GOLDEN)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
