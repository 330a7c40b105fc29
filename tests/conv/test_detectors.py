"""Scores of detector networks: three backends against each other and against facts that need no backend."""

from __future__ import annotations

import ctypes
import doctest
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv import detectors as module
from bioconv.conv import detectors_native, native
from bioconv.conv.detectors import Detectors, batch_scores, record_scores, window_scores
from bioconv.conv.reference_detectors import reverse_complement
from bioconv.errors import OptionError

BACKENDS = ["torch"] + (["native"] if native.kernels() is not None else [])
needs_native = pytest.mark.skipif("native" not in BACKENDS, reason="no compiled kernels")


def make_detectors(rng, count, length, *, average, hidden, strands):
    features = count * (2 if average else 1)
    return Detectors(
        filters=rng.normal(size=(count, 4, length)) / length**0.5,
        thresholds=rng.normal(size=count) - 0.5,
        average_pooling=average,
        weights1=rng.normal(size=(features, hidden or 1)) / features**0.5,
        biases1=rng.normal(size=hidden or 1),
        weights2=rng.normal(size=hidden) / hidden**0.5 if hidden else None,
        bias2=0.25,
        reverse_complement=strands == 2,
    )


def random_codes(rng, length, unknown):
    codes = rng.integers(0, 4, length).astype(np.uint8)
    codes[rng.random(length) < unknown] = 4
    if unknown and length > 10:
        codes[length // 3 : length // 3 + rng.integers(length // 2)] = 4  # a long run
    return codes


cases = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "count": st.integers(1, 35),
        "length": st.integers(1, 30),
        "average": st.booleans(),
        "hidden": st.sampled_from([0, 1, 7, 32, 40]),
        "strands": st.integers(1, 2),
        "letters": st.integers(0, 250),
        "unknown": st.sampled_from([0, 0.05, 1]),
        "longer": st.integers(0, 60),
        "padded": st.booleans(),
    }
)


def draw(case):
    rng = np.random.default_rng(case["seed"])
    shape = {name: case[name] for name in ("average", "hidden", "strands")}
    detectors = make_detectors(rng, case["count"], case["length"], **shape)
    window = (1 if case["padded"] else case["length"]) + case["longer"]
    return detectors, random_codes(rng, case["letters"], case["unknown"]), window


def assert_close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_backends_agree_with_the_definition(case):
    detectors, codes, window = draw(case)
    mode = {"window": window, "padded": case["padded"]}
    expected = window_scores(codes, detectors, **mode, backend="reference")
    for backend in BACKENDS:
        assert_close(window_scores(codes, detectors, **mode, backend=backend), expected)


@needs_native
@settings(max_examples=50, deadline=None)
@given(cases)
def test_plain_c_agrees_with_vectors(case):
    detectors, codes, window = draw(case)
    grid = (window, 1, case["padded"])
    found = detectors_native.scores(codes, detectors, grid, simd=False)
    assert_close(found, detectors_native.scores(codes, detectors, grid))


@settings(max_examples=50, deadline=None)
@given(cases)
def test_other_strand_swaps_columns_and_order(case):
    detectors, codes, window = draw(case | {"strands": 2})
    mode = {"window": window, "padded": case["padded"]}
    scores = window_scores(codes, detectors, **mode)
    other = window_scores(reverse_complement(codes), detectors, **mode)
    assert_close(other, scores[::-1, ::-1])


@settings(max_examples=50, deadline=None)
@given(cases)
def test_separate_windows_score_as_sliding_ones(case):
    detectors, codes, window = draw(case)
    mode = {"padded": case["padded"]}
    sliding = window_scores(codes, detectors, window=window, **mode)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(codes, (0, window)), window)[: len(sliding)]
    for backend in BACKENDS:
        assert_close(batch_scores(windows, detectors, **mode, backend=backend), sliding)


