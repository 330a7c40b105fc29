"""Nuclei of the 2018 Data Science Bowl: models trained on its training part, scored once on the test part.

python benchmarks/segment_nuclei.py table DATA nuclei.csv [SHARE]     # what `bioconv train segment` is given
python benchmarks/segment_nuclei.py score DATA MODEL... > benchmarks/segment_nuclei.md
python benchmarks/segment_nuclei.py ship DATA MODEL bioconv/zoo/nuclei.safetensors     # with its figures on its card

A model is the second of two trainings (`bioconv train segment nuclei.csv`, each on one thread):

    -o first-SEED.safetensors --kind instances --polarity dark-background --decoder-convolutions 2
        --widths 16,32,96,160,192 --per-epoch 4000 --epochs 16 --precision bfloat16 --seed SEED
    -o nuclei-SEED.safetensors --kind instances --from first-SEED.safetensors --gamma 0.5 --per-epoch 3000 --epochs 8
        --learning-rate 0.0015 --precision bfloat16 --seed SEED

`nuclei`, which is shipped, is the third, with seed 2 and a twentieth of each kind of image held out (SHARE 0.05); of
nuclei-0 and nuclei-1 it is the usual share. Which one ships was settled before it was scored.

DATA is the prepared BBBC038 set (`images/`, `labels/`, `index.csv` with the split).
"""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from segmentation import channels_first, image_interval, maps_of, said, ship, turned_maps_of, write_rows
from timing import machine

from bioconv.evaluation.objects import ApTable, ap_table
from bioconv.images.masks import read_mask
from bioconv.segmentation.model import SegmentationModel, load_segmentation_model
from bioconv.segmentation.objects.instances import split_instances
from bioconv.version import __version__

STRATA = {
    "fluorescence": "fluorescence",
    "rgb_histology_or_brightfield": "RGB",
    "brightfield_gray": "grey bright-field",
}
Labels = NDArray[Any]


def rows_of(folder: Path, part: str) -> list[dict[str, str]]:
    with (folder / "index.csv").open() as stream:
        return [row for row in csv.DictReader(stream) if row["split"] == part]


def write_table(folder: Path, target: Path, share: float | None = None) -> None:
    """Write the training part as `bioconv train segment` takes it; a share of each kind of image validates."""
    place = folder.resolve()
    counted = {kind: itertools.count(1) for kind in STRATA}
    rows = []
    for row in sorted(rows_of(folder, "train"), key=lambda row: row["id"]):
        name, kind = row["id"], row["modality_guess"]
        cells = [name[:12], place / "images" / f"{name}.png", place / "labels" / f"{name}.png", kind]
        if share is not None:
            cells.append("train" if next(counted[kind]) % round(1 / share) else "dev")
        rows.append(cells)
    write_rows(target, "name,image,mask,stratum" + ("" if share is None else ",split"), rows)


def by_model(
    model: SegmentationModel, maps: Callable[[SegmentationModel, Path], NDArray[np.float32]] = maps_of
) -> Callable[[Path], Labels]:
    return lambda path: split_instances(maps(model, path), model.settings)


