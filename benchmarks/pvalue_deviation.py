"""How far p-values and thresholds are from exact enumeration, for every short motif of JASPAR 2024 CORE.

All 4^L words of each motif of up to 9 columns are listed with their unrounded log-odds score and
probability; the true p-value of a word is the probability of a score as high or higher. Each method is
given the same unrounded matrix and asked for (1) the p-value of every word whose true p is at most 1e-3,
and (2) the words that its threshold for p <= 1e-4 accepts, whose total probability is the threshold's true
p.

MOODS has thresholds only; memelite has a uniform background only. lightmotif's method `tfmpvalue` is asked
for a few words per motif. lightmotif keeps scores as 32-bit numbers, in which words of equal score can
differ by their last digit: its p-values are asked for a hair below the score, so that this is not held
against them; its thresholds are compared with its own 32-bit scores, as its scanner does.

Run: python benchmarks/pvalue_deviation.py [--limit N motifs] (see README.md)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

import inputs
import lightmotif
import memelite
import MOODS.tools
import numpy as np
import timing
from numpy.typing import NDArray

from bioconv.sequence.motifs import Motif, read_motifs
from bioconv.sequence.scanning.pvalues import score_tail, scoring_matrix

LONGEST = 9
PSEUDOCOUNT = 0.1
TAIL = 1e-3
FEW_WORDS = 8
HAIR = 1e-5
"""Bits below a score; no two scores that differ are this close but by chance."""
BACKGROUNDS = {
    "uniform": np.full(4, 0.25),
    "skewed (A 0.35, C 0.15, G 0.15, T 0.35)": np.array([0.35, 0.15, 0.15, 0.35]),
    "skewed (A 0.4, C 0.1, G 0.2, T 0.3)": np.array([0.4, 0.1, 0.2, 0.3]),
}


def totals(matrix: NDArray[np.generic]) -> NDArray[np.generic]:
    """Add up every word of a (L, 4) matrix, first column first, in the matrix's own number type."""
    sums = matrix[0]
    for column in matrix[1:]:
        sums = (sums[:, None] + column).ravel()
    return sums


@dataclass
class Truth:
    """All words of one motif, enumerated."""

    motif: Motif
    background: NDArray[np.float64]
    odds: NDArray[np.float64] = field(init=False)
    scores: NDArray[np.float64] = field(init=False)
    mass: NDArray[np.float64] = field(init=False)
    p: NDArray[np.float64] = field(init=False)
    tail: NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        sites = self.motif.sites
        weighted = self.motif.frequencies * sites + PSEUDOCOUNT * self.background
        self.odds = np.log2(weighted / ((sites + PSEUDOCOUNT) * self.background))
        self.scores = totals(self.odds)
        self.mass = np.exp(totals(np.log(np.tile(self.background, (len(self.odds), 1)))))
        order = np.argsort(-self.scores, kind="stable")
        cumulated = np.cumsum(self.mass[order])
        ranked = self.scores[order]
        # Equal scores, added up in another order, differ in their last digits: they are one level.
        last = np.flatnonzero(np.append(ranked[:-1] - ranked[1:] > 1e-9, True))
        self.p = np.empty(len(order))
        self.p[order] = cumulated[last[np.searchsorted(last, np.arange(len(order)))]]
        self.tail = np.flatnonzero(self.p <= TAIL)


Answer = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_] | None]
"""Words asked for, their p-values, and which of all words the threshold accepts."""


def from_bioconv(grid: str) -> Callable[[Truth], Answer]:
    def ask(truth: Truth) -> Answer:
        matrix = scoring_matrix(
            truth.motif.frequencies,
            truth.motif.sites,
            background=truth.background,
            pseudocount=PSEUDOCOUNT,
            grid=grid,
        )
        losses = totals(matrix.losses)
        tail = score_tail(matrix, truth.background, 1.0)
        p = tail.p[np.searchsorted(tail.losses, losses[truth.tail])]
        return truth.tail, p, losses <= score_tail(matrix, truth.background, inputs.P).budget

    return ask


def from_lightmotif(method: str) -> Callable[[Truth], Answer]:
    def ask(truth: Truth) -> Answer:
        values = {base: truth.odds[:, k].tolist() for k, base in enumerate("ACGT")}
        pssm = lightmotif.ScoringMatrix(values, dict(zip("ACGT", truth.background.tolist(), strict=True)))
        scores = totals(truth.odds.astype(np.float32))
        words = truth.tail
        if method == "tfmpvalue" and len(words) > FEW_WORDS:
            words = words[np.linspace(0, len(words) - 1, FEW_WORDS).astype(int)]
        p = np.array([pssm.pvalue(score - HAIR, method) for score in truth.scores[words].tolist()])
        return words, p, scores >= np.float32(pssm.score(inputs.P, method))

    return ask


