"""Parts of FASTA files: whole records, by where they begin; for shards, and for pieces of a cluster's work.

A record belongs to the part in which its `>` lies, so that the parts of a file, one after another, are the file: no
record torn, none twice. Places are those of the text, unpacked where the file is compressed.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from bioconv.errors import InputError, OptionError
from bioconv.sequence.byte_stream import open_bytes, reading_errors
from bioconv.shards import Shard

SHORTEST = 1 << 16  # bytes or bases of a part that is cut for its own sake
_BLOCK = 1 << 18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class FastaPart:
    """The records of a file that begin in a range of its text.

    Parameters
    ----------
    name
        What messages call the file.
    path
        The file.
    begin, end
        Range, half-open; `end` None: to the end of the file. What stands before the first record belongs to the part
        that begins at 0.
    """

    name: str
    path: str
    begin: int = 0
    end: int | None = None

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """Return the text of its records, opened for reading.

        Raises
        ------
        InputError
            If there is no such file, or it cannot be opened.
        """
        stream = open_bytes(self.path, name=self.name)
        if self.begin == 0 and self.end is None:
            return stream
        blocks: io.RawIOBase = _Blocks(stream, records_between(stream, self.begin, self.end))
        return io.BufferedReader(blocks, _BLOCK)

    def before(self) -> Before:
        """Return what stands in the file before this part.

        It is read once more for that: for messages, and for records of no name.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        if self.begin == 0:
            return Before()
        lines, records, last, at = 0, 0, b"\n", 0
        with open_bytes(self.path, name=self.name) as stream, reading_errors(self.name):
            first, _ = _first_record(stream, self.begin)
            stream.seek(0)
            while at < first and (block := stream.read(min(_BLOCK, first - at))):
                text = block.removeprefix(_BYTE_ORDER_MARK) if at == 0 else block
                records += (last + text).count(b"\n>")
                lines += block.count(b"\n")
                last, at = block[-1:], at + len(block)
        return Before(lines, records)


@dataclass(frozen=True)
class RegionPart:
    """Consecutive regions of a BED file in a FASTA file, joined where they overlap.

    Parameters
    ----------
    name
        What messages call the FASTA file.
    path, bed
        The files.
    first, last
        Which of the joined regions, half-open; `last` None: to the end.
    """

    name: str
    path: str
    bed: str
    first: int = 0
    last: int | None = None

    def __str__(self) -> str:
        return self.name


Part = FastaPart | RegionPart


@dataclass(frozen=True)
class Before:
    """What stands in a file before one of its parts.

    Parameters
    ----------
    lines
        How many end there.
    records
        How many begin there.
    """

    lines: int = 0
    records: int = 0


class _Blocks(io.RawIOBase):
    """Blocks of bytes as a stream, closed with the one they come from."""

    def __init__(self, source: BinaryIO, blocks: Iterator[bytes]) -> None:
        self._source, self._blocks, self._rest = source, blocks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        rest = self._rest or next((block for block in self._blocks if block), b"")
        count = min(len(rest), len(buffer))
        buffer[:count], self._rest = rest[:count], rest[count:]
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


def records_between(stream: BinaryIO, begin: int, end: int | None) -> Iterator[bytes]:
    r"""Yield the text of the records that begin in a range of a stream that can be sought in.

    Parameters
    ----------
    stream
        FASTA, in bytes; it can be sought in.
    begin, end
        Bytes, [begin, end); None: to the end.

    Examples
    --------
    >>> text = b">a\nAC\n>b\nGT\n"
    >>> [b"".join(records_between(io.BytesIO(text), *place)) for place in ((0, 1), (1, 7), (7, None))]
    [b'>a\nAC\n', b'>b\nGT\n', b'']
    """
    at, held = _first_record(stream, begin)
    if begin and end is not None and at >= end:
        return
    while True:
        stop = -1 if end is None else held.find(b"\n>", max(end - 1 - at, 0))
        if stop >= 0:
            yield held[: stop + 1]
            return
        # The last byte may end the line before a record of the next part.
        yield held[:-1]
        at += max(len(held) - 1, 0)
        block = stream.read(_BLOCK)
        if not block:
            yield held[-1:]
            return
        held = held[-1:] + block


