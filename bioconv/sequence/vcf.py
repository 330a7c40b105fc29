"""VCF as text: records one after the other, every byte kept, and fields added to INFO.

VCF 4.x, plain, gzip or bgzip. Sequence names, positions and alleles are read; nothing else is interpreted.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, Self

from bioconv.errors import InputError
from bioconv.sequence.byte_stream import open_bytes
from bioconv.wording import unreadable

_LONGEST_LINE = 1 << 28
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BASES = re.compile(r"[ACGTNacgtn]+\Z")
_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")


@dataclass(frozen=True, slots=True)
class VcfRecord:
    """One line of a VCF.

    Attributes
    ----------
    line : int
        Number in the file, from 1.
    raw : bytes
        The line without its end.
    chrom, id, ref : str
        As written.
    pos : int
        1-based place of the first letter of `ref`, as written.
    alts : tuple of str
        Alternative alleles as written; `(".",)` where there is none.
    """

    line: int
    raw: bytes
    chrom: str
    pos: int
    id: str
    ref: str
    alts: tuple[str, ...]


def allele_flag(allele: str) -> str | None:
    """Return why an alternative allele has no letters to score, or None if it has them.

    Examples
    --------
    >>> [allele_flag(allele) for allele in ("T", "<DEL>", "*", ".", "G]17:198982]", ".A", "-", "R")]
    [None, 'symbolic', 'spanning_deletion', 'no_alt', 'breakend', 'breakend', 'alt_not_bases', 'alt_not_bases']
    """
    if is_bases(allele):
        return None
    if allele == "*":
        return "spanning_deletion"
    if allele == ".":
        return "no_alt"
    if allele.startswith("<"):
        return "symbolic"
    if "[" in allele or "]" in allele or allele.startswith(".") or allele.endswith("."):
        return "breakend"
    return "alt_not_bases"


def is_bases(allele: str) -> bool:
    """Say whether an allele is made of A, C, G, T and N only, in either case."""
    return _BASES.match(allele) is not None


class VcfReader:
    """Read a VCF line by line, in memory of one line; use it in a `with` block, which closes the file.

    Parameters
    ----------
    path : path or "-"
        Plain, gzip or bgzip; `-` is stdin.

    Attributes
    ----------
    header : list of bytes
        The lines before the records, without their ends, `#CHROM ...` the last; filled by `read_header`.
    """

    def __init__(self, path: str | Path) -> None:
        self.source = "stdin" if str(path) == "-" else str(path)
        self.header: list[bytes] = []
        self._stream: BinaryIO = open_bytes(path)
        self._line = 0
        self._fields = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def read_header(self) -> list[bytes]:
        """Read the lines before the records.

        Raises
        ------
        InputError
            If this is not a VCF 4 file, or its header does not end with the column names.
        """
        while True:
            line = self._next()
            if line is None and not self._line:
                message = f"{self.source} is empty; expected a VCF"
                raise InputError(message)
            if self._line == 1 and line is not None and not line.startswith(b"##fileformat=VCFv4"):
                self._fail(f"not VCF 4: expected '##fileformat=VCFv4.x', found {line[:40]!r}")
            if line is None or not line.startswith(b"#"):
                self._fail("the header ends without the line of column names, '#CHROM POS ID REF ALT ...'")
            self.header.append(line)
            if not line.startswith(b"##"):
                break
        names = tuple(line.decode("utf-8", "replace").split("\t"))
        if names[:8] != _COLUMNS or len(names) == 9:
            wanted = "\t".join(_COLUMNS)
            self._fail(f"the line of column names is {line[:100].decode('utf-8', 'replace')!r}; expected {wanted!r}")
        self._fields = len(names)
        return self.header

    def records(self) -> Iterator[VcfRecord]:
        """Yield the records in order; blank lines at the end are left out.

        Raises
        ------
        InputError
            A line that is not VCF, or damaged compression: names file and line.
        """
        while (line := self._next()) is not None:
            if not line.strip():
                if self._next() is not None:
                    self._fail("a blank line before this one; a VCF has none")
                return
            yield self._record(line)

    def _record(self, line: bytes) -> VcfRecord:
        fields = line.split(b"\t")
        if len(fields) != self._fields:
            self._fail(f"{len(fields)} fields; the line of column names has {self._fields} (separated by tabs)")
        chrom, pos, name, ref, alt = (field.decode("utf-8", "replace") for field in fields[:5])
        if not (pos.isascii() and pos.isdecimal() and len(pos) < 19):
            self._fail(f"POS is {pos!r}; expected a whole number")
        alts = tuple(alt.split(","))
        if not chrom or not ref or not all(alts) or any(" " in part for part in (chrom, ref, alt)):
            self._fail(f"CHROM {chrom!r}, REF {ref!r}, ALT {alt!r}: one is empty or has a space in it")
        return VcfRecord(self._line, line, chrom, int(pos), name, ref, alts)

    def _next(self) -> bytes | None:
        try:
            line = self._stream.readline(_LONGEST_LINE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._fail(f"the gzip data is damaged or cut short ({error})", after=True)
        except OSError as error:
            raise InputError(unreadable(self.source, error)) from error
        if not line:
            return None
        self._line += 1
        if len(line) == _LONGEST_LINE:
            self._fail("longer than 256 MiB: this is not VCF")
        return line.removeprefix(_BYTE_ORDER_MARK if self._line == 1 else b"").rstrip(b"\r\n")

    def _fail(self, reason: str, *, after: bool = False) -> NoReturn:
        message = f"{self.source}, {'after ' if after else ''}line {self._line}: {reason}"
        raise InputError(message)


def with_info(raw: bytes, info: Mapping[str, str], *, also: Sequence[str] = ()) -> bytes:
    r"""Return a line with these INFO fields, in place of earlier ones of the same name; all else byte by byte.

    also: names of fields that are taken out as well.

    Examples
    --------
    >>> with_info(b"1\t5\t.\tA\tC\t.\t.\tDP=9;X=1\tGT\t0/1", {"X": "2"})
    b'1\t5\t.\tA\tC\t.\t.\tDP=9;X=2\tGT\t0/1'
    """
    fields = raw.split(b"\t", 8)
    names = {name.encode() for name in (*info, *also)}
    kept = [entry for entry in fields[7].split(b";") if entry.partition(b"=")[0] not in names and entry != b"."]
    fields[7] = b";".join([*kept, *(f"{name}={value}".encode() for name, value in info.items())]) or b"."
    return b"\t".join(fields)


def with_header(header: Sequence[bytes], lines: Sequence[str], info: Sequence[str]) -> list[bytes]:
    """Return a header with more lines before the column names; `info`: INFO fields defined anew by `lines`."""
    stale = tuple(f"##INFO=<ID={name},".encode() for name in info)
    kept = [line for line in header[:-1] if not line.startswith(stale)] if stale else list(header[:-1])
    return [*kept, *(line.encode() for line in lines), header[-1]]


def info_name(name: str) -> str:
    """Return a model's name as a part of an INFO key: letters, digits, `_` and `.`."""
    return re.sub(r"[^0-9A-Za-z_.]", "_", name)