def test_exact_match_scores_by_hand():
    """A detector of ACG, weight 1 per letter, threshold -2: 1 on a match, else 0; mean over positions."""
    filters = np.zeros((1, 4, 3))
    filters[0, [0, 1, 2], [0, 1, 2]] = 1
    ones = np.ones(1)
    plain = Detectors(filters, -2 * ones, False, ones[:, None], 0 * ones, None, 0.0, True)
    mean = Detectors(filters, -2 * ones, True, np.array([[0.0], [1.0]]), 0 * ones, None, 0.0, True)
    codes = np.array([3, 0, 1, 2, 2, 1, 2, 3], np.uint8)  # T ACG G CGT: forward at 1, its complement at 5
    for backend in [*BACKENDS, "reference"]:
        scores = window_scores(codes, plain, window=4, padded=False, backend=backend)
        assert scores.tolist() == [[1, 0], [1, 0], [0, 0], [0, 0], [0, 1]]
        # Half a match over the end: A C | unknown = 2.25 - 2.
        ends = window_scores(codes[:3], plain, window=3, padded=True, backend=backend)
        np.testing.assert_allclose(ends, [[0.25, 0]], atol=1e-6)
        average = window_scores(codes, mean, window=4, padded=False, backend=backend)
        np.testing.assert_allclose(average, scores / 2, atol=1e-6)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("backend", [*BACKENDS, "reference"])
def test_record_is_one_padded_window(average, backend):
    rng = np.random.default_rng(3)
    detectors = make_detectors(rng, 16, 24, average=average, hidden=0, strands=2)
    for length in (1, 5, 24, 700):
        codes = random_codes(rng, length, 0.05)
        expected = window_scores(codes, detectors, window=length, padded=True, backend="reference")[0]
        assert_close(record_scores(codes, detectors, backend=backend), expected)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("average", [False, True])
def test_chunks_do_not_show(average, padded):
    rng = np.random.default_rng(4)
    detectors = make_detectors(rng, 16, 24, average=average, hidden=32, strands=2)
    codes = random_codes(rng, 3000, 0.01)
    whole = window_scores(codes, detectors, window=101, padded=padded)
    for size in (101, 350, 1777):
        parts = [
            window_scores(codes[i : i + size + 100], detectors, window=101, padded=padded)[:size]
            for i in range(0, len(whole), size)
        ]
        assert_close(np.concatenate(parts), whole)


@needs_native
def test_mean_does_not_drift():
    """A sequence that repeats itself scores at its end what it scored at its start."""
    rng = np.random.default_rng(5)
    detectors = make_detectors(rng, 2, 4, average=True, hidden=0, strands=1)
    unit = rng.integers(0, 4, 1000).astype(np.uint8)
    scores = window_scores(np.tile(unit, 300), detectors, window=500, padded=False)
    np.testing.assert_allclose(scores[-501:], scores[:501], rtol=0, atol=1e-6 * np.abs(scores).max())


def test_codes_above_four_are_unknown():
    rng = np.random.default_rng(6)
    detectors = make_detectors(rng, 3, 5, average=False, hidden=0, strands=2)
    codes = random_codes(rng, 60, 0.2)
    other = np.where(codes == 4, 200, codes).astype(np.uint8)
    for backend in [*BACKENDS, "reference"]:
        mode = {"window": 9, "padded": True, "backend": backend}
        assert (window_scores(codes, detectors, **mode) == window_scores(other, detectors, **mode)).all()


def test_errors_name_what_is_wrong():
    detectors = make_detectors(np.random.default_rng(0), 2, 6, average=False, hidden=0, strands=1)
    codes = np.zeros(10, np.uint8)
    with pytest.raises(OptionError, match=r"window is 5.*span 6"):
        window_scores(codes, detectors, window=5, padded=False)
    with pytest.raises(OptionError, match="'cupy' is not known"):
        window_scores(codes, detectors, window=6, padded=False, backend="cupy")
    with pytest.raises(OptionError, match="does not run on cuda"):
        window_scores(codes, detectors, window=6, padded=False, backend="native", device="cuda")
    with pytest.raises(ValueError, match=r"expected \(2, 1\)"):
        Detectors(np.zeros((2, 4, 3)), np.zeros(2), False, np.zeros((3, 1)), np.zeros(1), None, 0.0, True)


@needs_native
def test_compiled_scan_needs_no_torch():
    program = (
        "import sys, numpy as np\n"
        "from bioconv.conv.detectors import Detectors\n"
        "from bioconv.conv.detector_hits import detector_hits\n"
        "one = np.ones(1)\n"
        "d = Detectors(np.ones((1, 4, 2)), one, False, one[:, None], one, None, 0.0, True)\n"
        "detector_hits(np.zeros(9, np.uint8), d, window=4, padded=True, threshold=0, limit=9)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@needs_native
def test_plan_has_the_layout_of_the_header():
    assert ctypes.sizeof(detectors_native.Plan) == 88


def test_example_in_the_docstring():
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