def from_moods(truth: Truth) -> Answer:
    matrix = tuple(map(tuple, truth.odds.T.tolist()))
    threshold = MOODS.tools.threshold_from_p(matrix, truth.background.tolist(), inputs.P)
    return np.empty(0, np.intp), np.empty(0), truth.scores >= threshold


def from_memelite(truth: Truth) -> Answer:
    """Scan the words themselves; hits come with the p-value and the number of the word."""
    words = np.arange(len(truth.scores))
    length = len(truth.odds)
    letters = words[:, None] >> (2 * np.arange(length)[::-1]) & 3
    chosen = np.flatnonzero(truth.p <= 100 * TAIL)
    one_hot = np.eye(4, dtype=np.int8)[letters[chosen]].transpose(0, 2, 1).copy()
    pwm = np.maximum(2.0**truth.odds.T * 0.25 - 1e-4, 0)
    hits = memelite.fimo({"m": pwm}, one_hot, threshold=0.999, reverse_complement=False)[0]
    p = np.full(len(words), np.nan)
    p[chosen[hits["sequence_name"].to_numpy(dtype=np.int64)]] = hits["p-value"].to_numpy()
    found = memelite.fimo({"m": pwm}, one_hot, threshold=inputs.P, reverse_complement=False)[0]
    accepted = np.zeros(len(words), dtype=bool)
    accepted[chosen[found["sequence_name"].to_numpy(dtype=np.int64)]] = True
    return truth.tail, p[truth.tail], accepted


METHODS: dict[str, Callable[[Truth], Answer]] = {
    "bioconv": from_bioconv("fine"),
    "bioconv --grid fimo": from_bioconv("fimo"),
    "lightmotif, meme": from_lightmotif("meme"),
    "lightmotif, tfmpvalue": from_lightmotif("tfmpvalue"),
    "MOODS": from_moods,
    "memelite": from_memelite,
}


@dataclass
class Deviations:
    """What was found for one method, motif by motif."""

    worst: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    possible: list[float] = field(default_factory=list)

    def add(self, truth: Truth, answer: Answer) -> None:
        words, p, accepted = answer
        if len(words):
            self.worst.append(float(np.max(np.abs(p / truth.p[words] - 1))))
        if accepted is not None:
            self.accepted.append(float(truth.mass[accepted].sum()))
            self.possible.append(float(truth.mass[truth.p <= inputs.P * (1 + 1e-12)].sum()))

    def row(self) -> list[str]:
        accepted, possible = np.array(self.accepted), np.array(self.possible)
        beyond = accepted > inputs.P * (1 + 1e-9)
        reach = possible > 0
        kept = np.minimum(accepted[reach] / possible[reach], 1)
        deviation = ["–", "–", "–"]
        if self.worst:
            worst = np.array(self.worst)
            deviation = [f"{np.mean(worst > 0.01):.1%}", f"{np.median(worst):.2g}", f"{worst.max():.3g}"]
        return [*deviation, f"{beyond.mean():.1%}", f"{accepted.max():.3g}", f"{kept.mean():.2%}"]


def measure(motifs: list[Motif], background: NDArray[np.float64]) -> list[list[str]]:
    uniform = bool((background == background[0]).all())
    methods = {name: ask for name, ask in METHODS.items() if uniform or name != "memelite"}
    found = {name: Deviations() for name in methods}
    for motif in motifs:
        truth = Truth(motif, background)
        for name, ask in methods.items():
            found[name].add(truth, ask(truth))
    return [[name, *deviations.row()] for name, deviations in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--limit", type=int, help="only the first N motifs")
    given = parser.parse_args()
    motifs = [motif for motif in read_motifs("jaspar:2024") if len(motif.frequencies) <= LONGEST][: given.limit]
    head = [
        "method", "motifs off by more than 1 %", "median of the motifs' worst", "worst of all",
        "thresholds with true p > 1e-4", "largest true p", "share of the possible hits kept",
    ]  # fmt: skip
    parts = []
    for name, background in BACKGROUNDS.items():
        parts += [f"\n## Background: {name}\n", timing.table(head, measure(motifs, background))]
    timing.write_report(
        __file__,
        [
            "# P-values against exact enumeration\n",
            f"{len(motifs):,} motifs of JASPAR 2024 CORE (all taxa, counts from pyjaspar) with at most "
            f"{LONGEST} columns, pseudocount {PSEUDOCOUNT}. Deviation: |p / true p - 1|, the worst over "
            f"a motif's words of true p <= {TAIL:g}. Share kept: probability of the words a threshold "
            f"for p <= {inputs.P:g} accepts, over that of all words it could accept, mean over the "
            "motifs that have any. lightmotif 0.10.1, MOODS 1.9.4.1, memelite 0.5.0.\n",
            *parts,
        ],
    )


if __name__ == "__main__":
    main()
