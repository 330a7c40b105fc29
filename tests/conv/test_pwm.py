"""The matrix scanner against a window-by-window reference, on every backend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bioconv.conv import native, pwm, reference

no_kernels = pytest.mark.skipif(native.kernels() is None, reason="no compiled kernels")
BACKENDS = [
    pytest.param({"backend": "native", "simd": 3}, id="best instructions", marks=no_kernels),
    pytest.param({"backend": "native", "simd": 2}, id="at most AVX2", marks=no_kernels),
    pytest.param({"backend": "native", "simd": 0}, id="plain C", marks=no_kernels),
    pytest.param({"backend": "numpy"}, id="numpy"),
]


def padded(codes: NDArray[np.uint8], scanner: pwm.MatrixScanner) -> NDArray[np.uint8]:
    return np.concatenate([codes, np.full(scanner.padding, pwm.UNKNOWN, np.uint8)])


def random_matrix(rng: np.random.Generator, length: int, spread: int) -> NDArray[np.int32]:
    losses = rng.integers(0, spread, (length, 4)).astype(np.int32)
    return losses - losses.min(axis=1, keepdims=True)


def as_tuples(hits: NDArray[np.void]) -> list[tuple[int, int, int, int]]:
    return [(int(h["position"]), int(h["key"]) >> 1, int(h["key"]) & 1, int(h["loss"])) for h in hits]


@st.composite
def problems(draw: st.DrawFn) -> tuple[NDArray[np.uint8], list[NDArray[np.int32]], list[int], int]:
    """Codes with unknown letters and runs of them, motifs of 1..23 columns, budgets that keep some windows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    codes = rng.integers(0, 4, draw(st.integers(0, 700))).astype(np.uint8)
    codes[rng.random(len(codes)) < draw(st.sampled_from([0, 0.02, 0.3]))] = 4
    if draw(st.booleans()):
        begin = draw(st.integers(0, 600))
        codes[begin : begin + 260] = 4
    matrices, budgets = [], []
    for length in draw(st.lists(st.integers(1, 23), min_size=1, max_size=7)):
        losses = random_matrix(rng, length, draw(st.sampled_from([3, 400, 30_000])))
        reach = int(losses.max(axis=1).sum())
        budgets.append(draw(st.sampled_from([-1, 0, reach // 8, reach // 4, reach // 2, reach])))
        matrices.append(losses)
    return codes, matrices, budgets, draw(st.sampled_from([1, 2, 3]))


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=100, deadline=None)
@given(problem=problems(), cut=st.integers(0, 700))
def test_hits_equal_the_window_by_window_reference(backend, problem, cut):
    codes, matrices, budgets, strands = problem
    scanner = pwm.MatrixScanner(matrices, budgets, strands=strands, **backend)
    expected = reference.matrix_hits(codes, matrices, budgets, strands)
    assert as_tuples(scanner.hits(padded(codes, scanner))) == expected
    cut = min(cut, len(codes))
    parts = [scanner.hits(padded(codes, scanner), limit=cut), scanner.hits(padded(codes, scanner), start=cut)]
    assert as_tuples(np.concatenate(parts)) == expected


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60, deadline=None)
@given(problem=problems(), cut=st.integers(0, 700))
def test_best_equals_the_smallest_reference_loss(backend, problem, cut):
    codes, matrices, budgets, strands = problem
    scanner = pwm.MatrixScanner(matrices, budgets, strands=strands, **backend)
    cut = min(cut, len(codes))
    starts, ends = np.array([0, cut]), np.array([cut, len(codes)])
    best = scanner.no_best(2)
    scanner.lower_best(padded(codes, scanner), starts, ends, best)
    for segment, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for motif, losses in enumerate(matrices):
            windows = []
            for strand, oriented in enumerate((losses, losses[::-1, ::-1])):
                if strands >> strand & 1:
                    found = reference.matrix_losses(codes[start:end], oriented)
                    windows += found[found >= 0].tolist()
            assert best[segment, motif] == min(windows, default=np.iinfo(np.int32).max)


@pytest.mark.parametrize("backend", BACKENDS)
def test_reverse_complement_mirrors_the_hits(backend):
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 5, 20_000).astype(np.uint8)
    matrices = [random_matrix(rng, length, 900) for length in (6, 8, 9, 10, 11, 14, 17)]
    scanner = pwm.MatrixScanner(matrices, [1800] * 7, **backend)
    mirrored = np.where(codes < 4, 3 - codes, 4).astype(np.uint8)[::-1]
    hits = as_tuples(scanner.hits(padded(codes, scanner)))
    turned = [
        (len(codes) - len(matrices[motif]) - position, motif, 1 - strand, loss)
        for position, motif, strand, loss in as_tuples(scanner.hits(padded(mirrored, scanner)))
    ]
    assert len(hits) > 100
    assert sorted(turned) == hits


@pytest.mark.parametrize("indexed", [True, False], ids=["lookup", "bytes"])
@pytest.mark.skipif(native.kernels() is None, reason="no compiled kernels")
def test_both_native_paths_and_block_seams(indexed):
    """Short motifs are looked up when there are several of them, and scanned when there are few."""
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 4, 70_000).astype(np.uint8)
    codes[[0, 16_384, 32_767, 40_000, 69_999]] = 4
    matrices = [random_matrix(rng, length, 90) for length in (8, 10, 5, 7)][: 4 if indexed else 2]
    budgets = [120] * len(matrices)
    native_hits = pwm.MatrixScanner(matrices, budgets, backend="native")
    numpy_hits = pwm.MatrixScanner(matrices, budgets, backend="numpy")
    found = native_hits.hits(padded(codes, native_hits))
    assert len(found) > 1000
    np.testing.assert_array_equal(found, numpy_hits.hits(padded(codes, numpy_hits)))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_count_windows(data):
    codes = np.array(data.draw(st.lists(st.integers(0, 4), max_size=80)), dtype=np.uint8)
    lengths = np.array([1, 3, 8], dtype=np.int32)
    limit = data.draw(st.integers(0, 80))
    counts = pwm.count_windows(codes, lengths, limit=min(limit, len(codes)))
    for length, count in zip(lengths, counts, strict=True):
        windows = [codes[i : i + length] for i in range(min(limit, len(codes) - length + 1))]
        assert count == sum((window < 4).all() for window in windows)
