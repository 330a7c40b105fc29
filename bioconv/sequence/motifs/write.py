"""Motifs as MEME text, which FIMO, TOMTOM, `read_motifs` and Biopython read."""

from __future__ import annotations

from collections.abc import Sequence

from bioconv.sequence.motifs.matrix import Motif


def meme_text(motifs: Sequence[Motif], *, both_strands: bool = True, comment: str = "") -> str:
    """Return motifs in MEME's minimal format, probabilities to 6 decimals.

    Parameters
    ----------
    motifs
        May be none: the header alone.
    both_strands
        What the `strands:` line says.
    comment
        One line for the head of the file, written after `#`.

    Examples
    --------
    >>> import numpy as np
    >>> print(meme_text([Motif("m", "AS", np.array([[0.7, 0.1, 0.1, 0.1], [0, 0.5, 0.5, 0]]), 12, "")]))
    MEME version 4
    <BLANKLINE>
    ALPHABET= ACGT
    <BLANKLINE>
    strands: + -
    <BLANKLINE>
    Background letter frequencies
    A 0.25 C 0.25 G 0.25 T 0.25
    <BLANKLINE>
    MOTIF m AS
    letter-probability matrix: alength= 4 w= 2 nsites= 12 E= 0
    0.700000 0.100000 0.100000 0.100000
    0.000000 0.500000 0.500000 0.000000
    <BLANKLINE>
    """
    head = ["MEME version 4", "", *([f"# {' '.join(comment.split())}", ""] if comment else []), "ALPHABET= ACGT", ""]
    head += [f"strands: {'+ -' if both_strands else '+'}", "", "Background letter frequencies"]
    return "\n".join([*head, "A 0.25 C 0.25 G 0.25 T 0.25", "", *map(_entry, motifs)])


def _entry(motif: Motif) -> str:
    lines = [f"MOTIF {motif.name} {motif.alt}".rstrip()]
    lines.append(f"letter-probability matrix: alength= 4 w= {len(motif.frequencies)} nsites= {motif.sites:g} E= 0")
    lines += [" ".join(f"{value:.6f}" for value in row) for row in motif.frequencies.tolist()]
    return "\n".join(lines) + "\n"
