"""FLAIR abnormality of lower-grade glioma (Buda et al. 2019): Dice of the ten validation patients, volume by volume.

python benchmarks/segment_tumours.py table DATA tumours.csv
python benchmarks/segment_tumours.py score DATA MODEL... > benchmarks/segment_tumours.md

`bioconv train segment tumours.csv -o lgg-SEED.safetensors --kind binary --allow-empty --per-channel --class-names
background,tumour --decoder-convolutions 2 --patch 192 --per-epoch 1600 --epochs 8 --precision bfloat16 --seed SEED`, on
one thread. Trained on 150 slices of 60 other patients; the models differ in their seed. Threshold chosen on held-out
patients of those 60.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from segmentation import image_interval, maps_of, said, truth_of, write_rows
from timing import machine

from bioconv.evaluation import dice
from bioconv.segmentation.model import SegmentationModel, load_segmentation_model
from bioconv.version import __version__


def write_table(folder: Path, target: Path) -> None:
    with (folder / "index.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "train"]
    place = folder.resolve() / "train"
    listed = []
    for row in rows:
        name = next(
            path.name
            for path in sorted((place / "images").glob(f"{row['patient']}_*"))
            if _slice(path) == int(row["slice"])
        )
        listed.append((row["patient"], place / "images" / name, place / "masks" / name))
    write_rows(target, "group,image,mask", listed)


def _slice(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def volumes(folder: Path) -> dict[str, list[Path]]:
    """Return the slices of each validation patient, in their order."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in (folder / "val" / "images").glob("*.png"):
        found[path.stem.rpartition("_")[0]].append(path)
    return {patient: sorted(paths, key=_slice) for patient, paths in sorted(found.items())}


def largest(volume: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest component in three dimensions, as the reference implementation keeps it."""
    labels, count = ndimage.label(volume, np.ones((3, 3, 3)))
    return volume if count < 2 else np.asarray(labels == 1 + np.bincount(labels.ravel())[1:].argmax())


def scores(folder: Path, model: SegmentationModel) -> list[tuple[str, float, float]]:
    """Return patient, Dice, Dice of the largest component."""
    rows = []
    for patient, paths in volumes(folder).items():
        found = np.stack([maps_of(model, path)[0] >= model.threshold for path in paths])
        truth = np.stack([truth_of(path.parents[1] / "masks" / path.name) for path in paths])
        rows.append((patient, dice(found, truth), dice(largest(found), truth)))
    return rows


def score(folder: Path, paths: list[Path]) -> None:
    models = [load_segmentation_model(path) for path in paths]
    found = [scores(folder, model) for model in models]
    size = sum(parameter.numel() for parameter in models[0].network.parameters())
    print(f"# Brain tumours: Dice of whole volumes\n\nbioconv {__version__}; {machine()}\n")
    print(f"Ten patients, all {sum(map(len, volumes(folder).values()))} slices; {size:,} parameters. Largest: only the")
    print("largest component in 3-D is kept. Intervals: patients drawn again. lgg-0 is a U-Net trained on 150")
    print("slices of 60 other patients, seed 0.\n")
    print("| model | mean Dice | median | mean, largest | median, largest |\n|---|---|---|---|---|")
    for path, rows in zip(paths, found, strict=True):
        cells = []
        for column in (1, 2):
            values = np.array([row[column] for row in rows], float)
            cells += [said(image_interval(lambda chosen, own=values: float(own[chosen].mean()), len(values)))]
            cells += [f"{np.median(values):.3f}"]
        print(f"| {path.stem} | {' | '.join(cells)} |")
    print("\nPublished (Buda et al. 2019): mean 0.82, median 0.85, cross-validated, on 110 patients with all their")
    print("slices; 0.91 and 0.92 on these ten by the reference implementation, which chose its model on them.\n")
    print("| patient | " + " | ".join(path.stem for path in paths) + " |\n|---" * 1 + "|---" * len(paths) + "|")
    for number, (patient, *_) in enumerate(found[0]):
        print(f"| {patient} | " + " | ".join(f"{rows[number][2]:.3f}" for rows in found) + " |")


def main(words: list[str]) -> None:
    if words[:1] == ["table"]:
        write_table(Path(words[1]), Path(words[2]))
    else:
        score(Path(words[1]), [Path(word) for word in words[2:]])


if __name__ == "__main__":
    main(sys.argv[1:])
