"""How fast are the scores of all windows, against scoring window by window, and are they the same?

    python benchmarks/deepbind_windows.py genome.fna.gz [--scorer PROGRAM --model PARAMS]

Compares, on one thread and on real sequence, a batched window-by-window torch computation (what a careful
user writes), the torch path (one convolution for all windows) and the compiled kernels. Every round runs all
of them in turn, in one process, so that a busy machine slows them alike; reported are medians of the rounds'
ratios. With --scorer, the published DeepBind program (github.com/kundajelab/deepbind,
src/deepbind.c; its folder holds db/params), or a C program with its scoring loops, is timed too, on records of 9,999
bases, the most it takes, beside the compiled kernels in the same mode: padded windows of one detector's length, the
model that --model names.
Writes its table to deepbind_windows.md beside this file.
"""

from __future__ import annotations

import argparse
import gzip
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from bioconv.conv.detectors import Detectors, window_scores
from bioconv.conv.reference_detectors import LETTERS
from bioconv.sequence.deepbind import read_published

WINDOW, COUNT, LENGTH = 101, 16, 24
NAIVE_LETTERS = 3000  # the slow one gets a part of the letters; all times are per letter
LETTERS_TORCH = 100_000
LETTERS_NATIVE = 500_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genome", type=Path, help="FASTA, may be gzipped")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--scorer", type=Path, help="the published DeepBind program, or one with its loops, to be timed as well"
    )
    parser.add_argument("--model", type=Path, help="the parameter file of the model to time it with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    codes = read_codes(options.genome)[1_000_000 : 1_000_000 + LETTERS_NATIVE]
    rows = [measure(codes, *case, options.rounds) for case in cases()]
    text = report(rows, options)
    if options.scorer:
        text += "\n" + time_scorer(options.scorer, options.model, codes)
    print(text)
    Path(__file__).with_suffix(".md").write_text(text)


def cases() -> list[tuple[bool, int, bool]]:
    """Return (padded, hidden units, mean pooling)."""
    return [(padded, hidden, mean) for padded in (False, True) for mean in (False, True) for hidden in (0, 32)]


def read_codes(path: Path) -> np.ndarray:
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    letters = b"".join(line.strip() for line in lines if not line.startswith(b">"))
    table = np.full(256, 4, np.uint8)
    for code, pair in enumerate((b"Aa", b"Cc", b"Gg", b"Tt")):
        table[list(pair)] = code
    return table[np.frombuffer(letters, np.uint8)]


def random_detectors(hidden: int, mean: bool) -> Detectors:
    rng = np.random.default_rng(0)
    features = COUNT * (2 if mean else 1)
    return Detectors(
        filters=rng.normal(size=(COUNT, 4, LENGTH)) / 3,
        thresholds=rng.normal(size=COUNT) - 1,
        average_pooling=mean,
        weights1=rng.normal(size=(features, hidden or 1)) / 4,
        biases1=rng.normal(size=hidden or 1),
        weights2=rng.normal(size=hidden) / 4 if hidden else None,
        bias2=0.0,
        reverse_complement=True,
    )


@torch.inference_mode()
def naive_scores(codes: np.ndarray, detectors: Detectors, padded: bool, batch: int = 512) -> np.ndarray:
    """Score batches of windows, each on its own: the network's definition, as one would train it."""
    letters = torch.from_numpy(LETTERS.astype(np.float32)[codes].T.copy())
    windows = letters.unfold(1, WINDOW, 1).transpose(0, 1)
    filters, thresholds = torch.from_numpy(detectors.filters), torch.from_numpy(detectors.thresholds)
    weights1, biases1 = torch.from_numpy(detectors.weights1), torch.from_numpy(detectors.biases1)
    weights2 = None if detectors.weights2 is None else torch.from_numpy(detectors.weights2)
    parts = []
    for first in range(0, len(windows), batch):
        some = windows[first : first + batch]
        strands = []
        for strand in (some, some.flip(1, 2)):
            padding = (LENGTH - 1,) * 2 if padded else (0, 0)
            values = functional.conv1d(functional.pad(strand, padding, value=0.25), filters, thresholds).relu()
            pooled = values.amax(2)
            if detectors.average_pooling:
                pooled = torch.stack([pooled, values.mean(2)], dim=2).flatten(1)
            hidden = pooled @ weights1 + biases1
            strands.append(hidden[:, 0] if weights2 is None else hidden.relu() @ weights2)
        parts.append(torch.stack(strands, dim=1))
    return torch.cat(parts).numpy()


def measure(codes: np.ndarray, padded: bool, hidden: int, mean: bool, rounds: int) -> dict[str, object]:
    detectors = random_detectors(hidden, mean)

    def fast(backend: str, letters: int) -> np.ndarray:
        return window_scores(codes[:letters], detectors, window=WINDOW, padded=padded, backend=backend)

    runs = {
        "naive": lambda: naive_scores(codes[:NAIVE_LETTERS], detectors, padded),
        "torch": lambda: fast("torch", LETTERS_TORCH),
        "native": lambda: fast("native", LETTERS_NATIVE),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    results = {name: run() for name, run in runs.items()}  # also warms up
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            count = len(run())
            seconds[name].append((time.process_time() - start) / count * 1e6)
    naive = results["naive"]
    scale = np.abs(naive).max()
    ratio = {name: np.median(np.divide(seconds["naive"], seconds[name])) for name in runs}
    differ = {name: np.abs(results[name][: len(naive)] - naive).max() / scale for name in runs}
    low, high = np.quantile(np.divide(seconds["naive"], seconds["native"]), [0, 1])
    return {
        "padded": padded,
        "hidden": hidden,
        "mean": mean,
        "seconds": {k: np.median(v) for k, v in seconds.items()},
        "ratio": ratio,
        "differ": differ,
        "range": (low, high),
    }


def report(rows: list[dict], options: argparse.Namespace) -> str:
    lines = [
        "# Scores of all windows: DeepBind networks",
        "",
        f"{COUNT} detectors of {LENGTH} letters, windows of {WINDOW}, both strands, real sequence "
        f"({options.genome.name}), random weights, one thread, float32.",
        f"Medians of {options.rounds} interleaved rounds, processor time per million windows; "
        "ratios are to the window-by-window computation in batches of 512. "
        "Largest difference relative to the largest score.",
        f"{platform.machine()}, torch {torch.__version__}, numpy {np.__version__}.",
        "",
        "| windows | pooling | head | window by window s | torch s | native s | torch ratio | native ratio "
        "(lowest, highest) | torch differs | native differs |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        seconds, ratio, differ = row["seconds"], row["ratio"], row["differ"]
        low, high = row["range"]
        lines.append(
            f"| {'padded' if row['padded'] else 'complete'} | {'max, mean' if row['mean'] else 'max'} "
            f"| {row['hidden'] or 'linear'} | {seconds['naive']:.1f} | {seconds['torch']:.3f} "
            f"| {seconds['native']:.4f} | {ratio['torch']:.0f} "
            f"| {ratio['native']:.0f} ({low:.0f}, {high:.0f}) "
            f"| {differ['torch']:.1e} | {differ['native']:.1e} |"
        )
    return "\n".join(lines) + "\n"


def time_scorer(program: Path, model: Path, codes: np.ndarray) -> str:
    """Time the published program on ten records, and the kernels on the same windows."""
    detectors = read_published(model)
    records = codes[:99_990].reshape(10, 9_999)
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder) / "records.fa"
        fasta.write_bytes(b"".join(b">r\n%s\n" % bytes(b"ACGTN"[code] for code in record) for record in records))
        start = time.perf_counter()
        done = subprocess.run(
            [program.resolve(), model.stem, fasta], cwd=program.parent, check=True, capture_output=True, text=True
        )
        theirs = time.perf_counter() - start
    start = time.perf_counter()
    for record in records:
        window_scores(record, detectors, window=detectors.length, padded=True, backend="native")
    ours = time.perf_counter() - start
    windows = len(records) * (records.shape[1] - detectors.length + 1)
    # The copy of the program that is timed scores the last window too, unlike the first release.
    all_windows = [window_scores(r, detectors, window=detectors.length, padded=True).max() for r in records]
    differ = np.abs(np.array([float(line) for line in done.stdout.split()[1:]]) - all_windows).max()
    return (
        "A C program with the scoring loops of the published scorer (gcc -O3, a main of its own), "
        f"{model.stem} ({detectors.count} detectors of {detectors.length} letters, "
        f"{len(detectors.biases1)} hidden units, padded windows of {detectors.length}, both strands), {len(records)} "
        f"records of 9,999 bases: {theirs / windows * 1e6:.1f} s per million windows, the compiled kernels "
        f"{ours / windows * 1e6:.3f} s: {theirs / ours:.0f} times as fast; "
        f"record scores differ by at most {differ:.1e}.\n"
    )


if __name__ == "__main__":
    main()
