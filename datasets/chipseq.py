"""DeepBind's ENCODE ChIP-seq sets: 101-letter windows of peaks, twelve pairs to train and test, six to test only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bioconv.datasets.files import opener
from bioconv.datasets.records import SequenceRecord, Sequences
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import choose, rows_of

_AGAIN = "github.com/DoojinBaek/DeepBind at 3ae7c03: an independent implementation, best of 144 settings by validation"

SOURCE = Source(
    name="deepbind-encode-chipseq",
    title="ENCODE ChIP-seq peaks as DeepBind was trained on them",
    about="Windows of 101 bp (hg19) around peaks of transcription factors. AC: peaks to train on, those of odd rank up "
    "to 1000 and all above. B: 500 peaks of even rank up to 1000 and 500 dinucleotide shuffles of them, to test.",
    kind="sequences",
    citation="ENCODE Project Consortium, Nature 489:57-74 (2012); prepared by Alipanahi, Delong, Weirauch & Frey, "
    "Nat Biotechnol 33:831-838 (2015)",
    doi="10.1038/nbt.3300",
    licence="ENCODE data use policy",
    terms="Free to use with citation.",
    weights="may be passed on; cite ENCODE and DeepBind",
    address="https://github.com/jisraeli/DeepBind",
    split="Train on AC against shuffles of its sequences; test once on B, by the area under the ROC curve.",
    results=tuple(
        Result("DeepBind re-implemented", f"test AUROC, {dataset}", value, _AGAIN)
        for dataset, value in (
            ("ARID3A_K562", "0.735"), ("CTCFL_K562", "0.946"), ("ELK1_GM12878", "0.901"), ("FOXA1_HepG2", "0.957"),
            ("GABPA_GM12878", "0.947"), ("MYC_H1-hESC", "0.822"), ("REST_GM12878", "0.978"), ("SP1_GM12878", "0.852"),
            ("USF1_HepG2", "0.986"), ("ZBTB7A_HepG2", "0.773"),
        )
    ),
    loader=True,
    subsets=(
        "ARID3A_HepG2", "ARID3A_K562", "CTCFL_K562", "ELK1_GM12878", "FOXA1_HepG2", "FOXM1_GM12878",
        "GABPA_GM12878", "MYC_H1-hESC", "REST_GM12878", "SP1_GM12878", "USF1_HepG2", "ZBTB7A_HepG2", "BCLAF1_K562",
        "CTCF_NH-A", "POLR2A_A549", "RBBP5_H1-hESC", "SAP30_K562", "STAT3_HeLa-S3",
    ),
)  # fmt: skip


def load(subset: str, *, part: str = "AC") -> Sequences:
    """Return the records of one experiment, in the order of the file: the best peaks first.

    Parameters
    ----------
    subset
        Factor and cell line, such as `REST_GM12878`; the last six of `SOURCE.subsets` have no AC.
    part
        `AC` (bound sequences only) or `B` (bound and shuffled).

    Raises
    ------
    OptionError
        If there is no such experiment or part; the message lists those there are.
    DownloadError
        If the file cannot be had.
    """
    ending = f"_{choose(SOURCE.name, part, ('AC', 'B'))}.seq.gz"
    known = {"_".join(one.name.split("_")[:2]): one.name for one in SOURCE.files if one.name.endswith(ending)}
    name = known[choose(SOURCE.name, subset, tuple(known))]
    split = "train" if part == "AC" else "test"
    return Sequences(f"{SOURCE.name}/{subset} {part}", lambda: _read(opener(SOURCE)(name), split), ("0", "1"))


def _read(path: Path, split: str) -> Iterator[SequenceRecord]:
    for row in rows_of(path, separator="\t"):
        yield SequenceRecord(row["EventID"], row["seq"], row["Bound"], split=split)
