"""Inputs of the benchmarks: E. coli's genome, JASPAR's motifs, longer sequences made of the genome."""

from __future__ import annotations

import argparse
import gzip
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bioconv.sequence.fasta import encode
from bioconv.sequence.motifs import Motif, read_motifs

GENOME = "GCF_000005845.2_ASM584v2_genomic.fna.gz"
MOTIFS = "jaspar:2024/vertebrates"
P = 1e-4
UNIFORM = np.full(4, 0.25)
LINE = 60
MUTATED = 0.05
"""Share of the bases that differ between a tile and the genome."""


def add_genome_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--genome", type=Path, help=f"{GENOME}; default: genomes/ in the folder BIOCONV_DATA_MIRROR names"
    )


def genome_path(given: Path | None) -> Path:
    path = given or Path(os.environ.get("BIOCONV_DATA_MIRROR", ".")) / "genomes" / GENOME
    if not path.is_file():
        message = f"{path} not found: give --genome, or set BIOCONV_DATA_MIRROR (see benchmarks/README.md)"
        raise SystemExit(message)
    return path


def read_genome(path: Path) -> str:
    """Return the one record's letters, upper case."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return "".join(line for line in data.decode().split("\n") if not line.startswith(">")).upper()


def tiles(genome: str, length: int, *, seed: int = 1) -> Iterator[NDArray[np.uint8]]:
    """Yield copies of the genome as base codes, `length` in all; all but the first are mutated."""
    codes = encode(genome)
    random = np.random.default_rng(seed)
    done = 0
    while done < length:
        tile = codes[: length - done].copy()
        if done:
            places = random.integers(0, len(tile), int(MUTATED * len(tile)))
            tile[places] = random.integers(0, 4, len(places), dtype=np.uint8)
        yield tile
        done += len(tile)


def vertebrate_motifs() -> list[Motif]:
    """Return the 879 motifs of JASPAR 2024 CORE, vertebrates, ordered by identifier."""
    return read_motifs(MOTIFS)


def choose_motifs(motifs: Sequence[Motif], count: int) -> list[Motif]:
    """Return CTCF for 1, evenly spaced motifs for more."""
    if count == 1:
        return [motif for motif in motifs if motif.name.startswith("MA0139.")]
    places = np.linspace(0, len(motifs) - 1, min(count, len(motifs))).astype(int)
    return [motifs[place] for place in places]


def write_meme(path: Path, motifs: Sequence[Motif]) -> None:
    """Write a minimal MEME file, which all peers but MOODS read themselves."""
    with path.open("w") as stream:
        stream.write("MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n")
        stream.write("Background letter frequencies\nA 0.25 C 0.25 G 0.25 T 0.25\n\n")
        for motif in motifs:
            stream.write(f"MOTIF {motif.name} {motif.alt}\n")
            width = len(motif.frequencies)
            stream.write(f"letter-probability matrix: alength= 4 w= {width} nsites= {motif.sites:g} E= 0\n")
            stream.writelines(" ".join(f"{share:.8f}" for share in row) + "\n" for row in motif.frequencies)
            stream.write("\n")


def write_jaspar(path: Path, motifs: Sequence[Motif]) -> None:
    """Write JASPAR's format, whole counts, which lightmotif needs for a pseudocount."""
    with path.open("w") as stream:
        for motif in motifs:
            stream.write(f">{motif.name}\t{motif.alt}\n")
            counts = np.rint(motif.frequencies.T * motif.sites).astype(int)
            for base, row in zip("ACGT", counts.tolist(), strict=True):
                stream.write(f"{base}  [ {' '.join(map(str, row))} ]\n")


def write_record(stream: BinaryIO, name: str, pieces: Iterable[NDArray[np.uint8]]) -> None:
    """Write one FASTA record from pieces of base codes, 60 letters a line, a piece at a time."""
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)
    stream.write(f">{name}\n".encode())
    rest = np.empty(0, np.uint8)
    for piece in pieces:
        text = np.concatenate([rest, letters[piece]])
        whole = len(text) // LINE * LINE
        rows = np.full((whole // LINE, LINE + 1), ord("\n"), np.uint8)
        rows[:, :LINE] = text[:whole].reshape(-1, LINE)
        stream.write(rows.tobytes())
        rest = text[whole:]
    stream.write(rest.tobytes() + b"\n" * bool(len(rest)))
