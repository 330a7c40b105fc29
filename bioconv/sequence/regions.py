"""Parts of sequences: BED regions of an indexed FASTA, and records that are themselves pieces of a genome."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import InputError
from bioconv.sequence.byte_stream import open_bytes
from bioconv.sequence.fasta import (
    AMBIGUOUS,
    BLANK,
    FOREIGN,
    UNKNOWN,
    Chunk,
    Record,
    byte_classes,
)
from bioconv.sequence.scanning.hits import HitBatch
from bioconv.wording import unreadable

Fetch = Callable[[str, int, int], bytes]
_Piece = tuple[Record, int, NDArray[np.uint8]]
_PIECE = 1 << 18
_HEADER = re.compile(r"^(?:.*::)?(?P<name>.+):(?P<start>\d+)-(?P<end>\d+)(?:\((?P<strand>[+-])\))?$")


@dataclass(frozen=True, order=True)
class Region:
    """An interval of a sequence, 0-based half-open."""

    name: str
    start: int
    end: int
    strand: str = "+"


def parse_header(name: str, source: str = "") -> Region:
    """Read `chr:start-end(strand)` as bedtools getfasta writes it: 0-based half-open; source: for the message.

    Raises
    ------
    InputError
        If the name is not of that form.
    """
    match = _HEADER.match(name)
    if match is None or int(match["start"]) >= int(match["end"]):
        message = f"{source}, record {name!r}: --genomic-coords expects headers like 'chr1:0-100' or 'chr1:0-100(-)'"
        raise InputError(message)
    return Region(match["name"], int(match["start"]), int(match["end"]), match["strand"] or "+")


def check_headers(records: list[Record], complete: list[Record]) -> None:
    """Refuse records whose header is no interval, and finished ones whose length is not that of the interval.

    Raises
    ------
    InputError
    """
    for record in records:
        parse_header(record.name, record.source)
    for record in complete:
        region = parse_header(record.name, record.source)
        if record.length != region.end - region.start:
            message = (
                f"{record.source}, record {record.name!r}: the header's interval has {region.end - region.start} bases "
                f"(0-based half-open), the sequence {record.length}; leave out --genomic-coords or mend the header"
            )
            raise InputError(message)


def to_genome(hits: HitBatch) -> HitBatch:
    """Move hits from the coordinates of their record to those of the genome its header names."""
    regions = [parse_header(name) for name in hits.names]
    starts = np.array([region.start for region in regions], dtype=np.int64)[hits.record]
    ends = np.array([region.end for region in regions], dtype=np.int64)[hits.record]
    turned = np.array([region.strand == "-" for region in regions], dtype=bool)[hits.record]
    return replace(
        hits,
        names=[region.name for region in regions],
        start=np.where(turned, ends - hits.end, starts + hits.start),
        end=np.where(turned, ends - hits.start, starts + hits.end),
        strand=np.where(turned, -hits.strand, hits.strand).astype(np.int8),
    )


def read_bed(path: str | Path, *, summits: bool = False) -> list[Region]:
    """Read the first three columns of a BED file, 0-based half-open.

    Parameters
    ----------
    summits
        Return the one letter of a narrowPeak's summit (its tenth column) in place of the interval, where it has one.

    Raises
    ------
    InputError
        A line that is not BED, or an interval that is empty or backwards: names file and line.
    """
    try:
        with open_bytes(path) as stream:
            lines = stream.read().split(b"\n")
    except (EOFError, zlib.error, OSError) as error:
        message = f"{path}: cannot be read ({error}); a compressed file may be damaged or cut short"
        raise InputError(message) from error
    regions = []
    for number, line in enumerate(lines, 1):
        text = line.decode("utf-8", "replace").strip()
        if not text or text.startswith("#") or text.split()[0] in {"track", "browser"}:
            continue
        fields = text.split("\t") if "\t" in text else text.split()
        if len(fields) < 3 or not (fields[1].isdecimal() and fields[2].isdecimal()):
            message = f"{path}, line {number}: not BED: expected name, start and end, found {text[:60]!r}"
            raise InputError(message)
        if int(fields[1]) >= int(fields[2]):
            message = f"{path}, line {number}: the interval {fields[1]}-{fields[2]} is empty (0-based half-open)"
            raise InputError(message)
        start, end = int(fields[1]), int(fields[2])
        if summits and len(fields) == 10 and fields[9].isdecimal():
            start, end = start + int(fields[9]), start + int(fields[9]) + 1
        regions.append(Region(fields[0], start, end))
    return regions


def merge_regions(regions: list[Region], order: list[str]) -> list[Region]:
    """Join regions that overlap or touch; by place in the genome, sequences in the given order."""
    place = {name: k for k, name in enumerate(order)}
    merged: list[Region] = []
    for region in sorted(regions, key=lambda region: (place[region.name], region.start, region.end)):
        if merged and merged[-1].name == region.name and region.start <= merged[-1].end:
            merged[-1] = replace(merged[-1], end=max(merged[-1].end, region.end))
        else:
            merged.append(region)
    return merged


class RegionReader:
    """Read intervals of named sequences in chunks; like `FastaReader`, in the sequences' own coordinates.

    Parameters
    ----------
    source : str
        Where the sequences are, for messages.
    regions : list of Region
        A window lies wholly inside one of them.
    fetch : callable
        From name, start and end (0-based half-open) to letters.
    overlap, padding, skip_masked
        As for `FastaReader`.
    """

    def __init__(
        self, source: str, regions: list[Region], fetch: Fetch, *, overlap: int, padding: int, skip_masked: bool = False
    ) -> None:
        self.source = source
        self.records = self.bases = self.ambiguous = self.foreign = 0
        self._regions = regions
        self._fetch = fetch
        self._overlap = overlap
        self._padding = padding
        self._classes = byte_classes(skip_masked=skip_masked)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks in order.

        Raises
        ------
        InputError
            A byte that is no letter.
        """
        pieces: list[_Piece] = []
        size = 0
        for region in self._regions:
            record = Record(region.name, self.source, self.records, region.end - region.start, region.start)
            self.records += 1
            for start in range(region.start, max(region.end, region.start + 1), _PIECE):
                end = min(start + _PIECE, region.end)
                codes = self._codes(region.name, start, min(end + self._overlap, region.end), end - start)
                self.bases += end - start
                pieces.append((record, start, codes))
                size += len(codes)
                if size >= _PIECE or end < region.end:
                    yield self._chunk(pieces, end - start if end < region.end else None)
                    pieces, size = [], 0
        if pieces:
            yield self._chunk(pieces, None)

    def _codes(self, name: str, start: int, end: int, owned: int) -> NDArray[np.uint8]:
        classes = self._classes[np.frombuffer(self._fetch(name, start, end), dtype=np.uint8)]
        wrong = np.flatnonzero(classes >= BLANK)
        if len(wrong):
            message = f"{self.source}, record {name!r}, base {start + int(wrong[0]) + 1}: not a letter of a sequence"
            raise InputError(message)
        self.ambiguous += int((classes[:owned] == AMBIGUOUS).sum())
        self.foreign += int((classes[:owned] == FOREIGN).sum())
        return np.minimum(classes, UNKNOWN)

    def _chunk(self, pieces: list[_Piece], owned: int | None) -> Chunk:
        """Put pieces side by side; owned: window starts of the last piece, if its region goes on."""
        lengths = np.array([len(codes) for _, _, codes in pieces], dtype=np.int64)
        begins = np.cumsum(lengths + 1) - lengths - 1
        size = int(begins[-1] + lengths[-1])
        codes = np.full(size + self._padding, UNKNOWN, dtype=np.uint8)
        for begin, (_, _, part) in zip(begins.tolist(), pieces, strict=True):
            codes[begin : begin + len(part)] = part
        limit = size if owned is None else int(begins[-1]) + owned
        offsets = np.array([start for _, start, _ in pieces], dtype=np.int64)
        records = [record for record, _, _ in pieces]
        return Chunk(codes, size, limit, records, begins, begins + lengths, offsets, owned is not None)


