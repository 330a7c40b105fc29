"""Alphabets of sequences: letters and the codes that networks read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OptionError


@dataclass(frozen=True)
class Alphabet:
    """Letters with codes from 0 on; every other letter is unknown.

    Parameters
    ----------
    name
        `dna` or `protein`.
    letters
        In the order of their codes, upper case.
    also
        Letters that mean the same as another, such as U for T: pairs.

    Examples
    --------
    >>> DNA.encode("ACGU-n").tolist()
    [0, 1, 2, 3, 4, 4]
    """

    name: str
    letters: str
    also: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        """Return the number of letters, which is the code of an unknown one."""
        return len(self.letters)

    @property
    def unknown(self) -> int:
        """Return the code of a letter that is none of these."""
        return len(self.letters)

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """Return the code of every byte, (256,) uint8; case does not matter."""
        table = np.full(256, self.unknown, np.uint8)
        pairs = [(letter, letter) for letter in self.letters] + list(self.also)
        for letter, like in pairs:
            table[[ord(letter), ord(letter.lower())]] = self.letters.index(like)
        return table

    def encode(self, sequence: str | bytes) -> NDArray[np.uint8]:
        """Return the codes of a sequence's letters, (n,) uint8."""
        raw = sequence.encode("latin-1", "replace") if isinstance(sequence, str) else sequence
        return self.codes[np.frombuffer(raw, np.uint8)]


DNA = Alphabet("dna", "ACGT", (("U", "T"),))
PROTEIN = Alphabet("protein", "ACDEFGHIKLMNPQRSTVWY")
ALPHABETS = {one.name: one for one in (DNA, PROTEIN)}


def alphabet_named(name: str) -> Alphabet:
    """Return an alphabet by name.

    Raises
    ------
    OptionError
        If there is none of that name.
    """
    if name not in ALPHABETS:
        message = f"alphabet {name!r} is not known; known are {', '.join(ALPHABETS)}"
        raise OptionError(message)
    return ALPHABETS[name]
