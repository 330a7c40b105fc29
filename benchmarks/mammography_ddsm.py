"""DDSM, women with a proven cancer: the affected breast against the other one of the same woman.

python benchmarks/mammography_ddsm.py table DATA ddsm.csv [shuffled]
python benchmarks/mammography_ddsm.py score ddsm.csv MODEL... > benchmarks/mammography_ddsm.md

The first MODEL is what `bioconv models retrain mammo-ddsm` makes; its sites are told apart. A training of
`bioconv train classify ddsm.csv` with the options of that recipe (`--dry-run` shows them) follows the same split.
`shuffled`: labels of each woman's breasts change places at random, for a control that has seen the same images.

DATA is the prepared set of 3,247 views (`labels.csv`); its badly scaled scans (`dark`) are left out. Women are divided
at random: 60 % to train, 20 % to choose weights, calibration and thresholds, 20 % to test, scored once. In all of DDSM
a histogram of greys tells cancer from normal exams (AUC 0.81), for the classes were digitised in batches; between the
breasts of one woman it cannot, which is why nothing else is asked here.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from segmentation import write_rows
from timing import machine

from bioconv.evaluation import Interval, auroc, bootstrap
from bioconv.images.reader import read_image
from bioconv.mammography.classifier import Classifier, ImageScore
from bioconv.mammography.finding import find_views
from bioconv.mammography.learning.scoring import LevelScores
from bioconv.mammography.model import load_classification_model
from bioconv.training.splits import make_split
from bioconv.version import __version__

SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}
QUIET = {"l1_ratios": (0,), "scoring": "accuracy", "use_legacy_attributes": False}  # usual in scikit-learn 1.9
Floats = NDArray[np.float64]


def write_table(folder: Path, target: Path, *, shuffled: bool = False) -> None:
    with (folder / "labels.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["dark"] == "0"]
    sites = {row["patient"]: row["site"] for row in rows}
    if shuffled:
        rng = np.random.default_rng(0)
        changed = {patient: rng.random() < 0.5 for patient in sorted(sites)}
        seen = {(row["patient"], row["view"], row["side"]): row["affected"] for row in rows}
        other = {"LEFT": "RIGHT", "RIGHT": "LEFT"}
        for row in rows:
            if changed[row["patient"]]:
                row["affected"] = seen.get((row["patient"], row["view"], other[row["side"]]), row["affected"])
    split = make_split(sorted(sites), labels=[sites[one] for one in sorted(sites)], fractions=SHARES, seed=0)
    write_rows(
        target,
        "path,patient,laterality,view,label,site,split",
        [
            (
                (folder / row["path"]).resolve(), row["patient"], row["side"], row["view"], row["affected"],
                row["site"], split.parts[row["patient"]],
            )
            for row in rows
        ],
    )  # fmt: skip


def rows_of(table: Path, part: str) -> list[dict[str, str]]:
    with table.open() as stream:
        return [row for row in csv.DictReader(stream) if row["split"] == part]


def histogram(row: dict[str, str]) -> Floats:
    pixels = read_image(row["path"]).pixels.reshape(-1)
    return np.histogram(pixels, bins=32, range=(0, 256))[0] / len(pixels)


def small_pixels(row: dict[str, str]) -> Floats:
    """Return the image at 32 x 32, right breasts mirrored: what a model without eyes for detail would see."""
    pixels = read_image(row["path"]).pixels.astype(float)
    pixels = pixels.reshape(pixels.shape[-2:])[:192, :192].reshape(32, 6, 32, 6).mean((1, 3))
    return np.ravel(pixels[:, ::-1] if row["laterality"] == "RIGHT" else pixels) / 255


def baseline(features: Callable[[dict[str, str]], Floats], table: Path) -> Floats:
    """Return the test scores of a logistic regression on plain features."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = rows_of(table, "train") + rows_of(table, "dev"), rows_of(table, "test")
    model = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=np.logspace(-5, 0, 6), max_iter=2000, **QUIET))
    model.fit([features(row) for row in train], [row["label"] for row in train])
    return np.asarray(model.decision_function([features(row) for row in test]), np.float64)


