"""How fast the scan itself is, against lightmotif, MOODS, memelite and Biopython.

Claimed: on one core, both strands, p <= 1e-4, bioconv scans E. coli at least 5 times as fast as lightmotif
with 1 motif, 10 times with 100, 15 times with all of JASPAR 2024 CORE vertebrates that can reach that p;
two threads are at least 1.7 times as fast as one; the cost is linear in the length.

Every tool gets the same matrices (bioconv's scores in whole grid steps, so that no tool rounds) and the
same thresholds, and a sequence in the form it scans; what is timed is the scan and the making of the hits
in the tool's own type: an array for bioconv, `Hit` objects for lightmotif, `match` objects for MOODS,
DataFrames for memelite. memelite takes no thresholds: it uses its own, from 0.1-bit score bins. Its tables
are made before the clock starts, and its hits differ in number for that reason. bioconv is also timed with
its plan (the lookup tables built once per scan) included.

Run: python benchmarks/scan_peers.py [--genome FILE] [--rounds 7] (see README.md)
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import inputs
import memelite  # noqa: F401 - loads the module memelite.fimo, which a function of that name hides
import MOODS.scan
import numpy as np
import timing
from Bio.motifs.matrix import PositionSpecificScoringMatrix
from lightmotif import Scanner, ScoringMatrix, stripe
from numpy.typing import NDArray

from bioconv.conv.pwm import MatrixScanner
from bioconv.sequence.fasta import encode
from bioconv.sequence.motifs import Motif
from bioconv.sequence.scanning.pvalues import score_tail, scoring_matrix

RANGE = 1 << 20
BIOPYTHON_SLICE = 100_000


@dataclass(frozen=True)
class Task:
    """Matrices and thresholds that all tools share: scores in grid steps, hit where score >= threshold."""

    motifs: list[Motif]
    scores: list[NDArray[np.int64]]
    thresholds: list[int]
    losses: list[NDArray[np.int32]]
    budgets: list[int]


def prepare(motifs: Sequence[Motif]) -> Task:
    """Score the motifs, and leave out those that cannot reach the threshold."""
    task = Task([], [], [], [], [])
    for motif in motifs:
        matrix = scoring_matrix(motif.frequencies, motif.sites, background=inputs.UNIFORM)
        budget = score_tail(matrix, inputs.UNIFORM, inputs.P).budget
        if budget < 0:
            continue
        # A share of the best score for each column; how it is shared out changes no total.
        best = np.full(len(matrix.losses), matrix.best // len(matrix.losses))
        best[0] += matrix.best - best.sum()
        task.motifs.append(motif)
        task.scores.append(best[:, None] - matrix.losses)
        task.thresholds.append(matrix.best - budget)
        task.losses.append(matrix.losses)
        task.budgets.append(budget)
    return task


# ---- the tools: each takes the task and the genome, and returns a function that returns all hits


def scan_ranges(scanner: MatrixScanner, codes: NDArray[np.uint8], threads: int) -> list[NDArray[np.void]]:
    """Scan range by range, as a whole scan does, so that the threads share the work."""
    starts = range(0, len(codes) - scanner.padding, RANGE)

    def scan(start: int) -> NDArray[np.void]:
        return scanner.hits(codes, start=start, limit=start + RANGE)

    if threads == 1:
        return list(map(scan, starts))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(scan, starts))


def padded(codes: NDArray[np.uint8], scanner: MatrixScanner) -> NDArray[np.uint8]:
    return np.concatenate([codes, np.full(scanner.padding, 4, np.uint8)])


def bioconv_scan(task: Task, genome: str) -> Callable[[], NDArray[np.void]]:
    scanner = MatrixScanner(task.losses, task.budgets)
    codes = padded(encode(genome), scanner)
    return lambda: scanner.hits(codes)


def bioconv_with_plan(task: Task, genome: str) -> Callable[[], NDArray[np.void]]:
    codes = padded(encode(genome), MatrixScanner(task.losses, task.budgets))
    return lambda: MatrixScanner(task.losses, task.budgets).hits(codes)


def lightmotif_scan(task: Task, genome: str) -> Callable[[], list[list[Any]]]:
    sequence = stripe(genome)
    pairs = []
    for scores, threshold in zip(task.scores, task.thresholds, strict=True):
        pssm = ScoringMatrix({base: scores[:, k].astype(float).tolist() for k, base in enumerate("ACGT")})
        pairs += [(pssm, float(threshold)), (pssm.reverse_complement(), float(threshold))]
    return lambda: [list(Scanner(pssm, sequence, threshold=threshold)) for pssm, threshold in pairs]


def moods_scan(task: Task, genome: str) -> Callable[[], Any]:
    matrices, thresholds = [], []
    for scores, threshold in zip(task.scores, task.thresholds, strict=True):
        for oriented in (scores, scores[::-1, ::-1]):
            matrices.append(tuple(map(tuple, oriented.T.astype(float).tolist())))
            thresholds.append(float(threshold))
    scanner = MOODS.scan.Scanner(7)
    scanner.set_motifs(matrices, [0.25] * 4, thresholds)
    return lambda: scanner.scan(genome)


def memelite_scan(task: Task, genome: str) -> Callable[[], Any]:
    """Take the tables for its thresholds out of the timing by remembering them."""
    eps = 1e-4
    motifs = {}
    for motif in task.motifs:
        total = motif.sites + 0.1
        motifs[motif.name] = np.maximum((motif.frequencies * motif.sites + 0.1 * 0.25) / total - eps, 0).T.copy()
    one_hot = np.zeros((1, 4, len(genome)), dtype=np.int8)
    one_hot[0, encode(genome), np.arange(len(genome))] = 1
    fimo = sys.modules["memelite.fimo"]
    make_tables = fimo._pvalue_tables
    kept: list[Any] = []

    def remembered(*given: Any) -> Any:
        if not kept:
            kept.append(make_tables(*given))
        return kept[0]

    def scan() -> Any:
        fimo._pvalue_tables = remembered
        try:
            return fimo.fimo(motifs, one_hot)
        finally:
            fimo._pvalue_tables = make_tables

    return scan


def biopython_scan(task: Task, genome: str) -> Callable[[], Any]:
    pssms = [
        PositionSpecificScoringMatrix(
            "ACGT", {base: scores[:, k].astype(float).tolist() for k, base in enumerate("ACGT")}
        )
        for scores in task.scores
    ]
    thresholds = [float(threshold) for threshold in task.thresholds]
    return lambda: [list(pssm.search(genome, threshold)) for pssm, threshold in zip(pssms, thresholds, strict=True)]


# ---- hits as sets

Place = tuple[int, int]
"""(2 * motif + strand, window start)."""


def places_of_bioconv(hits: NDArray[np.void]) -> set[Place]:
    return set(zip(hits["key"].tolist(), hits["position"].tolist(), strict=True))


def places_of_lists(lists: Any, position: str) -> set[Place]:
    return {(key, getattr(hit, position)) for key, hits in enumerate(lists) for hit in hits}


def compare_hits(tasks: dict[str, Callable[[], Any]]) -> dict[str, str]:
    """Return what to say of each tool's hits."""
    ours = places_of_bioconv(tasks["bioconv"]())
    said = {"bioconv": f"{len(ours):,}"}
    for name, position in (("lightmotif", "position"), ("MOODS", "pos")):
        theirs = places_of_lists(tasks[name](), position)
        missing, extra = len(ours - theirs), len(theirs - ours)
        said[name] = "the same" if not missing and not extra else f"{missing:,} missing, {extra:,} more"
    frames = tasks["memelite"]()
    said["memelite"] = f"{sum(map(len, frames)):,} (own thresholds)"
    return said


