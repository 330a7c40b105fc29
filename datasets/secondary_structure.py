"""Secondary structure of proteins, residue by residue: the set of Qian and Sejnowski."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from bioconv.datasets.files import opener
from bioconv.datasets.records import SequenceRecord, Sequences
from bioconv.datasets.registry import Result, Source
from bioconv.datasets.tables import choose, lines_of

from bioconv.sequence.alphabets import PROTEIN

SOURCE = Source(
    name="uci-protein-secondary-structure",
    title="Protein secondary structure (Qian and Sejnowski)",
    about="128 chains with a state for every residue: helix (h), strand (e), coil (_). 18,105 residues to train, 3,520 "
    "to test, of which 54.6 % are coil.",
    kind="sequences",
    citation="Qian & Sejnowski, J Mol Biol 202:865-884 (1988)",
    doi="10.1016/0022-2836(88)90564-5",
    licence="copyright 1988 Terrence J. Sejnowski",
    terms="For non-commercial research only; not to be passed on with a product.",
    weights="for comparison only",
    accept=True,
    address="https://archive.ics.uci.edu/dataset/68",
    split="The published files: 111 chains to train, 17 to test.",
    results=(Result("Qian & Sejnowski 1988", "accuracy of three states, test", "64.3 %", "the set's own notes"),),
    loader=True,
)
STATES = "_eh"


def load(*, part: str = "train") -> Sequences:
    """Return the chains of a part, `train` or `test`: `labels` has one of `_`, `e`, `h` for each residue.

    Raises
    ------
    OptionError
        If there is no such part.
    DownloadError
        If the set's terms have not been accepted, or a file cannot be had.
    """
    name = f"protein-secondary-structure.{choose(SOURCE.name, part, ('train', 'test'))}"
    return Sequences(
        f"{SOURCE.name} {part}", lambda: _read(opener(SOURCE)(name), part), alphabet=PROTEIN, states=STATES
    )


def _read(path: Path, part: str) -> Iterator[SequenceRecord]:
    """Read chains: they begin with `<>` and end with `<end>`, `end` or the next one."""
    residues: list[tuple[str, str]] = []
    number = 0
    for line in chain(lines_of(path), ["<end>"]):
        if line.startswith("<") or line == "end":
            if residues:
                number += 1
                letters, labels = ("".join(column) for column in zip(*residues, strict=True))
                yield SequenceRecord(f"{part}-{number:03d}", letters, labels=labels, split=part)
            residues = []
        elif not line.startswith("#"):
            letter, label = line.split()
            residues.append((letter, label))
