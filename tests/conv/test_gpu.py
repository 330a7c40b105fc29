"""On a real GPU: the same hits as on the CPU, whole sequences long. Skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioconv.conv import pwm
from bioconv.conv.detectors import window_scores
from bioconv.conv.device_memory import PieceSize
from bioconv.conv.device_scan import DeviceScanner
from bioconv.conv.device_windows import WindowLaunch, scores_agree, triton_parts
from bioconv.conv.launches import scan_launches
from bioconv.conv.measuring import random_detectors, random_motifs
from bioconv.conv.pooling import torch_pools
from bioconv.conv.pooling_device import triton_pools
from bioconv.conv.pwm_device import DeviceMatrixScanner

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.fixture(scope="module")
def codes():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 5_000_000).astype(np.uint8)
    codes[rng.random(len(codes)) < 0.001] = 4
    codes[2_000_000:2_300_000] = 4
    return codes


def padded(codes, scanner):
    return np.concatenate([codes, np.full(scanner.padding, 4, np.uint8)])


@pytest.mark.parametrize("backend", ["triton", "torch"])
@pytest.mark.parametrize("motifs", [1, 300])
def test_hits_are_those_of_the_cpu(codes, motifs, backend):
    matrices, budgets = random_motifs(motifs)
    cpu = pwm.MatrixScanner(matrices, budgets)
    device = DeviceMatrixScanner(matrices, budgets, device="cuda", on_device=backend)
    expected = cpu.hits(padded(codes, cpu))
    assert len(expected) > 100 * motifs
    np.testing.assert_array_equal(device.hits(padded(codes, device)), expected)


def test_every_shape_of_launch_finds_the_same(codes):
    matrices, budgets = random_motifs(30)
    scanner = DeviceScanner(
        [(2 * k, matrix) for k, matrix in enumerate(matrices)], budgets, device="cuda", piece=1 << 18
    )
    expected = scanner.hits(codes[:1_000_000], backend="torch")
    choices = [scan_launches(bucket) for bucket in scanner.buckets]
    for number in range(max(map(len, choices))):
        launches = [each[number % len(each)] for each in choices]
        found = scanner.hits(codes[:1_000_000], backend="triton", launches=launches)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=str(launches))


@pytest.mark.parametrize("precision", ["ieee", "tf32x3"])
@pytest.mark.parametrize("hidden", [0, 32])
def test_window_scores_are_those_of_the_cpu(codes, hidden, precision):
    detectors = random_detectors(hidden=hidden)
    some = codes[:1_000_000]
    expected = window_scores(some, detectors, window=101, padded=False)
    assert scores_agree(
        expected, window_scores(some, detectors, window=101, padded=False, backend="torch", device="cuda")
    )
    launch = WindowLaunch(precision=precision)
    with torch.inference_mode():
        parts = triton_parts(some, detectors, (101, 1, False), "cuda", launch=launch, piece=PieceSize(1 << 17))
        found = np.concatenate([part.cpu().numpy() for _, part in parts])
    assert scores_agree(expected, found)


@pytest.mark.parametrize("groups", [(), (5,)])
@pytest.mark.parametrize(("length", "average"), [(24, True), (24, False), (9, True), (60, True)])
def test_training_finds_the_values_and_gradients_of_the_cpu(codes, length, average, groups):
    shape = (64, *groups, 101)
    batch = torch.from_numpy(codes[: np.prod(shape)].reshape(shape).copy())
    batch[..., :7] = 4
    generator = torch.Generator().manual_seed(length)
    weights = [torch.randn((*groups, 300, *more), generator=generator) for more in ((4, length), ())]
    results = []
    for device in ("cpu", "cuda"):
        own = [one.to(device).requires_grad_() for one in weights]
        pools = triton_pools if device == "cuda" else pool_pairs
        top, total = pools(batch.to(device), *own, True, average)
        reached = top.square().sum() + (total.square().sum() if average else 0)
        results.append([one.cpu() for one in (top, total, *torch.autograd.grad(reached, own))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(one.abs().max() if one.numel() else 1))


def pool_pairs(codes, filters, thresholds, both, average):
    top, total = torch_pools(codes, filters, thresholds, both)
    return top, total if average else total.new_zeros(0)


def test_too_little_memory_halves_the_piece_and_changes_nothing(codes):
    matrices, budgets = random_motifs(300)
    scanner = DeviceScanner([(2 * k, matrix) for k, matrix in enumerate(matrices)], budgets, device="cuda")
    expected = scanner.hits(codes, backend="triton")
    scanner.ready("torch")
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, (total - free + (96 << 20)) / total))
    try:
        found = scanner.hits(codes, backend="triton")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
