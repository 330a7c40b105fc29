"""How long does a GPU take to scan a genome of 3.1 billion bases, beside torch on the same GPU and the CPU?

Motifs (1, and all of JASPAR 2024 CORE vertebrates or of --motifs) on both strands, and a DeepBind network of 16
detectors of 24 letters over windows of 101. Measured in one run, round by round in turn:

- ours, from the host: 2-bit packing, copy, search, exact losses, sorted hits back in host memory;
- ours, on the device: the same from codes that are already there, hits left there (motifs only);
- torch conv1d on the same device, over a part of the letters: one convolution with all motif strands, a threshold, the
  places above it (motifs); one convolution for all windows, doubling maximum, head (network);
- the CPU's compiled kernels on one thread, over a part of the letters.

Where only a part is scanned the seconds are those of the whole, in proportion; the table says which.

Run: python benchmarks/gpu_scan.py [--genome FILE] [--motifs FILE] [--rounds 3]; a genome is tiled (copies mutated) up
to --letters, without one random letters are used and labelled so. --tiny checks that the script runs, on any machine,
with Triton's interpreter where there is no GPU; its figures mean nothing and are not written.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import inputs
import numpy as np
import timing
from numpy.typing import NDArray

SLAB = 1 << 28  # windows whose hits are in host memory at once
WINDOW = 101


@dataclass(frozen=True)
class Plan:
    """Where and how much."""

    device: str
    letters: int
    part: int
    rounds: int
    tiny: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genome", type=Path, help="FASTA, plain or gzip, to be tiled")
    parser.add_argument("--motifs", default=inputs.MOTIFS, help="motif file; default: JASPAR 2024 CORE vertebrates")
    parser.add_argument("--letters", type=int, default=3_100_000_000)
    parser.add_argument("--part", type=int, default=50_000_000, help="letters for torch conv1d and the CPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="check that the script runs")
    options = parser.parse_args()
    plan = plan_for(options)
    codes, source = read_codes(options.genome, plan.letters)
    motifs = inputs.read_motifs(options.motifs) if not plan.tiny else None
    rows = [row for count in (1, None) for row in motif_rows(codes, motifs, count, plan)]
    rows += network_rows(codes, plan)
    head = ["work", "what", "letters timed", "seconds for all", "times ours from the host", "hits or windows per Mb"]
    about = [
        "# Scanning on a GPU",
        f"{plan.letters:,} letters, {source}; p <= {inputs.P:g} for motifs, both strands; medians of {plan.rounds} "
        "rounds with their range. Seconds of work on a part are scaled to all letters.",
        f"{device_line(plan.device)}; {timing.machine()}",
        timing.table(head, rows),
    ]
    if plan.tiny:
        print("\n".join(about), "\nself-check only: these figures mean nothing")
    else:
        timing.write_report(__file__, about)


def plan_for(options: argparse.Namespace) -> Plan:
    if not options.tiny:
        import torch

        if not torch.cuda.is_available():
            message = "no CUDA device: --tiny checks that the script runs"
            raise SystemExit(message)
        return Plan("cuda", options.letters, min(options.part, options.letters), options.rounds, False)
    import importlib.util

    if not Path("/dev/nvidiactl").exists():
        os.environ["TRITON_INTERPRET"] = "1"
    assert importlib.util.find_spec("triton"), "the self-check needs triton"
    return Plan("cpu", 400, 200, 1, True)


def read_codes(genome: Path | None, letters: int) -> tuple[NDArray[np.uint8], str]:
    """Return the codes and what they are."""
    out = np.empty(letters, np.uint8)
    if genome is None:
        rng = np.random.default_rng(0)
        for first in range(0, letters, SLAB):
            out[first : first + SLAB] = rng.integers(0, 4, min(SLAB, letters - first), dtype=np.uint8)
        return out, "random letters, generated"
    from bioconv.sequence.fasta import FastaReader

    chunks = FastaReader(genome, overlap=0, padding=0, block=1 << 24).chunks()
    codes = np.concatenate([chunk.codes[: chunk.size] for chunk in chunks])
    rng = np.random.default_rng(1)
    for first in range(0, letters, len(codes)):
        tile = codes[: letters - first].copy()
        if first:
            places = rng.integers(0, len(tile), int(inputs.MUTATED * len(tile)))
            tile[places] = rng.integers(0, 4, len(places), dtype=np.uint8)
        out[first : first + len(tile)] = tile
    copies = "" if len(codes) >= letters else ", tiled; copies mutated"
    return out, f"{genome.name}, {len(codes):,} letters{copies}"


def losses_of(motifs: list | None, count: int | None) -> tuple[list[NDArray[np.int32]], list[int]]:
    """Return losses and budgets of the motifs; generated ones for the self-check."""
    if motifs is None:
        from bioconv.conv.measuring import random_motifs

        matrices, budgets = random_motifs(count or 3)
        return matrices, [2 * budget for budget in budgets]
    from bioconv.sequence.scanning.pvalues import score_tail, scoring_matrix

    chosen = inputs.choose_motifs(motifs, 1) or motifs[:1] if count == 1 else motifs
    matrices = [scoring_matrix(motif.frequencies, motif.sites, background=inputs.UNIFORM) for motif in chosen]
    tails = [score_tail(matrix, inputs.UNIFORM, inputs.P) for matrix in matrices]
    return [matrix.losses for matrix in matrices], [tail.budget for tail in tails]


def motif_rows(codes: NDArray[np.uint8], motifs: list | None, count: int | None, plan: Plan) -> list[list[object]]:
    from bioconv.conv.pwm import MatrixScanner
    from bioconv.conv.pwm_device import DeviceMatrixScanner

    matrices, budgets = losses_of(motifs, count)
    scanner = DeviceMatrixScanner(matrices, budgets, device=plan.device, on_device="triton")
    launches = scanner._launches(None if plan.tiny else codes[: 1 << 22])
    cpu = MatrixScanner(matrices, budgets)
    part = np.concatenate([codes[: plan.part], np.full(cpu.padding, 4, np.uint8)])

    def from_host() -> int:
        slabs = range(0, len(codes), SLAB)
        hits = (
            scanner.on_device.hits(codes, backend="triton", launches=launches, start=a, limit=a + SLAB) for a in slabs
        )
        return sum(len(order) for order, _ in hits)

    tasks: dict[str, tuple[Callable[[], int], int]] = {
        "ours, from the host": (from_host, len(codes)),
        "ours, on the device": (resident(scanner, launches, codes, plan), len(codes)),
        "torch conv1d": (convolution(matrices, budgets, codes[: plan.part], plan), plan.part),
        "CPU, 1 thread": (lambda: len(cpu.hits(part)), plan.part),
    }
    expected = tasks["CPU, 1 thread"][0]()
    found = scanner.on_device.hits(codes[: plan.part], backend="triton", launches=launches)
    assert len(found[0]) == expected, "the device's hits are not the CPU's"
    name = f"{len(matrices):,} motif" + "s" * (len(matrices) != 1)
    return timed_rows(name, tasks, plan, expected / plan.part * 1e6)


def resident(scanner, launches, codes: NDArray[np.uint8], plan: Plan) -> Callable[[], int]:
    """Return the scan of codes that lie on the device, unpacked, in pieces."""
    import torch

    from bioconv.conv.device_scan import PIECE

    scan = scanner.on_device.ready("triton", launches)
    letters = torch.from_numpy(codes).to(plan.device)

    def run() -> int:
        hits = 0
        for first in range(0, len(codes), PIECE):
            piece = letters[first : first + PIECE + scanner.longest - 1]
            owned = min(PIECE, len(codes) - first)
            hits += sum(len(order) for order, _ in scan.finish(piece, owned, scan.begin(piece, owned)))
        return hits

    return run


def convolution(
    matrices: list[NDArray[np.int32]], budgets: list[int], codes: NDArray[np.uint8], plan: Plan, chunk: int = 1 << 17
) -> Callable[[], int]:
    """Return what one would write in torch: one-hot letters, one convolution per length, both strands, a threshold."""
    import torch
    from torch.nn import functional

    banks = []
    for length in sorted({len(matrix) for matrix in matrices}):
        some = [k for k, matrix in enumerate(matrices) if len(matrix) == length and budgets[k] >= 0]
        strands = [oriented.T for k in some for oriented in (matrices[k], matrices[k][::-1, ::-1])]
        if strands:
            weights = torch.from_numpy(np.stack(strands).astype(np.float32)).to(plan.device)
            limits = torch.tensor([budgets[k] for k in some for _ in "+-"], dtype=torch.float32, device=plan.device)
            banks.append((weights, limits[:, None]))
    one_hot = torch.eye(5, device=plan.device)[:, :4] + torch.eye(5, device=plan.device)[:, 4:] * 1e9
    letters = torch.from_numpy(codes).to(plan.device)

    def run() -> int:
        hits = 0
        for first in range(0, len(codes), chunk):
            for weights, limits in banks:
                piece = letters[first : first + chunk + weights.shape[2] - 1].long()
                if len(piece) >= weights.shape[2]:
                    total = functional.conv1d(one_hot[piece].T[None], weights)[0]
                    hits += len(torch.nonzero(total <= limits))
        return hits

    return run


def network_rows(codes: NDArray[np.uint8], plan: Plan) -> list[list[object]]:
    from bioconv.conv import detectors_native, native
    from bioconv.conv.detectors import window_scores
    from bioconv.conv.device_windows import qualifying
    from bioconv.conv.measuring import random_detectors

    detectors = random_detectors()
    grid = (WINDOW, 1, False)
    part = codes[: plan.part]
    scores = detectors.pool_strands(window_scores(part[:200_000], detectors, window=WINDOW, padded=False))
    threshold = float(np.quantile(scores, 1 - inputs.P))

    def on_device(some: NDArray[np.uint8], backend: str) -> int:
        slabs = (some[first : first + SLAB + WINDOW - 1] for first in range(0, len(some), SLAB))
        return sum(
            len(qualifying(s, detectors, grid, threshold, device=plan.device, backend=backend)[0]) for s in slabs
        )

    def on_cpu() -> int:
        if native.kernels() is None:
            return len(window_scores(part, detectors, window=WINDOW, padded=False))
        return len(detectors_native.scores(part, detectors, grid))

    tasks: dict[str, tuple[Callable[[], int], int]] = {
        "ours, from the host": (lambda: on_device(codes, "triton"), len(codes)),
        "torch, one convolution for all windows": (lambda: on_device(part, "torch"), plan.part),
        "CPU, 1 thread": (on_cpu, plan.part),
    }
    return timed_rows("DeepBind network, 16 x 24", tasks, plan, 1e6)


def timed_rows(
    name: str, tasks: dict[str, tuple[Callable[[], int], int]], plan: Plan, rate: float
) -> list[list[object]]:
    import torch

    def waited(run: Callable[[], int]) -> Callable[[], int]:
        def work() -> int:
            result = run()
            if plan.device != "cpu":
                torch.cuda.synchronize()
            return result

        return work

    seconds = timing.interleave({what: waited(run) for what, (run, _) in tasks.items()}, plan.rounds)
    scaled = {what: [value * plan.letters / tasks[what][1] for value in values] for what, values in seconds.items()}
    ours = scaled["ours, from the host"]
    return list(_rows(name, tasks, scaled, ours, rate))


def _rows(name: str, tasks: dict, scaled: dict, ours: list[float], rate: float) -> Iterator[list[object]]:
    for what, values in scaled.items():
        ratio = "" if values is ours else timing.shown_ratio(values, ours)
        yield [name, what, f"{tasks[what][1]:,}", timing.shown_seconds(values), ratio, f"{rate:,.0f}"]


def device_line(device: str) -> str:
    import torch

    from bioconv.conv.functional import device_title
    from bioconv.conv.measurements import installed

    return f"{device_title(device)}, torch {torch.__version__}, triton {installed('triton')}"


if __name__ == "__main__":
    main()