def read_texts(sequences: Mapping[str, str], *, overlap: int, padding: int, skip_masked: bool = False) -> RegionReader:
    """Return a reader of sequences in memory, by name."""
    regions = [Region(name, 0, len(text)) for name, text in sequences.items()]

    def fetch(name: str, start: int, end: int) -> bytes:
        return sequences[name][start:end].encode("utf-8", "replace")

    return RegionReader("memory", regions, fetch, overlap=overlap, padding=padding, skip_masked=skip_masked)


def read_regions(
    path: str | Path,
    bed: str | Path,
    *,
    overlap: int,
    padding: int,
    skip_masked: bool = False,
    only: slice | None = None,
) -> RegionReader:
    """Return a reader of BED regions of an indexed FASTA (plain or bgzip; a missing `.fai` index is made).

    Overlapping regions are joined, so that no hit is reported twice.

    Parameters
    ----------
    only
        Which of the joined regions, by place in the genome; None: all.

    Raises
    ------
    InputError
        A file that cannot be indexed, or a region outside its sequences.
    """
    fasta, merged = _joined_regions(path, bed)

    def fetch(name: str, start: int, end: int) -> bytes:
        letters: str = fasta.fetch(name, start + 1, end).seq
        return letters.encode()

    chosen = merged if only is None else merged[only]
    return RegionReader(str(path), chosen, fetch, overlap=overlap, padding=padding, skip_masked=skip_masked)


