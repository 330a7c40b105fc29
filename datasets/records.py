"""The plain records that all sets give: sequences, and images with their masks.

They are read as they are asked for; a set never lies in memory whole unless its torch Dataset is made.
"""

from __future__ import annotations

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from bioconv.errors import InputError, OptionError
from bioconv.outputs import open_output
from bioconv.sequence.alphabets import DNA, Alphabet

if TYPE_CHECKING:
    from torch.utils.data import Dataset


@dataclass(frozen=True)
class SequenceRecord:
    """A sequence and what is known about it.

    Parameters
    ----------
    name
        What tables call it.
    sequence
        Letters.
    label
        Its class (`1`, `EI`); empty where letters are labelled.
    labels
        One character for each letter; empty where the whole is labelled.
    group
        What must not be divided between parts of a split; empty: the record itself.
    split
        Part of the canonical split: `train`, `dev`, `test`; empty: there is none.
    """

    name: str
    sequence: str
    label: str = ""
    labels: str = ""
    group: str = ""
    split: str = ""


@dataclass(frozen=True)
class ImageRecord:
    """An image on the disk and what is known about it.

    Parameters
    ----------
    name
        What tables call it.
    image, mask
        Verified files; `mask` is None where the image has none.
    label
        Its class; empty where the mask is the truth.
    group
        Patient or volume, never divided; empty: the image itself.
    stratum
        Kind of image.
    split
        Part of the canonical split; empty: there is none.
    laterality, view
        Of mammograms: L or R, CC or MLO.
    """

    name: str
    image: Path
    mask: Path | None = None
    label: str = ""
    group: str = ""
    stratum: str = ""
    split: str = ""
    laterality: str = ""
    view: str = ""


def table_separator(path: Path) -> str:
    """Return what separates the cells of a table, by its name.

    Parameters
    ----------
    path
        Of the table; it need not exist.

    Raises
    ------
    OptionError
        If it ends neither in .csv nor in .tsv.
    """
    separators = {".csv": ",", ".tsv": "\t"}
    if path.suffix not in separators:
        message = f"{path}: a table's name ends in .csv or .tsv"
        raise OptionError(message)
    return separators[path.suffix]


Record = TypeVar("Record", SequenceRecord, ImageRecord)


@dataclass(frozen=True)
class Records(ABC, Generic[Record]):
    """A set's records: iterated over as often as wanted, read anew each time.

    Parameters
    ----------
    name
        Of the set, and of what was chosen of it.
    read
        Begins to read them.
    classes
        All labels, in the order of their numbers.
    """

    name: str
    read: Callable[[], Iterable[Record]]
    classes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Record]:
        """Read the records one by one."""
        return iter(self.read())

    def __len__(self) -> int:
        """Count the records, which reads them."""
        return sum(1 for _ in self)

    def write_table(self, path: str | Path) -> Path:
        """Write the records as the table that `bioconv train` takes, CSV or TSV by its name, and return its path.

        Columns that are empty throughout are left out. Paths of images are relative to the table if it lies in the
        same cache folder, so that the table is the same on every machine; else they are absolute.

        Raises
        ------
        InputError
            If there are no records.
        OptionError
            If the name ends neither in .csv nor in .tsv.
        OutputError
            If it cannot be written.
        """
        target = Path(path)
        separator = table_separator(target)
        filled: set[str] = set()
        for cells in self._cells(target):
            filled.update(key for key, cell in cells.items() if cell)
        if not filled:
            message = f"{self.name} holds no records"
            raise InputError(message)
        with open_output(target) as stream:
            text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
            columns = [column for column in self._columns() if column in filled]
            writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n", delimiter=separator)
            writer.writeheader()
            writer.writerows(self._cells(target))
            text.detach()
        return target

    @abstractmethod
    def _columns(self) -> tuple[str, ...]:
        """Return the columns that a table may have."""

    @abstractmethod
    def _cells(self, target: Path) -> Iterator[dict[str, str]]:
        """Yield the cells of each record; paths relative to the table."""


