"""Measure the backends of a device with generated work: for `bioconv info --measure`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv.conv.detector_network import Detectors
from bioconv.conv.device_windows import choose_windows
from bioconv.conv.functional import Choice
from bioconv.conv.pooling import torch_pools
from bioconv.conv.pooling_device import choose_pooling
from bioconv.conv.pwm_device import WORK, DeviceMatrixScanner

MOTIFS = (1, 500)
WINDOW, DETECTORS, LETTERS = 101, 16, 24
BATCH = 64
TRAINED = ((128,), (30 * 128,), (36, 15 * 16))
"""Detectors, or groups and detectors of each: one network, 30 side by side, the published recipe on 12 sets."""
_SHARE = 1e-4  # of the windows, about, that are hits


def measure_backends(device: str, *, work: int = WORK) -> list[Choice]:
    """Measure the scan of 1 and of 500 motifs, the windows of a network of 16 detectors of 24 letters, and training.

    Parameters
    ----------
    device : str
    work : int
        Windows of a measurement: random letters, a hundredth of them unknown.
    """
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, work).astype(np.uint8)
    codes[rng.random(work) < 0.01] = 4
    found = [
        DeviceMatrixScanner(*random_motifs(count), device=device).choose(codes, work=work, anew=True)
        for count in MOTIFS
    ]
    grid = (WINDOW, 1, False)
    found.append(choose_windows(codes, random_detectors(), grid, device, piece=work, anew=True))
    return [*found, *(_measure_training(codes, shape, device) for shape in TRAINED)]


def _measure_training(codes: NDArray[np.uint8], shape: tuple[int, ...], device: str) -> Choice:
    """Measure a step of training."""
    batch = torch.from_numpy(np.resize(codes, (BATCH, *shape[:-1], WINDOW))).to(device)
    filters = torch.randn((*shape, 4, LETTERS), generator=torch.Generator().manual_seed(0)).to(device)
    return choose_pooling(batch, filters, True, len(shape) == 1, torch_pools, anew=True)


def random_motifs(count: int, *, seed: int = 0) -> tuple[list[NDArray[np.int32]], list[int]]:
    """Return motifs of 8 to 20 columns as losses in 1/1000 bit, and budgets that about 1e-4 of all words are within."""
    rng = np.random.default_rng(seed)
    lengths = [12] if count == 1 else rng.integers(8, 21, count).tolist()
    matrices = []
    for length in lengths:
        odds = np.log2(rng.dirichlet(np.full(4, 0.5), length) * 4 + 0.01)
        matrices.append(np.rint(1000 * (odds.max(axis=1, keepdims=True) - odds)).astype(np.int32))
    words = 1 << 15
    budgets = []
    for matrix in matrices:
        letters = rng.integers(0, 4, (words, len(matrix)))
        losses = matrix[np.arange(len(matrix)), letters].sum(axis=1)
        budgets.append(int(np.quantile(losses, _SHARE)))
    return matrices, budgets


def random_detectors(*, hidden: int = 0, seed: int = 0) -> Detectors:
    """Return a network of 16 detectors of 24 letters that reads both strands; `hidden` 0: a linear head."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape, np.float32)

    return Detectors(
        filters=draw(DETECTORS, 4, LETTERS) / np.float32(3),
        thresholds=draw(DETECTORS) - 1,
        average_pooling=False,
        weights1=draw(DETECTORS, hidden or 1) / np.float32(4),
        biases1=draw(hidden or 1),
        weights2=draw(hidden) / np.float32(4) if hidden else None,
        bias2=0.0,
        reverse_complement=True,
    )