def _first_record(stream: BinaryIO, begin: int) -> tuple[int, bytes]:
    """Return where the first record at or after a place begins, and some text from there on.

    0 of 0, whatever stands there; where there is none the end of the text.
    """
    if begin == 0:
        return 0, b""
    at = begin - 1
    stream.seek(at)
    held = b""
    while block := stream.read(_BLOCK):
        text = held + block
        found = text.find(b"\n>")
        if found >= 0:
            return at + found + 1, text[found + 1 :]
        held = text[-1:]
        at += len(text) - 1
    return at + len(held), b""


def text_size(path: str | Path) -> int:
    """Return the bytes of a file's text; a compressed file is unpacked for that.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    with open_bytes(path) as stream, reading_errors(str(path)):
        if isinstance(stream, io.BufferedReader):
            return stream.seek(0, io.SEEK_END)
        size = 0
        while block := stream.read(_BLOCK):
            size += len(block)
        return size


def whole(source: str, bed: str | Path | None = None) -> Part:
    """Return an input, all of it; of a FASTA file with a BED file their regions.

    Parameters
    ----------
    source
        A FASTA file, or `-`.
    bed
        A BED file; None: no regions.
    """
    return FastaPart(source, source) if bed is None else RegionPart(source, source, str(bed))


def check_seekable(sources: Sequence[str], purpose: str) -> None:
    """Refuse what can be read once only.

    Parameters
    ----------
    sources
        Files, folders, or `-`.
    purpose
        What needs them more than once, for the message.

    Raises
    ------
    OptionError
        If one is stdin or a pipe.
    """
    for source in sources:
        path = Path(source)
        if source == "-" or (path.exists() and not path.is_file() and not path.is_dir()):
            message = f"{purpose} needs files, and {source} can be read once: write it to a file"
            raise OptionError(message)


def size_of(part: Part) -> int:
    """Return the bytes of the text of a `part`, or the bases of its regions; 0 of one that cannot be read.

    Why it cannot be read is found out when it is read.
    """
    try:
        if isinstance(part, RegionPart):
            return sum(_region_lengths(part))
        return text_size(part.path)
    except InputError:
        return 0


def shard_parts(wholes: Sequence[Part], shard: Shard) -> list[Part]:
    """Return a shard of whole files taken as one text: about as much in each, no record torn.

    A file that is empty or cannot be read is in one shard.

    Parameters
    ----------
    wholes
        The files, in order.
    shard
        Which share of them.
    """
    if shard.is_whole:
        return list(wholes)
    known = [size_of(part) for part in wholes]
    total = sum(known)
    low, high = shard.bounds(total)
    parts, start = [], 0
    for whole, size in zip(wholes, known, strict=True):
        begin, end = max(low - start, 0), min(high - start, size)
        if begin < end:
            parts.append(within(whole, begin, end, size))
        elif not size and (low <= start < high or (start == total and shard.is_last)):
            parts.append(whole)
        start += size
    return parts


def cut(whole: Part, longest: int, *, wanted: int = 1) -> list[Part]:
    """Return parts of a whole file of about the same size, none much longer than `longest`.

    A record or region that is longer than that is in one part nevertheless.

    Parameters
    ----------
    whole
        All of a file, as `whole` gives it.
    longest
        Bytes, of regions bases.
    wanted
        How many parts there should be at least, where they do not get too short to be worth it.
    """
    size = size_of(whole)
    number = max(1, -(-size // longest), min(wanted, size // SHORTEST))
    if number == 1:
        return [whole]
    ranges = [Shard(which, number).bounds(size) for which in range(1, number + 1)]
    return [within(whole, begin, end, size) for begin, end in ranges]


def within(whole: Part, begin: int, end: int, size: int) -> Part:
    """Return the part of a whole file whose records or regions begin in a range.

    Parameters
    ----------
    whole
        All of a file, as `whole` gives it.
    begin, end
        Bytes of its text, of regions bases: [begin, end).
    size
        All of them, as `size_of` counts.

    Raises
    ------
    InputError
        If regions cannot be read.
    """
    if isinstance(whole, FastaPart):
        return replace(whole, begin=begin, end=None if end == size else end)
    starts = [0, *accumulate(_region_lengths(whole))][:-1]
    return replace(whole, first=bisect_left(starts, begin), last=bisect_left(starts, end))


def _region_lengths(part: RegionPart) -> list[int]:
    from bioconv.sequence.regions import region_lengths

    return region_lengths(part.path, part.bed)
