"""How long does a GPU take to train motif detectors: steps by kernel and by torch, the published recipe on twelve sets.

A step is forward and backward of networks side by side, from base codes on the device: 15 of 16 detectors (a half of
the published recipe's settings) and 30 of 128 (bioconv's own); torch may use TF32, its default. The recipe is done in
full, factor after factor: 30 settings, 3 folds, 5 lengths up to 20,000 steps, 6 restarts, `_B` scored once.

Run: python benchmarks/gpu_training.py DATA [--rounds 5] (DATA: the folder deepbind-encode-chipseq). --tiny, without
DATA, checks that the script runs, on any machine; its figures mean nothing and are not written.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timing
import torch
from encode_models import targets
from torch import Tensor

from bioconv.conv.pooling import torch_pools
from bioconv.conv.pooling_device import Pools, triton_pools
from bioconv.evaluation import delong_interval
from bioconv.sequence.binding.data import read_binding
from bioconv.sequence.binding.published import PublishedPlan, calibrate, fit_restarts
from bioconv.sequence.binding.recipe import scores
from bioconv.sequence.labelled import read_labelled
from bioconv.version import __version__

BATCH, LETTERS, LENGTH = 64, 101, 24
STEPS = 50  # in a round
BANKS = {"15 networks of 16 detectors": (240, False), "30 networks of 128 detectors": (3840, True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="check that the script runs")
    given = parser.parse_args()
    if not given.tiny and (given.data is None or not torch.cuda.is_available()):
        parser.error("give DATA, on a machine with a CUDA device; --tiny checks that the script runs")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    banks = {"2 networks of 3 detectors": (6, True)} if given.tiny else BANKS
    rounds, steps = (1, 1) if given.tiny else (given.rounds, STEPS)
    rows = [row for name, shape in banks.items() for row in step_rows(name, shape, device, rounds, steps)]
    name = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    parts = [
        "# Training on a GPU\n",
        f"bioconv {__version__}, torch {torch.__version__}, {name}; {timing.machine()}\n",
        f"## Steps\n\nForward and backward; {BATCH} sequences of {LETTERS} letters, detectors of {LENGTH}.\n",
        timing.table(["networks", "by", "ms a step", "torch / ours"], rows),
        "## The published recipe\n",
        timing.table(
            ["factor", "peaks", "calibration, s", "final fit, s", "AUROC on `_B`"], recipe_rows(given.data, device)
        ),
    ]
    if given.tiny:
        print("\n".join(parts), "\nA self-check: these figures mean nothing.")
        return
    timing.write_report(__file__, parts)


def step_rows(name: str, shape: tuple[int, bool], device: str, rounds: int, steps: int) -> list[list[object]]:
    count, average = shape
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(0, 4, (BATCH if rounds > 1 else 1, LETTERS)).astype(np.uint8)).to(device)
    filters = torch.randn((count, 4, LENGTH), generator=torch.Generator().manual_seed(0)).to(device).requires_grad_()
    thresholds = torch.zeros(count, device=device, requires_grad=True)

    def repeated(pools: Callable[[Tensor, Tensor], Pools]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(steps):
                top, total = pools(filters, thresholds)
                reached = top.relu().sum() + (total.sum() if average else 0)
                torch.autograd.grad(reached, (filters, thresholds))
            if device == "cuda":
                torch.cuda.synchronize()

        return run

    ways = {
        "ours, from codes": repeated(lambda *weights: triton_pools(codes, *weights, True, average)),
        "torch, one-hot letters and conv1d": repeated(lambda *weights: torch_pools(codes, *weights, True)),
    }
    seconds = timing.interleave(ways, rounds)
    ours, theirs = seconds.values()
    return [
        [name, way, timing.shown_seconds([value / steps * 1e3 for value in own]), timing.shown_ratio(theirs, ours)]
        if own is ours
        else [name, way, timing.shown_seconds([value / steps * 1e3 for value in own]), ""]
        for way, own in seconds.items()
    ]


def recipe_rows(data: Path | None, device: str) -> list[list[object]]:
    """Return one row per factor and one of all; without data nothing but generated letters, and next to no steps."""
    rows: list[list[object]] = []
    begin = time.perf_counter()
    for name, path in targets(data).items() if data else [("generated letters", None)]:
        if path is None:
            codes = np.random.default_rng(0).integers(0, 4, (40, LETTERS)).astype(np.uint8)
            plan, tests, labels = PublishedPlan(2, 2, 2, 1, 1, 2, 4, (0,)), codes, np.arange(40) % 2
        else:
            codes, plan = read_binding(path).codes, PublishedPlan()
            test = read_labelled(path.with_name(path.name.replace("_AC", "_B")))
            tests, labels = np.asarray(test.codes), test.labels
        start = time.perf_counter()
        setting, steps = calibrate(codes, plan, device=device).best()
        middle = time.perf_counter()
        network, _ = fit_restarts(codes, setting, steps, plan, device=device)
        end = time.perf_counter()
        area = delong_interval(scores(network.to("cpu").eval(), tests), labels)
        found = f"{area.value:.4f} ({area.low:.4f} to {area.high:.4f})"
        rows.append([name, f"{len(codes):,}", f"{middle - start:.0f}", f"{end - middle:.0f}", found])
    return [*rows, ["all", "", f"{time.perf_counter() - begin:.0f} with reading and testing", "", ""]]


if __name__ == "__main__":
    main()
