"""mini-MIAS: what a model of DDSM is worth for other women and questions, against scratch and against a control.

python benchmarks/mammography_mias.py DATA MODEL CONTROL [--trained FOLDER] > benchmarks/mammography_mias.md

MODEL was trained on DDSM (`mammography_ddsm.py`), CONTROL on the same images with labels that had changed places at
random. Questions: (a) dense tissue against not, (b) the lesion's surroundings against the mirrored place of the other
breast, (c) abnormal against normal, whole images. Women are divided into five folds, ten times. Features of frozen
networks are given to a logistic regression, whose penalty three folds of the training women choose. --trained also
trains whole networks (from scratch, from MODEL, from CONTROL; all alike, nothing is chosen) and keeps their scores in
FOLDER, from where another run goes on; `--part 1/2` and `--part 2/2`, at once, only train, each its half. Scores of an
image are averaged over the divisions; intervals draw women again.
"""

from __future__ import annotations

import argparse
import copy
import csv
import itertools
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from segmentation import write_rows
from timing import machine

from bioconv.evaluation import auroc, bootstrap
from bioconv.mammography.learning.data import Reading, as_floats, read_data
from bioconv.mammography.learning.recipe import DEFAULTS
from bioconv.mammography.model import load_classification_model, network_inputs
from bioconv.mammography.preparation import Preparation
from bioconv.models.building import build_network
from bioconv.outputs import open_output
from bioconv.runtime import set_torch_threads
from bioconv.training import Trainer
from bioconv.training.data import ArraySamples
from bioconv.training.normalisation import Normalisation
from bioconv.training.splits import make_split
from bioconv.version import __version__

SEEDS, FOLDS = 10, 5
SHARES = (0.1, 0.25, 0.5, 1.0)
CROP = 96  # pixels of a prepared crop
QUIET = {"l1_ratios": (0,), "use_legacy_attributes": False}  # what scikit-learn 1.10 will take for granted
Floats = NDArray[np.float64]
Start = tuple[torch.nn.Module, Normalisation]
CURVE_SEEDS = 3  # divisions of the curve of trained networks
EPOCHS, STEPS = 10, 60  # of a training: passes over the images, or as many as make so many steps
BATCH = 16
CONFIG = replace(
    DEFAULTS, batch_size=BATCH, learning_rate=1e-3, ema=None, monitor="loss", warmup_steps=10, precision="bfloat16"
)


@dataclass(frozen=True, eq=False)
class Task:
    """One question: n prepared images (n, Y, X), 0 to 1, their answers and women."""

    name: str
    pixels: NDArray[np.float32]
    labels: NDArray[np.bool_]
    women: NDArray[np.str_]


@dataclass(frozen=True)
class Kept:
    """Where scores of trained networks are kept, and which of them this process makes."""

    folder: Path
    part: int
    parts: int


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open() as stream:
        return list(csv.DictReader(stream))


def whole_images(folder: Path, size: tuple[int, int], answer: Callable[[dict[str, str]], bool], name: str) -> Task:
    rows = {row["image"]: row for row in rows_of(folder)}
    with tempfile.TemporaryDirectory() as place:
        table = Path(place, "views.csv")
        cells = [
            ((folder / "images" / f"{image}.png").resolve(), row["patient"], row["laterality"], "MLO", int(answer(row)))
            for image, row in rows.items()
        ]
        write_rows(table, "path,patient,laterality,view,label", cells)
        return task_of(name, table, Preparation(size=size))


def lesion_crops(folder: Path) -> Task:
    """Write a crop around each lesion and the mirrored one of the other breast, if that is normal; read both."""
    rows = rows_of(folder)
    abnormal = {row["image"] for row in rows if row["abnormality"] != "NORM"}
    other = {}
    for row in rows:
        for mate in rows:
            if mate["patient"] == row["patient"] and mate["laterality"] != row["laterality"]:
                other[row["image"]] = mate["image"]
    cells: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as place:
        for number, row in enumerate(rows):
            if not row["x_1024"] or other[row["image"]] in abnormal:
                continue
            x, y = float(row["x_1024"]) / 2, (1024 - float(row["y_1024_from_bottom"])) / 2
            half = max(24, round(float(row["radius_1024"]) / 2 * 1.5))
            for image, label in ((row["image"], 1), (other[row["image"]], 0)):
                picture = np.asarray(Image.open(folder / "images" / f"{image}.png"))
                picture = picture if label else picture[:, ::-1]  # both as the lesion's breast lies
                padded = np.pad(picture, half)
                crop = padded[round(y) : round(y) + 2 * half, round(x) : round(x) + 2 * half]
                path = Path(place, f"{number}-{label}.png")
                Image.fromarray(crop).resize((CROP, CROP), Image.Resampling.BILINEAR).save(path)
                cells.append(
                    (path, row["patient"], row["laterality"] if label else "RL"[row["laterality"] == "R"], "MLO", label)
                )
        table = Path(place, "crops.csv")
        write_rows(table, "path,patient,laterality,view,label", cells)
        whole = Preparation(size=(CROP, CROP), crop=False, side="as-is", background="keep")
        return task_of("(b) lesion against the mirrored place", table, whole)