def region_lengths(path: str | Path, bed: str | Path) -> list[int]:
    """Return the bases of each region that `read_regions` reads, in its order.

    Raises
    ------
    InputError
        As `read_regions`.
    """
    return [region.end - region.start for region in _joined_regions(path, bed)[1]]


def _joined_regions(path: str | Path, bed: str | Path) -> tuple[Any, list[Region]]:
    """Return the indexed FASTA, and the regions that lie in it, in its order."""
    fasta = open_indexed(path)
    lengths = {name: entry.rlen for name, entry in fasta.index.items()}
    regions = read_bed(bed)
    if not regions:
        runtime.logger.warning("%s: no regions in it", bed)
    for region in regions:
        if region.end > lengths.get(region.name, -1):
            has = f"has {lengths[region.name]:,} bases" if region.name in lengths else f"is not in {path}"
            message = f"{bed}: region {region.name}:{region.start}-{region.end}: {region.name} {has}"
            raise InputError(message)
    return fasta, merge_regions(regions, list(lengths))


def open_indexed(path: str | Path, purpose: str = "--bed") -> Any:
    """Open a FASTA for random access by pyfaidx; `purpose` is the option that needs it, for messages.

    A missing index is made: beside the file, or in the cache where the file's folder cannot be written.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be indexed.
    """
    from pyfaidx import Faidx, FastaIndexingError, FastaNotFoundError

    if str(path) == "-":
        message = f"{purpose} needs a FASTA file that can be indexed, not stdin"
        raise InputError(message)
    indexable = _indexable(Path(path))
    try:
        return Faidx(str(indexable), rebuild=True)
    except FastaNotFoundError as error:
        raise InputError(unreadable(path, FileNotFoundError())) from error
    except UnicodeDecodeError as error:
        message = f"{path} is no text; {purpose} needs a FASTA, plain or bgzip"
        raise InputError(message) from error
    except (FastaIndexingError, OSError, ValueError, ImportError) as error:
        message = f"{path}: cannot be indexed for {purpose} ({error}){_remedy(indexable, error)}"
        raise InputError(message) from error


def _remedy(path: Path, error: Exception) -> str:
    """Return what to do about a file that cannot be indexed, as far as it can be told."""
    if "Duplicate key" in str(error):
        return "; give every sequence a name of its own"
    index = Path(f"{path}.fai")
    if index.is_file():
        return f"; if {index} is not its index, remove it: it is made anew"
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return "; a compressed file must be bgzip, not gzip" if packed else ""


def _indexable(path: Path) -> Path:
    """Return the path, or a link to it from the cache where no index can be written beside it."""
    folder = path.resolve().parent
    # An administrator could write in a folder that is marked as read-only; the mark counts.
    writable = os.access(folder, os.W_OK) and folder.stat().st_mode & 0o222
    if not path.is_file() or Path(f"{path}.fai").exists() or writable:
        return path
    from bioconv.download import cache_folder

    facts = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:16]
    link = cache_folder() / "indexes" / key / path.name
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    return link
