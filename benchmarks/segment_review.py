"""Does it pay to label next what review.csv ranks first? Nuclei, at equal budget beside images drawn at random.

python benchmarks/segment_review.py DATA [STARTS] > benchmarks/segment_review.md

From the training part of the 2018 Data Science Bowl 80 images are held out. Of the rest, 16 drawn at random are
labelled and a model is trained; then 16 more are labelled, those of the highest score or random ones, and the model
is trained further on all 32. Both arms share the start, the steps and the random numbers.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from segment_nuclei import rows_of
from segmentation import said
from timing import machine

from bioconv.models.model_file import write_model
from bioconv.runtime import set_torch_threads
from bioconv.segmentation.inference.uncertainty import ReviewSum, normalised_entropy, rim_weights
from bioconv.segmentation.learning.data import LabelledImage, Pair, Reading, SegmentationData, read_data
from bioconv.segmentation.learning.fit import SegmentationPlan, train_segmentation
from bioconv.segmentation.learning.samples import PatchPlan
from bioconv.segmentation.learning.scoring import Decision, decide, pooled, score_all
from bioconv.segmentation.model import SegmentationModel, from_model_file, to_model_file
from bioconv.segmentation.preprocessing import Preprocessing
from bioconv.training.splits import Split
from bioconv.version import __version__

HELD_OUT, FIRST, MORE = 80, 16, 16
STEPS, FURTHER, BATCH = 1000, 600, 8


def read(folder: Path) -> SegmentationData:
    pairs = [
        Pair(row["id"], folder / "images" / f"{row['id']}.png", folder / "labels" / f"{row['id']}.png")
        for row in rows_of(folder, "train")
    ]
    return read_data(pairs, Reading(kind="instances"))


def maps_of(model: SegmentationModel, image: LabelledImage) -> NDArray[np.float32]:
    return model.maps(model.prepare(image.pixels, model.intensity(image.pixels)))


def review_score(model: SegmentationModel, image: LabelledImage) -> float:
    """Return what `bioconv segment --uncertainty entropy` writes to review.csv."""
    maps = maps_of(model, image)
    labels = decide(maps, model.objective, Decision(model.threshold, model.settings))
    found = ReviewSum()
    found.add(normalised_entropy(maps, exclusive=False), rim_weights(labels), None)
    return found.figures(several=False)["score"]


def train(data: SegmentationData, chosen: list[int], steps: int, start: Path | None, seed: int) -> SegmentationModel:
    """Train on some images; every fourth of them only chooses the decision, so nothing beyond the budget is used."""
    names = [data.names[place] for place in chosen]
    split = Split({name: "dev" if number % 4 == 3 else "train" for number, name in enumerate(names)}, {})
    own = replace(data, images=tuple(data.images[place] for place in chosen))
    plan = SegmentationPlan(
        preprocessing=Preprocessing(polarity="dark-background"), patches=PatchPlan(per_epoch=steps * BATCH), start=start
    )
    plan = replace(plan, config=replace(plan.config, epochs=1, seed=seed, precision="bfloat16", batch_size=BATCH))
    return from_model_file(train_segmentation(own, plan, split=split).model)


def ap50(model: SegmentationModel, images: list[LabelledImage]) -> float:
    found = score_all(
        images, lambda image: maps_of(model, image), model.objective, Decision(model.threshold, model.settings)
    )
    return pooled(found, model.objective)


def compare(data: SegmentationData, start: int, folder: Path) -> tuple[float, float, float]:
    """Return AP50 at the start, after the ranked images, and after random ones."""
    rng = np.random.default_rng(start)
    order = rng.permutation(len(data.images)).tolist()
    held_out, pool = [data.images[place] for place in order[:HELD_OUT]], order[HELD_OUT:]
    labelled, rest = pool[:FIRST], pool[FIRST:]
    first = train(data, labelled, STEPS, None, start)
    scores = {place: review_score(first, data.images[place]) for place in rest}
    arms = {"ranked": sorted(rest, key=lambda place: -scores[place])[:MORE], "random": rest[:MORE]}
    path = folder / f"review-{start}.safetensors"
    write_model(path, to_model_file(first.network, "unet", first.objective, first.preprocessing, {}))
    found = [ap50(train(data, labelled + more, FURTHER, path, start), held_out) for more in arms.values()]
    return ap50(first, held_out), found[0], found[1]


def main(words: list[str]) -> None:
    set_torch_threads()
    data = read(Path(words[0]))
    starts = int(words[1]) if len(words) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        found = np.array([compare(data, start, Path(folder)) for start in range(starts)])
    gains = found[:, 1] - found[:, 2]
    rng = np.random.default_rng(0)
    again = [gains[rng.integers(starts, size=starts)].mean() for _ in range(2000)]
    print(f"# What to label next: ranked against random\n\nbioconv {__version__}; {machine()}\n")
    print(
        f"AP50 on {HELD_OUT} held-out images; {FIRST} labelled images, then {MORE} more; {STEPS} and {FURTHER} steps.\n"
    )
    print("| start | before | 16 ranked first | 16 at random |\n|---|---|---|---|")
    for number, (before, ranked, drawn) in enumerate(found):
        print(f"| {number} | {before:.3f} | {ranked:.3f} | {drawn:.3f} |")
    interval = (float(gains.mean()), *map(float, np.quantile(again, [0.025, 0.975])))
    print(f"\nRanked less random: {said(interval)} (starts drawn again).")


if __name__ == "__main__":
    main(sys.argv[1:])
