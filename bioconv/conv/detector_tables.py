"""Detectors as matrix units take them: weights in two parts of few bits, a head for both strands at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bioconv.conv.detector_network import Detectors

Floats = NDArray[np.float32]

_TOP_EXPONENT = 14  # the largest weight is scaled to [2^14, 2^15): far from a 16-bit float's ends


def split_filters(filters: Floats) -> tuple[Floats, Floats, float]:
    """Return high, low and a power of two with filters = (high + low) * scale, all but 2^-22 of each weight.

    Both parts are 16-bit floats (kept as float32), of 11 significant bits, so that a product with 1 or 0.25 is exact,
    in a unit that rounds to 19-bit "TF32" too. Rounding to nearest leaves at most 2^-11 of a weight to the low part,
    and of that at most 2^-11, so a weight w is off by no more than 2^-22 |w| (or 2^-39 of the largest weight, where
    that is more: the low part's smallest step), and a response of m letters by no more than m 2^-22 max |w|, beside
    the rounding of m additions in float32.
    """
    largest = float(np.abs(filters).max(initial=0))
    exponent = int(np.floor(np.log2(largest))) if largest > 0 else 0
    scaled = np.ldexp(filters.astype(np.float64), _TOP_EXPONENT - exponent)
    high = scaled.astype(np.float16).astype(np.float32)
    low = (scaled - high).astype(np.float16).astype(np.float32)
    return high, low, 2.0 ** (exponent - _TOP_EXPONENT)


@dataclass(frozen=True, eq=False)
class WindowTables:
    """A network laid out for `triton_windows.score_windows`; sizes are powers of two, from 16 on.

    Attributes
    ----------
    high, low : (features, channels) float32
        The detectors of both strands, `split_filters`; 4 features per letter.
    scale : float
    thresholds : (channels,) float32
        -inf where there is no detector: rectified to 0.
    weights, mean_weights : (channels, hidden) float32
    biases : (hidden,) float32
    output_weights : (strands, hidden) float32
    output_bias : float
    """

    high: Floats
    low: Floats
    scale: float
    thresholds: Floats
    weights: Floats
    mean_weights: Floats
    biases: Floats
    output_weights: Floats
    output_bias: float


def table_sizes(detectors: Detectors) -> tuple[int, int, int]:
    """Return features, channels and hidden units of a network's tables."""
    hidden = len(detectors.biases1)
    counts = (4 * detectors.length, detectors.strands * detectors.count, detectors.strands * hidden)
    features, channels, units = (max(16, 1 << (count - 1).bit_length()) for count in counts)
    return features, channels, units


def window_tables(detectors: Detectors) -> WindowTables:
    """Lay a network out."""
    features, channels, units = table_sizes(detectors)
    strands, count, hidden = detectors.strands, detectors.count, len(detectors.biases1)
    high, low, scale = split_filters(detectors.stranded_filters())

    def as_matrix(filters: Floats) -> Floats:  # (S, D, 4, m) -> (features, channels)
        out = np.zeros((features, channels), np.float32)
        flat = filters.transpose(3, 2, 0, 1).reshape(4 * detectors.length, strands * count)
        out[: len(flat), : flat.shape[1]] = flat
        return out

    thresholds = np.full(channels, -np.inf, np.float32)
    thresholds[: strands * count] = np.tile(detectors.thresholds, strands)
    weights = np.zeros((2, channels, units), np.float32)
    biases, output = np.zeros(units, np.float32), np.zeros((strands, units), np.float32)
    linear = detectors.weights2 is None
    for strand in range(strands):
        rows, columns = slice(strand * count, (strand + 1) * count), slice(strand * hidden, (strand + 1) * hidden)
        if detectors.average_pooling:
            weights[0, rows, columns] = detectors.weights1[0::2]
            weights[1, rows, columns] = detectors.weights1[1::2]
        else:
            weights[0, rows, columns] = detectors.weights1
        biases[columns] = detectors.biases1 + np.float32(detectors.bias2 if linear else 0)
        output[strand, columns] = 1 if detectors.weights2 is None else detectors.weights2
    return WindowTables(
        as_matrix(high),
        as_matrix(low),
        scale,
        thresholds,
        weights[0],
        weights[1],
        biases,
        output,
        float(detectors.bias2),
    )
