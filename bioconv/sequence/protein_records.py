"""Protein sequences as codes: FASTA files and sequences by name, a batch of records at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import InputError
from bioconv.sequence.alphabets import PROTEIN
from bioconv.sequence.byte_stream import open_bytes, reading_errors
from bioconv.sequence.fasta import Record
from bioconv.sequence.parts import Before, FastaPart
from bioconv.sequence.records import Batch

_LETTERS = 1 << 16  # of a batch
_ENOUGH = 50  # letters, to tell what they are of
_NUCLEIC = b"ACGTUNacgtun"
_KNOWN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*")


class ProteinReader:
    """Read proteins; letters that are none of the twenty amino acids (X, B, Z, U, *) are unknown.

    Parameters
    ----------
    source : path, "-", FastaPart or mapping
        FASTA, plain, gzip or bgzip, or letters by name.

    Attributes
    ----------
    records, bases, ambiguous, foreign : int
        What has been read so far: records, letters, 0, and letters that are unknown.
    """

    def __init__(self, source: str | Path | FastaPart | Mapping[str, str]) -> None:
        self._given = source
        self.source = "sequences" if isinstance(source, Mapping) else "stdin" if str(source) == "-" else str(source)
        self.records = self.bases = self.ambiguous = self.foreign = 0
        self._nucleic = 0  # letters that a nucleic acid could have

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order.

        Raises
        ------
        InputError
            Not FASTA, a byte that is no letter, a file cut short: names file, record and line.
        """
        batch, letters = Batch([], []), 0
        found = self._mapped(self._given) if isinstance(self._given, Mapping) else self._read(self._given)
        for name, codes in found:
            batch.records.append(Record(name, self.source, self.records, len(codes)))
            batch.codes.append(codes)
            self.records += 1
            self.bases += len(codes)
            self.foreign += int((codes == PROTEIN.unknown).sum())
            letters += len(codes)
            if letters >= _LETTERS:
                yield batch
                batch, letters = Batch([], []), 0
        if batch.records:
            yield batch
        if self.bases >= _ENOUGH and self._nucleic == self.bases:
            runtime.logger.warning("%s: all letters are of nucleic acids, the model reads proteins", self.source)

    def _mapped(self, given: Mapping[str, str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        for name, text in given.items():
            yield name, self._codes(text.encode("utf-8", "replace"), f"record {name!r}")

    def _read(self, path: str | Path | FastaPart) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        name: str | None = None
        parts: list[NDArray[np.uint8]] = []
        before = path.before() if isinstance(path, FastaPart) else Before()
        for number, line in enumerate(self._lines(path), before.lines + 1):
            text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if text.startswith(b">"):
                if name is not None:
                    yield name, np.concatenate(parts)
                words = text[1:].split(None, 1)
                name = words[0].decode("utf-8", "replace") if words else f"unnamed_{before.records + self.records + 1}"
                parts = [np.empty(0, np.uint8)]
            elif text and not text.startswith(b";"):
                if name is None:
                    message = (
                        f"{self.source}, line {number}: {text[:40]!r} before the first '>' line: this is not FASTA"
                    )
                    raise InputError(message)
                parts.append(self._codes(text, f"record {name!r}, line {number}"))
        if name is not None:
            yield name, np.concatenate(parts)

    def _codes(self, text: bytes, where: str) -> NDArray[np.uint8]:
        if odd := set(text) - _KNOWN:
            message = f"{self.source}, {where}: {bytes([min(odd)])!r} is not a letter of a protein"
            raise InputError(message)
        self._nucleic += len(text) - len(text.translate(None, _NUCLEIC))
        return PROTEIN.encode(text)

    def _lines(self, path: str | Path | FastaPart) -> Iterator[bytes]:
        stream = path.open() if isinstance(path, FastaPart) else open_bytes(path)
        with stream, reading_errors(self.source):
            yield from stream
