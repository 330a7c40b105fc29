"""Plain matrices: JASPAR, bare count tables, HOMER and TRANSFAC."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from bioconv.sequence.motifs.matrix import Matrix, fail, parse_position, parse_row

_LETTER_ROW = re.compile(r"([ACGTU])(?=[\s\[|:]|$)\s*[\[|:]?(.*?)\]?$", re.IGNORECASE)
_SEQUENCE = re.compile(r"[A-Z*-]{5,}$", re.IGNORECASE)


@dataclass
class _Block:
    """A header line (empty for a bare table) and the rows below it, each with its line number."""

    header: str
    line: int
    rows: list[tuple[int, str]] = field(default_factory=list)

    def is_homer(self) -> bool:
        """Tell whether the third field is HOMER's detection threshold."""
        fields = self.header.split("\t")
        return len(fields) >= 3 and re.match(r"\s*-?[\d.]", fields[2]) is not None

    def is_tall(self) -> bool:
        """Tell whether the rows can only be positions: more than four of them, four numbers in each.

        Fewer than four may be a table of bases that was cut off, which must not turn the others round.
        """
        return len(self.rows) > 4 and all(len(row.split()) == 4 and not _LETTER_ROW.match(row) for _, row in self.rows)


def read_tables(text: str, path: str) -> list[Matrix]:
    """Return the matrices of a JASPAR, HOMER or bare table file.

    Rows are bases (A, C, G, T, or as their letters say) unless the file is HOMER's, or has a table of more
    than four rows with four numbers each: then the rows of the whole file are positions.

    Raises
    ------
    MotifError
        Naming file and line.
    """
    blocks = _split_blocks(text, path)
    positions = any(block.is_homer() or block.is_tall() for block in blocks)
    return [_by_position(block, path) if positions else _by_base(block, path) for block in blocks]


def _split_blocks(text: str, path: str) -> list[_Block]:
    blocks: list[_Block] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line.startswith(">"):
            blocks.append(_Block(line[1:].strip(), number))
            if not blocks[-1].header:
                fail(path, number, "a header without a name; write >identifier and a name")
        elif line and not line.startswith("#"):
            if not blocks:
                blocks.append(_Block("", number))
            if _SEQUENCE.match(line):
                fail(
                    path,
                    number,
                    "a sequence where numbers were expected; give a motif file, not sequences (FASTA)",
                )
            blocks[-1].rows.append((number, line))
    return blocks


def _names(block: _Block, path: str) -> tuple[str, str]:
    """Return identifier and alternate name; a bare table is called after its file."""
    if not block.header:
        name = Path(path).name.removesuffix(".gz")
        return (Path(name).stem if Path(name).suffix[1:].isalpha() else name), ""
    if block.is_homer():
        consensus, name = block.header.split("\t")[:2]
        return (" ".join(name.split()), consensus.strip()) if name.strip() else (consensus.strip(), "")
    name, *alt = block.header.split()
    return name, " ".join(alt)


def _by_position(block: _Block, path: str) -> Matrix:
    name, alt = _names(block, path)
    rows = [parse_position(row.split(), path, number) for number, row in block.rows]
    lines = [number for number, _ in block.rows]
    return Matrix(name, alt, block.line, rows, lines, counts=not block.is_homer())


def _by_base(block: _Block, path: str) -> Matrix:
    name, alt = _names(block, path)
    if len(block.rows) != 4:
        rows = f"{len(block.rows)} rows, 4 expected (A, C, G, T); the file may be cut off"
        fail(path, block.line, f"motif {name} has {rows}")
    bases: dict[str, list[float]] = {}
    for order, (number, row) in zip("ACGT", block.rows, strict=True):
        lettered = _LETTER_ROW.match(row)
        base = lettered[1].upper().replace("U", "T") if lettered else order
        if base in bases:
            fail(path, number, f"motif {name} has a second row for {base}; give A, C, G and T once each")
        bases[base] = parse_row((lettered[2] if lettered else row).split(), path, number)
        if len(bases[base]) != len(next(iter(bases.values()))):
            first = len(next(iter(bases.values())))
            fail(
                path,
                number,
                f"row {base} of motif {name} has {len(bases[base])} numbers, the first has {first}",
            )
    columns = list(zip(*(bases[base] for base in "ACGT"), strict=True))
    return Matrix(name, alt, block.line, columns, [block.line] * len(columns), counts=True)


def read_transfac(text: str, path: str) -> list[Matrix]:
    """Return the matrices of a TRANSFAC file; the identifier is AC, else ID, else NA.

    Raises
    ------
    MotifError
        Naming file and line.
    """
    matrices: list[Matrix] = []
    names: dict[str, str] = {}
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        key, _, value = lines[at].strip().partition("\t" if "\t" in lines[at] else " ")
        at += 1
        if key == "//":
            names = {}
        elif key in {"AC", "ID", "NA"}:
            names[key] = " ".join(value.split())
        elif key.upper() in {"P0", "PO"}:
            matrix = _read_positions(lines, at, names, path)
            matrices.append(matrix)
            at += len(matrix.rows)
    return matrices


def _read_positions(lines: list[str], at: int, names: dict[str, str], path: str) -> Matrix:
    """Return the matrix whose `P0` line is line number `at` (from 1)."""
    letters = "".join(lines[at - 1].split()[1:])
    if letters.upper().replace("U", "T") != "ACGT":
        fail(path, at, f"columns {letters!r}, 'A C G T' expected; only DNA and RNA motifs can be used")
    known = [names[key] for key in ("AC", "ID", "NA") if names.get(key)]
    if not known:
        fail(path, at, "a matrix without a name; write an AC, ID or NA line above it")
    rows: list[list[float]] = []
    for number, line in enumerate(lines[at:], at + 1):
        words = line.split()
        if not words or not re.fullmatch("[0-9]{1,6}", words[0]):
            break
        if len(words) == 6 and words[5].isalpha():
            words.pop()  # the consensus letter
        rows.append(parse_position(words[1:], path, number))
        if int(words[0]) - len(rows) != int(lines[at].split()[0]) - 1:
            fail(path, number, f"row {words[0]} is out of order; rows are numbered one by one")
    alt = known[1] if len(known) > 1 else ""
    return Matrix(known[0].split()[0], alt, at, rows, range(at + 1, at + 1 + len(rows)), counts=True)