@dataclass(frozen=True)
class Sequences(Records[SequenceRecord]):
    """Records of sequences.

    Parameters
    ----------
    name, read, classes
        As of `Records`.
    alphabet
        Of the letters; others are unknown.
    states
        The characters of `labels`, in the order of their numbers.
    """

    alphabet: Alphabet = DNA
    states: str = ""

    def _columns(self) -> tuple[str, ...]:
        return ("name", "sequence", "label", "labels", "group", "split")

    def _cells(self, target: Path) -> Iterator[dict[str, str]]:
        for record in self:
            yield vars(record)

    def to_torch(self) -> Dataset[Any]:
        """Return a torch Dataset of pairs (sequence, truth), the letters in memory, one byte each.

        A sequence is (letters of the alphabet, length) float32, one-hot, 0 throughout where the letter is unknown;
        the truth is the number of its class, int64, or where letters are labelled (length,) int64.

        Raises
        ------
        InputError
            If a label is not one of `classes` or `states`.
        """
        from bioconv.datasets.torch_sets import SequenceSet

        codes, truths = [], []
        for record in self:
            codes.append(self.alphabet.encode(record.sequence))
            truths.append(self._truth(record))
        return SequenceSet(codes, truths, len(self.alphabet))

    def _truth(self, record: SequenceRecord) -> Any:
        known, found = (self.states, record.labels) if self.states else (self.classes, (record.label,))
        numbers = {label: number for number, label in enumerate(known)}
        if odd := sorted(set(found) - set(numbers)):
            message = f"{self.name}, record {record.name!r}: label {odd[0]!r} is none of {', '.join(known)}"
            raise InputError(message)
        truth = np.array([numbers[label] for label in found], np.uint8)
        return truth if self.states else truth[0]


@dataclass(frozen=True)
class Images(Records[ImageRecord]):
    """Records of images.

    Parameters
    ----------
    name, read, classes
        As of `Records`; of masks of two classes those of what is 0 and of all else.
    mammograms
        Whether tables are those of `bioconv train classify`, not of `bioconv train segment`.
    """

    mammograms: bool = False

    def _columns(self) -> tuple[str, ...]:
        if self.mammograms:
            return ("path", "patient", "laterality", "view", "label", "stratum", "split")
        return ("name", "image", "mask", "label", "group", "stratum", "split")

    def _cells(self, target: Path) -> Iterator[dict[str, str]]:
        for record in self:
            cells = {**vars(record), "image": _path(record.image, target), "patient": record.group}
            cells["mask"] = _path(record.mask, target) if record.mask else ""
            cells["path"] = cells["image"]
            yield cells

    def to_torch(self) -> Dataset[Any]:
        """Return a torch Dataset of pairs (image, truth), each image read when it is asked for.

        An image is (channels, height, width) float32 as stored, not scaled. The truth is the mask, (height, width)
        int64: 0 and 1 where `classes` are two, else as stored, the number of an object say. Where there is no mask it
        is the number of the class, int64.

        Raises
        ------
        InputError
            If an image has neither a mask nor a label of `classes`.
        """
        from bioconv.datasets.torch_sets import ImageSet

        records = list(self)
        for record in records:
            if record.mask is None and record.label not in self.classes:
                message = f"{self.name}, {record.name}: no mask, and label {record.label!r} is none of {self.classes}"
                raise InputError(message)
        return ImageSet(records, self.classes)


def _path(path: Path, target: Path) -> str:
    """Return the path for a table: relative where both lie in one set's folder of the cache."""
    from bioconv.download import cache_folder

    here, root = target.resolve().parent, cache_folder().resolve()
    if here.is_relative_to(root) and path.resolve().is_relative_to(root):
        return Path(os.path.relpath(path.resolve(), here)).as_posix()
    return str(path.resolve())