def task_of(name: str, table: Path, preparation: Preparation) -> Task:
    data = read_data(table, Reading(), preparation)
    pixels = np.stack([as_floats(image.pixels) for image in data.images])
    labels = np.array([image.answers["label"] == "1" for image in data.images])
    return Task(name, pixels, labels, np.array([image.group for image in data.images]))


def features_of(network: torch.nn.Module, scaling: Normalisation, pixels: NDArray[np.float32]) -> Floats:
    """Return what the head of a network reads, (n, features)."""
    network = network.eval()
    with torch.inference_mode():
        parts = [network.neck(network.features(network_inputs(one[None, None], scaling))) for one in pixels]
    return torch.cat(parts).double().numpy()


def histograms(pixels: NDArray[np.float32]) -> Floats:
    return np.stack([np.histogram(one[one > 0], bins=32, range=(0, 1))[0] / max(1, (one > 0).sum()) for one in pixels])


def folds_of(task: Task, seed: int) -> NDArray[np.int64]:
    women = sorted(set(task.women.tolist()))
    labels = [int(task.labels[task.women == one].any()) for one in women]
    parts = make_split(women, labels=labels, folds=FOLDS, seed=seed).parts
    return np.array([int(parts[one]) for one in task.women.tolist()])


def some_women(task: Task, train: NDArray[np.bool_], share: float, seed: int) -> NDArray[np.bool_]:
    """Return the training images of a share of the women, drawn at random, both answers among them."""
    women = np.unique(task.women[train])
    rng = np.random.default_rng(seed)
    while True:
        chosen = rng.permutation(women)[: max(4, round(share * len(women)))]
        own = train & np.isin(task.women, chosen)
        if 2 <= task.labels[own].sum() <= own.sum() - 2:
            return own


def by_regression(features: Floats, task: Task, own: NDArray[np.bool_], test: NDArray[np.bool_]) -> Floats:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inner = list(StratifiedGroupKFold(3).split(features[own], task.labels[own], task.women[own]))
    inner = [
        (fit, hold) for fit, hold in inner if len(set(task.labels[own][fit])) == len(set(task.labels[own][hold])) == 2
    ]
    fit = LogisticRegressionCV(Cs=np.logspace(-4, -1, 4), cv=inner or 2, scoring="neg_log_loss", max_iter=1000, **QUIET)
    model = make_pipeline(StandardScaler(), fit).fit(features[own], task.labels[own])
    return np.asarray(model.decision_function(features[test]), np.float64)


def by_training(
    start: torch.nn.Module,
    scaling: Normalisation,
    task: Task,
    own: NDArray[np.bool_],
    test: NDArray[np.bool_],
    seed: int,
) -> Floats:
    network = copy.deepcopy(start).train()
    images = torch.cat([network_inputs(one[None, None], scaling) for one in task.pixels])
    targets = torch.from_numpy(task.labels.astype(np.float32))

    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.network(inputs)[:, 0]

    model = Flat()
    epochs = max(EPOCHS, round(STEPS / max(1, own.sum() / BATCH)))
    Trainer(model, ArraySamples(images[own], targets[own]), replace(CONFIG, epochs=epochs, seed=seed)).fit()
    with torch.inference_mode():
        return torch.cat([model.eval()(one[None]) for one in images[test]]).double().numpy()


def divided(
    task: Task,
    seeds: Sequence[int],
    arm: Callable[[NDArray[np.bool_], NDArray[np.bool_], int], Floats],
    share: float = 1.0,
) -> Floats:
    """Return (seeds, n) scores: each image's by a model of other women."""
    found = np.zeros((len(seeds), len(task.labels)))
    for row, seed in zip(found, seeds, strict=True):
        folds = folds_of(task, seed)
        for fold in range(FOLDS):
            test = folds == fold
            scores = arm(some_women(task, ~test, share, seed * FOLDS + fold), test, seed * FOLDS + fold)
            row[test] = (scores - scores.mean()) / max(scores.std(), 1e-9)
    return found


def trained(task: Task, key: str, start: Start, kept: Kept, share: float = 1.0) -> Floats:
    """Return (seeds, n) scores of networks trained whole, those of a part of the divisions if that is all there is."""
    seeds = SEEDS if share == 1 else CURVE_SEEDS
    found = []
    for seed in range(seeds):
        path = kept.folder / f"{task.name[1]} {key} {share:.0%} {seed}.npy"
        if not path.exists() and seed % kept.parts == kept.part:
            one = divided(task, [seed], lambda *given: by_training(*start, task, *given), share)
            with open_output(path) as stream:
                np.save(stream, one[0])
        if path.exists():
            found.append(np.load(path, allow_pickle=False))
    return np.stack(found)


