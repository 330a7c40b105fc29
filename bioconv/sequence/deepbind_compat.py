"""The arithmetic of the published DeepBind program (v0.1), step for step in single precision.

Alipanahi, Delong, Weirauch & Frey, Nat Biotechnol 33:831-838 (2015), doi:10.1038/nbt.3300. Slow; for reproducing its
figures to the last digit. `bioconv.conv.detectors` has the same definition, fast, with sums in another order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.detectors import Codes, Detectors

Floats = NDArray[np.float32]
_UNKNOWN = 4
_QUARTER = np.float32(0.25)
_BATCH = 2048


def published_scores(windows: Codes, detectors: Detectors) -> Floats:
    """Score separate sequences of one length, each padded by m - 1 unknown letters on both ends.

    Parameters
    ----------
    windows
        (N, n) uint8 codes.
    detectors
        D detectors of m letters.

    Returns
    -------
    numpy.ndarray
        (N, S) float32: forward strand, and reverse complement where the model reads both.
    """
    strands = [windows]
    if detectors.reverse_complement:
        strands.append(np.array([3, 2, 1, 0, 4], np.uint8)[np.minimum(windows, 4)][:, ::-1])
    return np.stack([_forward(strand, detectors) for strand in strands], axis=1)


def _forward(windows: Codes, detectors: Detectors) -> Floats:
    parts = [_score(windows[k : k + _BATCH], detectors) for k in range(0, len(windows), _BATCH)]
    return np.concatenate([np.empty(0, np.float32), *parts])


def _score(windows: Codes, detectors: Detectors) -> Floats:
    features = _pool(_responses(windows, detectors), detectors.average_pooling)
    hidden = np.tile(detectors.biases1, (len(windows), 1))
    for feature, weights in zip(features.T, detectors.weights1, strict=True):
        hidden += weights * feature[:, None]
    if detectors.weights2 is None:
        return hidden[:, 0]
    score = np.full(len(windows), detectors.bias2, np.float32)
    for unit, weight in zip(np.maximum(hidden, np.float32(0)).T, detectors.weights2, strict=True):
        score += weight * unit
    return score


def _responses(windows: Codes, detectors: Detectors) -> Floats:
    """Return (N, n + m - 1, D) rectified responses; an unknown letter is four additions, as in the program."""
    reach = detectors.length
    codes = np.pad(np.minimum(windows, _UNKNOWN), ((0, 0), (reach - 1, reach - 1)), constant_values=_UNKNOWN)
    positions = windows.shape[1] + reach - 1
    total = np.zeros((len(windows), positions, detectors.count), np.float32)
    for j in range(reach):
        column = detectors.filters[:, :, j].T  # (4, D)
        letters = codes[:, j : j + positions]
        unknown = (letters == _UNKNOWN)[:, :, None]
        total += np.concatenate([column, _QUARTER * column[:1]])[letters]
        for letter in (1, 2, 3):
            total += np.where(unknown, _QUARTER * column[letter], np.float32(0))
    return np.maximum(total + detectors.thresholds, np.float32(0))


def _pool(responses: Floats, average: bool) -> Floats:
    """Return (N, P): the maximum, or maximum and mean interleaved, the mean added up position by position."""
    highest: Floats = responses.max(axis=1)
    if not average:
        return highest
    total = np.zeros_like(highest)
    for position in range(responses.shape[1]):
        total += responses[:, position]
    mean = total / np.float32(responses.shape[1])
    return np.asarray(np.stack([highest, mean], axis=2).reshape(len(responses), -1))
