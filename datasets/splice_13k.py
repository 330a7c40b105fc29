"""The splice junctions that a published LSTM was trained on."""

from __future__ import annotations

from bioconv.datasets.files import require
from bioconv.datasets.records import Sequences
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import rows_of, with_own_names

SOURCE = Source(
    name="splice-junction-13k",
    title="Splice junctions of a published LSTM",
    about="13,666 sequences: 3,470 EI, 3,550 IE, 6,646 N; 10,676 of 140 nt and 2,990 of 60 nt, the latter from the UCI "
    "set. Both lengths occur in all classes, but not equally often: 19 %, 19 % and 25 % have 60 nt.",
    kind="sequences",
    citation="Regan, Saghafi & Li, Curr Genomics 22:384-390 (2021)",
    doi="10.2174/1389202922666211011143008",
    licence="none stated",
    terms="The repository states no licence. Use it to compare with the paper; cite it.",
    weights="for comparison only",
    address="https://github.com/kr0401/LSTM_Splice",
    conversion="full_data.csv compressed: bioconv.datasets.conversions.pack",
    split="None. Ten-fold cross-validation in the repository; keep `group` together.",
    results=(
        Result("Regan 2021, LSTM on trinucleotides", "accuracy, mean of 50 runs", "91.34 %", "the paper's abstract"),
    ),
    loader=True,
)


def load() -> Sequences:
    """Return the 13,666 records: labels EI, IE and N.

    Raises
    ------
    DownloadError
        If the file cannot be had.
    """
    return Sequences(
        SOURCE.name,
        lambda: with_own_names(
            (row["Name"], row["Sequence"], row["Class"]) for row in rows_of(*require(SOURCE, ["full_data.csv.gz"]))
        ),
        ("EI", "IE", "N"),
    )
