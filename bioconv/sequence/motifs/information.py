"""What a motif's columns say: information, the informative stretch, the consensus, the other strand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bioconv.sequence.motifs.matrix import Motif

_CODES = {"AG": "R", "CT": "Y", "CG": "S", "AT": "W", "GT": "K", "AC": "M"}


def column_bits(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the information of each column against equal letter frequencies.

    Parameters
    ----------
    frequencies
        (L, 4), rows sum to 1.

    Returns
    -------
    numpy.ndarray
        (L,) float64 bits, 0 to 2.

    Examples
    --------
    >>> column_bits(np.array([[1, 0, 0, 0], [0.5, 0, 0, 0.5], [0.25, 0.25, 0.25, 0.25]]))
    array([2., 1., 0.])
    """
    present = np.where(frequencies > 0, frequencies, 1.0)
    return np.asarray(np.maximum(2 + (present * np.log2(present)).sum(axis=1), 0.0))


def informative_span(bits: NDArray[np.float64], threshold: float) -> tuple[int, int]:
    """Return what is left, half-open, when columns below `threshold` bits are cut from both ends; (0, 0) if nothing.

    Examples
    --------
    >>> informative_span(np.array([0.0, 1.5, 0.0, 2.0, 0.1]), 0.5)
    (1, 4)
    """
    kept = np.flatnonzero(bits >= threshold)
    return (int(kept[0]), int(kept[-1]) + 1) if len(kept) else (0, 0)


def consensus(frequencies: NDArray[np.float64]) -> str:
    """Return one IUPAC letter per column.

    One letter where it has half the column or more and twice its runner-up or more; else two letters' code where
    they have three quarters together; else N (Cavener 1987, doi:10.1093/nar/15.4.1353).

    Examples
    --------
    >>> consensus(np.array([[0.9, 0.1, 0, 0], [0.5, 0, 0.4, 0.1], [0.4, 0.2, 0.2, 0.2]]))
    'ARN'
    """
    order = np.argsort(-frequencies, axis=1, kind="stable")
    letters = []
    for column, best in zip(frequencies.tolist(), order.tolist(), strict=True):
        first, second = column[best[0]], column[best[1]]
        if first >= 0.5 and first >= 2 * second:
            letters.append("ACGT"[best[0]])
        else:
            pair = "".join(sorted("ACGT"[k] for k in best[:2]))
            letters.append(_CODES[pair] if first + second >= 0.75 else "N")
    return "".join(letters)


def reverse_complement(motif: Motif) -> Motif:
    """Return the motif as it reads on the other strand."""
    return replace(motif, frequencies=motif.frequencies[::-1, ::-1])
