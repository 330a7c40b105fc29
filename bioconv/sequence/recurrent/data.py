"""Labelled sequences for training: read, encoded, grouped, and refused together with what is wrong with each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.sequence.alphabets import DNA, PROTEIN, Alphabet, alphabet_named
from bioconv.sequence.recurrent.grouping import group_sequences
from bioconv.sequence.recurrent.rows import Row, read_rows
from bioconv.tables import listed
from bioconv.training.losses import MISSING

AUTO = "auto"
MOST_CLASSES = 256
_BASES, _IUPAC = frozenset("ACGTUN"), frozenset("ACGTUNRYSWKMBDHV")
_AMINO_ACIDS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_MOSTLY = 0.9  # share of plain bases from which on letters are taken for DNA
_PARTS = ("train", "dev", "test")
_SHOWN = 10


@dataclass(frozen=True)
class Reading:
    """What is read out of files.

    Parameters
    ----------
    alphabet
        `dna` (RNA too), `protein`, or `auto`: what the letters look like.
    classes
        Labels in the order of the network's outputs; empty: those that occur, sorted.
    labels
        Of several FASTA files, one each; empty: called as the files are.
    unknown
        Characters among the labels of letters that mean not known.
    class_names
        Label to what the class is called, where that is another name: pairs.
    """

    alphabet: str = AUTO
    classes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    unknown: str = "?"
    class_names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class SequenceData:
    """What a recurrent model is trained on: n sequences.

    Parameters
    ----------
    codes
        (length,) uint8 each.
    targets
        Numbers of classes: (1,) int64 each, or (length,) where labels are of letters; -100 is not known.
    groups
        Never divided between parts: the table's, joined where sequences are the same (of DNA: on either strand).
    parts
        Part of the split the table gives each to; empty: not said.
    classes
        Names in the order of their numbers.
    per_position
        Whether labels are of letters.
    contradictions
        Names of sequences that occur with another label too.
    """

    names: tuple[str, ...]
    codes: tuple[NDArray[np.uint8], ...]
    targets: tuple[NDArray[np.int64], ...]
    groups: tuple[str, ...]
    parts: tuple[str, ...]
    classes: tuple[str, ...]
    alphabet: Alphabet = DNA
    per_position: bool = False
    contradictions: tuple[str, ...] = ()

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Letters of each, (n,)."""
        return np.array([len(one) for one in self.codes], np.int64)

    def of(self, places: Sequence[int] | NDArray[np.int64]) -> SequenceData:
        """Return some of the sequences, by place."""
        chosen = [int(place) for place in places]
        return replace(
            self,
            names=tuple(self.names[place] for place in chosen),
            codes=tuple(self.codes[place] for place in chosen),
            targets=tuple(self.targets[place] for place in chosen),
            groups=tuple(self.groups[place] for place in chosen),
            parts=tuple(self.parts[place] for place in chosen),
            contradictions=(),
        )


def read_data(paths: Sequence[Path], reading: Reading | None = None) -> SequenceData:
    """Read labelled sequences.

    Parameters
    ----------
    paths
        One table (CSV or TSV, gzip or not) with the columns `name`, `sequence`, `label` and, if wanted, `group` and
        `split` (train, dev, test); instead of `label` it may have `labels`, a character per letter. Or several FASTA
        files, a class each.

    Raises
    ------
    InputError
        If something is wrong; it lists the first ten faults with file and line.
    OptionError
        If `reading` does not fit the files.
    """
    reading = Reading() if reading is None else reading
    rows, per_position = read_rows(paths, reading.labels)
    source = ", ".join(map(str, paths))
    if not rows:
        message = f"{source}: no sequences; at least some of two classes are needed"
        raise InputError(message)
    alphabet = _alphabet(rows, reading.alphabet)
    classes = _classes(rows, reading, source, per_position=per_position)
    numbers = {label: number for number, label in enumerate(classes)}
    faults = [fault for row in rows for fault in _faults(row, alphabet, numbers, reading, per_position)]
    faults += _repeated(rows)
    if faults:
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        message = f"{source} cannot be trained on:\n  "
        raise InputError(message + "\n  ".join(faults[:_SHOWN]) + more)
    codes = tuple(alphabet.encode(row.sequence) for row in rows)
    targets = tuple(_targets(row.label if per_position else [row.label], numbers) for row in rows)
    names = tuple(row.name for row in rows)
    groups, identical = group_sequences(names, codes, [row.group for row in rows], both_strands=alphabet == DNA)
    against = [] if per_position else _contradictions(names, targets, identical)
    if against:
        runtime.logger.warning(
            "%d sequences occur with different labels (%s); they stay, in one part", len(against), listed(against)
        )
    called = dict(reading.class_names)
    return SequenceData(
        names, codes, targets, tuple(groups), tuple(row.part for row in rows),
        tuple(called.get(label, label) for label in classes), alphabet, per_position, tuple(against),
    )  # fmt: skip


