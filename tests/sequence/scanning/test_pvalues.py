"""P-values of matrix scores against the list of all words, and against convolution of the columns."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bioconv.conv import native
from bioconv.sequence.motifs import read_motifs
from bioconv.sequence.scanning.pvalues import (
    FORBIDDEN,
    ScoringMatrix,
    TailTable,
    score_tail,
    scoring_matrix,
)

UNIFORM = np.full(4, 0.25)
SKEWED = np.array([0.32, 0.18, 0.18, 0.32])
BACKENDS = [
    pytest.param("native", marks=pytest.mark.skipif(native.kernels() is None, reason="no compiled kernels")),
    "numpy",
]
METHODS = pytest.mark.parametrize("by_words", [True, False], ids=["words", "sums"])


def all_words(matrix: ScoringMatrix, background: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Return every loss of a word without a forbidden letter, and the probability of no more than it."""
    losses, p = np.zeros(1, dtype=np.int64), np.ones(1)
    for column in matrix.losses.astype(np.int64):
        losses = np.add.outer(column, losses).ravel()
        p = np.multiply.outer(background, p).ravel()
    allowed = losses < FORBIDDEN
    levels, place = np.unique(losses[allowed], return_inverse=True)
    return levels, np.cumsum(np.bincount(place, weights=p[allowed], minlength=len(levels)))


def by_convolution(matrix: ScoringMatrix, background: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Return the same from the distribution of each column, convolved."""
    mass = np.ones(1)
    for column in matrix.losses:
        allowed = column < FORBIDDEN
        mass = np.convolve(mass, np.bincount(column[allowed], weights=background[allowed]))
    levels = np.flatnonzero(mass > 0)
    return levels, np.cumsum(mass)[levels]


def check_tail(tail, levels, p, limit):
    """Compare with the exact levels; one whose p is the limit within rounding may fall on either side."""
    sure, possible = (int((p <= limit * (1 + slack)).sum()) for slack in (-1e-10, 1e-10))
    assert sure <= len(tail.losses) <= possible
    np.testing.assert_array_equal(tail.losses, levels[: len(tail.losses)])
    np.testing.assert_allclose(tail.p, p[: len(tail.losses)], rtol=1e-9, atol=0)
    assert tail.budget == (levels[len(tail.losses) - 1] if len(tail.losses) else -1)


def random_frequencies(seed: int, length: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(20, rng.dirichlet(np.full(4, 0.5)), length) if seed % 2 else None
    return counts / 20 if counts is not None else rng.dirichlet(np.full(4, 0.3), length)


@METHODS
@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(1, 6),
    limit=st.sampled_from([1e-4, 1e-3, 0.05, 0.3, 1.0]),
    pseudocount=st.sampled_from([0.0, 0.1, 1.0]),
    grid=st.sampled_from(["fine", "fimo"]),
    skewed=st.booleans(),
)
def test_tails_equal_the_list_of_all_words(backend, by_words, seed, length, limit, pseudocount, grid, skewed):
    background = np.array([0.1, 0.2, 0.4, 0.3]) if skewed else UNIFORM
    frequencies = random_frequencies(seed, length)
    matrix = scoring_matrix(frequencies, 20, background=background, pseudocount=pseudocount, grid=grid)
    if not by_words and matrix.reach > 1_000_000:
        matrix = ScoringMatrix(np.where(matrix.losses < FORBIDDEN, matrix.losses // 50, FORBIDDEN), matrix.best, 1)
    tail = score_tail(matrix, background, limit, by_words=by_words, backend=backend)
    check_tail(tail, *all_words(matrix, background), limit)
    assert (np.diff(tail.losses) > 0).all()
    assert (np.diff(tail.p) >= 0).all()


@METHODS
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_limit_is_included(backend, by_words):
    """One column, four letters of one quarter each: p-values are 1/4, 1/2, 3/4 and 1."""
    matrix = ScoringMatrix(np.array([[0, 5, 9, 11]], dtype=np.int32), 0, 1.0)
    for limit, budget in ((0.2499, -1), (0.25, 0), (0.5, 5), (0.7499, 5), (0.75, 9), (1.0, 11)):
        tail = score_tail(matrix, UNIFORM, limit, by_words=by_words, backend=backend)
        assert tail.budget == budget
        assert tail.p.tolist() == [0.25, 0.5, 0.75, 1.0][: len(tail.p)]
    ten = ScoringMatrix(np.tile(np.array([[0, 1, 1, 1]], dtype=np.int32), (10, 1)), 0, 1.0)
    tail = score_tail(ten, np.array([0.1, 0.3, 0.3, 0.3]), 0.1**10, by_words=by_words, backend=backend)
    assert tail.budget == 0


@METHODS
@pytest.mark.parametrize("backend", BACKENDS)
def test_forbidden_letters_are_in_no_word(backend, by_words):
    frequencies = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.25, 0.75], [0, 1, 0, 0]])
    matrix = scoring_matrix(frequencies, 20, background=UNIFORM, pseudocount=0)
    tail = score_tail(matrix, UNIFORM, 1.0, by_words=by_words, backend=backend)
    words = [w for w in itertools.product(range(4), repeat=4) if all(frequencies[j, b] > 0 for j, b in enumerate(w))]
    assert len(words) == 4
    assert tail.p[-1] == pytest.approx(4 / 256)
    assert tail.budget < FORBIDDEN
    longest = scoring_matrix(np.tile(np.eye(4)[:1], (30, 1)), 20, background=UNIFORM, pseudocount=0)
    tail = score_tail(longest, UNIFORM, 1.0, by_words=by_words, backend=backend)
    assert (tail.losses.tolist(), tail.p.tolist()) == ([0], [0.25**30])


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(11, 18),
    limit=st.sampled_from([1e-6, 1e-4, 1.0]),
    grid=st.sampled_from(["fine", "fimo"]),
)
def test_long_matrices_equal_convolution(backend, seed, length, limit, grid):
    frequencies = random_frequencies(seed, length)
    matrix = scoring_matrix(frequencies, 20, background=SKEWED, pseudocount=0.1, grid=grid)
    assert (matrix.grid == 1e-3) == (grid == "fine")
    tail = score_tail(matrix, SKEWED, limit, backend=backend)
    levels, p = by_convolution(matrix, SKEWED)
    check_tail(tail, levels, p, limit)
    if limit == 1:
        assert tail.p[-1] == pytest.approx(1, rel=1e-9)


def log_odds(frequencies, sites, background, pseudocount):
    """FIMO's form, written out letter by letter."""
    rows = []
    for row in frequencies:
        shares = [(f * sites + pseudocount * b) / (sites + pseudocount) for f, b in zip(row, background, strict=True)]
        rows.append([np.log2(share / b) if share else -np.inf for share, b in zip(shares, background, strict=True)])
    return np.array(rows)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 25), pseudocount=st.sampled_from([0.0, 0.1, 3.0]))
