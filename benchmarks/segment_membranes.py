"""Membranes in electron microscopy (ISBI 2012): a contiguous split of the training stack, beside Otsu's threshold.

python benchmarks/segment_membranes.py table DATA membranes.csv     # slices 00 to 23, 20 to 23 of them held out
python benchmarks/segment_membranes.py score DATA MODEL... > benchmarks/segment_membranes.md

`bioconv train segment membranes.csv -o isbi-SEED.safetensors --kind binary --class-names membrane,interior
--decoder-convolutions 2 --patch 192 --batch-size 6 --per-epoch 1500 --epochs 7 --loss bce --foreground 0 --precision
bfloat16 --seed SEED`, on one thread. Slices 24 to 29 are scored. The challenge's own test labels were never released:
these figures are no entries of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from segmentation import channels_first, image_interval, maps_of, said, truth_of, write_rows
from timing import machine

from bioconv.evaluation.regions import pixel_error, rand_score
from bioconv.segmentation.model import SegmentationModel, load_segmentation_model
from bioconv.version import __version__

Interior = NDArray[np.bool_]
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


def slices(folder: Path, first: int, last: int) -> list[Path]:
    return [folder / "train" / "images" / f"{number:02d}.png" for number in range(first, last + 1)]


def truth(path: Path) -> Interior:
    return truth_of(path.parents[1] / "labels" / path.name)


def write_table(folder: Path, target: Path) -> None:
    place = folder.resolve()
    rows = [
        (path, path.parents[1] / "labels" / path.name, "dev" if int(path.stem) >= 20 else "train")
        for path in slices(place, 0, 23)
    ]
    write_rows(target, "image,mask,split", rows)


def objects(interior: Interior) -> NDArray[Any]:
    return np.asarray(ndimage.label(interior)[0])


def errors(paths: list[Path], interior: Callable[[Path], Interior]) -> NDArray[np.float64]:
    """Return pixel error and Rand error, (images, 2)."""
    rows = []
    for path in paths:
        found, known = interior(path), truth(path)
        rows.append((pixel_error(found, known), rand_score(objects(found), objects(known)).error))
    return np.array(rows)


def otsu(path: Path) -> Interior:
    from skimage.filters import gaussian, threshold_otsu

    smooth = gaussian(channels_first(path)[0], 2)
    return np.asarray(smooth > threshold_otsu(smooth))


def row(name: str, found: NDArray[np.float64]) -> str:
    cells = [
        said(image_interval(lambda chosen, own=found[:, column]: float(own[chosen].mean()), len(found)))
        for column in (0, 1)
    ]
    return f"| {name} | {' | '.join(cells)} |"


def judged(model: SegmentationModel, dev: list[Path], test: list[Path]) -> tuple[list[float], NDArray[np.float64]]:
    """Return the thresholds that are best on `dev`, one for each error, and the errors of `test` at them."""
    maps = {image: maps_of(model, image)[0] for image in dev + test}

    def at(threshold: float, images: list[Path]) -> NDArray[np.float64]:
        return errors(images, lambda image: maps[image] >= threshold)

    on_dev = np.array([at(threshold, dev).mean(0) for threshold in THRESHOLDS])
    best = [THRESHOLDS[int(on_dev[:, column].argmin())] for column in (0, 1)]
    return best, np.stack([at(threshold, test)[:, column] for column, threshold in enumerate(best)], axis=1)


def score(folder: Path, paths: list[Path]) -> None:
    dev, test = slices(folder, 20, 23), slices(folder, 24, 29)
    print(f"# Membranes: ISBI 2012\n\nbioconv {__version__}; {machine()}\n")
    print("Six slices (24 to 29) that nothing was trained or chosen on. Rand error: 1 minus the F score of pairs of")
    print("pixels inside true cells (Arganda-Carreras 2015); cells are the connected interiors. Each model has two")
    print("thresholds, chosen on slices 20 to 23: one for each error. isbi-0 is a U-Net trained on slices 00 to 19,")
    print("seed 0.\n")
    print("| | pixel error | Rand error |\n|---|---|---|")
    print(row("Otsu", errors(test, otsu)))
    for path in paths:
        best, found = judged(load_segmentation_model(path), dev, test)
        print(row(f"{path.stem} (thresholds {best[0]}, {best[1]})", found))
    print(
        "\nPublished on the hidden test set, other slices of the same stack: U-Net pixel error 0.061, Rand error 0.038"
    )
    print("(Ronneberger et al. 2015; their Rand error is the best over thresholds).")


def main(words: list[str]) -> None:
    if words[:1] == ["table"]:
        write_table(Path(words[1]), Path(words[2]))
    else:
        score(Path(words[1]), [Path(word) for word in words[2:]])


if __name__ == "__main__":
    main(sys.argv[1:])