def by_otsu(path: Path) -> Labels:
    """Otsu's threshold, smoothed distances, watershed: the textbook's way, told the right polarity."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian, threshold_otsu
    from skimage.morphology import remove_small_objects
    from skimage.segmentation import watershed

    pixels = channels_first(path).astype(float)
    grey = pixels[0] if len(pixels) == 1 or np.ptp(pixels, axis=0).max() == 0 else -pixels[0]
    if np.median(grey) > (grey.min() + grey.max()) / 2:
        grey = -grey
    smooth = gaussian(grey, 1)
    inside = ndimage.binary_fill_holes(remove_small_objects(smooth > threshold_otsu(smooth), max_size=14))
    depth = gaussian(ndimage.distance_transform_edt(inside), 1)
    peaks = peak_local_max(depth, min_distance=5, labels=inside.astype(int), exclude_border=False)
    seeds = np.zeros(grey.shape, int)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-depth, seeds, mask=inside))


def score(folder: Path, segment: Callable[[Path], Labels], rows: Sequence[dict[str, str]]) -> ApTable:
    return ap_table(
        (segment(folder / "images" / f"{row['id']}.png"), read_mask(folder / "labels" / f"{row['id']}.png"))
        for row in rows
    )


def ap50(table: ApTable, rows: Sequence[int]) -> tuple[float, float, float]:
    """Return AP50 of some images, pooled, with its interval."""
    own = table.counts.chosen(np.array(rows))
    return image_interval(lambda chosen: float(own.chosen(chosen).pooled().average_precision()[0]), len(rows))


def precision(table: ApTable, rows: Sequence[int]) -> NDArray[np.float64]:
    """Return the average precision of some images, pooled, at each threshold."""
    return table.counts.chosen(np.array(rows)).pooled().average_precision()


def pooled(table: ApTable, rows: Sequence[int]) -> str:
    """Return AP50 of some images with its interval, and the mean over the thresholds."""
    return f"{said(ap50(table, rows))} | {precision(table, rows).mean():.3f}"


def counts_row(folder: Path, segment: Callable[[Path], Labels], rows: Sequence[dict[str, str]]) -> str:
    """Return AP50 of some images with its interval."""
    return pooled(score(folder, segment, rows), range(len(rows))).partition(" | ")[0]


def places_of(rows: Sequence[dict[str, str]]) -> dict[str, list[int]]:
    """Return the places of all images, and of each kind's."""
    kinds = {
        said_as: [n for n, row in enumerate(rows) if row["modality_guess"] == kind] for kind, said_as in STRATA.items()
    }
    return {"all": list(range(len(rows))), **kinds}


def report(folder: Path, paths: list[Path]) -> None:
    rows = rows_of(folder, "test")
    places = places_of(rows)
    tables = {"Otsu, distances, watershed": score(folder, by_otsu, rows)}
    for path in paths:
        tables[path.stem] = score(folder, by_model(load_segmentation_model(path)), rows)
    network = load_segmentation_model(paths[0]).network
    size = sum(parameter.numel() for parameter in network.parameters())
    print(f"# Nuclei: 2018 Data Science Bowl, test part\n\nbioconv {__version__}; {machine()}\n")
    print(
        f"{len(rows)} images, {size:,} parameters. AP is TP / (TP + FP + FN), pooled over images; AP50 at IoU 0.5 with"
    )
    print("its 95 % interval (images drawn again), mAP the mean over IoU 0.5 to 0.95. nuclei is the model that ships,")
    print("nuclei-0 and nuclei-1 are the same recipe with other seeds and more images held out.\n")
    for kind, own in places.items():
        print(f"\n{kind}, {len(own)} images\n\n| | AP50 | mAP |\n|---|---|---|")
        for name, table in tables.items():
            print(f"| {name} | {pooled(table, own)} |")
        each = np.mean([precision(tables[path.stem], own) for path in paths], axis=0)
        print(f"| mean of the {len(paths)} models' figures | {each[0]:.3f} | {each.mean():.3f} |")
    best = tables[paths[0].stem]
    turned = score(folder, by_model(load_segmentation_model(paths[0]), turned_maps_of), rows)
    print(f"\n{paths[0].stem}, eight turns averaged (`--uncertainty tta`)\n\n| | AP50 | mAP |\n|---|---|---|")
    for kind, own in places.items():
        print(f"| {kind} | {pooled(turned, own)} |")
    print(f"\nMean over images of AP50, {paths[0].stem}: {best.image_mean()[0]:.3f}.")
    print("\nGrey bright-field with all 16 images, cross-validated: segment_finetune.md.")


def main(words: list[str]) -> None:
    if words[:1] == ["table"]:
        write_table(Path(words[1]), Path(words[2]), float(words[3]) if len(words) > 3 else None)
    elif words[:1] == ["ship"]:
        rows = rows_of(Path(words[1]), "test")
        table = score(Path(words[1]), by_model(load_segmentation_model(words[2])), rows)
        found = {"test_ap50": ap50(table, places_of(rows)["all"])}
        for kind, own in places_of(rows).items():
            found |= {} if kind == "all" else {f"{kind} test_ap50": ap50(table, own)}
        ship(Path(words[2]), Path(words[3]), "nuclei", found)
    else:
        report(Path(words[1]), [Path(word) for word in words[2:]])


if __name__ == "__main__":
    main(sys.argv[1:])
