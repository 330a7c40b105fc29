"""Tell "A before B" from "B before A": what max pooling cannot see, and a recurrent network can.

Every sequence holds two motifs, once each, between the same flanking letters; only their order makes the class. Put
each in the other's place, and every window that a detector can see is there as before, since the flanks reach as far as
a detector does: the maxima and means over positions, all that a DeepBind model reads, are equal. So its scores have one
distribution in both classes, and no weights whatever give it an AUROC other than 1/2.

Both models have the same detectors; what differs is what reads them. Trained on sequences of 60 and of 120 letters,
they are tested on new ones of 60 to 480, with up to 60 letters between the sites. In 60 letters there is so little room
that the place of A alone tells the class: a network trained there learns the place, which is of no use in longer
sequences. Trained with more room it learns the order, and keeps it.

Run: python examples/motif_order.py [--quick] [--output motif_order.png]
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from bioconv.datasets.synthetic_motifs import Grammar
from matplotlib.figure import Figure
from numpy.typing import NDArray

import bioconv
from bioconv.evaluation import Interval, delong_interval
from bioconv.models.recurrent import RecurrentConfig
from bioconv.runtime import set_torch_threads
from bioconv.sequence.binding.defaults import DEFAULTS as BINDING
from bioconv.sequence.binding.recipe import NETWORK, Recipe, scores
from bioconv.sequence.fasta import encode
from bioconv.sequence.recurrent.fit import RecurrentPlan
from bioconv.sequence.recurrent.inference import logits_of
from bioconv.sequence.recurrent.recipe import DEFAULTS as RECURRENT

Floats = NDArray[np.floating]
Scorer = Callable[[list[str]], Floats]
Areas = dict[int, Interval]

A, B = "TGACTCA", "GATAAG"
DETECTORS, SPAN = 32, 8
FLANK = SPAN - 1
FARTHEST = 60
DEEPBIND = Recipe(network=replace(NETWORK, detectors=DETECTORS, length=SPAN), per_epoch=None)
LSTM = RecurrentConfig(filters=DETECTORS, filter_length=SPAN, hidden=32, bidirectional=False, pooling="max")
MOTIFS = Grammar.parse(f"{A} 0 {B}")
COLOURS = {"DeepBind": "#d55e00", "LSTM": "#0072b2"}
STYLES = (":", "-")


@dataclass(frozen=True)
class Scale:
    """How much is computed: lengths trained and tested on, sequences of each, epochs, detectors."""

    trained: tuple[int, ...] = (60, 120)
    tested: tuple[int, ...] = (60, 120, 240, 480)
    train: int = 3000
    test: int = 1000
    epochs: int = 12
    detectors: int = DETECTORS


QUICK = Scale(trained=(60,), tested=(60, 120), train=1200, test=600, epochs=5, detectors=16)


@dataclass(frozen=True)
class Surroundings:
    """Letters before, between and behind two sites, and those on the left and right of either motif."""

    before: str
    between: str
    behind: str
    left: str
    right: str

    def around(self, first: str, second: str) -> str:
        """Return the sequence with these motifs in this order."""
        sites = [self.left + motif + self.right for motif in (first, second)]
        return self.before + sites[0] + self.between + sites[1] + self.behind


def draw(rng: np.random.Generator, length: int) -> Surroundings:
    """Draw letters for sequences of a length, so that neither motif occurs by chance, in either order."""
    free = length - len(A) - len(B) - 4 * FLANK
    while True:
        between = int(rng.integers(min(free, FARTHEST) + 1))
        before = int(rng.integers(free - between + 1))
        sizes = (before, between, free - between - before, FLANK, FLANK)
        found = Surroundings(*("".join(rng.choice(list("ACGT"), size)) for size in sizes))
        if all(len(MOTIFS.sites(found.around(*order))) == 2 for order in ((A, B), (B, A))):
            return found


def generate(seed: int, count: int, length: int) -> tuple[list[str], NDArray[np.int64]]:
    """Return sequences and their classes, 1 where A is before B; the class has no part in drawing the rest."""
    rng = np.random.default_rng([seed, length])
    classes = np.arange(count) % 2
    return [draw(rng, length).around(*((A, B) if one else (B, A))) for one in classes], classes


def train(family: str, table: Path, scale: Scale) -> Scorer:
    """Train a model on a table of sequences; return what scores others."""
    if family == "LSTM":
        plan = RecurrentPlan(network=replace(LSTM, filters=scale.detectors))
        config = replace(RECURRENT, epochs=scale.epochs)
        lstm = bioconv.train("lstm", table, recipe=plan, config=config, device="cpu")
        return lambda sequences: np.diff(np.stack(logits_of(lstm.network, [*map(encode, sequences)])))[:, 0]
    recipe = replace(DEEPBIND, network=replace(DEEPBIND.network, detectors=scale.detectors))
    config = replace(BINDING, epochs=scale.epochs)
    deepbind = bioconv.train("deepbind", table, recipe=recipe, config=config, device="cpu")
    return lambda sequences: scores(deepbind.network, np.stack([*map(encode, sequences)]))


def place_of_a(sequences: list[str]) -> Floats:
    """Score sequences by the place of A alone, early ones higher."""
    return np.array([-sequence.find(A) for sequence in sequences], float)


def test(scorer: Scorer, scale: Scale) -> Areas:
    """Return the area under the ROC curve by length, on sequences not trained on."""
    held_out = {length: generate(1, scale.test, length) for length in scale.tested}
    return {length: delong_interval(scorer(sequences), classes) for length, (sequences, classes) in held_out.items()}


def compare(scale: Scale) -> dict[tuple[str, int], Areas]:
    """Train both families on the same sequences of each length; return their areas, and those of A's place."""
    found = {}
    for length in scale.trained:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, "order.csv")
            with table.open("w", newline="") as stream:
                rows = zip(*generate(0, scale.train, length), strict=True)
                csv.writer(stream).writerows(
                    [("name", "sequence", "label"), *((n, *row) for n, row in enumerate(rows))]
                )
            for family in COLOURS:
                found[family, length] = test(train(family, table, scale), scale)
    return found | {("place of A", 0): test(place_of_a, scale)}


