"""DeepBind's published recipe in full on one factor: 30 settings, three folds, six restarts, `_B` scored once.

python benchmarks/published_recipe.py DATA encode-myc-h1-hesc > benchmarks/published_recipe.md
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from encode_models import AUTHORS, FLOOR, REPRODUCTION, targets
from timing import machine

from bioconv import runtime
from bioconv.conv.detectors import batch_scores
from bioconv.evaluation import auprc, auroc, delong_interval
from bioconv.sequence.binding.data import read_binding
from bioconv.sequence.binding.published import PublishedPlan, calibrate, fit_restarts
from bioconv.sequence.binding.recipe import scores
from bioconv.sequence.deepbind import load_motif_model
from bioconv.sequence.labelled import read_labelled
from bioconv.version import __version__
from bioconv.zoo import resolve


def main(folder: Path, name: str) -> None:
    torch.set_num_threads(runtime.thread_count())
    path, plan = targets(folder)[name], PublishedPlan()
    data = read_binding(path)
    detectors = load_motif_model(resolve(f"deepbind:{AUTHORS[name]}")).detectors
    start, begun = time.perf_counter(), time.process_time()
    found = calibrate(data.codes, plan, on_stage=lambda stage: print(stage, file=sys.stderr))
    middle = time.perf_counter()
    setting, steps = found.best()
    network, losses = fit_restarts(data.codes, setting, steps, plan)
    end, spent = time.perf_counter(), time.process_time() - begun
    test = read_labelled(path.with_name(path.name.replace("_AC", "_B")))
    codes = np.asarray(test.codes)
    own = scores(network.eval(), codes)
    area = delong_interval(own, test.labels)
    theirs = detectors.pool_strands(batch_scores(codes, detectors, padded=True))
    print(f"# The published recipe in full: {path.name.replace('_AC.seq.gz', '')}\n")
    print(f"bioconv {__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads; {machine()}\n")
    print(f"{len(data.names):,} peaks; 30 settings, 3 folds, 20,000 steps, 5 lengths, 6 restarts: calibration")
    print(f"{middle - start:.0f} s, final fit {end - middle:.0f} s; {spent:.0f} s of the processors in all.\n")
    print(f"Chosen: {setting}, {steps:,} steps; cross-validation loss {found.losses.mean(axis=2).min():.4f}; training")
    print(f"losses of the restarts {', '.join(f'{loss:.4f}' for loss in losses)}.\n")
    print("| on `_B` | AUROC | AUPRC |\n|---|---|---|")
    print(
        f"| this recipe, here | {area.value:.4f} ({area.low:.4f} to {area.high:.4f}) | {auprc(own, test.labels):.4f} |"
    )
    print(f"| the authors' weights | {auroc(theirs, test.labels):.4f} | {auprc(theirs, test.labels):.4f} |")
    print(f"| an independent reproduction (144 settings) | {REPRODUCTION[name]:.3f} | |")
    if name in FLOOR:
        print(f"| the factor's matrix of HOCOMOCO 13 | {FLOOR[name]:.3f} | |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
