# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"
"""Triton kernels of `pooling`: detectors slid over padded sequences and pooled, and the gradients, from base codes.

Neither letters nor responses go to memory. A tile of responses is a product of features (1 for the letter, 0.25 four
times for an unknown one) with the detectors' weights; the gradient of the weights is the same features, transposed,
times the gradient of the responses. Both are done by TF32 matrix units without their loss: the features are exact in
10 bits, and the other factor is split into two parts of 11 bits each, which leaves 2 of float32's 24 bits out.

Imported only where a device is used: `triton` is an optional dependency.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _features(codes, place, strand, letters, length, FEATURES: tl.constexpr):
    """Features (rows, FEATURES) of the padded positions `place` of a sequence on a strand (1: the other one)."""
    feature = tl.arange(0, FEATURES)
    at = place[:, None] + (feature // 4)[None, :] - (length - 1)
    source = tl.where(strand == 1, letters - 1 - at, at)
    code = tl.load(codes + source, mask=(at >= 0) & (at < letters), other=4).to(tl.int32)
    letter = tl.where(strand == 1, 3 - code, code)
    return tl.where(code > 3, 0.25, tl.where(letter == (feature % 4)[None, :], 1.0, 0.0))


@triton.jit
def _product(features, values, total):
    """Add features times values to total: features are exact in TF32, values are split."""
    high = (values.to(tl.int32, bitcast=True) & -8192).to(tl.float32, bitcast=True)
    total = tl.dot(features, high, total, input_precision="tf32")
    return tl.dot(features, values - high, total, input_precision="tf32")


@triton.jit
def _weights(weights, channel, end, detectors, FEATURES: tl.constexpr):
    """Return a tile of the weights (FEATURES, detectors); 0 for those from `end` on."""
    where = tl.arange(0, FEATURES)[:, None] * detectors + channel[None, :]
    return tl.load(weights + where, mask=(channel < end)[None, :], other=0.0)


@triton.jit
def _channels(tile, each, CHANNELS: tl.constexpr):
    """Group and detectors of a tile, and where the group ends; every group of `each` detectors begins a tile."""
    tiles = tl.cdiv(each, CHANNELS)
    group = tile // tiles
    return group, group * each + tile % tiles * CHANNELS + tl.arange(0, CHANNELS), (group + 1) * each


@triton.jit(do_not_specialize=["sequences", "letters", "length", "detectors", "each"])
def pool(
    codes, sequences, letters, length, weights, thresholds, detectors, each, top, at, total,
    ROWS: tl.constexpr, FEATURES: tl.constexpr, CHANNELS: tl.constexpr, STRANDS: tl.constexpr, AVERAGE: tl.constexpr,
):  # fmt: skip
    """Largest value (before the rectifier), its first position, and the sum of rectified values.

    codes (groups, sequences, letters); weights (FEATURES, detectors), rows 4 j + b, `each` detectors a group; top, at,
    total (STRANDS, sequences, detectors). One program: one sequence on one strand, CHANNELS detectors of a group.
    """
    sequence = (tl.program_id(0) // STRANDS).to(tl.int64)
    strand = tl.program_id(0) % STRANDS
    group, channel, end = _channels(tl.program_id(1), each, CHANNELS)
    inside = channel < end
    codes += group.to(tl.int64) * sequences * letters
    tile = _weights(weights, channel, end, detectors, FEATURES)
    threshold = tl.load(thresholds + channel, mask=inside, other=0.0)
    positions = letters + length - 1
    best = tl.full((CHANNELS,), float("-inf"), tl.float32)
    first = tl.zeros((CHANNELS,), tl.int32)
    sums = tl.zeros((CHANNELS,), tl.float32)
    for begin in range(0, positions, ROWS):
        place = begin + tl.arange(0, ROWS)
        features = _features(codes + sequence * letters, place, strand, letters, length, FEATURES)
        value = _product(features, tile, tl.zeros((ROWS, CHANNELS), tl.float32)) + threshold[None, :]
        value = tl.where((place < positions)[:, None], value, float("-inf"))
        highest = tl.max(value, 0)
        where = tl.min(tl.where(value == highest[None, :], place[:, None], positions), 0)
        first = tl.where(highest > best, where, first)
        best = tl.maximum(highest, best)
        if AVERAGE:
            sums += tl.sum(tl.maximum(value, 0.0), 0)
    out = (strand * sequences + sequence) * detectors + channel
    tl.store(top + out, best, mask=inside)
    tl.store(at + out, first, mask=inside)
    if AVERAGE:
        tl.store(total + out, sums, mask=inside)


@triton.jit(do_not_specialize=["sequences", "letters", "length", "detectors", "each", "parts"])
def pool_gradients(
    codes, sequences, letters, length, weights, thresholds, detectors, each, parts, at, top_grad, total_grad,
    weights_grad, thresholds_grad,
    ROWS: tl.constexpr, FEATURES: tl.constexpr, CHANNELS: tl.constexpr, STRANDS: tl.constexpr, AVERAGE: tl.constexpr,
):  # fmt: skip
    """Gradients of the weights (parts, FEATURES, detectors) and thresholds (parts, detectors), to be summed over parts.

    A program takes every `parts`-th sequence and strand, always in the same order: what it finds is reproducible.
    """
    part = tl.program_id(0)
    group, channel, end = _channels(tl.program_id(1), each, CHANNELS)
    inside = channel < end
    codes += group.to(tl.int64) * sequences * letters
    positions = letters + length - 1
    threshold = tl.load(thresholds + channel, mask=inside, other=0.0)
    found = tl.zeros((FEATURES, CHANNELS), tl.float32)
    thresholds_found = tl.zeros((CHANNELS,), tl.float32)
    for offset in range(0, sequences * STRANDS - part, parts):
        item = part + offset
        sequence = (item // STRANDS).to(tl.int64)
        strand = item % STRANDS
        own = (strand * sequences + sequence) * detectors + channel
        first = tl.load(at + own, mask=inside, other=-1)
        to_top = tl.load(top_grad + own, mask=inside, other=0.0)
        for begin in range(0, positions, ROWS):
            place = begin + tl.arange(0, ROWS)
            features = _features(codes + sequence * letters, place, strand, letters, length, FEATURES)
            grad = tl.where(place[:, None] == first[None, :], to_top[None, :], 0.0)
            if AVERAGE:
                tile = _weights(weights, channel, end, detectors, FEATURES)
                value = _product(features, tile, tl.zeros((ROWS, CHANNELS), tl.float32)) + threshold[None, :]
                to_total = tl.load(total_grad + own, mask=inside, other=0.0)
                counts = (place < positions)[:, None] & (value > 0)
                grad += tl.where(counts, to_total[None, :], 0.0)
            found = _product(tl.trans(features), grad, found)
            thresholds_found += tl.sum(grad, 0)
    feature = tl.arange(0, FEATURES)
    where = (part.to(tl.int64) * FEATURES + feature)[:, None] * detectors + channel[None, :]
    tl.store(weights_grad + where, found, mask=inside[None, :])
    tl.store(thresholds_grad + part * detectors + channel, thresholds_found, mask=inside)
