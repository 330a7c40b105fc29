"""Generated sequences whose truth is known by construction; for tests, demonstrations and teaching.

Never data: every name says `synthetic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioconv.sequence.motifs import Motif

_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


@dataclass(frozen=True)
class Site:
    """A planted site.

    Parameters
    ----------
    sequence_name
        Where it is.
    motif
        What was planted, in IUPAC letters.
    start, end
        0-based half-open.
    strand
        `+` or `-`.
    """

    sequence_name: str
    motif: str
    start: int
    end: int
    strand: str


def planted_motifs(
    motifs: Sequence[Motif], *, sequences: int = 100, length: int = 200, share: float = 0.5, seed: int = 0
) -> tuple[dict[str, str], list[Site]]:
    """Make random sequences, each with at most one site drawn letter by letter from a motif.

    Parameters
    ----------
    motifs : sequence of Motif
        Each site's motif is drawn among them.
    sequences, length : int
    share : float
        Expected share of sequences with a site.
    seed : int

    Returns
    -------
    sequences : dict
        `synthetic_1`, `synthetic_2`, ...: letters drawn independently with equal frequencies.
    sites : list of Site
        Where the sites are, in the order of the sequences.

    Examples
    --------
    >>> import numpy as np
    >>> box = Motif("box", "", np.eye(4)[[3, 0, 3, 0, 0, 0]], 20.0, "example")
    >>> texts, sites = planted_motifs([box], sequences=1, length=30, share=1.0)
    >>> texts["synthetic_1"][sites[0].start : sites[0].end] in {"TATAAA", "TTTATA"}
    True
    """
    rng = np.random.default_rng(seed)
    texts, sites = {}, []
    for number in range(1, sequences + 1):
        name = f"synthetic_{number}"
        codes = rng.integers(0, 4, length)
        if rng.random() < share:
            motif = motifs[int(rng.integers(len(motifs)))]
            site = np.array([rng.choice(4, p=row / row.sum()) for row in motif.frequencies])
            start = int(rng.integers(length - len(site) + 1))
            forward = bool(rng.integers(2))
            codes[start : start + len(site)] = site if forward else 3 - site[::-1]
            sites.append(Site(name, motif.name, start, start + len(site), "+" if forward else "-"))
        texts[name] = _LETTERS[codes].tobytes().decode()
    return texts, sites
