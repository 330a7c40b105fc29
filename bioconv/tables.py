"""Tables of text with a header line: CSV or TSV, plain or gzip, whole in memory."""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.wording import counted, unreadable

LARGEST = 1 << 30
_SEPARATORS = ("\t", ",", ";")


@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a table, as text.

    Parameters
    ----------
    source
        The file, for messages.
    columns
        The header's names, all different.
    cells
        One list per column, all of the same length.
    lines
        Line of the file on which each row ends, counted from 1.
    """

    source: str
    columns: tuple[str, ...]
    cells: tuple[list[str], ...]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> list[str]:
        """Return the cells of a column.

        Raises
        ------
        InputError
            If there is no such column; the message lists those there are.
        """
        if name not in self.columns:
            message = f"{self.source}: no column {name!r}; the header has {', '.join(self.columns)}"
            raise InputError(message)
        return self.cells[self.columns.index(name)]

    def find(self, names: tuple[str, ...]) -> str | None:
        """Return the column that has one of the names (case does not matter), or None."""
        known = {column.casefold(): column for column in reversed(self.columns)}
        return next((known[name.casefold()] for name in names if name.casefold() in known), None)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as (n,) float64.

        Raises
        ------
        InputError
            If a cell is empty, not a number or not finite; it names file, line and column.
        """
        cells = self.column(name)
        try:
            values = np.array([float(cell) for cell in cells], dtype=np.float64)
        except ValueError:
            values = np.array([_number(cell) for cell in cells], dtype=np.float64)
        odd = np.flatnonzero(~np.isfinite(values))
        if len(odd):
            row = int(odd[0])
            message = f"{self.source}, line {self.lines[row]}, column {name}: {cells[row]!r} is not a finite number"
            raise InputError(message)
        return values

    def unique(self, name: str) -> list[str]:
        """Return a column in which every cell is filled and differs from the others.

        Raises
        ------
        InputError
            If a cell is empty, or some are the same: the first five are listed.
        """
        cells = self.column(name)
        if "" in cells:
            message = f"{self.source}, line {self.lines[cells.index('')]}: no {name}; every row needs one"
            raise InputError(message)
        if len(set(cells)) < len(cells):
            first: dict[str, int] = {}
            twice = [
                f"{cell!r} (lines {first[cell]} and {line})"
                for cell, line in zip(cells, self.lines, strict=True)
                if first.setdefault(cell, line) != line
            ]
            rows = counted(len(twice), "row", does=("repeats", "repeat"))
            message = f"{self.source}: {rows} a {name}: {listed(twice)}; keep one of each"
            raise InputError(message)
        return cells


def listed(items: list[str], most: int = 5) -> str:
    """Return the first items, with `...` where there are more."""
    return ", ".join(items[:most]) + (", ..." if len(items) > most else "")


def read_table(path: str | Path) -> Table:
    """Read a table; `-` is stdin.

    The first line is the header; its first tab, comma or semicolon (looked for in this order) separates the
    columns. Lines before it that begin with `# ` or `##` are left out, as are empty lines.

    Raises
    ------
    InputError
        If the file cannot be read, has no header, or a row has too few or too many cells: names file and line.
    """
    return parse_table(read_bytes(path), "stdin" if str(path) == "-" else str(path))


def parse_table(data: bytes, source: str) -> Table:
    """Return the table that a file's bytes are, as `read_table` does; `source` is what messages call the file.

    Raises
    ------
    InputError
        If there is no header, or a row has too few or too many cells.
    """
    text = _decode(data, source)
    header, begin, skipped = _header(text, source)
    separator = next((one for one in _SEPARATORS if one in header), ",")
    # The csv module's own limit, of all its readers, is 131,072 letters of a cell: fewer than sequences have.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST))
    reader = csv.reader(io.StringIO(text[begin:], newline=""), delimiter=separator, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num + skipped)
    except csv.Error as error:
        message = f"{source}, line {reader.line_num + skipped}: {error}; expected a table with quotes in pairs"
        raise InputError(message) from error
    columns = _columns(rows[0], source, lines[0])
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(columns):
            message = f"{source}, line {line}: {counted(len(row), 'cell')} where the header has {len(columns)}"
            raise InputError(message)
    cells = tuple([cell.strip() for cell in column] for column in zip(*rows[1:], strict=True))
    return Table(source, columns, cells or tuple([] for _ in columns), lines[1:])


def read_bytes(path: str | Path) -> bytes:
    """Return a file's bytes (`-`: stdin), decompressed if its magic bytes say gzip.

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or holds more than 1 GiB.
    """
    source = "stdin" if str(path) == "-" else str(path)
    try:
        data = b"".join(_blocks(path))
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(data)) as unpacked:
                data = unpacked.read(LARGEST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{source}: the gzip data is damaged or cut short ({error}); fetch or compress it again"
        raise InputError(message) from error
    except OSError as error:
        raise InputError(unreadable(source, error)) from error
    if len(data) > LARGEST:
        message = f"{source} holds more than {LARGEST >> 30} GiB; give it in parts"
        raise InputError(message)
    return data


def _blocks(path: str | Path) -> Iterator[bytes]:
    if str(path) == "-":
        yield sys.stdin.buffer.read(LARGEST + 1)
        return
    with Path(path).open("rb") as stream:
        yield stream.read(LARGEST + 1)


def _decode(data: bytes, source: str) -> str:
    if b"\0" in data:
        message = f"{source} is a binary file; a table (CSV or TSV, plain or gzip) was expected"
        raise InputError(message)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if not text.strip():
        message = f"{source} is empty; expected a table with a header line"
        raise InputError(message)
    return text


def _header(text: str, source: str) -> tuple[str, int, int]:
    """Return the header line, where it begins, and the number of lines before it."""
    for number, match in enumerate(re.finditer(r"([^\r\n]*)(?:\r\n|\r|\n|\Z)", text)):
        line = match.group(1)
        if line.strip() and not line.startswith(("# ", "##")):
            return line, match.start(), number
    message = f"{source} holds comments only; expected a table with a header line"
    raise InputError(message)


def _columns(header: list[str], source: str, line: int) -> tuple[str, ...]:
    names = tuple(name.strip() for name in [header[0].removeprefix("#"), *header[1:]])
    odd = sorted({name for name in names if names.count(name) > 1 or not name})
    if odd:
        message = f"{source}, line {line}: the header has empty or repeated names: {odd}; give each column its own"
        raise InputError(message)
    return names


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
