"""Small sequences with a planted motif, written to files: what the tests of training train on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

MOTIF = "TGACTCAG"
SMALL = (
    *("--epochs", "3", "--per-epoch", "200", "--detectors", "4", "--detector-length", "8", "--hidden", "8"),
    *("--warmup-steps", "5", "--learning-rate", "0.03", "--dropout", "0", "--threads", "1"),
)
"""Options of a training of a second that finds the motif."""


def reverse_complement(letters: str) -> str:
    return letters[::-1].translate(str.maketrans("ACGT", "TGCA"))


def draw(count: int, *, seed: int = 0, length: int = 40, planted: bool = True) -> list[str]:
    rng = np.random.default_rng(seed)
    sequences = []
    for _ in range(count):
        letters = "".join(rng.choice(list("ACGT"), length))
        start = int(rng.integers(0, length - len(MOTIF) + 1))
        motif = MOTIF if rng.random() < 0.5 else reverse_complement(MOTIF)
        sequences.append(letters[:start] + motif + letters[start + len(motif) :] if planted else letters)
    return sequences


def write_fasta(path: Path, sequences: Iterable[str], name: str = "s") -> Path:
    path.write_text("".join(f">{name}{number}\n{letters}\n" for number, letters in enumerate(sequences)))
    return path


def write_table(path: Path, sequences: Iterable[str], labels: Iterable[float], name: str = "s") -> Path:
    rows = [f"{name}{n},{letters},{label:g}" for n, (letters, label) in enumerate(zip(sequences, labels, strict=True))]
    path.write_text("\n".join(["name,sequence,label", *rows, ""]))
    return path
