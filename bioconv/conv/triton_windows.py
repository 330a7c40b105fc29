# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"
"""Triton kernel of detector networks: detectors, sliding maximum and mean, and head, in one pass over the codes.

One program scores `step` neighbouring windows, step at most V = W - m + 1, the detector positions in a window. The
positions of window r, of the program's first position b on, are b + r .. b + r + V - 1, in three disjoint parts:

    b + r    .. b + step - 1     a scan from the right over the tile at b
    b + step .. b + V - 1        the same for all r: reduced tile by tile
    b + V    .. b + V - 1 + r    a scan from the left over the tile at b + V - 1, its first row left out

so that every value is already in its window's row, nothing is shifted, and no response goes to memory (van Herk 1992,
doi:10.1016/0167-8655(92)90069-C; Gil & Werman 1993, doi:10.1109/34.211471, with a middle part for tiles shorter than
the window). Rectified responses are never below 0, so 0 stands for "no value" in maxima and sums alike.

Responses are a product of features (1 for the letter, 0.25 four times for an unknown one: exact in 16 bits) with
weights split into two 16-bit parts, added up in float32; see `detector_tables.split_filters` for what that loses.

Imported only where a device is used: `triton` is an optional dependency.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _larger(one, other):
    return tl.maximum(one, other)


@triton.jit
def _responses(
    codes, place, known_from, known_to, high, low, thresholds, scale, FEATURES: tl.constexpr, CHANNELS: tl.constexpr
):
    """Rectified responses (rows, CHANNELS) of detectors at `place`; letters outside the known ones are unknown."""
    feature = tl.arange(0, FEATURES)
    channel = tl.arange(0, CHANNELS)
    at = place[:, None] + (feature // 4)[None, :]
    known = (at >= known_from[:, None]) & (at < known_to[:, None])
    code = tl.load(codes + at, mask=known, other=4).to(tl.int32)
    value = tl.where(code == (feature % 4)[None, :], 1.0, tl.where(code > 3, 0.25, 0.0)).to(tl.float16)
    where = feature[:, None] * CHANNELS + channel[None, :]
    total = tl.dot(value, tl.load(high + where))
    total = tl.dot(value, tl.load(low + where), total)
    return tl.maximum(total * scale + tl.load(thresholds + channel)[None, :], 0.0)


@triton.jit
def _pool(top, total, values, AVERAGE: tl.constexpr):
    """Take one more value into each row's maximum and sum."""
    top = tl.maximum(top, values)
    if AVERAGE:
        total += values
    return top, total


@triton.jit
def _pool_inside(
    codes, size, begin, step, inside, high, low, thresholds, scale,
    ROWS: tl.constexpr, FEATURES: tl.constexpr, CHANNELS: tl.constexpr, AVERAGE: tl.constexpr,
):  # fmt: skip
    """Maximum and sum of the responses at the `inside` positions of each of the windows that start at begin + row."""
    row = tl.arange(0, ROWS)
    start, stop = row * 0, row * 0 + size
    values = _responses(codes, begin + row, start, stop, high, low, thresholds, scale, FEATURES, CHANNELS)
    values = tl.where((row < step)[:, None], values, 0.0)
    top = tl.associative_scan(values, 0, _larger, reverse=True)
    total = tl.cumsum(values, 0, reverse=True) if AVERAGE else values
    place = begin + inside - 1 + row
    values = _responses(codes, place, start, stop, high, low, thresholds, scale, FEATURES, CHANNELS)
    values = tl.where(((row < step) & (row > 0))[:, None], values, 0.0)
    top = tl.maximum(top, tl.associative_scan(values, 0, _larger))
    if AVERAGE:
        total += tl.cumsum(values, 0)
    for offset in range(step, inside, ROWS):
        place = begin + offset + row
        values = _responses(codes, place, start, stop, high, low, thresholds, scale, FEATURES, CHANNELS)
        values = tl.where((offset + row < inside)[:, None], values, 0.0)
        top = tl.maximum(top, tl.max(values, 0)[None, :])
        if AVERAGE:
            total += tl.sum(values, 0)[None, :]
    return top, total


@triton.jit(do_not_specialize=["size", "count", "step", "window", "letters", "positions"])
def score_windows(
    codes, size, count, step, window, letters, positions, high, low, thresholds, scale,
    weights, mean_weights, biases, output_weights, output_bias, scores,
    ROWS: tl.constexpr, FEATURES: tl.constexpr, CHANNELS: tl.constexpr, HIDDEN: tl.constexpr, STRANDS: tl.constexpr,
    AVERAGE: tl.constexpr, PADDED: tl.constexpr, LINEAR: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Scores (count, STRANDS) of the windows [i, i + window) of codes (size,).

    high, low: (FEATURES, CHANNELS), strand by strand; weights, mean_weights: (CHANNELS, HIDDEN), each strand's
    detectors to its own hidden units; output_weights: (STRANDS, HIDDEN). positions: that a mean is taken over. LINEAR:
    the first STRANDS hidden units are the scores.
    """
    begin = tl.program_id(0) * step
    row = tl.arange(0, ROWS)
    first = begin + row
    inside = window - letters + 1
    top, total = _pool_inside(
        codes, size, begin, step, inside, high, low, thresholds, scale, ROWS, FEATURES, CHANNELS, AVERAGE
    )
    if PADDED:
        for have in range(1, letters):
            place = first - (letters - have)
            values = _responses(codes, place, first, first * 0 + size, high, low, thresholds, scale, FEATURES, CHANNELS)
            top, total = _pool(top, total, values, AVERAGE)
            stop = tl.minimum(first + window, size)
            place = first + window - have
            values = _responses(codes, place, first * 0, stop, high, low, thresholds, scale, FEATURES, CHANNELS)
            top, total = _pool(top, total, values, AVERAGE)
    channel = tl.arange(0, CHANNELS)
    unit = tl.arange(0, HIDDEN)
    where = channel[:, None] * HIDDEN + unit[None, :]
    hidden = tl.dot(top, tl.load(weights + where), input_precision=PRECISION)
    if AVERAGE:
        mean = total / positions
        hidden = tl.dot(mean, tl.load(mean_weights + where), hidden, input_precision=PRECISION)
    hidden += tl.load(biases + unit)[None, :]
    mine = (row < step) & (first < count)
    out = scores + first.to(tl.int64) * STRANDS
    if LINEAR:
        tl.store(out[:, None] + unit[None, :], hidden, mask=mine[:, None] & (unit < STRANDS)[None, :])
    else:
        hidden = tl.maximum(hidden, 0.0)
        for strand in tl.static_range(STRANDS):
            weight = tl.load(output_weights + strand * HIDDEN + unit)
            tl.store(out + strand, tl.sum(hidden * weight[None, :], 1) + output_bias, mask=mine)