def by_model(path: Path, table: Path) -> Floats:
    """Return the test scores of a classifier."""
    classifier = Classifier([load_classification_model(path)])
    wanted = {row["path"] for row in rows_of(table, "test")}
    views = [view for view in find_views([table])[0] if view.name in wanted]
    scored: list[ImageScore] = [classifier.score(view) for view in views]
    found = {one.view.name: one.scores[0] for one in scored}
    return np.array([found[row["path"]] for row in rows_of(table, "test")])


def levels(rows: list[dict[str, str]], scores: Floats) -> tuple[LevelScores, LevelScores]:
    """Return the scores of images, and of breasts: the mean of their views."""
    labels = np.array([row["label"] == "1" for row in rows])
    groups = [row["patient"] for row in rows]
    breasts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        breasts[row["patient"], row["laterality"]].append(number)
    places = list(breasts.values())
    joined = LevelScores(
        [" ".join(key) for key in breasts],
        np.array([scores[own].mean() for own in places]),
        np.array([labels[own].any() for own in places]),
        [patient for patient, _ in breasts],
    )
    return LevelScores([row["path"] for row in rows], scores, labels, groups), joined


def pairs_right(breasts: LevelScores) -> tuple[int, int]:
    """Return in how many women with one affected breast it has the higher score, and how many there are."""
    both: dict[str, dict[bool, float]] = defaultdict(dict)
    for group, score, label in zip(breasts.groups, breasts.scores, breasts.labels, strict=True):
        both[group][bool(label)] = float(score)
    whole = [own for own in both.values() if len(own) == 2]
    return sum(own[True] > own[False] for own in whole), len(whole)


def said(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def row_of(name: str, rows: list[dict[str, str]], scores: Floats) -> str:
    images, breasts = levels(rows, scores)
    areas = [bootstrap(auroc, own.scores, own.labels, groups=own.groups, count=1000) for own in (images, breasts)]
    right, women = pairs_right(breasts)
    return f"| {name} | {said(areas[0])} | {said(areas[1])} | {right} of {women} ({right / women:.0%}) |"


def score(table: Path, paths: list[Path]) -> None:
    rows = rows_of(table, "test")
    print(f"# Mammography: DDSM, the affected breast against the other\n\nbioconv {__version__}; {machine()}\n")
    print(f"{len(rows)} views of {len({row['patient'] for row in rows})} women that nothing was trained or chosen on.")
    print("AUC with 95 % intervals, women drawn again; last, women whose affected breast has the higher score.\n")
    print("| | AUC, views | AUC, breasts | higher of two |\n|---|---|---|---|")
    for name, features in (("histogram of greys, logistic regression", histogram), ("32 x 32 pixels", small_pixels)):
        print(row_of(name, rows, baseline(features, table)))
    for path in paths:
        scores = by_model(path, table)
        print(row_of(path.stem, rows, scores))
        for site in sorted({row["site"] for row in rows}) if path == paths[0] else ():
            own = np.array([row["site"] == site for row in rows])
            chosen = [row for row, is_own in zip(rows, own, strict=True) if is_own]
            print(row_of(f"{path.stem}, site {site}", chosen, scores[own]))
    print(
        "\nPublished for another task (cancer against benign and normal, CBIS-DDSM, whole images at full size; Shen et"
    )
    print("al. 2019, doi 10.1038/s41598-019-48995-4): 0.88 of one model. Here images are 192 pixels wide.")


def main(words: list[str]) -> None:
    if words[:1] == ["table"]:
        write_table(Path(words[1]), Path(words[2]), shuffled="shuffled" in words)
    else:
        score(Path(words[1]), [Path(word) for word in words[2:]])


if __name__ == "__main__":
    main(sys.argv[1:])
