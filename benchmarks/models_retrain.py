"""Each model of the package trained again by its one command, beside the one that is shipped.

python benchmarks/models_retrain.py train DATA FOLDER [NAME...]      # all, or some; goes on where it was stopped
python benchmarks/models_retrain.py report DATA FOLDER > benchmarks/models_retrain.md

`train` runs `bioconv models retrain NAME --threads 1`, each from an empty cache with DATA as BIOCONV_DATA_MIRROR.
`report` compares weights, and where they are not the same the figures on what neither was trained on: nuclei of the
test part (AP50), eyes of patients 11 to 14 (F1), views of the women of the test part (AUC), peaks of `_B` (AUROC).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bioconv.datasets.recipes import recipe_names
from timing import machine, table

from bioconv.models.model_file import read_model
from bioconv.version import __version__
from bioconv.zoo import resolve


def train(data: Path, folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or recipe_names():
        file = folder / f"{name}.safetensors"
        if (folder / f"{name}.seconds").exists():
            continue
        command = [sys.executable, "-m", "bioconv", "models", "retrain", name, "-o", str(file), "--threads", "1"]
        with tempfile.TemporaryDirectory() as cache:
            begin = time.perf_counter()
            environment = {**os.environ, "BIOCONV_DATA_MIRROR": str(data.resolve()), "BIOCONV_CACHE": cache}
            subprocess.run(command, env=environment, check=True)
            (folder / f"{name}.seconds").write_text(f"{time.perf_counter() - begin:.0f}")


def same_weights(one: Path, other: Path) -> bool:
    first, second = read_model(one).tensors, read_model(other).tensors
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def figure(name: str, path: Path, data: Path) -> str:
    """Return a model's figure on data that neither training saw, with its interval."""
    import segment_nuclei
    import segment_vessels

    from bioconv.segmentation.model import load_segmentation_model

    if name == "nuclei":
        folder = data / "dsb2018-bbbc038"
        rows = segment_nuclei.rows_of(folder, "test")
        found = segment_nuclei.score(folder, segment_nuclei.by_model(load_segmentation_model(path)), rows)
        own = segment_nuclei.places_of(rows).items()
        return "; ".join(f"{kind} {segment_nuclei.said(segment_nuclei.ap50(found, places))}" for kind, places in own)
    if name == "vessels":
        model, eyes = load_segmentation_model(path), segment_vessels.chase(data / "chase-db1", trained=False)
        found_eyes = segment_vessels.found_by(eyes, segment_vessels.by_model(model))
        return segment_vessels.said(found_eyes.f1(model.threshold))
    metrics = read_model(path).metadata["metrics"]
    kept = next((metrics[key] for key in ("test image auroc", "test_auroc", "auroc") if key in metrics), None)
    return segment_vessels.said(tuple(kept)) if kept else ""


def report(data: Path, folder: Path) -> None:
    rows = []
    for name in recipe_names():
        file, seconds = folder / f"{name}.safetensors", folder / f"{name}.seconds"
        if not seconds.exists():
            rows.append([name, "", "not trained again", "", ""])
            continue
        shipped = resolve(name)
        same = same_weights(file, shipped)
        figures = ["", ""] if same else [figure(name, path, data) for path in (shipped, file)]
        rows.append([name, seconds.read_text(), "the same" if same else "others", *figures])
    print(f"# Models trained again\n\nbioconv {__version__}; {machine()}\n")
    print(
        "By `bioconv models retrain NAME --threads 1`, from an empty cache; seconds of the whole command, on a machine"
    )
    print("that was busy with other work. Figures only where the weights are others.\n")
    print(table(["model", "s", "weights", "figure of the shipped one", "of the one trained again"], rows))


def main(words: list[str]) -> None:
    step, data, folder, *names = words
    if step == "train":
        train(Path(data), Path(folder), names)
    else:
        report(Path(data), Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
