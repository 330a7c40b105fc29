"""How long does a GPU take to train motif detectors: steps by kernel and by torch, the published recipe on twelve sets.

A step is forward and backward of networks side by side, from base codes on the device: 15 of 16 detectors (a half of
the published recipe's settings), 36 groups of these, each with sequences of its own (all folds of twelve factors), and
30 of 128 (bioconv's own); torch may use TF32, its default. The recipe is done in full, all factors in one go: 30
settings, 3 folds, 5 lengths up to 20,000 steps, 6 restarts, `_B` scored once.

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
from bioconv.sequence.binding.published import PublishedPlan, calibrate_together, fit_restarts_together
from bioconv.sequence.binding.recipe import scores
from bioconv.sequence.labelled import read_labelled
from bioconv.version import __version__

BATCH, LETTERS, LENGTH = 64, 101, 24
STEPS = 50  # in a round
BANKS: dict[str, tuple[tuple[int, ...], bool]] = {
    "15 networks of 16 detectors": ((240,), False),
    "36 groups of 15 networks of 16 detectors": ((36, 240), False),
    "30 networks of 128 detectors": ((3840,), True),
}
TINY: dict[str, tuple[tuple[int, ...], bool]] = {
    "2 networks of 3 detectors": ((6,), True),
    "2 groups of one": ((2, 3), False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="check that the script runs")
    given = parser.parse_args()
    if not given.tiny and (given.data is None or not torch.cuda.is_available()):
        parser.error("give DATA, on a machine with a CUDA device; --tiny checks that the script runs")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    banks = TINY if given.tiny else BANKS
    rounds, steps = (1, 1) if given.tiny else (given.rounds, STEPS)
    rows = [row for name, bank in banks.items() for row in step_rows(name, bank, device, rounds, steps)]
    name = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    parts = [
        "# Training on a GPU\n",
        f"bioconv {__version__}, torch {torch.__version__}, {name}; {timing.machine()}\n",
        f"## Steps\n\nForward and backward; {BATCH} sequences of {LETTERS} letters, detectors of {LENGTH}.\n",
        timing.table(["networks", "by", "ms a step", "torch / ours"], rows),
        "## The published recipe\n",
        *recipe(given.data, device),
    ]
    if given.tiny:
        print("\n".join(parts), "\nA self-check: these figures mean nothing.")
        return
    timing.write_report(__file__, parts)


def step_rows(
    name: str, bank: tuple[tuple[int, ...], bool], device: str, rounds: int, steps: int
) -> list[list[object]]:
    (shape, average), generator = bank, torch.Generator().manual_seed(0)
    batch = (BATCH if rounds > 1 else 1, *shape[:-1], LETTERS)
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 4, batch).astype(np.uint8)).to(device)
    filters = torch.randn((*shape, 4, LENGTH), generator=generator).to(device).requires_grad_()
    thresholds = torch.zeros(shape, device=device, requires_grad=True)

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


def recipe(data: Path | None, device: str) -> list[str]:
    """Return what the recipe came to on twelve factors; without data on generated letters, with next to no steps."""
    begin = time.perf_counter()
    if data is None:
        random = np.random.default_rng(0).integers(0, 4, (2, 40, LETTERS)).astype(np.uint8)
        plan, names, factors = PublishedPlan(2, 2, 2, 1, 1, 2, 4, (0,)), ["generated", "letters"], list(random)
        tests = [(codes, np.arange(40) % 2) for codes in random]
    else:
        plan, paths = PublishedPlan(), targets(data)
        names, factors = list(paths), [read_binding(path).codes for path in paths.values()]
        unseen = [read_labelled(path.with_name(path.name.replace("_AC", "_B"))) for path in paths.values()]
        tests = [(np.asarray(own.codes), own.labels) for own in unseen]
    start = time.perf_counter()
    chosen = [found.best() for found in calibrate_together(factors, plan, device=device)]
    middle = time.perf_counter()
    fitted = fit_restarts_together(factors, chosen, plan, device=device)
    end = time.perf_counter()
    rows: list[list[object]] = []
    for name, codes, (network, _), test in zip(names, factors, fitted, tests, strict=True):
        area = delong_interval(scores(network.to("cpu").eval(), test[0]), test[1])
        rows.append([name, f"{len(codes):,}", f"{area.value:.4f} ({area.low:.4f} to {area.high:.4f})"])
    whole = time.perf_counter() - begin
    spent = f"Calibration of all together {middle - start:.0f} s, the final fits {end - middle:.0f} s; with reading"
    return [timing.table(["factor", "peaks", "AUROC on `_B`"], rows), f"{spent} and testing {whole:.0f} s.\n"]


if __name__ == "__main__":
    main()
