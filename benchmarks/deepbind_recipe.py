"""What each departure from the published recipe gains, on held-out peaks of the training files alone.

    python benchmarks/deepbind_recipe.py DATA [--only sp1,myc,arid3a-k562] > benchmarks/deepbind_recipe.md

From bioconv's recipe one thing at a time is taken back; the held-out part is 250 of the 500 top-ranked odd peaks, with
four shuffles each. `_B` is not looked at.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from encode_models import targets

from bioconv import runtime
from bioconv.sequence.binding.data import read_binding
from bioconv.sequence.binding.defaults import DEFAULTS
from bioconv.sequence.binding.fit import make_binding_split
from bioconv.sequence.binding.recipe import Recipe, fit_network, held_out_samples, train_samples
from bioconv.training.config import TrainConfig
from bioconv.version import __version__

Variant = tuple[Recipe, TrainConfig]


def variants() -> dict[str, Variant]:
    recipe, network = Recipe(), Recipe().network
    published = replace(network, detectors=16, hidden=0, average_pooling=False, strand_pooling="max")
    return {
        "bioconv's recipe": (recipe, DEFAULTS),
        "better strand in place of both strands' mean": (
            replace(recipe, network=replace(network, strand_pooling="max")), DEFAULTS
        ),
        "all ranks drawn alike": (replace(recipe, rank_scale=None), DEFAULTS),
        "16 detectors in place of 128": (replace(recipe, network=replace(network, detectors=16)), DEFAULTS),
        "no mean over positions": (replace(recipe, network=replace(network, average_pooling=False)), DEFAULTS),
        "no hidden units": (replace(recipe, network=replace(network, hidden=0)), DEFAULTS),
        "constant learning rate": (recipe, replace(DEFAULTS, schedule="constant")),
        "a quarter of the steps": (replace(recipe, per_epoch=2000), DEFAULTS),
        "the published network": (replace(recipe, network=published), DEFAULTS),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="sp1,myc,arid3a-k562,zbtb7a")
    given = parser.parse_args()
    torch.set_num_threads(runtime.thread_count(1))
    chosen = {n: path for n, path in targets(given.data).items() if any(part in n for part in given.only.split(","))}
    print("# Gains over the published recipe\n")
    print(f"bioconv {__version__}, `benchmarks/deepbind_recipe.py`: AUROC on held-out top peaks of the training files,")
    print("seed 0; one thing at a time taken back from bioconv's recipe.\n")
    print("| | " + " | ".join(chosen) + " | mean | change |\n|" + "---|" * (len(chosen) + 3), flush=True)
    best = None
    for name, (recipe, config) in variants().items():
        found = [_held_out(path, recipe, config) for path in chosen.values()]
        best = np.mean(found) if best is None else best
        cells = " | ".join(f"{value:.4f}" for value in (*found, np.mean(found)))
        print(f"| {name} | {cells} | {np.mean(found) - best:+.4f} |", flush=True)


def _held_out(path: Path, recipe: Recipe, config: TrainConfig) -> float:
    data = read_binding(path)
    split = make_binding_split(data, ranked=True, seed=0)
    part, dev = split.indices(data.names, "train"), split.indices(data.names, "dev")
    samples = train_samples(data, part, recipe, config.seed)
    fitted = fit_network(samples, recipe, config, validation=held_out_samples(data, dev, config.seed + 1))
    return max(entry["auroc"] for entry in fitted.run.history)


if __name__ == "__main__":
    main()
