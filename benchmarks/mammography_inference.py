"""What an exam of four views costs: seconds and memory of `bioconv classify`, beside MONAI's reader and plain PyTorch.

Run: python benchmarks/mammography_inference.py [--model MODEL] [--exams 4] [--rounds 3]

Exams are generated: DICOM, 3328 x 2560 pixels of 14 bits in 16, uncompressed. The plain pass reads the pixels with
MONAI's PydicomReader, scales each image by its extremes, shrinks it to the model's size with torch and runs the same
network: no check of what the file is, no polarity or window, no search for the breast, no side, no joining of views, no
tables. Without --model an untrained network of our own is used (1024 x 512 pixels); time does not depend on weights.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import timing

HERE = Path(__file__).parent
SHAPE = (3328, 2560)
PLAIN = """
import sys
import torch
from monai.data import PydicomReader
from bioconv.mammography.model import load_classification_model
torch.set_num_threads({threads})
model = load_classification_model(sys.argv[1])
reader = PydicomReader()
with torch.inference_mode():
    for path in sys.argv[2:]:
        pixels = torch.as_tensor(reader.get_data(reader.read(path))[0]).float().squeeze()[None, None]
        pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
        small = torch.nn.functional.interpolate(pixels, model.preparation.size, mode="bilinear", antialias=True)
        print(path, float(model.network(small.expand(-1, len(model.normalisation.mean), -1, -1))[0, 0]))
"""


def write_exams(folder: Path, exams: int) -> list[Path]:
    """Write synthetic women, four views each."""
    from bioconv.datasets.mammography_phantom import synthetic_mammograms

    from tests.mammography.samples import write_mammogram

    paths = []
    for number in range(exams):
        for view in synthetic_mammograms(number, shape=SHAPE):
            path = folder / f"synthetic-{number}-{view.laterality}-{view.view}.dcm"
            known = {"patient": f"synthetic-{number}", "study": f"study-{number}", "bits": 14}
            write_mammogram(path, view.pixels, view.laterality, view.view, **known)
            paths.append(path)
    return paths


def write_untrained(path: Path) -> Path:
    """Write a classifier with weights as they are drawn."""
    import torch

    from bioconv.mammography.model import to_model_file
    from bioconv.mammography.objective import Head, Objective
    from bioconv.mammography.preparation import Preparation
    from bioconv.models.building import build_network
    from bioconv.models.model_file import write_model
    from bioconv.training.normalisation import Normalisation

    torch.manual_seed(0)
    objective = Objective((Head("label", ("0", "1")),))
    network = build_network("residual", {"channels_in": 1, "outputs": 1})
    scaling = Normalisation.from_json({"mean": [0.4], "deviation": [0.25]})
    write_model(path, to_model_file(network, "residual", objective, (Preparation(), scaling), {"name": "untrained"}))
    return path


def report(spent: dict[str, list[timing.Spent]], exams: int) -> None:
    print("| | seconds per exam | processor seconds per exam | largest resident set |\n|---|---|---|---|")
    for name, rows in spent.items():
        wall = [row.wall / exams for row in rows]
        print(
            f"| {name} | {statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f}) | "
            f"{statistics.median(row.cpu for row in rows) / exams:.2f} | "
            f"{statistics.median(row.peak for row in rows):,.0f} MB |"
        )


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--exams", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "exams")
        folder.mkdir()
        paths = [str(path) for path in write_exams(folder, given.exams)]
        from bioconv.zoo import resolve

        model = resolve(given.model) if given.model else write_untrained(Path(place, "untrained.safetensors"))
        script = Path(place, "plain.py")
        script.write_text(PLAIN.format(threads=2))
        ours = [
            sys.executable,
            "-m",
            "bioconv",
            "classify",
            str(folder),
            "--model",
            str(model),
            "--quiet",
            "--overwrite",
        ]
        environment = {"PYTHONPATH": str(HERE.parent)}

        def run(*extra: str) -> timing.Spent:
            return timing.run_program([*ours, "-o", str(Path(place, "out" + "".join(extra))), *extra], environment)

        programs = {
            "tables alone (`--no-heat-maps --no-report`)": lambda: run("--no-heat-maps", "--no-report"),
            "all of it: tables, heat maps, pages": run,
            "MONAI's PydicomReader and plain PyTorch": lambda: timing.run_program(
                [sys.executable, str(script), str(model), *paths], environment
            ),
        }
        spent = timing.interleave_programs(programs, given.rounds)
    print("# Mammography: what an exam costs\n")
    print(f"{timing.machine()}\n\n{given.exams} exams of four views, {SHAPE[0]} x {SHAPE[1]} pixels of 14 bits, in one")
    print("call (start of the program included); medians of rounds, with their range.\n")
    report(spent, given.exams)


if __name__ == "__main__":
    main(sys.argv[1:])
