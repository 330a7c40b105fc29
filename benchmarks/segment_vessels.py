"""Retinal vessels: DRIVE by its official split, and CHASE_DB1 by the model trained on DRIVE.

python benchmarks/segment_vessels.py table DRIVE FOLDER       # FOLDER/drive.csv, to train with --ignore 128
python benchmarks/segment_vessels.py chase CHASE FOLDER       # FOLDER/chase.csv, patients 01 to 10
python benchmarks/segment_vessels.py ship CHASE CHASE_MODEL bioconv/zoo/vessels.safetensors    # with its figures
python benchmarks/segment_vessels.py score DRIVE CHASE DRIVE_MODEL CHASE_MODEL > benchmarks/segment_vessels.md

The model of DRIVE is the second of two trainings (`bioconv train segment drive.csv`, each on one thread):

    -o first.safetensors --kind binary --ignore 128 --class-names background,vessel --widths 16,24,32,48
        --decoder-convolutions 2 --patch 192 --per-epoch 3000 --epochs 10 --batch-size 6 --foreground 0
        --precision bfloat16 --loss bce --augment exact
    -o drive.safetensors --kind binary --ignore 128 --class-names background,vessel --from first.safetensors --patch 192
        --per-epoch 3000 --epochs 8 --batch-size 6 --foreground 0 --precision bfloat16 --loss bce --augment exact
        --learning-rate 0.002 --seed 1

The shipped one was trained on chase.csv with `--augment usual`, for 10 epochs of 2000 with what lies outside the field
of view not known, then with it as background: `--from` that, `--epochs 8 --learning-rate 0.002 --foreground 0.3
--loss dice-ce`.

Scored inside the field of view against the first observer. The scorer reproduces two published sets of predictions
before it judges a model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from segmentation import (
    image_interval,
    maps_of,
    said,
    scaled_maps_of,
    ship,
    truth_of,
    turned_maps_of,
    write_rows,
)
from timing import machine

from bioconv.evaluation import auroc
from bioconv.images.masks import read_mask
from bioconv.images.reader import read_image
from bioconv.images.writer import write_mask
from bioconv.segmentation.model import SegmentationModel, load_segmentation_model
from bioconv.version import __version__

UNKNOWN = 128  # of pixels outside the field of view of DRIVE, in the masks that are trained on
DEV = ("24", "29", "34", "39")  # of DRIVE's training part: the threshold is chosen on them
CHASE_TRAINED = tuple(f"{patient:02d}" for patient in range(1, 11))
CHASE_DEV = ("09", "10")
PUBLISHED = {"laddernet": (0.9788, 0.8201), "retina-unet-orobix": (0.9784, 0.8158)}


@dataclass(frozen=True)
class Eye:
    image: Path
    truth: Path
    fov: Path
    fov_is_zero: bool = False

    @property
    def name(self) -> str:
        return self.image.stem

    def view(self) -> NDArray[np.bool_]:
        """Return what lies inside the field of view."""
        return truth_of(self.fov) != self.fov_is_zero


def drive(folder: Path, part: str) -> list[Eye]:
    return [
        Eye(image, folder / part / "vessels" / image.name, folder / part / "fov" / image.name)
        for image in sorted((folder / part / "images").glob("*.png"))
    ]


def chase(folder: Path, *, trained: bool) -> list[Eye]:
    return [
        # Its masks of the field of view are 0 inside and 255 outside.
        Eye(image, folder / "vessels_1st" / f"{image.stem}.png", folder / "fov" / f"{image.stem}.png", True)
        for image in sorted((folder / "images").glob("*.jpg"))
        if (image.stem[6:8] in CHASE_TRAINED) == trained
    ]


def write_table(eyes: list[Eye], folder: Path, name: str, dev: Callable[[Eye], bool], outside: int) -> None:
    """Write masks with a value of its own outside the field of view, and the table."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for eye in eyes:
        labels = np.where(eye.view(), truth_of(eye.truth).astype(np.uint8), outside).astype(np.uint8)
        with_image = read_image(eye.image).info
        write_mask(folder / name / f"{eye.name}.png", labels, with_image)
        rows.append((eye.image.resolve(), f"{name}/{eye.name}.png", eye.name[6:8], "dev" if dev(eye) else "train"))
    write_rows(folder / f"{name}.csv", "image,mask,group,split", rows)


@dataclass(frozen=True, eq=False)
class Found:
    """Probabilities and truth inside the field of view, image by image."""

    probabilities: list[NDArray[np.float32]]
    truth: list[NDArray[np.bool_]]

    def auc(self) -> float:
        return auroc(np.concatenate(self.probabilities), np.concatenate(self.truth))

    def counts(self, threshold: float) -> NDArray[np.int64]:
        """Return true positives, positives found, positives there; (images, 3)."""
        rows = []
        for probability, truth in zip(self.probabilities, self.truth, strict=True):
            found = probability >= threshold
            rows.append((int((found & truth).sum()), int(found.sum()), int(truth.sum())))
        return np.array(rows)

    def f1(self, threshold: float) -> tuple[float, float, float]:
        """Return the pooled F1 and its interval."""
        counts = self.counts(threshold)

        def pooled(images: NDArray[np.int64]) -> float:
            both, found, there = counts[images].sum(0)
            return float(2 * both / (found + there))

        return image_interval(pooled, len(counts))

    def image_f1(self, threshold: float) -> float:
        both, found, there = self.counts(threshold).T
        return float((2 * both / (found + there)).mean())


