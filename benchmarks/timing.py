"""Interleaved timing, medians with their range, and the tables they are written to."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Seconds = dict[str, list[float]]
_LOAD = os.getloadavg()[0]


def interleave(
    tasks: Mapping[str, Callable[[], object]], rounds: int, *, clock: Callable[[], float] = time.perf_counter
) -> Seconds:
    """Run every task once per round, after one unrecorded round; return the seconds, of the wall clock by default."""
    seconds: Seconds = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            begin = clock()
            task()
            if number:
                seconds[name].append(clock() - begin)
    return seconds


@dataclass(frozen=True)
class Spent:
    """What a program took: wall and processor seconds, and its largest resident set in MB (10^6 bytes)."""

    wall: float
    cpu: float
    peak: float


# A small process starts it: the largest resident set of a program begins with that of its starter.
_LAUNCHER = """
import os, sys, time
begin = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as said:
    print(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=said)
sys.exit(status != 0)
"""


def run_program(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Spent:
    """Run a program (its path and arguments) to its end; its stderr is shown only if it fails."""
    # Python may keep its bytecode, as it does for an installed package.
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})}
    with tempfile.NamedTemporaryFile("r") as said:
        launcher = [sys.executable, "-S", "-c", _LAUNCHER, said.name, *command]
        done = subprocess.run(launcher, env=variables, capture_output=True, text=True)
        if done.returncode:
            message = f"{' '.join(command)} failed:\n{done.stderr}"
            raise SystemExit(message)
        wall, cpu, peak = map(float, said.read().split())
    return Spent(wall, cpu, peak * (1 if platform.system() == "Darwin" else 1024) / 1e6)


def interleave_programs(programs: Mapping[str, Callable[[], Spent]], rounds: int) -> dict[str, list[Spent]]:
    """Run every program once per round, after one unrecorded round (which also fills the disk's cache)."""
    spent: dict[str, list[Spent]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, program in programs.items():
            took = program()
            if number:
                spent[name].append(took)
    return spent


def ratio(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float, float]:
    """Return median, smallest and largest of the ratios within a round."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def shown_ratio(slow: Sequence[float], fast: Sequence[float]) -> str:
    middle, low, high = ratio(slow, fast)
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def shown_seconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.4g} ({min(values):.4g}–{max(values):.4g})"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def machine() -> str:
    """Return processor, Python, and the load before the script began: how far the figures can be trusted."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{name}, {os.cpu_count()} cores; {python}; load {_LOAD:.1f} at the start"


def write_report(script: str, parts: Sequence[str]) -> None:
    """Write the Markdown file beside the script, and show it."""
    text = "\n".join(part.rstrip() + "\n" for part in parts)
    Path(script).with_suffix(".md").write_text(text)
    print(text)
