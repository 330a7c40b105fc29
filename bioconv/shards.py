"""Which part of the work is this process's: `--shard I/N`, for every command that has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bioconv.errors import OptionError

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Shard:
    """One of several parts that together are the whole, with nothing twice.

    Parameters
    ----------
    which
        Counted from 1.
    number
        Of how many.

    Examples
    --------
    >>> shard = parse_shard("2/3")
    >>> shard.every("abcdefg"), shard.stretch("abcdefg"), shard.bounds(100)
    (['b', 'e'], ['c', 'd'], (33, 66))
    """

    which: int = 1
    number: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether it is the only one."""
        return self.number == 1

    @property
    def is_last(self) -> bool:
        """Whether no other comes after it."""
        return self.which == self.number

    def __str__(self) -> str:
        return f"{self.which}/{self.number}"

    def bounds(self, total: int) -> tuple[int, int]:
        """Return the half-open range of `total` units that is this shard's; ranges of neighbours meet.

        Their lengths differ by one at most, and where there are fewer units than shards some are empty.
        """
        return total * (self.which - 1) // self.number, total * self.which // self.number

    def stretch(self, items: Sequence[_Item]) -> list[_Item]:
        """Return this shard's items, neighbours together: those of all shards one after another are all, in order."""
        begin, end = self.bounds(len(items))
        return list(items[begin:end])

    def every(self, items: Sequence[_Item]) -> list[_Item]:
        """Return every `number`-th of `items` from the `which`-th: alike work for each where neighbours are alike."""
        return list(items[self.which - 1 :: self.number])


def parse_shard(text: str | None) -> Shard:
    """Return the shard that a `text` `I/N` names; None: the only one.

    Raises
    ------
    OptionError
        If it is not `I/N` with 1 <= I <= N.
    """
    if text is None:
        return Shard()
    parts = text.split("/")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        which, number = int(parts[0]), int(parts[1])
        if 1 <= which <= number:
            return Shard(which, number)
    message = f"--shard {text!r} is not I/N with 1 <= I <= N, such as 2/8"
    raise OptionError(message)
