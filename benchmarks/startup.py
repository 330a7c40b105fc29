"""How long the command takes to show its help, against importing click, which every such command must.

Claimed: help needs neither NumPy nor torch, and scanning with motifs needs no torch.

Run: python benchmarks/startup.py [--rounds 21] (see README.md)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import timing

PATH = os.pathsep.join(filter(None, [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]))
HEAVY = ("numpy", "torch", "scipy", "Bio", "pyfaidx", "pandas", "skimage", "monai", "numpy.ma", "matplotlib")
RUN = """
import sys
from bioconv.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print(*sys.modules, file=sys.stderr)
"""
MOTIF = ">M1\tone\nA [ 0 9 0 9 9 0 0 ]\nC [ 9 0 0 0 0 9 0 ]\nG [ 0 0 9 0 0 0 0 ]\nT [ 0 0 0 0 0 0 9 ]\n"


def imported(*words: str) -> list[str]:
    """Return which heavy modules a command imports."""
    command = [sys.executable, "-c", RUN, *words]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    return [name for name in HEAVY if name in modules]


def measure_modules() -> list[list[str]]:
    with tempfile.TemporaryDirectory() as name:
        motifs, sequences = Path(name, "m.jaspar"), Path(name, "s.fa")
        motifs.write_text(MOTIF)
        sequences.write_text(">a\n" + "ACGTCAAGCAAGCTT" * 50 + "\n")
        commands = {
            "bioconv --help": ["--help"],
            "bioconv scan --help": ["scan", "--help"],
            "bioconv scan, motifs": ["scan", "-m", str(motifs), str(sequences)],
        }
        rows = []
        for title, words in commands.items():
            found = imported(*words)
            rows.append([title, ", ".join(found) or "none", ", ".join(name for name in HEAVY if name not in found)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    commands = {
        "python -c pass": ["-c", "pass"],
        "python -c 'import click'": ["-c", "import click"],
        "python -c 'import numpy'": ["-c", "import numpy"],
        "bioconv --help": ["-m", "bioconv", "--help"],
        "bioconv scan --help": ["-m", "bioconv", "scan", "--help"],
    }
    run = partial(timing.run_program, environment={"PYTHONPATH": PATH})
    programs = {name: partial(run, [sys.executable, *words]) for name, words in commands.items()}
    spent = timing.interleave_programs(programs, given.rounds)
    walls = {name: [1000 * took.wall for took in runs] for name, runs in spent.items()}
    base = walls["python -c 'import click'"]
    rows = [[name, timing.shown_seconds(values), timing.shown_ratio(values, base)] for name, values in walls.items()]
    timing.write_report(
        __file__,
        [
            "# Start\n",
            f"Medians of {given.rounds} interleaved rounds (smallest–largest). {timing.machine()}.\n",
            timing.table(["command", "ms", "times importing click"], rows),
            "\n",
            timing.table(["command", "heavy modules it imports", "not imported"], measure_modules()),
        ],
    )


if __name__ == "__main__":
    main()
