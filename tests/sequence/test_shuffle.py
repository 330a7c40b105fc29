"""Shuffles keep every two-letter word and draw uniformly among all sequences that do."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from bioconv.conv import native
from bioconv.sequence.fasta import encode
from bioconv.sequence.shuffle import shuffle_dinucleotides
from bioconv.training.draws import sample_keys


def pairs(codes):
    return Counter(itertools.pairwise(np.asarray(codes).tolist()))


def all_shuffles(codes):
    """Every sequence with the same first letter and the same pairs, by exhaustive search."""
    found = set()

    def extend(walk, left):
        if not left:
            found.add(tuple(walk))
        for (first, second), _ in list(left.items()):
            if first == walk[-1]:
                extend([*walk, second], left - Counter({(first, second): 1}))

    extend([int(codes[0])], pairs(codes))
    return found


@pytest.mark.parametrize(
    ("sequence", "count"), [("ACCCACGATGATG", 27), ("ACTGACTGACTG", 1), ("GATTACA", None), ("ANNACGNATTNA", None)]
)
def test_draws_every_shuffle_alike(sequence, count):
    codes = encode(sequence)
    expected = all_shuffles(codes)
    assert count in (None, len(expected))
    draws = 400 * len(expected)
    keys = sample_keys(1, 0, np.arange(draws))
    drawn = Counter(map(tuple, shuffle_dinucleotides(np.tile(codes, (draws, 1)), keys).tolist()))
    assert set(drawn) == expected
    if len(expected) > 1:
        assert chisquare(list(drawn.values())).pvalue > 1e-4


@given(st.lists(st.integers(0, 4), max_size=40), st.integers(0, 2**64 - 1))
def test_keeps_pairs_and_ends(letters, key):
    codes = np.array([letters], np.uint8).reshape(1, -1)
    shuffled = shuffle_dinucleotides(codes, np.array([key], np.uint64))
    assert pairs(shuffled[0]) == pairs(codes[0])
    np.testing.assert_array_equal(shuffled[:, :1], codes[:, :1])
    np.testing.assert_array_equal(shuffled[:, -1:], codes[:, -1:])


@pytest.mark.skipif(native.kernels() is None, reason="no compiled kernels")
def test_kernel_and_python_draw_the_same(no_kernels):
    codes = np.random.default_rng(2).integers(0, 5, (50, 30)).astype(np.uint8)
    keys = sample_keys(3, 1, np.arange(50))
    fast = shuffle_dinucleotides(codes, keys)
    with no_kernels():
        np.testing.assert_array_equal(shuffle_dinucleotides(codes, keys), fast)
    np.testing.assert_array_equal(shuffle_dinucleotides(codes[7:9], keys[7:9]), fast[7:9])  # alone or in company


def test_refuses_keys_of_another_shape():
    with pytest.raises(ValueError, match="expected"):
        shuffle_dinucleotides(np.zeros((2, 5), np.uint8), np.zeros(3, np.uint64))
