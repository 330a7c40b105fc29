"""NFE2 in GM12878 with genomic negatives, and the scores that LS-GKM gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bioconv.datasets.files import require
from bioconv.datasets.records import SequenceRecord, Sequences
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import choose, fasta_of

_STEM = "wgEncodeSydhTfbsGm12878Nfe2hStdAlnRep0"
_ENDINGS = {"train": "tr", "test": "test"}

SOURCE = Source(
    name="lsgkm-nfe2-gm12878",
    title="NFE2 ChIP-seq peaks and genomic negatives, with LS-GKM's scores",
    about="644 + 644 sequences to train, 69 + 69 to test, 59 to 247 bp; negatives are genomic, of like composition.",
    kind="sequences",
    citation="ENCODE (Snyder laboratory); Lee, Bioinformatics 32:2196 (2016)",
    doi="10.1093/bioinformatics/btw142",
    licence="ENCODE data use policy; the scores are of a GPL-3.0 repository",
    terms="Sequences are free to use with citation.",
    weights="for comparison only",
    address="https://github.com/Dongwon-Lee/lsgkm",
    split="The files `tr` and `test`.",
    results=(
        Result("LS-GKM", "AUROC, five-fold cross-validation", "0.9853", "computed from its own scores in this set"),
        Result("LS-GKM", "AUROC, test", "0.9929", "computed from its own scores in this set"),
    ),
    loader=True,
)


def load(*, part: str = "train") -> Sequences:
    """Return the records of a part, `train` or `test`: label 1 for peaks.

    Raises
    ------
    OptionError
        If there is no such part.
    DownloadError
        If a file cannot be had.
    """
    ending = _ENDINGS[choose(SOURCE.name, part, tuple(_ENDINGS))]
    names = [f"{_STEM}.{ending}.fa", f"{_STEM}.neg.{ending}.fa"]
    return Sequences(f"{SOURCE.name} {part}", lambda: _read(require(SOURCE, names), part), ("0", "1"))


def _read(paths: list[Path], part: str) -> Iterator[SequenceRecord]:
    for path, label in zip(paths, ("1", "0"), strict=True):
        for name, sequence in fasta_of(path):
            yield SequenceRecord(name, sequence, label, split=part)
