"""Sequences with the same two-letter words in another order: the usual negatives for motif discovery."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import native

Codes = NDArray[np.uint8]

_SYMBOLS = 5
_MASK = 2**64 - 1


def shuffle_dinucleotides(codes: Codes, keys: NDArray[np.uint64]) -> Codes:
    """Draw sequences uniformly among those with the same dinucleotide counts and the same first letter.

    Unknown letters count as a fifth letter. The last letter stays too. Altschul & Erickson, Mol Biol Evol
    2:526-538 (1985), doi 10.1093/oxfordjournals.molbev.a040370.

    Parameters
    ----------
    codes
        (N, L) uint8, 0 to 3, unknown 4.
    keys
        (N,) uint64: a row's key decides its shuffle (`bioconv.training.draws.sample_keys`), alike on every
        machine.

    Returns
    -------
    numpy.ndarray
        (N, L) uint8.

    Examples
    --------
    >>> from bioconv.sequence.fasta import encode
    >>> shuffled = shuffle_dinucleotides(encode("AACCAACC")[None], np.array([7], np.uint64))
    >>> "".join("ACGT"[code] for code in shuffled[0])
    'AACCCAAC'
    """
    codes = np.ascontiguousarray(np.minimum(codes, _SYMBOLS - 1))
    keys = np.ascontiguousarray(keys, np.uint64)
    if codes.ndim != 2 or keys.shape != (len(codes),):
        message = f"codes {codes.shape} and keys {keys.shape}: expected (N, L) and (N,)"
        raise ValueError(message)
    library: Any = native.kernels()
    if library is None:
        rows = [_shuffle(row, key) for row, key in zip(codes.tolist(), keys.tolist(), strict=True)]
        return np.array(rows, np.uint8).reshape(codes.shape)
    out, room = np.empty_like(codes), np.empty(codes.shape[1], np.uint8)
    library.bioconv_shuffle(
        native.pointer(codes),
        native.size(len(codes)),
        native.size(codes.shape[1]),
        native.pointer(keys),
        native.pointer(room),
        native.pointer(out),
    )
    return out


class _Random:
    """SplitMix64, as in native/shuffle.c."""

    def __init__(self, key: int) -> None:
        self._state = key

    def below(self, limit: int) -> int:
        self._state = z = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
        return ((z ^ z >> 31) >> 32) * limit >> 32


def _shuffle(codes: list[int], key: int) -> list[int]:
    """Do what native/shuffle.c does, without it."""
    if len(codes) < 2:
        return codes
    random = _Random(key)
    end = codes[-1]
    edges: list[list[int]] = [[] for _ in range(_SYMBOLS)]
    for letter, follower in itertools.pairwise(codes):
        edges[letter].append(follower)
    while True:
        for symbol, own in enumerate(edges):
            if own and symbol != end:
                chosen = random.below(len(own))
                own[chosen], own[-1] = own[-1], own[chosen]
        if all(not own or _reaches(edges, symbol, end) for symbol, own in enumerate(edges)):
            break
    for symbol, own in enumerate(edges):
        for i in range(len(own) - (1 if symbol == end else 2), 0, -1):
            j = random.below(i + 1)
            own[i], own[j] = own[j], own[i]
    walk = [codes[0]]
    for _ in codes[1:]:
        walk.append(edges[walk[-1]].pop(0))
    return walk


def _reaches(edges: list[list[int]], symbol: int, end: int) -> bool:
    for _ in range(_SYMBOLS):
        if symbol == end:
            return True
        symbol = edges[symbol][-1]
    return symbol == end
