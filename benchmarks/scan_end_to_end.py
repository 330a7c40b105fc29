"""From a FASTA file to a TSV file: whole programs, start, set-up, scan, p-values and output included.

Claimed: with 100 motifs and 46 million bases `bioconv scan` is at least 3 times as fast as the fastest program
one would write with lightmotif, MOODS or memelite (in `peers/`), on one thread. On one bacterial genome starting
Python and NumPy takes most of bioconv's time: the advantage is smaller there, and with a single motif programs
that need no NumPy are faster.

bioconv does more than the peers' programs: it also computes q-values (which needs all hits before the first
line is written), sorts the hits by place and writes the file whole or not at all. MOODS has no p-values and
memelite returns no matched letters: those columns stay empty. Thresholds are each tool's own.

Run: python benchmarks/scan_end_to_end.py [--genome FILE] [--rounds 5] (see README.md)
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import inputs
import timing

HERE = Path(__file__).parent
COPIES = 10
ONE_THREAD = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def programs(folder: Path) -> dict[str, Callable[[], timing.Spent]]:
    """Return the programs, each of which writes a file of its own."""
    bioconv = [sys.executable, "-m", "bioconv", "scan", "--quiet"]
    bioconv += ["-m", str(folder / "motifs.meme"), str(folder / "genome.fa")]
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))

    def scan(name: str, *options: str) -> Callable[[], timing.Spent]:
        return partial(
            timing.run_program,
            [*bioconv, "-o", str(folder / f"{name}.tsv"), *options],
            {**ONE_THREAD, "PYTHONPATH": path},
        )

    def peer(name: str, script: str, motifs: str, threads: int = 1) -> Callable[[], timing.Spent]:
        words = [str(HERE / "peers" / script), str(folder / motifs), str(folder / "genome.fa")]
        command = [sys.executable, *words, str(folder / f"{name}.tsv"), str(inputs.P)]
        return partial(timing.run_program, command, {**ONE_THREAD, "NUMBA_NUM_THREADS": str(threads)})

    return {
        "bioconv": scan("bioconv", "--threads", "1"),
        "bioconv, 2 threads": scan("bioconv, 2 threads", "--threads", "2"),
        "bioconv --stream": scan("bioconv --stream", "--threads", "1", "--stream"),
        "lightmotif": peer("lightmotif", "lightmotif_tsv.py", "motifs.jaspar"),
        "MOODS": peer("MOODS", "moods_tsv.py", "motifs.jaspar"),
        "memelite": peer("memelite", "memelite_tsv.py", "motifs.meme"),
        "memelite, 2 threads": peer("memelite, 2 threads", "memelite_tsv.py", "motifs.meme", 2),
    }


def count_rows(path: Path) -> int:
    with path.open() as stream:
        return sum(not line.startswith("#") for line in stream) - 1


def measure(folder: Path, megabases: float, count: int, rounds: int) -> list[list[str]]:
    motifs = inputs.choose_motifs(inputs.vertebrate_motifs(), count)
    inputs.write_meme(folder / "motifs.meme", motifs)
    inputs.write_jaspar(folder / "motifs.jaspar", motifs)
    spent = timing.interleave_programs(programs(folder), rounds)
    walls = {name: [took.wall for took in runs] for name, runs in spent.items()}
    return [
        [
            f"{megabases:.1f}", str(count), name, timing.shown_seconds(walls[name]),
            f"{statistics.median(took.cpu for took in runs):.3g}",
            timing.shown_ratio(walls[name], walls["bioconv"]),
            f"{count_rows(folder / f'{name}.tsv'):,}",
        ]
        for name, runs in spent.items()
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    inputs.add_genome_option(parser)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    genome = inputs.read_genome(inputs.genome_path(given.genome))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = []
        for copies, counts, rounds in (
            (1, (1, 100, 879), given.rounds),
            (COPIES, (100,), max(3, given.rounds // 2)),
        ):
            with (folder / "genome.fa").open("wb") as stream:
                inputs.write_record(stream, "NC_000913.3", inputs.tiles(genome, copies * len(genome)))
            for count in counts:
                rows += measure(folder, copies * len(genome) / 1e6, count, rounds)
    head = ["million bases", "motifs", "program", "wall s", "CPU s", "times bioconv's wall", "hits"]
    timing.write_report(
        __file__,
        [
            "# From FASTA to TSV\n",
            f"E. coli K-12 ({len(genome):,} bases, plain FASTA), also {COPIES} times over with "
            f"{inputs.MUTATED:.0%} of the bases of every copy but the first drawn anew (seeded); JASPAR "
            f"2024 CORE vertebrates (counts from pyjaspar), both strands, p <= {inputs.P:g}, uniform "
            f"background; whole programs. {timing.machine()}.\n",
            "lightmotif 0.10.1 (MIT), MOODS 1.9.4.1 (GPL-3.0 or Biopython License), memelite 0.5.0 "
            "(MIT): used for this comparison only, one thread unless said otherwise, their programs in "
            "`peers/`. Seconds are medians of interleaved rounds (smallest–largest), ratios medians of "
            "the ratios within a round. memelite's compiled functions are in numba's cache. bioconv "
            "also computes q-values, but for `--stream`; MOODS no p-values.\n",
            timing.table(head, rows),
        ],
    )


if __name__ == "__main__":
    main()
