"""Interleaved timing, medians with their range, and the tables they are written to."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Seconds = dict[str, list[float]]


def interleave(tasks: Mapping[str, Callable[[], object]], rounds: int) -> Seconds:
    """Run every task once per round, after one unrecorded round; return the wall seconds of each round."""
    seconds: Seconds = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            begin = time.perf_counter()
            task()
            if number:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


@dataclass(frozen=True)
class Spent:
    """What a program took: wall and processor seconds, and its largest resident set in MB (10^6 bytes)."""

    wall: float
    cpu: float
    peak: float


def run_program(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Spent:
    """Run a program to its end; its stderr is shown only if it fails."""
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=said, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            message = f"{' '.join(command)}: exit {process.returncode}\n{said.read().decode()}"
            raise SystemExit(message)
    scale = 1 if platform.system() == "Darwin" else 1024
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 1e6)


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
    """Return processor, Python, and how busy the machine was: the load says whether the figures can be trusted."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0] if models else name
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{name}, {os.cpu_count()} cores; {platform.python_implementation()} {platform.python_version()}; load {load}"
    )


def write_report(script: str, parts: Sequence[str]) -> None:
    """Write the Markdown file beside the script, and show it."""
    text = "\n".join(part.rstrip() + "\n" for part in parts)
    Path(script).with_suffix(".md").write_text(text)
    print(text)