def test_scores_are_the_log_odds_rounded_once_per_column(seed, length, pseudocount):
    frequencies = random_frequencies(seed, length)
    with np.errstate(divide="ignore"):
        odds = log_odds(frequencies, 17.0, SKEWED, pseudocount)
    matrix = scoring_matrix(frequencies, 17.0, background=SKEWED, pseudocount=pseudocount)
    step = 1e-5 if length <= 10 else 1e-3
    assert matrix.grid == step
    words = np.random.default_rng(seed).integers(0, 4, (50, length))
    for word in words:
        exact = odds[np.arange(length), word].sum()
        loss = matrix.losses[np.arange(length), word].sum(dtype=np.int64)
        if np.isfinite(exact):
            assert loss < FORBIDDEN
            score = matrix.scores(np.array([loss], dtype=np.int32))[0]
            assert abs(score - exact) <= length * step / 2 + 1e-9
        else:
            assert loss >= FORBIDDEN
    assert (matrix.losses.min(axis=1) == 0).all()
    assert matrix.scores(np.zeros(1, np.int32))[0] == pytest.approx(odds.max(axis=1).sum(), abs=length * step)


def test_fimo_grid_has_its_thousand_levels():
    """FIMO's scale: the whole number below 1000 / range, from the floor of the smallest log-odds."""
    frequencies = random_frequencies(4, 12)
    odds = log_odds(frequencies, 20, SKEWED, 0.1)
    scale = np.floor(1000 / (odds.max() - np.floor(odds.min())))
    matrix = scoring_matrix(frequencies, 20, background=SKEWED, grid="fimo")
    assert matrix.grid == 1 / scale
    steps = np.rint(odds * scale)
    np.testing.assert_array_equal(matrix.losses, steps.max(axis=1, keepdims=True) - steps)
    assert matrix.best == steps.max(axis=1).sum()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 14))
def test_both_strands_have_the_same_p_under_a_symmetric_background(seed, length):
    frequencies = random_frequencies(seed, length)
    one = scoring_matrix(frequencies, 20, background=SKEWED)
    other = scoring_matrix(frequencies[::-1, ::-1], 20, background=SKEWED)
    np.testing.assert_array_equal(one.losses[::-1, ::-1], other.losses)
    tails = [score_tail(matrix, SKEWED, 0.01) for matrix in (one, other)]
    np.testing.assert_array_equal(tails[0].losses, tails[1].losses)
    np.testing.assert_allclose(tails[0].p, tails[1].p, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=1, max_size=5), data=st.data())
def test_table_looks_up_each_motifs_own_tail(seeds, data, no_kernels):
    matrices = [scoring_matrix(random_frequencies(seed, 1 + seed % 12), 20, background=SKEWED) for seed in seeds]
    tails = [score_tail(matrix, SKEWED, 0.05) for matrix in matrices]
    places = [(m, k) for m, tail in enumerate(tails) for k in range(len(tail.losses))]
    chosen = data.draw(st.lists(st.sampled_from(places), max_size=40)) if places else []
    motifs = np.array([m for m, _ in chosen], dtype=np.int32)
    losses = np.array([tails[m].losses[k] for m, k in chosen], dtype=np.int32)
    table = TailTable(tails)
    expected = [tails[m].p[k] for m, k in chosen]
    assert table.p_values(motifs, losses).tolist() == expected
    with no_kernels():
        assert table.p_values(motifs, losses).tolist() == expected


@pytest.mark.slow
@pytest.mark.parametrize("background", [UNIFORM, SKEWED], ids=["uniform", "skewed"])
@pytest.mark.parametrize("length", range(4, 10))
def test_short_motifs_of_jaspar_equal_the_list_of_all_words(length, background, shared_data):
    motifs = [m for m in read_motifs(shared_data("motifs/JASPAR2024.meme.gz")) if len(m.frequencies) == length]
    for motif in motifs:
        matrix = scoring_matrix(motif.frequencies, motif.sites, background=background)
        levels, p = all_words(matrix, background)
        for limit in (1e-4, 1.0) if length < 9 else (1e-3,):
            check_tail(score_tail(matrix, background, limit), levels, p, limit)


def test_some_motifs_of_jaspar_equal_the_list_of_all_words(shared_data):
    motifs = [m for m in read_motifs(shared_data("motifs/JASPAR2024.meme.gz")) if len(m.frequencies) <= 7]
    for motif in motifs[::4]:
        matrix = scoring_matrix(motif.frequencies, motif.sites, background=SKEWED)
        check_tail(score_tail(matrix, SKEWED, 1e-2), *all_words(matrix, SKEWED), 1e-2)
