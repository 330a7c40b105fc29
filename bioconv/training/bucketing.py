"""Batches of samples of similar length, so that little of a batch is padding: plain numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SPREAD = 0.2  # samples this much longer than others still mix with them, so that company changes by epoch
_STREAM = 1


def bucketed_order(
    order: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int, *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return an epoch's samples so that consecutive ones of a batch are of similar length; batches come at random.

    A batch that is not full is the last one, and of any lengths. Where all are equally long the result is as
    random as `order`.

    Parameters
    ----------
    order
        (n,) indices of the samples, as drawn for the epoch.
    lengths
        Of every sample, by index.
    batch_size
        Samples of a batch.
    seed, epoch
        What is random depends on these alone.

    Returns
    -------
    numpy.ndarray
        (n,) int64, the same indices.

    Examples
    --------
    >>> lengths = np.array([9, 100, 10, 101])
    >>> sorted(bucketed_order(np.arange(4), lengths, 2, seed=0, epoch=0)[:2].tolist()) in ([0, 2], [1, 3])
    True
    """
    rng = np.random.default_rng([seed, epoch, _STREAM])
    full = len(order) // batch_size * batch_size
    keys = lengths[order[:full]] * (1 + _SPREAD * rng.random(full))
    batches = order[:full][np.argsort(keys, kind="stable")].reshape(-1, batch_size)
    return np.concatenate([batches[rng.permutation(len(batches))].ravel(), order[full:]])
