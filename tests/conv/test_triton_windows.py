"""Detector networks on a device against the definition: the Triton kernel (interpreted without a GPU) and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv import detectors_torch, device_windows
from bioconv.conv.detector_hits import detector_hits
from bioconv.conv.detector_tables import split_filters
from bioconv.conv.detectors import qualifying_windows, window_scores
from bioconv.conv.device_memory import PieceSize
from bioconv.conv.device_windows import WindowLaunch
from bioconv.errors import OptionError
from tests.conv.test_detectors import assert_close, make_detectors, random_codes

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def by_triton(codes, detectors, window, *, padded=False, rows=16, piece=None, precision="ieee"):
    launch = WindowLaunch(rows=rows, precision=precision)
    size = None if piece is None else PieceSize(piece)
    with torch.inference_mode():
        parts = device_windows.triton_parts(codes, detectors, (window, 1, padded), DEVICE, launch=launch, piece=size)
        found = [part.cpu().numpy() for _, part in parts]
    return np.concatenate([np.empty((0, detectors.strands), np.float32), *found])


CASES = {
    # name: detectors, letters, mean pooling, hidden units, strands, window, rows of a tile
    "linear head": (16, 24, False, 0, 2, 101, 64),
    "mean, hidden": (5, 7, True, 6, 2, 40, 16),  # several reduced tiles between the two scans
    "as many positions as rows": (3, 5, True, 0, 1, 20, 16),
    "fewer positions than rows": (3, 6, True, 3, 2, 10, 16),
    "one position": (2, 4, False, 0, 2, 4, 16),
    "one letter": (1, 1, True, 0, 1, 1, 16),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_windows_equal_the_definition(case):
    count, length, average, hidden, strands, window, rows = case
    rng = np.random.default_rng(count * window)
    detectors = make_detectors(rng, count, length, average=average, hidden=hidden, strands=strands)
    codes = random_codes(rng, window + (40 if window > length + 1 else 6), 0.05)
    expected = window_scores(codes, detectors, window=window, padded=False, backend="reference")
    assert_close(by_triton(codes, detectors, window, rows=rows), expected)


@pytest.mark.parametrize(("window", "average", "hidden"), [(9, True, 0), (4, False, 3)])
def test_padded_windows_equal_the_definition(window, average, hidden):
    rng = np.random.default_rng(7)
    detectors = make_detectors(rng, 3, 4, average=average, hidden=hidden, strands=2)
    codes = random_codes(rng, window + 9, 0.1)
    expected = window_scores(codes, detectors, window=window, padded=True, backend="reference")
    assert_close(by_triton(codes, detectors, window, padded=True), expected)


@pytest.mark.parametrize("letters", [0, 7, 8, 9])
def test_ends(letters):
    rng = np.random.default_rng(letters)
    detectors = make_detectors(rng, 2, 5, average=True, hidden=0, strands=2)
    codes = random_codes(rng, letters, 0)
    expected = window_scores(codes, detectors, window=8, padded=False, backend="reference")
    assert_close(by_triton(codes, detectors, 8), expected)


def test_pieces_do_not_show():
    rng = np.random.default_rng(8)
    detectors = make_detectors(rng, 4, 6, average=True, hidden=0, strands=2)
    codes = random_codes(rng, 60, 0.05)
    whole = by_triton(codes, detectors, 20)
    assert len(whole) == 41
    assert_close(by_triton(codes, detectors, 20, piece=17), whole)


@pytest.mark.parametrize("backend", ["triton", "torch"])
@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_qualifying_windows_are_those_of_the_scores(backend, pooling):
    from dataclasses import replace

    rng = np.random.default_rng(9)
    detectors = make_detectors(rng, 4, 6, average=False, hidden=0, strands=2)
    detectors = replace(detectors, strand_pooling=pooling)
    codes = random_codes(rng, 80, 0.02)
    expected = window_scores(codes, detectors, window=20, padded=False, backend="reference")
    pooled = detectors.pool_strands(expected)
    threshold = float(np.sort(pooled)[-12:-10].mean())
    starts, scores = device_windows.qualifying(
        codes, detectors, (20, 1, False), threshold, device=DEVICE, backend=backend
    )
    np.testing.assert_array_equal(starts, np.flatnonzero(pooled >= threshold))
    assert_close(scores, expected[starts])
    others = qualifying_windows(codes, detectors, window=20, padded=False, threshold=threshold)
    np.testing.assert_array_equal(starts, others[0])


def test_hits_on_a_device_are_those_of_the_cpu(monkeypatch):
    """The whole way of a hit, with a device that is the CPU under another name."""
    rng = np.random.default_rng(10)
    detectors = make_detectors(rng, 6, 8, average=True, hidden=4, strands=2)
    codes = random_codes(rng, 3000, 0.02)
    mode = {"window": 30, "padded": False, "limit": 2900}
    scores = detectors.pool_strands(window_scores(codes, detectors, window=30, padded=False))
    threshold = float(np.quantile(scores, 0.98))
    asked = []

    def on_device(codes, detectors, grid, threshold, *, device, backend):
        asked.append(device)
        return device_windows_qualifying(codes, detectors, grid, threshold, device="cpu", backend="torch")

    device_windows_qualifying = device_windows.qualifying
    monkeypatch.setattr(device_windows, "qualifying", on_device)
    found = detector_hits(codes, detectors, threshold=threshold, device="cuda:7", **mode)
    expected = detector_hits(codes, detectors, threshold=threshold, **mode)
    assert asked == ["cuda:7"]
    assert len(expected) > 5
    for name in ("first", "last", "start", "strand", "match_start", "match_end", "detector"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert_close(found["score"], expected["score"])


def test_what_the_kernel_cannot_do_is_said():
    rng = np.random.default_rng(11)
    detectors = make_detectors(rng, 70, 5, average=False, hidden=0, strands=2)
    assert "too large" in device_windows.unfit(detectors, (30, 1, False))
    small = make_detectors(rng, 4, 5, average=False, hidden=0, strands=2)
    assert device_windows.unfit(small, (30, 30, False)) == "separate windows"
    assert "shorter" in device_windows.unfit(small, (4, 1, True))
    assert not device_windows.unfit(small, (5, 1, True))
    with pytest.raises(OptionError, match="'triton' cannot be used for a network of 32 x 256"):
        window_scores(np.zeros(50, np.uint8), detectors, window=30, padded=False, backend="triton")


@settings(max_examples=100)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30))
def test_split_filters_lose_no_more_than_stated(values):
    filters = np.array(values, np.float32)
    high, low, scale = split_filters(filters)
    for part in (high, low):
        np.testing.assert_array_equal(part.astype(np.float16).astype(np.float32), part)
    off = np.abs((high.astype(np.float64) + low) * scale - filters)
    assert (off <= np.maximum(2.0**-22 * np.abs(filters), 2.0**-39 * np.abs(filters).max())).all()


def test_torch_scores_in_two_parts_as_in_one():
    """What torch does on a GPU, where a convolution may round its factors."""
    rng = np.random.default_rng(12)
    detectors = make_detectors(rng, 5, 6, average=True, hidden=0, strands=2)
    network = detectors_torch._Network(detectors, False, "cpu")
    letters = network.letters(random_codes(rng, 80, 0.05))
    expected = network.sliding(letters, 20)
    high, low, scale = split_filters(detectors.stranded_filters().reshape(-1, 4, 6))
    network.halves = torch.from_numpy(np.concatenate([high, low]) * np.float32(scale))
    assert not torch.equal(network.halves[:10], network.filters)
    assert_close(network.sliding(letters, 20).numpy(), expected.numpy())
