"""Promoters of E. coli, from the UCI repository."""

from __future__ import annotations

from bioconv.datasets.files import require
from bioconv.datasets.records import Sequences
from bioconv.datasets.registry import Source
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
    loader=True,
)


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
