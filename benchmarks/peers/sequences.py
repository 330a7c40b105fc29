"""What the peers' programs share: reading FASTA and JASPAR files in plain Python."""

from collections.abc import Iterator
from pathlib import Path

COLUMNS = "motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\tmatched_sequence\n"
_COMPLEMENTS = str.maketrans("ACGTN", "TGCAN")


def reverse_complement(letters: str) -> str:
    return letters.translate(_COMPLEMENTS)[::-1]


def read_fasta(path: str) -> Iterator[tuple[str, str]]:
    """Yield names and upper-case letters."""
    with Path(path).open() as stream:
        for record in stream.read().split(">")[1:]:
            head, _, body = record.partition("\n")
            yield head.split()[0], body.replace("\n", "").upper()


def read_jaspar(path: str) -> Iterator[tuple[str, str, list[list[float]]]]:
    """Yield identifier, name and counts, four rows A, C, G, T."""
    with Path(path).open() as stream:
        for record in stream.read().split(">")[1:]:
            head, *rows = record.strip().split("\n")
            motif_id, _, alt = head.partition("\t")
            yield (
                motif_id,
                alt,
                [[float(word) for word in row[row.index("[") + 1 : row.index("]")].split()] for row in rows],
            )
