"""Letters of a reference genome by place, and the names by which files call its sequences."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from bioconv.errors import InputError
from bioconv.sequence.regions import open_indexed

_BLOCK = 1 << 14
_BLOCKS = 64
_MITOCHONDRION = ("chrM", "MT", "M", "chrMT")


class Genome:
    """An indexed FASTA (plain or bgzip; a missing index is made), read in blocks of which the latest are kept.

    Parameters
    ----------
    path
        The FASTA.
    purpose
        The option that needs it, for messages.

    Attributes
    ----------
    lengths : dict of str to int
        Letters of each sequence.
    renamed : dict of str to str
        Names asked for that are others here: `1` for `chr1`, `MT` for `chrM`.
    """

    def __init__(self, path: str | Path, purpose: str = "-r") -> None:
        self.path = str(path)
        self._fasta = open_indexed(path, purpose)
        self.lengths: dict[str, int] = {name: entry.rlen for name, entry in self._fasta.index.items()}
        if not self.lengths:
            message = f"{path}: no sequences in it"
            raise InputError(message)
        self.renamed: dict[str, str] = {}
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def contig(self, name: str) -> str | None:
        """Return what this genome calls a sequence, with or without `chr`, M or MT; None if it has none such."""
        if name in self.lengths:
            return name
        here = self.renamed.get(name) or next((other for other in _other_names(name) if other in self.lengths), None)
        if here is not None:
            self.renamed[name] = here
        return here

    def fetch(self, contig: str, start: int, end: int) -> bytes:
        """Return the upper-case letters of [start, end), 0-based, as far as the sequence goes."""
        start, end = max(start, 0), min(end, self.lengths[contig])
        if start >= end:
            return b""
        first, last = start // _BLOCK, (end - 1) // _BLOCK
        letters = b"".join(self._block(contig, number) for number in range(first, last + 1))
        return letters[start - first * _BLOCK : end - first * _BLOCK]

    def _block(self, contig: str, number: int) -> bytes:
        key = (contig, number)
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        end = min((number + 1) * _BLOCK, self.lengths[contig])
        letters: bytes = self._fasta.fetch(contig, number * _BLOCK + 1, end).seq.upper().encode()
        self._blocks[key] = letters
        if len(self._blocks) > _BLOCKS:
            self._blocks.popitem(last=False)
        return letters


def _other_names(name: str) -> tuple[str, ...]:
    if name in _MITOCHONDRION:
        return _MITOCHONDRION
    return (name.removeprefix("chr"),) if name.startswith("chr") else (f"chr{name}",)
