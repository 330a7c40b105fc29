"""The motif scan on a device against the window-by-window reference: Triton's kernels and torch.

Without a GPU the kernels run in Triton's interpreter (see conftest.py), about a millisecond per operation: few windows.
With one, the same tests compile them.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv import pwm, reference
from bioconv.conv.device_scan import DeviceScanner
from bioconv.conv.launches import ScanLaunch
from tests.conv.test_pwm import as_tuples, padded, problems, random_matrix

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def device_scanner(matrices, budgets, strands=3, **options):
    both = [
        (2 * motif + strand, losses if strand == 0 else np.ascontiguousarray(losses[::-1, ::-1]))
        for motif, losses in enumerate(matrices)
        for strand in (0, 1)
        if strands >> strand & 1
    ]
    return DeviceScanner(both, budgets, device=DEVICE, **options)


def found(scanner, codes, backend="triton", *, method="float16", rows=512, columns=16, **options):
    launches = [ScanLaunch(method, rows, columns, 4, 2, entries=512)] * len(scanner.buckets)
    order, loss = scanner.hits(codes, backend=backend, launches=launches if backend == "triton" else None, **options)
    position, key = np.divmod(order, scanner.stride)
    return list(zip(position.tolist(), (key >> 1).tolist(), (key & 1).tolist(), loss.tolist(), strict=True))


def random_codes(rng, length):
    codes = rng.integers(0, 4, length).astype(np.uint8)
    codes[rng.random(length) < 0.01] = 4
    codes[length // 2 : length // 2 + 20] = 4
    return codes


def random_problem(rng, lengths, spread=400, share=3):
    matrices = [random_matrix(rng, length, spread) for length in lengths]
    return matrices, [int(matrix.max(axis=1).sum()) // share for matrix in matrices]


@pytest.mark.parametrize("method", ["float16", "int8", "lookup"])
def test_hits_equal_the_reference(method):
    """Several lengths in one bucket, unknown letters, ends; a grid finer than the prefilter's steps."""
    rng = np.random.default_rng(1)
    codes = random_codes(rng, 400)
    matrices, _ = random_problem(rng, (1, 3, 7, 8), spread=30_000)
    # Budgets that some window meets exactly, and the next one misses.
    losses = [reference.matrix_losses(codes, matrix) for matrix in matrices]
    budgets = [int(np.quantile(loss[loss >= 0], 0.2, method="nearest")) for loss in losses]
    expected = reference.matrix_hits(codes, matrices, budgets)
    assert len(expected) > 100
    assert found(device_scanner(matrices, budgets), codes, method=method) == expected


@pytest.mark.parametrize("length", [13, 31, 60])
def test_longer_motifs(length):
    rng = np.random.default_rng(length)
    codes = random_codes(rng, 300)
    matrices, budgets = random_problem(rng, (length, length - 4), share=2)
    expected = reference.matrix_hits(codes, matrices, budgets)
    assert len(expected) > 20
    assert found(device_scanner(matrices, budgets), codes) == expected


def test_motifs_of_many_lengths_columns_and_tiles():
    """Several buckets, several tiles of windows and of columns in one launch, a padded last tile of columns."""
    rng = np.random.default_rng(2)
    codes = random_codes(rng, 200)
    matrices, budgets = random_problem(rng, [*rng.integers(9, 15, 19).tolist(), 4])
    budgets[3] = -1
    expected = reference.matrix_hits(codes, matrices, budgets)
    assert len(expected) > 200
    assert found(device_scanner(matrices, budgets), codes, rows=128, columns=32) == expected


@pytest.mark.parametrize("strands", [1, 2])
@pytest.mark.parametrize("backend", ["triton", "torch"])
def test_pieces_start_limit_and_strand_do_not_show(backend, strands):
    rng = np.random.default_rng(3)
    codes = random_codes(rng, 250)
    matrices, budgets = random_problem(rng, (6, 8))
    expected = reference.matrix_hits(codes, matrices, budgets, strands)
    scanner = device_scanner(matrices, budgets, strands, piece=90)
    inside = [hit for hit in expected if 17 <= hit[0] < 230]
    assert found(scanner, codes, backend, start=17, limit=230) == inside


@pytest.mark.parametrize("backend", ["triton", "torch"])
def test_sequences_with_no_window(backend):
    scanner = device_scanner([np.zeros((12, 4), np.int32)], [5])
    for length in (0, 1, 11):
        assert found(scanner, np.zeros(length, np.uint8), backend) == []
    assert found(scanner, np.zeros(12, np.uint8), backend) == [(0, 0, 0, 0), (0, 0, 1, 0)]
    assert found(scanner, np.full(40, 4, np.uint8), backend) == []
    assert found(device_scanner([np.zeros((12, 4), np.int32)], [-1]), np.zeros(40, np.uint8), backend) == []


def test_lists_that_overflow_are_made_anew():
    """Every window of a tile is a hit of every motif: more candidates and more hits than there is room for at first."""
    motifs = 24
    codes = np.zeros(500, np.uint8)
    scanner = device_scanner([np.zeros((3, 4), np.int32)] * motifs, [0] * motifs)
    launch = ScanLaunch("float16", 512, 16, 4, 2, entries=2048)
    scan = scanner.ready("triton", [launch])
    room = scan._finders[0].room(len(codes))
    hits = scanner.hits(codes, backend="triton", launches=[launch])
    assert len(hits[0]) == 498 * motifs * 2
    assert scan._finders[0].room(len(codes)) > 1.3 * room  # it did overflow, and remembers
    assert (np.diff(hits[0]) > 0).all()
    assert (hits[1] == 0).all()


def test_huge_losses_do_not_wrap():
    """60 forbidden letters sum to far more than 31 bits."""
    losses = np.full((60, 4), (1 << 31) - 1, np.int32)
    losses[:, 0] = 0
    codes = np.array([0] * 60 + [1] * 60, np.uint8)
    for backend in ("triton", "torch"):
        assert found(device_scanner([losses], [(1 << 31) - 2], 1), codes, backend) == [(0, 0, 0, 0)]


@settings(max_examples=25)
@given(problem=problems(), piece=st.integers(1, 300))
def test_torch_equals_the_reference(problem, piece):
    codes, matrices, budgets, strands = problem
    expected = reference.matrix_hits(codes, matrices, budgets, strands)
    assert found(device_scanner(matrices, budgets, strands, piece=piece), codes, "torch") == expected


def test_reference_hits_are_those_of_the_cpu():
    """What the tests above compare with is what the CPU's scanner gives, in its order."""
    rng = np.random.default_rng(4)
    codes = random_codes(rng, 500)
    matrices, budgets = random_problem(rng, (5, 12, 20))
    scanner = pwm.MatrixScanner(matrices, budgets)
    assert as_tuples(scanner.hits(padded(codes, scanner))) == found(device_scanner(matrices, budgets), codes, "torch")