def area(scores: Floats, task: Task) -> str:
    found = bootstrap(auroc, scores.mean(0), task.labels, groups=task.women.tolist(), count=1000)
    single = [auroc(own, task.labels) for own in scores]
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}) | {np.mean(single):.3f} ± {np.std(single):.3f}"


def difference(one: Floats, other: Floats, task: Task) -> str:
    both = np.stack([one.mean(0), other.mean(0)], axis=1)
    found = bootstrap(
        lambda rows, labels: auroc(rows[:, 0], labels) - auroc(rows[:, 1], labels), both, task.labels,
        groups=task.women.tolist(), count=1000,
    )  # fmt: skip
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def report(task: Task, starts: dict[str, Start], kept: Kept | None) -> None:
    women, positive = len(set(task.women.tolist())), int(task.labels.sum())
    print(f"\n## {task.name}\n\n{len(task.labels)} images of {women} women, {positive} positive.\n")
    print("| | AUC of the mean score | single divisions |\n|---|---|---|")
    features = {f"frozen: {name}": features_of(*start, task.pixels) for name, start in starts.items()}
    features["histogram of greys"] = histograms(task.pixels)
    arms: dict[str, Callable[[Sequence[int], float], Floats]] = {
        name: lambda seeds, share, own=own: divided(
            task, seeds, lambda train, test, _: by_regression(own, task, train, test), share
        )
        for name, own in features.items()
    }
    whole = trainings(starts) if kept else {}
    for name, start in whole.items():
        arms[name] = lambda _, share, name=name, start=start: trained(task, name, start, kept, share)
    scores = {name: arm(range(SEEDS), 1.0) for name, arm in arms.items()}
    for name, found in scores.items():
        print(f"| {name} | {area(found, task)} |", flush=True)
    print("\n| difference | AUC |\n|---|---|")
    first, *others = features
    pairs = [(first, other) for other in others]
    if whole:
        tuned, *rest = whole
        pairs += [(tuned, other) for other in [*rest, first, "histogram of greys"]]
    for one, other in pairs:
        print(f"| {one}, less {other} | {difference(scores[one], scores[other], task)} |")
    print(f"\n| share of the women | {' | '.join(f'{share:.0%}' for share in SHARES)} |\n|---|{'---|' * len(SHARES)}")
    for name, arm in arms.items():
        curve = [scores[name] if share == 1 else arm(range(SEEDS), share) for share in SHARES]
        means = [np.mean([auroc(own, task.labels) for own in found]) for found in curve]
        print(f"| {name} | {' | '.join(f'{one:.3f}' for one in means)} |", flush=True)


def trainings(starts: dict[str, Start]) -> dict[str, Start]:
    """Return what whole networks are trained from; the first is compared with the others."""
    return {f"fine-tuned: {name}" if name != "untrained" else "from scratch": one for name, one in starts.items()}


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("control", type=Path)
    parser.add_argument("--trained", type=Path)
    parser.add_argument("--part", default="1/1")
    given = parser.parse_args(words)
    part, parts = map(int, given.part.split("/"))
    kept = Kept(given.trained, part - 1, parts) if given.trained else None
    set_torch_threads(1)
    model, control = load_classification_model(given.model), load_classification_model(given.control)
    torch.manual_seed(0)
    untrained = build_network("residual", model.facts["training"].get("network", {"pooling": "max"}))
    starts = {
        "DDSM": (model.network, model.normalisation),
        "DDSM, labels shuffled": (control.network, control.normalisation),
        "untrained": (untrained, model.normalisation),
    }
    size = model.preparation.size
    tasks = [
        whole_images(given.data, size, lambda row: row["tissue"] == "D", "(a) dense tissue against not"),
        lesion_crops(given.data),
        whole_images(given.data, size, lambda row: row["abnormality"] != "NORM", "(c) abnormal against normal"),
    ]
    if kept and parts > 1:
        for share, task in itertools.product(reversed(SHARES), tasks):
            for name, start in trainings(starts).items():
                trained(task, name, start, kept, share)
        return
    print(f"# Mammography: mini-MIAS, with and without DDSM\n\nbioconv {__version__}; {machine()}\n")
    print(f"{SEEDS} divisions of the women into {FOLDS} folds; whole images {size[0]} x {size[1]} pixels, crops")
    print(f"{CROP} x {CROP}.", end=" " if kept else "\n")
    if kept:
        print(f"Whole networks: {EPOCHS} passes over the images, of small shares as many as make {STEPS} steps of")
        print(f"{BATCH} images, bfloat16; their curve below 100% is of {CURVE_SEEDS} divisions.")
    for task in tasks:
        report(task, starts, kept)


if __name__ == "__main__":
    main(sys.argv[1:])
