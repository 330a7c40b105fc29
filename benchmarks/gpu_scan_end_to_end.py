"""From a genome's FASTA file to a file of hits with `bioconv scan --device cuda`, as whole programs.

1 and 100 motifs at p <= 1e-4, all motifs at 1e-6 (all at 1e-4 would be some 6e8 rows), on the GPU and on the CPU with
all its threads, beside the time that reading the file and encoding it takes alone: what a scan cannot be faster than.

Run: python benchmarks/gpu_scan_end_to_end.py genome.fa [--motifs FILE] [--rounds 3]; unpack the genome first, as gzip
is read at the speed of gzip. --tiny checks that the script runs, on any machine and on the CPU alone; its figures mean
nothing and are not written.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import inputs
import numpy as np
import timing

HERE = Path(__file__).parent
READ = """
import sys
from bioconv.sequence.fasta import FastaReader
print(sum(chunk.limit for chunk in FastaReader(sys.argv[1], overlap=0, padding=0, block=1 << 24).chunks()))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genome", type=Path, nargs="?", help="FASTA")
    parser.add_argument("--motifs", default=inputs.MOTIFS, help="motif file; default: JASPAR 2024 CORE vertebrates")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="check that the script runs")
    options = parser.parse_args()
    if options.genome is None and not options.tiny:
        parser.error("give a genome, or --tiny")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options, Path(folder))
    about = [
        "# A genome from file to file on a GPU",
        f"{'generated' if options.tiny else options.genome.name}; medians of {options.rounds} rounds with their range.",
        timing.machine(),
        timing.table(["motifs", "p", "program", "wall s", "peak MB", "rows"], rows),
    ]
    if options.tiny:
        print("\n".join(about), "\nself-check only: these figures mean nothing")
    else:
        timing.write_report(__file__, about)


def measure(options: argparse.Namespace, folder: Path) -> list[list[object]]:
    genome, motifs, rounds = options.genome, None, options.rounds
    devices = ["cuda", "cpu"]
    if options.tiny:
        genome, rounds, devices = folder / "tiny.fa", 1, ["cpu"]
        rng = np.random.default_rng(0)
        with genome.open("wb") as stream:
            inputs.write_record(stream, "tiny", [rng.integers(0, 4, 20_000, dtype=np.uint8)])
        motifs = tiny_motifs(rng)
    motifs = motifs or inputs.read_motifs(options.motifs)
    rows = []
    for count, p in ((1, 1e-4), (100, 1e-4), (len(motifs), 1e-6)):
        chosen = (inputs.choose_motifs(motifs, count) or motifs[:1]) if count < len(motifs) else motifs
        inputs.write_meme(folder / "motifs.meme", chosen)
        rows += measure_motifs(genome, folder, (len(chosen), p), devices, rounds)
    return rows


def tiny_motifs(rng: np.random.Generator) -> list[inputs.Motif]:
    return [inputs.Motif(f"m{k}", "", rng.dirichlet(np.full(4, 0.3), 12), 40.0, "generated") for k in range(3)]


def measure_motifs(
    genome: Path, folder: Path, case: tuple[int, float], devices: list[str], rounds: int
) -> list[list[object]]:
    count, p = case
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    run = partial(timing.run_program, environment={"PYTHONPATH": path})
    programs = {"reading alone": partial(run, [sys.executable, "-c", READ, str(genome)])}
    for device in devices:
        words = ["scan", "--quiet", "-m", str(folder / "motifs.meme"), str(genome), "-p", f"{p:g}", "--device", device]
        words += ["-o", str(folder / f"{device}.tsv")]
        programs[f"bioconv --device {device}"] = partial(run, [sys.executable, "-m", "bioconv", *words])
    spent = timing.interleave_programs(programs, rounds)
    tables = [rows_of(folder / f"{device}.tsv") for device in devices]
    assert all(table == tables[0] for table in tables), "the rows of the devices differ"
    return [
        [
            count, f"{p:g}", name, timing.shown_seconds([took.wall for took in runs]),
            f"{max(took.peak for took in runs):,.0f}", "" if name == "reading alone" else f"{tables[0][0]:,}",
        ]
        for name, runs in spent.items()
    ]  # fmt: skip


def rows_of(path: Path) -> tuple[int, int]:
    """Return how many rows there are, and a checksum of all below the `#` line."""
    import zlib

    count, checksum = -1, 0
    with path.open("rb") as stream:
        for line in stream:
            if not line.startswith(b"#"):
                count, checksum = count + 1, zlib.crc32(line, checksum)
    return count, checksum


if __name__ == "__main__":
    main()
