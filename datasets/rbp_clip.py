"""Sites of RNA-binding proteins by CLIP: five of the experiments that iDeepS was judged on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bioconv.datasets.files import opener
from bioconv.datasets.records import SequenceRecord, Sequences
from bioconv.datasets.registry import Source
from bioconv.datasets.tables import choose, fasta_of, with_own_names

SOURCE = Source(
    name="rbp-clip-ideeps",
    title="CLIP sites of five RNA-binding proteins",
    about="Windows of 101 nt around clusters of crosslinks (1) and of unbound transcripts (0): 30,000 to train and "
    "10,000 to test each. Composition alone tells much: 1 minus the GC share has AUROC 0.79 to 0.86 on four of them.",
    kind="sequences",
    citation="Strazar et al., Bioinformatics 32:1527 (2016); Pan et al., BMC Genomics 19:511 (2018)",
    doi="10.1186/s12864-018-4889-1",
    licence="none stated",
    terms="The repository states no licence; the data come from public CLIP experiments. Cite them.",
    weights="for comparison only",
    address="https://github.com/xypan1232/iDeepS",
    split="The published files `training` and `test`; one or two sequences of each protein are in both.",
    loader=True,
    subsets=("ELAVL1A", "FUS", "HNRNPC", "PUM2", "TIA1"),
)
_PARTS = {"train": "training", "test": "test"}


def load(subset: str, *, part: str = "train") -> Sequences:
    """Return the records of a protein: `ELAVL1A`, `FUS`, `HNRNPC`, `PUM2` or `TIA1`; DNA letters.

    Raises
    ------
    OptionError
        If there is no such protein or part (`train`, `test`).
    DownloadError
        If the file cannot be had.
    """
    ending = f".{_PARTS[choose(SOURCE.name, part, tuple(_PARTS))]}.fa.gz"
    known = {one.name.split("_")[2]: one.name for one in SOURCE.files if one.name.endswith(ending)}
    name = known[choose(SOURCE.name, subset, tuple(known))]
    return Sequences(f"{SOURCE.name}/{subset} {part}", lambda: _read(opener(SOURCE)(name), part), ("0", "1"))


def _read(path: Path, part: str) -> Iterator[SequenceRecord]:
    split_headers = ([*header.split("; class:"), sequence] for header, sequence in fasta_of(path))
    return with_own_names(((place, sequence, label) for place, label, sequence in split_headers), split=part)
