"""Information and consensus against Biopython."""

from __future__ import annotations

import numpy as np
from Bio import motifs as biopython
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bioconv.sequence.motifs import Motif
from bioconv.sequence.motifs.information import column_bits, consensus, informative_span, reverse_complement

COUNTS = arrays.arrays(np.int64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.integers(0, 9)).filter(
    lambda counts: counts.sum(axis=1).min() > 0
)


def theirs(counts):
    return biopython.Motif("ACGT", counts=dict(zip("ACGT", counts.T.tolist(), strict=True)))


@given(COUNTS)
def test_bits_are_biopythons_relative_entropy(counts):
    bits = column_bits(counts / counts.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(bits, theirs(counts).relative_entropy, atol=1e-9)


@given(COUNTS)
def test_consensus_is_caventers(counts):
    """Biopython follows the same rules, but for strict limits and three-letter codes."""
    ours = consensus(counts / counts.sum(axis=1, keepdims=True))
    for letter, column, expected in zip(ours, counts, theirs(counts).degenerate_consensus, strict=True):
        ranked = np.sort(column)[::-1] / column.sum()
        on_a_limit = ranked[0] in (0.5, 2 * ranked[1]) or abs(ranked[:2].sum() - 0.75) < 1e-9
        tied = ranked[0] == ranked[1] or ranked[1] == ranked[2]
        if not on_a_limit and not tied:
            assert letter == ("N" if expected in "BDHV" else expected)


def test_consensus_on_the_limits():
    assert consensus(np.array([[0.5, 0.25, 0.25, 0], [0.5, 0.3, 0.2, 0], [0.25, 0, 0.5, 0.25]])) == "AMG"


@given(arrays.arrays(float, st.integers(1, 8), elements=st.floats(0, 2)), st.floats(0.001, 2))
def test_span_holds_all_that_is_informative(bits, threshold):
    begin, end = informative_span(bits, threshold)
    assert (bits[:begin] < threshold).all()
    assert (bits[end:] < threshold).all()
    assert begin == end == 0 or bits[[begin, end - 1]].min() >= threshold


def test_reverse_complement_twice_is_the_motif():
    motif = Motif("m", "", np.array([[0.7, 0.1, 0.2, 0.0], [0.0, 1.0, 0.0, 0.0]]), 20, "")
    turned = reverse_complement(motif)
    assert consensus(turned.frequencies) == "GT"
    np.testing.assert_array_equal(reverse_complement(turned).frequencies, motif.frequencies)