def plot(found: dict[tuple[str, int], Areas], path: Path) -> None:
    """Draw areas with their intervals against the length tested on."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    trained = sorted({length for _, length in found if length})
    for (family, length), areas in found.items():
        middle = [area.value for area in areas.values()]
        if not length:
            axes.plot([*areas], middle, color="0.5", linewidth=1, linestyle="--", label=family)
            continue
        reach = [
            [abs(area.value - end(area)) for area in areas.values()] for end in (lambda a: a.low, lambda a: a.high)
        ]
        style = STYLES[trained.index(length) - len(trained)]
        label = f"{family}, trained on {length} letters"
        axes.errorbar(
            [*areas], middle, reach, color=COLOURS[family], linestyle=style, marker="o", capsize=3, label=label
        )
    axes.axhline(0.5, color="0.8", linewidth=0.8)
    tested = [*next(iter(found.values()))]
    axes.set_xscale("log", base=2)
    axes.set_xticks(tested, [str(length) for length in tested])
    axes.set(xlabel="letters of the sequences tested on", ylabel="AUROC", ylim=(0.35, 1.02))
    axes.set_title(f"{A} before {B}, or behind it?", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print the areas with their 95 % intervals and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer sequences, trained on one length")
    parser.add_argument("--output", type=Path, default=Path("motif_order.png"))
    given = parser.parse_args()
    set_torch_threads(1)
    found = compare(QUICK if given.quick else Scale())
    print("model", "trained on", "tested on", "AUROC", "low", "high", sep="\t")
    for (family, length), areas in found.items():
        for tested, area in areas.items():
            figures = (f"{value:.3f}" for value in (area.value, area.low, area.high))
            print(family, length or "", tested, *figures, sep="\t")
    plot(found, given.output)
    print(f"plot: {given.output}")


if __name__ == "__main__":
    main()
