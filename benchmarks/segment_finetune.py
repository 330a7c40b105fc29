"""Fine-tuning on ten images of a kind the model has never seen, against training from scratch on the same ten.

python benchmarks/segment_finetune.py base DATA fluorescence.csv     # fluorescence alone: what the model starts from
python benchmarks/segment_finetune.py ten DATA SEED ten.csv          # ten colour images of the training part, 3 of dev
python benchmarks/segment_finetune.py fold DATA NUMBER fold.csv      # grey bright-field, all but every fourth image
python benchmarks/segment_finetune.py score DATA MODEL... > benchmarks/segment_finetune.md

The models are called base, tuned-SEED, scratch-SEED and fold-NUMBER. All are trained with `bioconv train segment TABLE
--kind instances --precision bfloat16` and further

    base      --colour --polarity dark-background --decoder-convolutions 2 --per-epoch 2000 --epochs 8
    tuned     --from base.safetensors --learning-rate 0.0015 --per-epoch 1000 --epochs 4
    scratch   --polarity dark-background --decoder-convolutions 2 --per-epoch 1000 --epochs 4
    fold      as tuned

so that tuned and scratch see the same ten images equally long.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from segment_nuclei import by_model, counts_row, rows_of
from segmentation import write_rows
from timing import machine

from bioconv.segmentation.model import load_segmentation_model
from bioconv.version import __version__

COLOUR, GREY = "rgb_histology_or_brightfield", "brightfield_gray"
TEN, DEV = 10, 3


def table(folder: Path, target: Path, rows: list[dict[str, str]], held_out: set[str] | None = None) -> None:
    place = folder.resolve()
    columns = "name,image,mask" + (",split" if held_out is not None else "")
    listed = []
    for row in rows:
        name = row["id"]
        cells = [name[:12], place / "images" / f"{name}.png", place / "labels" / f"{name}.png"]
        listed.append(cells + ([] if held_out is None else ["dev" if name in held_out else "train"]))
    write_rows(target, columns, listed)


def of_kind(folder: Path, kind: str, *parts: str) -> list[dict[str, str]]:
    return [row for part in parts for row in rows_of(folder, part) if row["modality_guess"] == kind]


def ten(folder: Path, seed: int) -> tuple[list[dict[str, str]], set[str]]:
    """Return ten colour images and three to validate on, drawn at random."""
    rows = of_kind(folder, COLOUR, "train")
    order = np.random.default_rng(seed).permutation(len(rows))[: TEN + DEV]
    return [rows[place] for place in order], {rows[place]["id"] for place in order[TEN:]}


def fold(folder: Path, number: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the images of three folds and those of the fourth; all 16 grey bright-field images take part."""
    rows = sorted(of_kind(folder, GREY, "train", "test"), key=lambda row: row["id"])
    return [row for place, row in enumerate(rows) if place % 4 != number], rows[number::4]


def score(folder: Path, paths: list[Path]) -> None:
    print(f"# A kind of image never seen: ten examples\n\nbioconv {__version__}; {machine()}\n")
    print("AP at IoU 0.5, pooled over the colour images of the test part (15); intervals: images drawn again.")
    print("base was trained on fluorescence alone, tuned went on from it with ten colour images, scratch saw only")
    print("these ten, equally long; the number is the seed.\n")
    print("| model | AP50 |\n|---|---|")
    colour = of_kind(folder, COLOUR, "test")
    for path in paths:
        if not path.stem.startswith("fold"):
            print(f"| {path.stem} | {counts_row(folder, by_model(load_segmentation_model(path)), colour)} |")
    folds = [path for path in paths if path.stem.startswith("fold")]
    if folds:
        print("\nGrey bright-field, 16 images in all: each scored by a model tuned on the other three quarters.\n")
        parts = [(load_segmentation_model(path), fold(folder, int(path.stem[-1]))[1]) for path in folds]
        segmenter = {row["id"]: by_model(model) for model, rows in parts for row in rows}
        rows = [row for _, own in parts for row in own]
        print(f"AP50 {counts_row(folder, lambda path: segmenter[path.stem](path), rows)}")


def main(words: list[str]) -> None:
    folder = Path(words[1])
    if words[0] == "base":
        table(folder, Path(words[2]), of_kind(folder, "fluorescence", "train"))
    elif words[0] == "ten":
        table(folder, Path(words[3]), *ten(folder, int(words[2])))
    elif words[0] == "fold":
        rows = fold(folder, int(words[2]))[0]
        table(folder, Path(words[3]), rows, {row["id"] for row in rows[::6]})
    else:
        score(folder, [Path(word) for word in words[2:]])


if __name__ == "__main__":
    main(sys.argv[1:])
