"""Train and judge the shipped models of ENCODE ChIP-seq: on `_AC` alone, `_B` scored once at the end.

    python benchmarks/encode_models.py train DATA OUT [--seeds 3] [--only REST]
    python benchmarks/encode_models.py judge DATA OUT MODELS_2015 > benchmarks/encode_models.md
    python benchmarks/encode_models.py ship OUT

DATA is the folder of `*_AC.seq.gz` and `*_B.seq.gz`; OUT keeps every model; `ship` puts seed 0's into the package.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path

import torch

from bioconv import runtime
from bioconv.models.model_file import write_model
from bioconv.sequence.binding.data import read_binding
from bioconv.sequence.binding.fit import BindingPlan, train_binding
from bioconv.sequence.binding.recipe import DEFAULTS, Recipe

CITATION = (
    "Data: ENCODE Project Consortium, Nature 489:57-74 (2012), doi 10.1038/nature11247; prepared by Alipanahi, Delong, "
    "Weirauch & Frey, Nat Biotechnol 33:831-838 (2015), doi 10.1038/nbt.3300"
)


def targets(data: Path) -> dict[str, Path]:
    """Return model name (`encode-rest-gm12878`) to training file."""
    found = {}
    for path in sorted(data.glob("*_AC.seq.gz")):
        protein, cell = path.name.split("_")[:2]
        found[re.sub("[^a-z0-9-]", "", f"encode-{protein}-{cell}".lower())] = path
    return found


def train(data: Path, out: Path, seeds: int, only: str) -> None:
    """Train every model that OUT does not have yet."""
    out.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        for name, path in targets(data).items():
            file = out / f"{name}.seed{seed}.safetensors"
            if only.lower() not in name or file.exists():
                continue
            read = read_binding(path)
            run = train_binding(read, _plan(name, seed))
            write_model(file, run.model)
            (out / f"{file.stem}.json").write_text(json.dumps(run.model.metadata["metrics"]))
            dev = run.metrics["dev"]["auroc"]
            print(
                f"{name} seed {seed}: held-out AUROC {dev.value:.4f}, {sum(r.seconds for r in run.runs):.0f} s",
                flush=True,
            )


def _plan(name: str, seed: int) -> BindingPlan:
    config = replace(DEFAULTS, seed=seed)
    return BindingPlan(
        recipe=Recipe(), config=config, ranked=True, refit=True, name=name, licence="Apache-2.0", citation=CITATION
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["train", "judge", "ship"])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(runtime.thread_count(1))
    if given.step == "train":
        train(*given.paths, given.seeds, given.only)


if __name__ == "__main__":
    main()
