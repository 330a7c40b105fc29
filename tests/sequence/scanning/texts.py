"""Generated sequences for the tests of scanning, and the files they are read from."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def random_text(seed: int, size: int, unknown: float = 0.03) -> str:
    rng = np.random.default_rng(seed)
    text = rng.choice(list("ACGTacgtu"), size)
    text[rng.random(size) < unknown] = "N"
    return "".join(text)


def write_fasta(path: Path, sequences: dict[str, str], wrap: int = 50) -> Path:
    text = "".join(
        f">{name}\n" + "".join(f"{letters[k : k + wrap]}\n" for k in range(0, len(letters), wrap))
        for name, letters in sequences.items()
    )
    path.write_text(text)
    return path
