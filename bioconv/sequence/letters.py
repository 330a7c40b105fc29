"""Sequences as letters, of DNA, RNA or protein: what is asked of files nobody knows yet."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.sequence.byte_stream import open_bytes
from bioconv.wording import unreadable

LONGEST = 1 << 20
"""Letters of a record that is held whole."""

_NUCLEOTIDES = b"ACGTUN"
_MOSTLY = 0.9  # share of these from which on a sequence is one of nucleotides, some of them ambiguous
_COMPLEMENT = bytes.maketrans(b"ACGTUBDHKMRVYSWN", b"TGCAAVHDMKYBRSWN")
_BLANK = b" \t\r\n\v\f"


@dataclass(frozen=True)
class Letters:
    """Consecutive letters of one record, as they are in the file; `last`: the record ends here."""

    name: str
    letters: bytes
    last: bool


def fasta_letters(path: str | Path) -> Iterator[Letters]:
    """Yield the records of a FASTA file, plain or gzip, in pieces of no more than about a million letters.

    Raises
    ------
    InputError
        If it is no FASTA, cannot be read or is cut short: names file and line.
    """
    name: str | None = None
    held: list[bytes] = []
    size = 0
    try:
        with open_bytes(path) as stream:
            for number, line in enumerate(iter(lambda: stream.readline(LONGEST), b""), 1):
                if line[:1] == b">" or (number == 1 and line.startswith(b"\xef\xbb\xbf>")):
                    if name is not None:
                        yield Letters(name, b"".join(held), True)
                    words = line.lstrip(b"\xef\xbb\xbf>").split(None, 1)
                    name, held, size = words[0].decode("utf-8", "replace") if words else f"line {number}", [], 0
                elif line[:1] != b";" and (letters := line.translate(None, _BLANK)):
                    if name is None:
                        _refuse(path, number, letters)
                    if size + len(letters) > LONGEST:
                        yield Letters(str(name), b"".join(held), False)
                        held, size = [], 0
                    held.append(letters)
                    size += len(letters)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{path}: the gzip data is damaged or cut short ({error}); fetch or compress it again"
        raise InputError(message) from error
    except OSError as error:
        raise InputError(unreadable(path, error)) from error
    if name is not None:
        yield Letters(name, b"".join(held), True)


def is_nucleotides(letters: bytes) -> bool:
    """Say whether letters are those of DNA or RNA, up to a tenth of them ambiguous.

    Examples
    --------
    >>> is_nucleotides(b"acgun"), is_nucleotides(b"MKVL")
    (True, False)
    """
    return are_nucleotides(np.bincount(np.frombuffer(letters.upper(), np.uint8), minlength=256))


def are_nucleotides(counts: NDArray[np.int64]) -> bool:
    """Say the same of how often each upper-case letter comes, (256,)."""
    return bool(counts[list(_NUCLEOTIDES)].sum() >= _MOSTLY * counts.sum())


def reverse_complement(letters: bytes) -> bytes:
    """Return the other strand, upper case, T for U; ambiguous letters have theirs.

    Examples
    --------
    >>> reverse_complement(b"aacRU")
    b'AYGTT'
    """
    return letters.upper().translate(_COMPLEMENT)[::-1]


def letters_fingerprint(letters: bytes) -> str:
    """Return a digest that a sequence shares with its copies and, of DNA and RNA, with its reverse complement.

    Examples
    --------
    >>> letters_fingerprint(b"AACG") == letters_fingerprint(b"cgtt"), letters_fingerprint(b"MKV") == "MKV"
    (True, False)
    """
    own = letters.upper()
    if is_nucleotides(own):
        own = min(own.replace(b"U", b"T"), reverse_complement(own))
    return hashlib.sha256(own).hexdigest()


class Identity:
    """Makes the digest of each record out of its pieces; of one longer than a piece that of its own strand alone."""

    def __init__(self) -> None:
        self._long: hashlib._Hash | None = None

    def add(self, piece: Letters) -> str | None:
        """Take the next piece; return the digest of the record that it ends."""
        if self._long is None and piece.last:
            return letters_fingerprint(piece.letters)
        self._long = self._long or hashlib.sha256()
        self._long.update(piece.letters.upper())
        if not piece.last:
            return None
        digest, self._long = self._long.hexdigest(), None
        return digest


def _refuse(path: str | Path, number: int, letters: bytes) -> None:
    hint = "; it looks like FASTQ" if letters[:1] == b"@" else ""
    message = f"{path}, line {number}: not FASTA: expected a header line beginning with '>', found {letters[:20]!r}"
    raise InputError(message + hint)
