"""Which sequences belong together: those of one given group, and those that are the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)


def reverse_complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the other strand's codes, (length,) uint8.

    Examples
    --------
    >>> reverse_complement(np.array([0, 0, 1, 4], np.uint8)).tolist()
    [4, 2, 3, 3]
    """
    return _COMPLEMENT[codes[::-1]]


def group_sequences(
    names: Sequence[str], codes: Sequence[NDArray[np.uint8]], given: Sequence[str], *, both_strands: bool
) -> tuple[list[str], list[int]]:
    """Join sequences that share a given group or are identical, directly or by others.

    Parameters
    ----------
    given
        Group of each; empty: none.
    both_strands
        Whether a sequence and its reverse complement are identical.

    Returns
    -------
    groups : list of str
        The given group that is first in a joined one, else its first sequence's name.
    identical : list of int
        Equal for identical sequences.

    Examples
    --------
    >>> codes = [np.array(own, np.uint8) for own in ([0, 0], [3, 3], [1, 2])]
    >>> group_sequences(["a", "b", "c"], codes, ["", "", ""], both_strands=True)
    (['a', 'a', 'c'], [0, 0, 1])
    """
    seen: dict[bytes, int] = {}
    identical = []
    for own in codes:
        text = own.tobytes()
        if both_strands:
            text = min(text, reverse_complement(own).tobytes())
        identical.append(seen.setdefault(text, len(seen)))
    parent: dict[object, object] = {}

    def root(mark: object) -> object:
        while parent.setdefault(mark, mark) != mark:
            parent[mark] = mark = parent[parent[mark]]
        return mark

    for number, group in zip(identical, given, strict=True):
        one, other = root(number), root(group or number)
        if one != other:
            parent[one] = other
    called: dict[object, str] = {}
    for number, group in zip(identical, given, strict=True):
        if group:
            called.setdefault(root(number), group)
    taken = set(called.values())
    for name, number in zip(names, identical, strict=True):
        if root(number) not in called:  # a name that is a group's elsewhere must not join it
            free = name
            while free in taken:
                free += "'"
            called[root(number)] = free
            taken.add(free)
    return [called[root(number)] for number in identical], identical
