"""What a variant changes: the smallest edit, every place it can be written at, and the letters around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bioconv.conv.arithmetic import padding_of

FARTHEST = 1000  # letters an insertion or deletion is followed along a repeat, each way

Letters = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Edit:
    """A replacement of [start, end) of the reference, 0-based half-open, by other letters.

    Attributes
    ----------
    start, end : int
    ref, alt : bytes
        Letters of the two haplotypes there; either may be empty.
    complete : bool
        False where a repeat goes on farther than `FARTHEST`.
    """

    start: int
    end: int
    ref: bytes
    alt: bytes
    complete: bool = True


def smallest_edit(start: int, ref: bytes, alt: bytes, letters: Letters) -> Edit:
    """Return what a variant changes, the same however it was written.

    Letters that both alleles end or begin with are left out. An insertion or deletion in a repeat has several
    places, all of the same haplotype; the edit spans them all.

    Parameters
    ----------
    start
        0-based place of the first letter of `ref`.
    ref, alt
        Alleles, upper case, not empty.
    letters
        From start and end (0-based half-open) to the reference's letters, as far as there are any.

    Examples
    --------
    >>> genome = b"GGATATCC"
    >>> for start, ref, alt in [(1, b"GAT", b"G"), (3, b"TAT", b"T"), (3, b"TA", b"")]:
    ...     print(smallest_edit(start, ref, alt, lambda a, b: genome[max(a, 0) : b]))
    Edit(start=2, end=6, ref=b'ATAT', alt=b'AT', complete=True)
    Edit(start=2, end=6, ref=b'ATAT', alt=b'AT', complete=True)
    Edit(start=2, end=6, ref=b'ATAT', alt=b'AT', complete=True)
    """
    if ref == alt:
        return Edit(start, start + len(ref), ref, alt)
    end = start + len(ref)
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt, end = ref[:-1], alt[:-1], end - 1
    while ref and alt and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    if ref and alt:
        return Edit(start, end, ref, alt)
    return _all_places(start, ref, alt, letters)


def _all_places(start: int, ref: bytes, alt: bytes, letters: Letters) -> Edit:
    allele = ref or alt
    end = start + len(ref)
    before, after = letters(start - FARTHEST, start), letters(end, end + FARTHEST)
    longer, place, size = before + allele + after, len(before), len(allele)
    left = right = 0
    while left < place and _same(longer[place - 1 - left], longer[place + size - 1 - left]):
        left += 1
    while right < len(after) and _same(longer[place + right], longer[place + size + right]):
        right += 1
    with_allele = longer[place - left : place + size + right]
    without = before[place - left :] + after[:right]
    complete = left < FARTHEST and right < FARTHEST
    alleles = (with_allele, without) if ref else (without, with_allele)
    return Edit(start - left, end + right, *alleles, complete)


def _same(one: int, other: int) -> bool:
    return one == other and one in b"ACGT"


def flanks(sizes: tuple[int, int], context: int | None, window: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return how many letters to the left and right of an edit each of the two haplotypes takes.

    Parameters
    ----------
    sizes
        Letters of the edit on the reference and the alternative haplotype.
    context
        None: as many as windows that touch the edit need, one less than a window. Else the length of either
        haplotype; the one letter that cannot be split evenly goes to the right.
    window
        Letters of a window.

    Returns
    -------
    tuple
        (left, right) of the reference and of the alternative haplotype; None where an allele is longer than the
        context.

    Examples
    --------
    >>> flanks((1, 1), None, 24)
    ((23, 23), (23, 23))
    >>> flanks((1, 4), 101, 24)
    ((50, 50), (48, 49))
    """
    if context is None:
        return padding_of("full", window), padding_of("full", window)
    if max(sizes) > context:
        return None
    rests = [context - size for size in sizes]
    return (rests[0] // 2, rests[0] - rests[0] // 2), (rests[1] // 2, rests[1] - rests[1] // 2)
