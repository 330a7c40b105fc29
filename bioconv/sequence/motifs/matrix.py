"""The motif, and the one place where matrices found in files are checked and normalised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import MotifError

DEFAULT_SITES = 20.0
"""Number of sites where a file does not say; MEME's convention."""

SUM_TOLERANCE = 0.02
"""How far from 1 a row of rounded probabilities may sum; beyond that it is no distribution."""


@dataclass(frozen=True, eq=False)
class Motif:
    """A position frequency matrix with its names.

    Attributes
    ----------
    name, alt : str
        Identifier and alternate name (FIMO's `motif_id` and `motif_alt_id`); `alt` is `""` if there is none.
    frequencies : ndarray of float64, shape (L, 4)
        Probability of A, C, G, T at each position; rows sum to 1; read-only.
    sites : float
        Number of sites behind the matrix (weighs the pseudocount); 20 where the file does not say.
    source : str
        Where it comes from, `file.meme:12`.
    """

    name: str
    alt: str
    frequencies: NDArray[np.float64]
    sites: float
    source: str


@dataclass(frozen=True)
class Matrix:
    """A matrix as found in a file: `rows[i]` holds A, C, G, T of position i, written at `lines[i]`.

    With `counts`, rows may sum to anything above 0 and `sites` is taken from the sums.
    """

    name: str
    alt: str
    line: int
    rows: Sequence[Sequence[float]]
    lines: Sequence[int]
    sites: float | None = None
    counts: bool = False

    def place(self, path: str) -> str:
        """Return `file:line`, or the path alone where there are no lines (a database)."""
        return f"{path}:{self.line}" if self.line else path


def fail(path: str, line: int, problem: str) -> NoReturn:
    """Raise the MotifError that names the place."""
    message = f"{path}:{line}: {problem}"
    raise MotifError(message)


def parse_row(words: Sequence[str], path: str, line: int, *, signed: bool = False) -> list[float]:
    """Return the numbers in `words`: finite, and not negative unless `signed`.

    Raises
    ------
    MotifError
        Naming file, line and word.
    """
    try:
        row = list(map(float, words))
        if math.isfinite(sum(row)) and (signed or not row or min(row) >= 0) and "_" not in "".join(words):
            return row
    except ValueError:
        pass
    for word in words:
        _refuse_word(word, path, line, signed=signed)
    fail(path, line, f"the numbers {' '.join(words)!r} are too large to be added; correct the row")


def _refuse_word(word: str, path: str, line: int, *, signed: bool) -> None:
    try:
        value = float(word.replace("_", "?"))
    except ValueError:
        fail(path, line, f"{word!r} is not a number; a row of a motif matrix holds numbers only")
    if not math.isfinite(value):
        fail(path, line, f"{word!r} is not a finite number; correct the row or remove the motif")
    if value < 0 and not signed:
        fail(path, line, f"{word} is negative; counts and probabilities are 0 or more")


def parse_position(words: Sequence[str], path: str, line: int, *, signed: bool = False) -> list[float]:
    """Return the four numbers (A, C, G, T) of one position."""
    row = parse_row(words, path, line, signed=signed)
    if len(row) != 4:
        fail(path, line, f"{len(row)} numbers in a row, 4 expected (A, C, G, T); correct the row")
    return row


def finish(matrices: Sequence[Matrix], path: str) -> list[Motif]:
    """Check and normalise matrices: probabilities to sums of exactly 1, counts to frequencies.

    Raises
    ------
    MotifError
        If there is no matrix, one has no position, or a row sums to something it must not.
    """
    if not matrices:
        message = f"{path}: no motif found in the file; give a file that holds at least one matrix"
        raise MotifError(message)
    for matrix in matrices:
        if not matrix.rows:
            fail(path, matrix.line, f"motif {matrix.name} has no positions (width 0); remove it")
    values = np.array(list(chain.from_iterable(matrix.rows for matrix in matrices)), dtype=np.float64)
    with np.errstate(over="ignore"):
        sums = values.sum(axis=1)
    ends = np.cumsum([len(matrix.rows) for matrix in matrices])
    counts = np.repeat([matrix.counts for matrix in matrices], [len(matrix.rows) for matrix in matrices])
    bad = np.where(counts, (sums <= 0) | np.isinf(sums), np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.any():
        _refuse_sum(matrices, int(np.argmax(bad)), sums, path)
    values /= sums[:, None]
    values.setflags(write=False)
    spans = [slice(end - len(matrix.rows), end) for matrix, end in zip(matrices, ends.tolist(), strict=True)]
    return [
        Motif(each.name, each.alt, values[span], _sites(each, sums[span]), each.place(path))
        for each, span in zip(matrices, spans, strict=True)
    ]


def _refuse_sum(matrices: Sequence[Matrix], index: int, sums: NDArray[np.float64], path: str) -> NoReturn:
    """Name the matrix and position that row `index` of all matrices together belongs to."""
    total = sums[index]
    for matrix in matrices:
        if index < len(matrix.rows):
            break
        index -= len(matrix.rows)
    where = f"position {index + 1} of motif {matrix.name}"
    if total == 0:
        fail(path, matrix.lines[index], f"{where} is all zeros; correct it or trim the motif")
    wanted = "be finite" if matrix.counts else f"be 1 (within {SUM_TOLERANCE}) for probabilities"
    fail(path, matrix.lines[index], f"{where} sums to {total:.6g}, which must {wanted}; correct the row")


def _sites(matrix: Matrix, sums: NDArray[np.float64]) -> float:
    """Return the sites behind a matrix; fractions that sum to 1 are probabilities and say nothing of them."""
    if matrix.sites is not None:
        return matrix.sites
    if not matrix.counts:
        return DEFAULT_SITES
    fractional = any(value % 1 for row in matrix.rows for value in row)
    if fractional and np.all(np.abs(sums - 1) <= SUM_TOLERANCE):
        return DEFAULT_SITES
    return float(np.median(sums))
