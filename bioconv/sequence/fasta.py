"""FASTA to base codes, in chunks of bounded size that no window falls between.

Codes are A=0 C=1 G=2 T/U=3 and 4 for every other letter; lower case is the same as upper case. A chunk holds
consecutive records with one unknown code between them, so that a scanner can run over it as one sequence.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import native
from bioconv.errors import InputError
from bioconv.sequence.byte_stream import open_bytes, reading_errors
from bioconv.sequence.parts import Before, FastaPart

UNKNOWN = 4
AMBIGUOUS, FOREIGN, BLANK, BAD = 5, 6, 7, 8  # byte classes beyond the codes, as in fasta.c
_DONE, _BAD_BYTE, _NO_HEADER, _TABLE_FULL = range(4)
_BLOCK = 1 << 18
_LARGE_BLOCK = 1 << 20
_LARGE_FILE = 1 << 25
_LONGEST_HEADER = 1 << 26
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(eq=False)
class Record:
    """One sequence.

    Parameters
    ----------
    name
        The header's first word.
    source
        Its file.
    number
        Its place among the records of its input, from 0, as far as it is known.
    length
        Letters, as far as it has been read.
    start
        Coordinate of its first letter, 0-based: other than 0 where it is a region of a longer sequence.
    """

    name: str
    source: str
    number: int = 0
    length: int = 0
    start: int = 0


@dataclass(frozen=True, eq=False)
class Chunk:
    """A stretch of input: pieces of one or more records, an unknown code after each but the last.

    Attributes
    ----------
    codes : (size + padding,) uint8
        The pieces, then padding of unknown codes.
    size : int
    limit : int
        Windows starting at or beyond this place belong to the next chunk, which begins with the same codes.
    records : list of Record
        One per piece.
    begins, ends, offsets : (S,) int64
        Place of each piece in `codes` (half-open), and the record's coordinate (0-based) of its first code.
    open : bool
        The last record continues in the next chunk.
    """

    codes: NDArray[np.uint8]
    size: int
    limit: int
    records: list[Record]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    offsets: NDArray[np.int64]
    open: bool


def byte_classes(*, skip_masked: bool = False) -> NDArray[np.uint8]:
    """Return each byte's class, (256,): a base code, or what it is instead; `skip_masked`: lower case is unknown."""
    classes = np.full(256, BAD, dtype=np.uint8)
    classes[list(b" \t\r\n\v\f")] = BLANK
    for letters, kind in ((b"BDHKMRSVWXY", AMBIGUOUS), (b"EFIJLOPQZ", FOREIGN), (b"N", UNKNOWN)):
        classes[list(letters)] = classes[list(letters.lower())] = kind
    for letter, code in zip(b"ACGTU", (0, 1, 2, 3, 3), strict=True):
        classes[letter] = code
        classes[letter + 32] = UNKNOWN if skip_masked else code
    return classes


def encode(sequence: str | bytes) -> NDArray[np.uint8]:
    """Return the base codes (n,) uint8 of a sequence's letters: A=0 C=1 G=2 T=U=3, either case; 4 for all others."""
    raw = sequence.encode() if isinstance(sequence, str) else sequence
    return np.minimum(byte_classes()[np.frombuffer(raw, dtype=np.uint8)], UNKNOWN)


class _State(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("consumed", "produced", "records", "lines", "ambiguous", "foreign")),
        *((name, ctypes.c_int32) for name in ("mid_line", "in_record")),
    )


