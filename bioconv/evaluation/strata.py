"""Parts of the samples: by maker, density, age; one column at a time, numbers in stated bins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.inputs import Flags
from bioconv.tables import Table, listed

MOST = 50
"""Strata of one column; more are a mistake, such as numbers that need bins."""
NOT_GIVEN = "not given"


@dataclass(frozen=True)
class Split:
    """How a column divides the samples.

    Parameters
    ----------
    column
        Of the table of labels.
    width
        Of bins that begin at its multiples, the lower end belonging to the bin; None: by value or by `cuts`.
    cuts
        Where a new bin begins, in order; empty: by value or by `width`.
    """

    column: str
    width: float | None = None
    cuts: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Stratum:
    """Samples of one value or bin of a column: its name and (n,) bool."""

    column: str
    name: str
    members: Flags


def parse_splits(text: str) -> list[Split]:
    """Read `vendor,density,age:10` or `vendor,age:50,60,70`.

    One number after the colon is a width (bins begin at its multiples), several are where bins begin.

    Raises
    ------
    OptionError
        If a column is given twice or empty, or the numbers are none, or not in order.

    Examples
    --------
    >>> [split.cuts for split in parse_splits("vendor,age:50,60,70")]
    [(), (50.0, 60.0, 70.0)]
    """
    found: list[tuple[str, list[str]]] = []
    for word in text.split(","):
        name, colon, first = (part.strip() for part in word.rpartition(":"))
        if colon:
            found.append((name, [first]))
        elif found and found[-1][1] and _number(first) is not None:
            found[-1][1].append(first)
        else:
            found.append((first, []))
    names = [name for name, _ in found]
    if "" in names or len(set(names)) < len(names):
        message = f"--by {text}: give each column once, such as vendor,density,age:50,60,70"
        raise OptionError(message)
    return [_split(name, cells, text) for name, cells in found]


def divide(splits: Sequence[Split], facts: Mapping[str, Sequence[str]], source: str, lines: list[int]) -> list[Stratum]:
    """Return the strata of each split in turn: values in order, bins from the lowest, `not given` last.

    Parameters
    ----------
    splits
        As `parse_splits` returns them.
    facts
        Column -> n cells.
    source, lines
        File and line of each cell, for messages.

    Raises
    ------
    InputError
        If a column is missing, a cell to be binned is not a finite number, or there are more than 50 strata.
    """
    strata = []
    for split in splits:
        if split.column not in facts:
            message = f"{source}: no column {split.column!r} for --by; there are {', '.join(facts)}"
            raise InputError(message)
        names = _names(split, facts[split.column], source, lines)
        order = dict.fromkeys(name for _, name in sorted(set(names)))
        if len(order) > MOST:
            message = (
                f"{source}: column {split.column} has {len(order)} values ({listed(list(order))}); {MOST} strata at "
                f"most: give bins of numbers, such as --by {split.column}:10"
            )
            raise InputError(message)
        cells = np.array([name for _, name in names])
        strata += [Stratum(split.column, name, cells == name) for name in order]
    return strata


def _split(name: str, cells: list[str], text: str) -> Split:
    numbers = [_number(cell) for cell in cells]
    given = tuple(one for one in numbers if one is not None)
    if len(given) < len(cells) or list(given) != sorted(set(given)) or (len(given) == 1 and given[0] <= 0):
        message = (
            f"--by {text}: {name}:{','.join(cells)} are no bins; give a width above 0 ({name}:10) or several numbers "
            f"where bins begin, in order ({name}:50,60,70)"
        )
        raise OptionError(message)
    return Split(name, given[0]) if len(given) == 1 else Split(name, None, given)


def _names(split: Split, cells: Sequence[str], source: str, lines: list[int]) -> list[tuple[tuple[int, float], str]]:
    """Return of each sample what its stratum is sorted by, and its name."""
    if split.width is None and not split.cuts:
        order = {cell: place for place, cell in enumerate(sorted(set(cells), key=_by_number))}
        return [((1, 0.0), NOT_GIVEN) if not cell else ((0, float(order[cell])), cell) for cell in cells]
    filled = [number for number, cell in enumerate(cells) if cell]
    table = Table(source, (split.column,), ([cells[i] for i in filled],), [lines[i] for i in filled])
    values = dict(zip(filled, table.numbers(split.column).tolist(), strict=True))
    return [_bin(split, values[i]) if i in values else ((1, 0.0), NOT_GIVEN) for i in range(len(cells))]


def _bin(split: Split, value: float) -> tuple[tuple[int, float], str]:
    if split.width is not None:
        # Not a multiplication of what a division gave: 0.3 lies in the bin that begins at 3 * 0.1.
        number = math.floor(round(value / split.width, 9))
        ends = (number * split.width, (number + 1) * split.width)
        return (0, ends[0]), f"{ends[0]:g} to <{ends[1]:g}"
    place = sum(value >= cut for cut in split.cuts)
    if place == 0:
        return (0, -math.inf), f"<{split.cuts[0]:g}"
    if place == len(split.cuts):
        return (0, split.cuts[-1]), f">={split.cuts[-1]:g}"
    return (0, split.cuts[place - 1]), f"{split.cuts[place - 1]:g} to <{split.cuts[place]:g}"


def _by_number(cell: str) -> tuple[bool, float, str]:
    """Put numbers in their order before words in theirs."""
    number = _number(cell)
    return number is None, number or 0.0, cell


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
