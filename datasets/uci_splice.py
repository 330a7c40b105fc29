"""Splice junctions of primates, from the UCI repository."""

from __future__ import annotations

from bioconv.datasets.files import require
from bioconv.datasets.records import Sequences
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import lines_of, with_own_names

_NOTES = "the set's own notes; ten-fold cross-validation on 1000 of the examples"

SOURCE = Source(
    name="uci-splice-junction",
    title="Primate splice junctions (UCI)",
    about="3,190 windows of 60 bp from GenBank 64.1: 767 exon-intron borders (EI), 768 intron-exon (IE), 1,655 neither "
    "(N). 60 letters are ambiguous (D, N, S, R); 185 sequences repeat another.",
    kind="sequences",
    citation="Towell, Noordewier & Shavlik, UCI Machine Learning Repository (1992)",
    doi="10.24432/C5M888",
    licence="CC-BY-4.0",
    terms="Free to use and pass on with citation.",
    weights="may be passed on; cite the set",
    address="https://archive.ics.uci.edu/dataset/69",
    split="None. Ten-fold cross-validation is usual; keep `group` together, it holds repeated sequences.",
    results=tuple(
        Result(who, "error in % of N / EI / IE", value, _NOTES)
        for who, value in (
            ("KBANN", "4.62 / 7.56 / 8.47"), ("backpropagation", "5.29 / 5.74 / 10.75"),
            ("PEBLS", "6.86 / 8.18 / 7.55"), ("perceptron", "3.99 / 16.32 / 17.41"), ("ID3", "8.84 / 10.58 / 13.99"),
            ("Cobweb", "11.80 / 15.04 / 9.46"), ("nearest neighbour", "31.11 / 11.65 / 9.09"),
        )
    ),
    loader=True,
)  # fmt: skip
CLASSES = ("EI", "IE", "N")


def load() -> Sequences:
    """Return the 3,190 records: labels EI, IE and N.

    Raises
    ------
    DownloadError
        If the file cannot be had.
    """
    return Sequences(
        SOURCE.name, lambda: with_own_names(map(_cells, lines_of(*require(SOURCE, ["splice.data"])))), CLASSES
    )


def _cells(line: str) -> tuple[str, str, str]:
    label, name, sequence = (cell.strip() for cell in line.split(","))
    return name, sequence, label