# ---- the measurements


def measure_peers(motifs: Sequence[Motif], genome: str, rounds: int) -> list[list[str]]:
    rows = []
    for count in (1, 100, len(motifs)):
        task = prepare(inputs.choose_motifs(motifs, count))
        makers = {
            "bioconv": bioconv_scan,
            "bioconv, plan included": bioconv_with_plan,
            "lightmotif": lightmotif_scan,
            "MOODS": moods_scan,
            "memelite": memelite_scan,
        }
        tasks = {name: make(task, genome) for name, make in makers.items()}
        said = compare_hits(tasks)
        seconds = timing.interleave(tasks, max(3, rounds // 2) if count > 100 else rounds)
        title = f"{len(task.motifs)} of {count}"
        for name, values in seconds.items():
            rows.append(
                [
                    title, name, timing.shown_seconds(values), timing.shown_ratio(values, seconds["bioconv"]),
                    timing.shown_ratio(seconds["lightmotif"], values), said.get(name, ""),
                ]
            )  # fmt: skip
        if count <= 100:
            rows.append(measure_biopython(task, title, genome, count))
    return rows


def measure_biopython(task: Task, title: str, genome: str, count: int) -> list[str]:
    """Biopython is slow: with 100 motifs on a slice of the genome, beside bioconv on the same slice."""
    part = genome if count == 1 else genome[:BIOPYTHON_SLICE]
    seconds = timing.interleave({"bioconv": bioconv_scan(task, part), "Biopython": biopython_scan(task, part)}, 3)
    name = "Biopython" if count == 1 else f"Biopython, first {len(part):,} bases only"
    hits = sum(map(len, biopython_scan(task, part)()))
    ours = len(bioconv_scan(task, part)())
    agree = "the same number" if hits == ours else f"{hits:,}; bioconv {ours:,}"
    return [
        title, name, timing.shown_seconds(seconds["Biopython"]),
        timing.shown_ratio(seconds["Biopython"], seconds["bioconv"]), "", agree,
    ]  # fmt: skip


def measure_threads(motifs: Sequence[Motif], genome: str, rounds: int) -> list[list[str]]:
    rows = []
    for count in (1, 100, len(motifs)):
        task = prepare(inputs.choose_motifs(motifs, count))
        scanner = MatrixScanner(task.losses, task.budgets)
        codes = padded(np.concatenate(list(inputs.tiles(genome, 4 * len(genome)))), scanner)
        threads = {n: lambda n=n, s=scanner, c=codes: scan_ranges(s, c, n) for n in (1, 2)}
        seconds = timing.interleave({str(n): run for n, run in threads.items()}, rounds)
        same = all(map(np.array_equal, threads[1](), threads[2]()))
        rows.append(
            [
                f"{len(task.motifs)} of {count}", *map(timing.shown_seconds, seconds.values()),
                timing.shown_ratio(seconds["1"], seconds["2"]), "yes" if same else "NO",
            ]
        )  # fmt: skip
    return rows


def measure_length(motifs: Sequence[Motif], genome: str, rounds: int) -> list[list[str]]:
    rows = []
    for count in (1, 100):
        task = prepare(inputs.choose_motifs(motifs, count))
        scanner = MatrixScanner(task.losses, task.budgets)
        whole = np.concatenate(list(inputs.tiles(genome, 50_000_000)))
        runs: dict[str, Callable[[], object]] = {
            str(length): partial(scan_ranges, scanner, padded(whole[: length * 1_000_000], scanner), 1)
            for length in (1, 2, 5, 10, 20, 50)
        }
        for length, values in timing.interleave(runs, rounds).items():
            middle = statistics.median(values)
            rows.append(
                [
                    f"{len(task.motifs)} of {count}",
                    length,
                    f"{middle:.4g}",
                    f"{1000 * middle / int(length):.3f}",
                ]
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    inputs.add_genome_option(parser)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    genome = inputs.read_genome(inputs.genome_path(given.genome))
    motifs = inputs.vertebrate_motifs()
    peers = measure_peers(motifs, genome, given.rounds)
    threads = measure_threads(motifs, genome, given.rounds)
    lengths = measure_length(motifs, genome, max(3, given.rounds // 2))
    timing.write_report(
        __file__,
        [
            "# The scan itself\n",
            f"E. coli K-12 ({len(genome):,} bases), JASPAR 2024 CORE vertebrates (counts from "
            f"pyjaspar), both strands, p <= {inputs.P:g}, uniform background, one thread. "
            f"{timing.machine()}.\n",
            "lightmotif 0.10.1 (MIT), MOODS 1.9.4.1 (GPL-3.0 or Biopython License), memelite 0.5.0 "
            "(MIT), Biopython 1.88; used for this comparison only. Seconds are medians of interleaved "
            "rounds (smallest–largest); ratios are medians of the ratios within a round. Motifs: how "
            "many can reach the threshold, of how many chosen (1: CTCF, MA0139; 100: evenly spaced by "
            "identifier).\n",
            timing.table(["motifs", "tool", "seconds", "times bioconv's time", "speed over lightmotif", "hits"], peers),
            "\n## Two threads\n",
            f"The genome four times over, three of them with {inputs.MUTATED:.0%} of the bases drawn anew (seeded).\n",
            timing.table(["motifs", "1 thread, s", "2 threads, s", "speed-up", "same hits"], threads),
            "\n## Length\n",
            "The genome tiled to 50 million bases, tiles after the first mutated likewise; beginnings of it.\n",
            timing.table(["motifs", "million bases", "seconds", "ms per million bases"], lengths),
        ],
    )


if __name__ == "__main__":
    main()
