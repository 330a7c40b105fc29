"""MEME text: the minimal format (versions 3 to 5) and what MEME, DREME and STREME write.

The format is described at https://meme-suite.org/meme/doc/meme-format.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from bioconv.sequence.motifs.matrix import Matrix, fail, parse_position, parse_row
from bioconv.wording import counted

_PROBABILITIES = "letter-probability matrix"
_LOG_ODDS = "log-odds matrix"
_KEYWORDS = ("MOTIF", "URL", "ALPHABET", _PROBABILITIES, _LOG_ODDS)
_KEY = re.compile(r"(\w+)\s*=\s*(\S*)")
_NUMBER = re.compile(r"[+-]?(\d|\.\d|(nan|inf)\b)", re.IGNORECASE)
_WIDTH = re.compile(r"\s+width\s*=.*")


@dataclass
class _Entry:
    """One `MOTIF` line and the matrices that follow it."""

    name: str
    alt: str
    line: int
    probabilities: Matrix | None = None
    log_odds: Matrix | None = None


def read_meme(text: str, path: str) -> list[Matrix]:
    """Return the matrices of a MEME text file; a log-odds matrix only where there are no probabilities.

    Raises
    ------
    MotifError
        Naming file and line, if a motif is incomplete or malformed or the alphabet is neither DNA nor RNA.
    """
    lines = text.split("\n")
    entries: list[_Entry] = []
    background = [0.25] * 4
    at = 0
    while at < len(lines):
        line = lines[at].lstrip()
        at += 1
        if line.startswith("MOTIF") and line[5:6].isspace():
            entries.append(_read_name(line, path, at))
        elif line.startswith((_PROBABILITIES, _LOG_ODDS)):
            at = _read_matrix(lines, at, entries, background, path)
        elif line.startswith("ALPHABET"):
            at = _check_alphabet(lines, at, path)
        elif line.startswith("Background letter frequencies"):
            background = _read_background(lines, at, path)
    return [_choose(entry, path) for entry in entries]


def _read_name(line: str, path: str, at: int) -> _Entry:
    words = _WIDTH.sub("", line).split()
    if len(words) < 2:
        fail(path, at, "MOTIF without a name; write MOTIF and an identifier")
    return _Entry(words[1], words[2] if len(words) > 2 else "", at)


def _choose(entry: _Entry, path: str) -> Matrix:
    matrix = entry.probabilities or entry.log_odds
    if matrix is None:
        fail(path, entry.line, f"motif {entry.name} has no matrix; the file may be cut off")
    return matrix


def _read_matrix(lines: list[str], at: int, entries: list[_Entry], background: list[float], path: str) -> int:
    """Read the matrix whose header is line number `at` (from 1); return the index of the line after it."""
    log_odds = lines[at - 1].lstrip().startswith(_LOG_ODDS)
    if not entries:
        fail(path, at, "a matrix before any MOTIF line; write MOTIF and an identifier above it")
    entry = entries[-1]
    if (entry.log_odds if log_odds else entry.probabilities) is not None:
        fail(path, at, f"motif {entry.name} has a second matrix; start a new motif with a MOTIF line")
    width, sites = _read_header(lines[at - 1], path, at)
    rows, numbers, end = _read_rows(lines, at, width, path, signed=log_odds)
    if width is not None and len(rows) != width:
        follow = counted(len(rows), "row", does=("follows", "follow"))
        fail(
            path,
            at,
            f"motif {entry.name} announces w= {width} but {follow}; correct one of them",
        )
    if log_odds:
        rows = [_from_log_odds(row, background) for row in rows]
        entry.log_odds = Matrix(entry.name, entry.alt, entry.line, rows, numbers)
    else:
        entry.probabilities = Matrix(entry.name, entry.alt, entry.line, rows, numbers, sites)
    return end


def _read_header(line: str, path: str, at: int) -> tuple[int | None, float | None]:
    """Return `w=` and `nsites=`, None where not given; `nsites= 0` says nothing about the sites either."""
    keys = dict(_KEY.findall(line))
    alength = keys.get("alength", "4")
    if alength != "4":
        fail(path, at, f"alength= {alength}: only DNA and RNA motifs (alength= 4) can be used, not protein")
    width = keys.get("w")
    if width is not None and not re.fullmatch(r"[0-9]{1,6}", width):
        fail(path, at, f"w= {width!r} is not a number of rows; correct it or leave w= out")
    sites = parse_row([keys["nsites"]], path, at)[0] if "nsites" in keys else None
    return None if width is None else int(width), sites or None


def _read_rows(
    lines: list[str], at: int, width: int | None, path: str, *, signed: bool
) -> tuple[list[list[float]], list[int], int]:
    """Return rows, their line numbers and the index of the line after them.

    Blank lines are passed over before the first row and as long as rows announced by `w=` are missing.
    """
    rows: list[list[float]] = []
    numbers: list[int] = []
    wanted = width or 1
    while at < len(lines):
        words = lines[at].split()
        if words:
            if not _is_row(words):
                break
            rows.append(parse_position(words, path, at + 1, signed=signed))
            numbers.append(at + 1)
        elif len(rows) >= wanted:
            break
        at += 1
    return rows, numbers, at


def _is_row(words: list[str]) -> bool:
    """Tell a row, also a mistyped one, from what may follow a matrix: a row holds a number somewhere."""
    if words[0][0].isdigit():
        return True
    return not words[0].startswith((*_KEYWORDS, "log-odds", "letter-", "#")) and any(map(_NUMBER.match, words))


def _from_log_odds(row: list[float], background: list[float]) -> list[float]:
    """Return background * 2^(score / 100), normalised; shifted by its largest exponent to stay finite."""
    exponents = np.array(row) / 100 + np.log2(background)
    odds = np.exp2(exponents - exponents.max())
    return [float(value) for value in odds / odds.sum()]


def _read_background(lines: list[str], at: int, path: str) -> list[float]:
    """Return the four frequencies written below line number `at` as `A 0.25 C 0.25 G 0.25 T 0.25`."""
    words = " ".join(lines[at : at + 4]).split()[:8]
    letters = "".join(words[0::2]).upper().replace("U", "T")
    if letters != "ACGT" or len(words) != 8:
        fail(
            path,
            at + 1,
            f"background letters {' '.join(words[0::2])!r}; 'A 0.25 C 0.25 G 0.25 T 0.25' expected",
        )
    values = parse_row(words[1::2], path, at + 1)
    if abs(sum(values) - 1) > 0.02 or not all(values):
        fail(path, at + 1, f"background {values} must be four numbers above 0 that sum to 1; correct the line")
    return values


def _check_alphabet(lines: list[str], at: int, path: str) -> int:
    """Refuse every alphabet but DNA and RNA; return the index of the line after its definition."""
    definition = lines[at - 1].strip()[len("ALPHABET") :].strip()
    if definition.startswith("="):
        letters, end = definition[1:].strip(), at
    elif definition.upper() in {"DNA", "RNA", "PROTEIN"}:
        letters, end = {"DNA": "ACGT", "RNA": "ACGU"}.get(definition.upper(), definition), at
    else:
        letters, end = _core_letters(lines, at, path)
    if letters.upper() not in {"ACGT", "ACGU"}:
        fail(
            path,
            at,
            f"alphabet {letters!r}: only DNA (ACGT) and RNA (ACGU) motifs can be used, not protein or others",
        )
    return end


def _core_letters(lines: list[str], at: int, path: str) -> tuple[str, int]:
    """Return the core letters of an `ALPHABET ... END ALPHABET` block in order, and the index after it.

    A definition without `=` is a core letter (`A "Adenine" CC0000`), or two that pair (`A ~ T`).
    """
    ends = (index for index in range(at, len(lines)) if re.match(r"\s*END\s+ALPHABET", lines[index]))
    end = next(ends, None)
    if end is None:
        fail(path, at, "ALPHABET without END ALPHABET; close the block or write ALPHABET= ACGT")
    letters: set[str] = set()
    for definition in lines[at:end]:
        line = re.sub(r'"[^"]*"', "", definition).strip()
        if line and not line.startswith("#") and "=" not in line:
            letters.update(side.strip()[:1] for side in line.split("~"))
    return "".join(sorted(letters)), end + 1
