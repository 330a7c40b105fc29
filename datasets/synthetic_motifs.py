"""Sequences with motifs planted by a grammar: which, in what order, how far apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from bioconv.datasets.synthetic import Site
from bioconv.datasets.synthetic_files import check_count, synthetic_folder, write_table

from bioconv.errors import OptionError
from bioconv.outputs import open_output
from bioconv.sequence.letters import reverse_complement

GRAMMAR = "TGACTCA 4-8 GATAAG"
_IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_TRIES = 1000
_ABOUT = """
synthetic-motifs.csv    name, sequence, label (1: the grammar is there, on either strand; 0: it is not) and kind:
                        grammar; broken (the same motifs, elsewhere or turned); none (no motif).
synthetic-motifs.fasta  the same sequences.
synthetic-sites.tsv     every site there is: 0-based, half-open; no motif occurs anywhere else.

Train:  bioconv train deepbind synthetic-motifs.csv -o model.safetensors
"""


@dataclass(frozen=True)
class Grammar:
    """Motifs in their order and the number of letters between them.

    Parameters
    ----------
    motifs
        Consensus sequences of IUPAC letters.
    gaps
        (fewest, most) letters between each and the next.
    """

    motifs: tuple[str, ...]
    gaps: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> Grammar:
        """Return the grammar of a `text` such as `TGACTCA 4-8 GATAAG`: motifs and how many letters lie between them.

        Raises
        ------
        OptionError
            If it is none.

        Examples
        --------
        >>> Grammar.parse("TGACTCA 4-8 GATAAG 0 CANNTG").gaps
        ((4, 8), (0, 0))
        """
        words = text.upper().split()
        motifs, gaps = words[::2], [re.fullmatch(r"(\d+)(?:-(\d+))?", word) for word in words[1::2]]
        ranges = [(int(gap[1]), int(gap[2] or gap[1])) for gap in gaps if gap]
        good = len(words) % 2 and len(ranges) == len(gaps) and all(low <= high for low, high in ranges)
        if not good or any(set(motif) - set(_IUPAC) for motif in motifs):
            message = f"grammar {text!r}; expected motifs of IUPAC letters with the letters between, as {GRAMMAR!r}"
            raise OptionError(message)
        return cls(tuple(motifs), tuple(ranges))

    @cached_property
    def length(self) -> int:
        """Letters of the longest it can be."""
        return sum(map(len, self.motifs)) + sum(most for _, most in self.gaps)

    def holds(self, sequence: str) -> bool:
        """Return whether a sequence holds the motifs in this order and spacing, on either strand."""
        return any(self._pattern.search(strand) for strand in (sequence, _other_strand(sequence)))

    def sites(self, sequence: str) -> set[tuple[str, int]]:
        """Return (motif, start) of every place of a `sequence`, 0-based, where a motif matches on either strand."""
        found = set()
        for motif in self.motifs:
            for letters in (motif, _other_strand(motif)):
                pattern = f"(?={_regex(letters)})"
                found |= {(motif, match.start()) for match in re.finditer(pattern, sequence)}
        return found

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        gaps = [*(f".{{{low},{high}}}" for low, high in self.gaps), ""]
        return re.compile("".join(_regex(motif) + gap for motif, gap in zip(self.motifs, gaps, strict=True)))


@dataclass(frozen=True)
class SyntheticSequence:
    """A sequence and all sites in it.

    Parameters
    ----------
    name
        Unique.
    letters
        Of the forward strand.
    kind
        `grammar`, `broken` (its motifs elsewhere or turned) or `none`.
    sites
        In the order of their starts.
    """

    name: str
    letters: str
    kind: str
    sites: tuple[Site, ...]

    @property
    def label(self) -> int:
        """1 where the grammar is there."""
        return int(self.kind == "grammar")


def grammar_sequences(
    grammar: Grammar, *, count: int = 1000, length: int = 100, seed: int = 0
) -> Iterator[SyntheticSequence]:
    """Yield sequences, every second one with the grammar.

    Of the others half hold the same motifs elsewhere or turned (where there are several motifs), half none at all.
    No motif occurs by chance: such letters are drawn again.

    Parameters
    ----------
    grammar
        What every second one has.
    count
        Sequences.
    length
        Letters of each.
    seed
        Same seed, same sequences.

    Raises
    ------
    OptionError
        If the grammar does not fit into the length, or its motifs are so short, or so alike, that they occur anywhere.

    Examples
    --------
    >>> one = next(grammar_sequences(Grammar.parse("TGACTCA"), count=1, length=40))
    >>> (site,) = one.sites
    >>> one.kind, one.letters[site.start : site.end] in ("TGACTCA", "TGAGTCA")
    ('grammar', True)
    """
    check_count(count)
    if grammar.length > length:
        message = f"the grammar is up to {grammar.length} letters long, the sequences {length}; make them longer"
        raise OptionError(message)
    others = ("broken", "none") if len(grammar.motifs) > 1 else ("none",)
    for number in range(count):
        kind = "grammar" if number % 2 == 0 else others[number // 2 % len(others)]
        rng = np.random.default_rng([seed, number])
        yield _drawn(grammar, rng, f"synthetic_{number + 1}", kind, length)


def make_motifs(
    output: str | Path, *, grammar: str = GRAMMAR, count: int = 1000, length: int = 100, seed: int = 0
) -> Path:
    """Write a folder of sequences, labels and sites, and return it; the same settings give the same bytes.

    Parameters
    ----------
    output
        The folder.
    grammar
        As `Grammar.parse` takes it.
    count, length, seed
        As of `grammar_sequences`.

    Raises
    ------
    OptionError, OutputError
        As `grammar_sequences` and `synthetic_folder`.
    """
    rules = Grammar.parse(grammar)
    settings = {"grammar": grammar.replace(" ", "_"), "count": count, "length": length, "seed": seed}
    with synthetic_folder(output, "motifs", settings, _ABOUT) as folder:
        made = list(grammar_sequences(rules, count=count, length=length, seed=seed))
        rows = [(one.name, one.letters, one.label, one.kind) for one in made]
        write_table(folder / "synthetic-motifs.csv", ("name", "sequence", "label", "kind"), rows)
        sites = [
            (site.sequence_name, site.motif, site.start, site.end, site.strand) for one in made for site in one.sites
        ]
        write_table(folder / "synthetic-sites.tsv", ("name", "motif", "start", "end", "strand"), sites)
        with open_output(folder / "synthetic-motifs.fasta") as stream:
            for one in made:
                stream.write(f">{one.name} synthetic label={one.label} kind={one.kind}\n{one.letters}\n".encode())
    return Path(output)


def _drawn(grammar: Grammar, rng: np.random.Generator, name: str, kind: str, length: int) -> SyntheticSequence:
    """Draw until the sites are those that were planted, and the grammar is there only where it should be."""
    for _ in range(_TRIES):
        codes = "".join(rng.choice(list("ACGT"), length))
        planted = {"grammar": _in_order, "broken": _scattered, "none": _nowhere}[kind](grammar, rng, length)
        if planted is None:
            continue
        letters = list(codes)
        for motif, start, forward in planted:
            drawn = "".join(rng.choice(list(_IUPAC[letter])) for letter in motif)
            letters[start : start + len(motif)] = drawn if forward else _other_strand(drawn)
        text = "".join(letters)
        found = {(motif, start) for motif, start, _ in planted}
        if grammar.sites(text) == found and grammar.holds(text) == (kind == "grammar"):
            sites = [
                Site(name, motif, start, start + len(motif), "+" if forward else "-")
                for motif, start, forward in sorted(planted, key=lambda one: one[1])
            ]
            return SyntheticSequence(name, text, kind, tuple(sites))
    message = (
        f"{_TRIES} draws of {length} letters and none that holds {' and '.join(grammar.motifs)} where planted and "
    )
    message += "nowhere else: give longer motifs that do not contain each other, or other sequence lengths"
    raise OptionError(message)


_Planted = list[tuple[str, int, bool]]


def _in_order(grammar: Grammar, rng: np.random.Generator, length: int) -> _Planted:
    gaps = [int(rng.integers(low, high + 1)) for low, high in grammar.gaps]
    size = sum(map(len, grammar.motifs)) + sum(gaps)
    place = first = int(rng.integers(length - size + 1))
    forward = bool(rng.integers(2))
    planted = []
    for motif, gap in zip(grammar.motifs, [*gaps, 0], strict=True):
        start = place if forward else 2 * first + size - place - len(motif)
        planted.append((motif, start, forward))
        place += len(motif) + gap
    return planted


def _scattered(grammar: Grammar, rng: np.random.Generator, length: int) -> _Planted | None:
    """Return places drawn one by one; None where two overlap."""
    planted = [(motif, int(rng.integers(length - len(motif) + 1)), bool(rng.integers(2))) for motif in grammar.motifs]
    ends = sorted((start, start + len(motif)) for motif, start, _ in planted)
    apart = all(one[1] <= other[0] for one, other in pairwise(ends))
    return planted if apart else None


def _nowhere(grammar: Grammar, rng: np.random.Generator, length: int) -> _Planted:
    return []


def _regex(motif: str) -> str:
    return "".join(f"[{_IUPAC[letter]}]" for letter in motif)


def _other_strand(letters: str) -> str:
    return reverse_complement(letters.encode()).decode()