def found_by(eyes: list[Eye], probabilities: Callable[[Eye], NDArray[np.float32]]) -> Found:
    views = [eye.view() for eye in eyes]
    return Found(
        [probabilities(eye)[view] for eye, view in zip(eyes, views, strict=True)],
        [truth_of(eye.truth)[view] for eye, view in zip(eyes, views, strict=True)],
    )


def by_model(
    model: SegmentationModel, maps: Callable[[SegmentationModel, Path], NDArray[np.float32]] = maps_of
) -> Callable[[Eye], NDArray[np.float32]]:
    return lambda eye: maps(model, eye.image)[0]


def as_drive(model: SegmentationModel, path: Path) -> NDArray[np.float32]:
    """Return the maps of a photograph of CHASE_DB1 (999 pixels wide) scaled to the width of DRIVE's (565)."""
    return scaled_maps_of(model, path, 565 / 999)


def row(name: str, found: Found, threshold: float) -> str:
    return f"| {name} | {found.auc():.4f} | {said(found.f1(threshold))} | {found.image_f1(threshold):.3f} |"


def score(drive_folder: Path, chase_folder: Path, drive_model: Path, chase_model: Path) -> None:
    model, shipped = load_segmentation_model(drive_model), load_segmentation_model(chase_model)
    size = sum(parameter.numel() for parameter in model.network.parameters())
    test = drive(drive_folder, "test")
    print(f"# Retinal vessels\n\nbioconv {__version__}; {machine()}\n")
    print("Inside the field of view, first observer. AUC over all pixels together; F1 pooled over images, with its")
    print("95 % interval (images drawn again), and its mean over images.\n")
    print("| DRIVE, 20 test images | AUC | F1 | mean F1 |\n|---|---|---|---|")
    for name, (auc, f1) in PUBLISHED.items():
        folder = drive_folder / "oracle-predictions" / name
        given = found_by(test, lambda eye, own=folder: read_mask(own / eye.image.name).astype(np.float32) / 255)
        print(row(f"{name}'s own predictions (published {auc}, {f1})", given, 0.5))
    print(row(f"bioconv, {model.facts['name']}, {size:,} parameters", found_by(test, by_model(model)), model.threshold))
    turned = found_by(test, by_model(model, turned_maps_of))
    print(row("the same, eight turns averaged (`--uncertainty tta`)", turned, model.threshold))
    print("\nPublished F1 (Idiap): Little W-Net 0.828, U-Net 0.825; second observer 0.788.\n")
    print("| CHASE_DB1 | AUC | F1 | mean F1 |\n|---|---|---|---|")
    everyone = chase(chase_folder, trained=True) + chase(chase_folder, trained=False)
    unseen = chase(chase_folder, trained=False)
    print(row("all 28 images, model of DRIVE, not retrained", found_by(everyone, by_model(model)), model.threshold))
    print(
        row(
            "the same, images scaled to the width of DRIVE's",
            found_by(everyone, by_model(model, as_drive)),
            model.threshold,
        )
    )
    print(row("8 images of patients 11 to 14, model of DRIVE", found_by(unseen, by_model(model)), model.threshold))
    print(row("the same 8, `vessels` (patients 01 to 10)", found_by(unseen, by_model(shipped)), shipped.threshold))
    second = found_by(unseen, lambda eye: truth_of(chase_folder / "vessels_2nd" / f"{eye.name}.png").astype(np.float32))
    print(f"| the same 8, second observer | | {said(second.f1(0.5))} | {second.image_f1(0.5):.3f} |")


def main(words: list[str]) -> None:
    paths = [Path(word) for word in words[1:]]
    if words[:1] == ["table"]:
        write_table(drive(paths[0], "training"), paths[1], "drive", lambda eye: eye.name[:2] in DEV, UNKNOWN)
    elif words[:1] == ["chase"]:
        # A model for anybody's photographs must know that their dark surroundings hold no vessels.
        write_table(chase(paths[0], trained=True), paths[1], "chase", lambda eye: eye.name[6:8] in CHASE_DEV, 0)
    elif words[:1] == ["ship"]:
        model = load_segmentation_model(paths[1])
        found = found_by(chase(paths[0], trained=False), by_model(model))
        ship(paths[1], paths[2], "vessels", {"test_dice": found.f1(model.threshold)})
    else:
        score(*paths)


if __name__ == "__main__":
    main(sys.argv[1:])