class FastaReader:
    """Read one FASTA file in chunks.

    Parameters
    ----------
    path : path, "-" or FastaPart
        Plain, gzip or bgzip; `-` is stdin.
    overlap : int
        Codes of an unfinished record that the next chunk begins with: the longest window less one.
    padding : int
        Unknown codes after each chunk.
    skip_masked : bool
        Take lower case as unknown.
    block : int, optional
        Bytes read at a time. Results do not depend on it.

    Attributes
    ----------
    records, bases, ambiguous, foreign : int
        What has been read so far: records, codes, IUPAC letters taken as unknown, other letters likewise.
    """

    def __init__(
        self,
        path: str | Path | FastaPart,
        *,
        overlap: int,
        padding: int,
        skip_masked: bool = False,
        block: int | None = None,
    ) -> None:
        self.source = "stdin" if str(path) == "-" else str(path)
        self.records = self.bases = 0
        self._path = path
        self._overlap = overlap
        self._padding = padding
        self._simple = not skip_masked
        self._classes = byte_classes(skip_masked=skip_masked)
        self._block = block
        self._state = _State()
        self._record: Record | None = None
        self._counted: Before | None = None

    @property
    def ambiguous(self) -> int:
        """IUPAC letters other than ACGTUN met so far."""
        return int(self._state.ambiguous)

    @property
    def foreign(self) -> int:
        """Letters met so far that are no nucleotide code."""
        return int(self._state.foreign)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks in order.

        Raises
        ------
        InputError
            Not FASTA, a byte that is no letter, a file cut short: names file, record and line.
        """
        carry = np.empty(0, dtype=np.uint8)
        rest, read, final = b"", 0, False
        path = self._path
        with path.open() if isinstance(path, FastaPart) else open_bytes(path) as stream:
            while not final:
                block = self._read(stream, read)
                read += len(block)
                final = not block
                data = rest + block
                if read == len(block):
                    data = data.removeprefix(_BYTE_ORDER_MARK)
                codes, table = self._decode(data, final)
                rest = data[self._state.consumed :]
                if len(rest) > _LONGEST_HEADER:
                    self._fail("a header line longer than 64 MB: this is not FASTA")
                chunk, carry = self._assemble(carry, codes, table, data, final)
                if chunk is not None:
                    yield chunk

    def _read(self, stream: BinaryIO, read: int) -> bytes:
        size = self._block or (_BLOCK if read < _LARGE_FILE else _LARGE_BLOCK)
        if not read:
            size = max(size, len(_BYTE_ORDER_MARK))
        with reading_errors(self.source):
            return stream.read(size)

    def _decode(self, data: bytes, final: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Decode what is complete in `data`; `table` has header start, header end, place of the first code."""
        kernels = native.kernels()
        if kernels is None:
            return self._decode_numpy(data, final)
        out = np.empty(len(data) + 1, dtype=np.uint8)
        capacity = data.count(b">") + 1
        table = np.empty((capacity, 3), dtype=np.int64)
        status = kernels.fasta_decode(
            data,
            ctypes.c_int64(len(data)),
            native.pointer(self._classes),
            int(self._simple),
            int(final),
            native.pointer(out),
            native.pointer(table),
            ctypes.c_int64(capacity),
            ctypes.byref(self._state),
        )
        table = table[: self._state.records]
        self._refuse(status, data, table)
        return out[: self._state.produced], table

    def _decode_numpy(self, data: bytes, final: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        state, parts, rows, place, at, status = self._state, [], [], 0, 0, _DONE
        mid_line, produced_in = state.mid_line, bool(state.in_record)
        state.consumed = len(data)
        for header in [*re.finditer(rb"^[>;][^\n]*(\n|\Z)", data, re.MULTILINE), None]:
            start = header.start() if header else len(data)
            if header and start == 0 and mid_line:
                continue  # the tail of a sequence line, not a header
            body = self._classes[np.frombuffer(data, np.uint8, start - at, at)]
            kept = body[body != BLANK]
            if len(kept) and not state.in_record:
                status = _NO_HEADER
                at = max(at, data.rfind(b"\n", 0, at + int(np.argmax(body != BLANK))) + 1)
            elif (kept == BAD).any():
                status = _BAD_BYTE
                at += int(np.argmax(body == BAD))
            if status != _DONE:
                state.consumed = at
                break
            state.ambiguous += int((kept == AMBIGUOUS).sum())
            state.foreign += int((kept == FOREIGN).sum())
            parts.append(np.minimum(kept, UNKNOWN))
            place += len(kept)
            if header is None:
                state.mid_line = int(len(data) > at and data[-1:] != b"\n")
                break
            if not final and not header.group().endswith(b"\n"):
                state.consumed, state.mid_line = start, 0
                break
            at = header.end()
            if header.group()[:1] == b">":
                if produced_in:
                    parts.append(np.full(1, UNKNOWN, np.uint8))
                    place += 1
                produced_in = True
                state.in_record = 1
                rows.append((start + 1, at - header.group().endswith(b"\n"), place))
        state.lines += data.count(b"\n", 0, state.consumed)
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self._refuse(status, data, table)
        return np.concatenate([np.empty(0, np.uint8), *parts]), table

    def _refuse(self, status: int, data: bytes, table: NDArray[np.int64]) -> None:
        if status == _DONE:
            return
        if len(table):
            self._record = Record(self._name(data, table[-1], self.records + len(table) - 1), self.source)
        at = int(self._state.consumed)
        if status == _NO_HEADER:
            head = data[at : at + 512]
            if re.search(rb"[\x00-\x08\x0e-\x1f]", head):
                self._fail("this is a binary file, not FASTA")
            hint = "; it looks like FASTQ" if head[:1] == b"@" else ""
            self._fail(f"not FASTA: expected a header line beginning with '>', found {head[:20]!r}{hint}")
        byte = data[at : at + 1]
        hint = "; remove the alignment's gaps" if byte in {b"-", b"."} else ""
        self._fail(f"{byte!r} is not a letter of a sequence{hint}")

    def _fail(self, reason: str) -> NoReturn:
        record = f", record {self._record.name!r}" if self._record else ""
        message = f"{self.source}{record}, line {self._before().lines + self._state.lines + 1}: {reason}"
        raise InputError(message)

    def _assemble(
        self,
        carry: NDArray[np.uint8],
        codes: NDArray[np.uint8],
        table: NDArray[np.int64],
        data: bytes,
        final: bool,
    ) -> tuple[Chunk | None, NDArray[np.uint8]]:
        """Join the carried codes and the new ones; return the chunk and what the next one begins with."""
        ahead = len(carry)
        size = ahead + len(codes)
        records = [] if self._record is None else [self._record]
        for number, row in enumerate(table, self.records):
            records.append(Record(self._name(data, row, number), self.source, number))
        if not records or (size == 0 and not len(table) and not final):
            return None, carry
        begins = ahead + table[:, 2]
        ends = np.append(begins - 1, size)
        if self._record is None:
            ends = ends[1:]
        else:
            begins = np.insert(begins, 0, 0)
        offsets = np.zeros(len(records), dtype=np.int64)
        if self._record is not None:
            offsets[0] = self._record.length - ahead
        for record, length in zip(records, offsets + ends - begins, strict=True):
            record.length = int(length)
        if any(b"\r" in data[row[0] : row[1]].rstrip(b"\r") for row in table):
            self._fail("lines end in CR alone (classic Mac); convert them, for example with tr '\\r' '\\n'")
        self.records += len(table)
        self.bases += int((ends - begins).sum()) - ahead
        self._record = records[-1]
        limit = size if final else max(int(begins[-1]), size - self._overlap)
        padded = np.full(size + self._padding, UNKNOWN, dtype=np.uint8)
        padded[:ahead] = carry
        padded[ahead:size] = codes
        return Chunk(padded, size, limit, records, begins, ends, offsets, not final), padded[limit:size].copy()

    def _name(self, data: bytes, row: NDArray[np.int64], number: int) -> str:
        words = data[row[0] : row[1]].split(None, 1)
        return words[0].decode("utf-8", "replace") if words else f"unnamed_{self._before().records + number + 1}"

    def _before(self) -> Before:
        """Return what stands in the file before what is read here: counted when it is asked for."""
        if self._counted is None:
            self._counted = self._path.before() if isinstance(self._path, FastaPart) else Before()
        return self._counted
