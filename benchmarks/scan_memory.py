"""How much memory `bioconv scan` needs for a FASTA of 1 GB: 100 motifs, default options (so with q-values).

Claimed: at most 400 MB resident, whatever the number of threads.

The file is E. coli's genome over and over, 5 % of the bases of every copy but the first drawn anew
(seeded), cut into seven records, one of 250 million bases, 60 letters a line. It needs 1 GB in the
temporary folder (TMPDIR), the scan's own temporary file and its output some more: about 5 GB in all.

Run: python benchmarks/scan_memory.py [--genome FILE] [--megabases 1000] (see README.md)
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import inputs
import timing

HERE = Path(__file__).parent
SHARES = (0.25, 0.2, 0.18, 0.15, 0.12, 0.07, 0.03)


def write_records(path: Path, genome: str, length: int) -> None:
    with path.open("wb") as stream:
        for number, share in enumerate(SHARES, 1):
            inputs.write_record(stream, f"record{number}", inputs.tiles(genome, int(share * length), seed=number))


class DiskWatch:
    """The most by which the use of a folder's disk grows, seen twice a second."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._stop, self.most = folder, threading.Event(), 0
        self._start = self._used()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _used(self) -> int:
        disk = os.statvfs(self._folder)
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self.most = max(self.most, self._used() - self._start)

    def end(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.most


def measure(folder: Path, threads: int) -> list[str]:
    output = folder / "hits.tsv"
    command = [
        sys.executable,
        "-m",
        "bioconv",
        "scan",
        "--quiet",
        "--threads",
        str(threads),
        "-o",
        str(output),
    ]
    command += ["-m", str(folder / "motifs.meme"), str(folder / "large.fa")]
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    watch = DiskWatch(folder)
    took = timing.run_program(command, {"PYTHONPATH": path, "TMPDIR": str(folder)})
    disk = watch.end()
    size = output.stat().st_size
    with output.open("rb") as stream:
        hits = sum(1 for _ in stream) - 2
    output.unlink()
    time.sleep(1)  # until the disk has freed it
    return [
        str(threads), f"{took.peak:.0f}", f"{took.wall:.1f}", f"{took.cpu:.1f}", f"{hits:,}",
        f"{size / 1e6:,.0f}", f"{max(0, disk - size) / 1e6:,.0f}",
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    inputs.add_genome_option(parser)
    parser.add_argument("--megabases", type=int, default=1000)
    given = parser.parse_args(arguments)
    genome = inputs.read_genome(inputs.genome_path(given.genome))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs.write_meme(folder / "motifs.meme", inputs.choose_motifs(inputs.vertebrate_motifs(), 100))
        write_records(folder / "large.fa", genome, given.megabases * 1_000_000)
        size = (folder / "large.fa").stat().st_size
        rows = [measure(folder, threads) for threads in (1, 2)]
    timing.write_report(
        __file__,
        [
            "# Memory\n",
            f"A FASTA of {size / 1e9:.2f} GB: E. coli tiled, {inputs.MUTATED:.0%} of the bases of every "
            f"copy but the first drawn anew (seeded), in {len(SHARES)} records, the longest of "
            f"{SHARES[0] * given.megabases:.0f} million bases; 100 motifs of JASPAR 2024 CORE "
            f"vertebrates, p <= {inputs.P:g}, default options. {timing.machine()}.\n",
            "Peak: largest resident set of the process as the kernel counts it. Temporary disk: the "
            "most the disk's use grew during the run, less the output (seen twice a second; other "
            "programs on the disk count too).\n",
            timing.table(["threads", "peak MB", "wall s", "CPU s", "hits", "output MB", "temporary disk MB"], rows),
        ],
    )


if __name__ == "__main__":
    main()
