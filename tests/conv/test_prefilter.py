"""The prefilter's bound by brute force: all words of short motifs, whatever their losses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv.prefilter import FLOAT16_LEVELS, INT8_LEVELS, make_buckets

LEVELS = [FLOAT16_LEVELS, INT8_LEVELS, 255, 3]
UNKNOWN = 4


@st.composite
def motifs(draw):
    """A motif of up to 5 columns and a budget; losses small, large, or forbidding."""
    length = draw(st.integers(1, 5))
    largest = draw(st.sampled_from([1, 40, 5000, 10**6, 1 << 28, (1 << 31) - 1]))
    values = draw(st.lists(st.integers(0, largest), min_size=4 * length, max_size=4 * length))
    losses = np.array(values, np.int64).reshape(length, 4)
    losses -= losses.min(axis=1, keepdims=True)
    words = np.array(list(itertools.product(range(4), repeat=length)))
    totals = losses[np.arange(length), words].sum(axis=1)
    # A budget that some word meets exactly, or misses by one.
    budget = int(draw(st.sampled_from(sorted(set(totals.tolist()))))) + draw(st.integers(-1, 1))
    return losses.astype(np.int32), min(max(budget, 0), (1 << 31) - 2)


def features_of(words, letters):
    """Is the letter A, C, G, unknown? One row per word, words padded by T."""
    padded = np.full((len(words), letters), 3)
    padded[:, : words.shape[1]] = words
    return (padded[:, :, None] == np.array([0, 1, 2, UNKNOWN])).reshape(len(words), -1).astype(np.int64)


@settings(max_examples=100)
@given(motifs(), st.sampled_from(LEVELS))
def test_no_hit_is_lost_and_unknown_letters_never_pass(motif, levels):
    losses, budget = motif
    (bucket,) = make_buckets([(0, losses)], [budget])
    weights, limits = bucket.features(levels)
    table, table_limits = bucket.lookup(levels)
    words = np.array(list(itertools.product(range(5), repeat=len(losses))))
    known = (words < UNKNOWN).all(axis=1)
    clipped = np.concatenate([losses.astype(np.int64), np.zeros((len(losses), 1), np.int64)], axis=1)
    hit = known & (clipped[np.arange(len(losses)), words].sum(axis=1) <= budget)
    passes = features_of(words, bucket.letters) @ weights.astype(np.int64)[:, 0] <= limits[0]
    looked_up = table[np.arange(len(losses)), words, 0].sum(axis=1) <= table_limits[0]
    assert not (hit & ~passes).any()
    assert not (passes & ~known).any()
    np.testing.assert_array_equal(passes, looked_up)
    if budget < levels:  # the step is 1: nothing passes wrongly
        np.testing.assert_array_equal(passes, hit)


@settings(max_examples=50)
@given(motifs())
def test_what_passes_wrongly_is_within_a_step_per_column(motif):
    losses, budget = motif
    (bucket,) = make_buckets([(0, losses)], [budget])
    weights, limits = bucket.features(FLOAT16_LEVELS)
    words = np.array(list(itertools.product(range(4), repeat=len(losses))))
    passes = features_of(words, bucket.letters) @ weights.astype(np.int64)[:, 0] <= limits[0]
    totals = losses.astype(np.int64)[np.arange(len(losses)), words].sum(axis=1)
    step = -(-(budget + 1) // FLOAT16_LEVELS)
    assert (totals[passes] <= budget + (step - 1) * len(losses)).all()


@pytest.mark.parametrize(("levels", "kind"), [(FLOAT16_LEVELS, np.float16), (INT8_LEVELS, np.int8)])
def test_weights_are_exact_in_few_bits_and_sums_in_float32(levels, kind):
    rng = np.random.default_rng(1)
    losses = rng.integers(0, 1 << 28, (128, 4)).astype(np.int32)
    (bucket,) = make_buckets([(0, losses), (1, losses[::-1, ::-1])], [(1 << 31) - 2])
    weights, limits = bucket.features(levels)
    np.testing.assert_array_equal(weights.astype(kind).astype(np.int64), weights)
    assert np.abs(weights).max() > levels // 3  # the range is used
    assert np.abs(weights.astype(np.int64)).sum(axis=0).max() + np.abs(limits).max() < 1 << 26
    per_letter = np.abs(weights.astype(np.int64)).reshape(128, 4, -1).max(axis=1)  # one feature of four is 1
    assert per_letter.sum(axis=0).max() < 1 << 24


def test_buckets_by_length_without_hopeless_motifs():
    matrices = [np.zeros((length, 4), np.int32) for length in (8, 9, 1, 64, 16, 5)]
    buckets = make_buckets([(2 * k, matrix) for k, matrix in enumerate(matrices)], [0, 0, 0, 0, 0, -1])
    assert [(b.letters, [k for k in b.keys.tolist() if k >= 0]) for b in buckets] == [
        (8, [0, 4]), (16, [2, 8]), (64, [6]),
    ]  # fmt: skip
    assert all(b.columns % 16 == 0 for b in buckets)
