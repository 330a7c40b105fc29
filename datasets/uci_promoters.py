"""Promoters of E. coli, from the UCI repository."""

from __future__ import annotations

from bioconv.datasets.files import require
from bioconv.datasets.records import Sequences
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import lines_of, with_own_names

SOURCE = Source(
    name="uci-ecoli-promoters",
    title="E. coli promoters (UCI)",
    about="106 sequences of 57 bp: 53 promoters (+) and 53 others (-).",
    kind="sequences",
    citation="Harley & Reynolds 1987; Towell, Shavlik & Noordewier, AAAI-90; UCI Machine Learning Repository",
    doi="10.24432/C5S01D",
    licence="CC-BY-4.0",
    terms="Free to use and pass on with citation.",
    weights="may be passed on; cite the set",
    address="https://archive.ics.uci.edu/dataset/67",
    split="None; leave-one-out is usual.",
    results=tuple(
        Result(who, "errors, leave-one-out", f"{value} of 106", "the set's own notes; Towell et al., AAAI-90")
        for who, value in (
            ("KBANN", 4), ("backpropagation", 8), ("O'Neill's rules", 12), ("nearest neighbours, 3", 13), ("ID3", 19),
        )
    ),
    loader=True,
)  # fmt: skip


def load() -> Sequences:
    """Return the 106 records: label 1 for promoters, 0 for others.

    Raises
    ------
    DownloadError
        If the file cannot be had.
    """
    return Sequences(
        SOURCE.name, lambda: with_own_names(map(_cells, lines_of(*require(SOURCE, ["promoters.data"])))), ("0", "1")
    )


def _cells(line: str) -> tuple[str, str, str]:
    sign, name, sequence = (cell.strip() for cell in line.split(","))
    return name, sequence.upper(), {"+": "1", "-": "0"}[sign]