def _alphabet(rows: Sequence[Row], name: str) -> Alphabet:
    if name != AUTO:
        return alphabet_named(name)
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row.sequence.upper())
    bases = sum(counts[letter] for letter in _BASES)
    return DNA if set(counts) <= _IUPAC and bases >= _MOSTLY * sum(counts.values()) else PROTEIN


def _classes(rows: Sequence[Row], reading: Reading, source: str, *, per_position: bool) -> tuple[str, ...]:
    found = set().union(*(set(row.label) for row in rows)) if per_position else {row.label for row in rows}
    found -= set(reading.unknown) if per_position else {""}
    classes = reading.classes or tuple(sorted(found))
    said = f"{source}: the labels are {listed(sorted(found), 8) or 'empty'}"
    if len(set(classes)) < len(classes) or "" in classes:
        message = f"classes {', '.join(classes)}: each needs a name of its own"
        raise OptionError(message)
    if len(found) < 2:
        message = f"{said}: at least two classes are needed; of FASTA give a file per class"
        raise InputError(message)
    if not reading.classes and len(classes) > MOST_CLASSES:
        message = f"{said}: {len(classes)} of them, at most {MOST_CLASSES} classes are expected"
        raise InputError(message)
    absent = [label for label in classes if label not in found]
    if absent:
        message = f"{said}: nothing is labelled {', '.join(absent)}; leave it out of the classes"
        raise InputError(message)
    odd = sorted({label for label, _ in reading.class_names} - set(classes))
    called = dict(reading.class_names)
    if odd or len({called.get(label, label) for label in classes}) < len(classes):
        message = f"class names are given for {', '.join(called)}; each of {', '.join(classes)} may have one of its own"
        raise OptionError(message)
    return classes


def _faults(row: Row, alphabet: Alphabet, numbers: dict[str, int], reading: Reading, per_position: bool) -> list[str]:
    """Say what is wrong with a row."""
    faults = []
    letters = _IUPAC if alphabet == DNA else _AMINO_ACIDS
    odd = sorted(set(row.sequence.upper()) - letters)
    if not row.name:
        faults.append("has no name")
    if not row.sequence:
        faults.append("has no sequence; take it out")
    if odd:
        faults.append(f"{listed([repr(letter) for letter in odd])}: not a letter of {alphabet.name}; mend the sequence")
    if per_position and len(row.label) != len(row.sequence):
        faults.append(f"{len(row.label)} labels for {len(row.sequence)} letters; give one character per letter")
    elif per_position and row.sequence and set(row.label) <= set(reading.unknown):
        faults.append("no letter's label is known; take it out")
    labels = set(row.label) - set(reading.unknown) if per_position else {row.label}
    for label in sorted(labels - set(numbers)):
        said = f"label {label!r} is none of {', '.join(numbers)}" if label else "has no label"
        faults.append(f"{said}; mend it or take the sequence out")
    if row.part not in ("", *_PARTS):
        faults.append(f"split {row.part!r}; expected one of {', '.join(_PARTS)}")
    called = f" ({row.name})" if row.name else ""
    return [f"{row.where}{called}: {fault}" for fault in faults]


def _repeated(rows: Sequence[Row]) -> list[str]:
    first: dict[str, str] = {}
    return [
        f"{row.where}: the name {row.name} is that of {first[row.name]} too; names must differ"
        for row in rows
        if row.name and first.setdefault(row.name, row.where) != row.where
    ]


def _targets(labels: Sequence[str], numbers: dict[str, int]) -> NDArray[np.int64]:
    return np.array([numbers.get(label, MISSING) for label in labels], np.int64)


def _contradictions(names: Sequence[str], targets: Sequence[NDArray[np.int64]], identical: Sequence[int]) -> list[str]:
    """Return the names of identical sequences with different labels."""
    found: dict[int, set[int]] = {}
    for own, target in zip(identical, targets, strict=True):
        found.setdefault(own, set()).add(int(target[0]))
    return [name for name, own in zip(names, identical, strict=True) if len(found[own]) > 1]


def data_hash(data: SequenceData) -> dict[str, Any]:
    """Return how many sequences and letters there are, and one hash of all of them and their labels."""
    digest = hashlib.sha256(" ".join(data.classes).encode())
    for place in sorted(range(len(data.names)), key=lambda place: data.names[place]):
        digest.update(data.names[place].encode() + data.codes[place].tobytes() + data.targets[place].tobytes())
    return {"sequences": len(data.names), "letters": int(data.lengths.sum()), "sha256": digest.hexdigest()}
