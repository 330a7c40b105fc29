"""A segmenter's training from data to files: the model, and beside it the folder of split, states, logs and report."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from bioconv.models.model_file import write_model
from bioconv.outputs import open_output
from bioconv.report.facts import Metric, Table, TrainingReport, curves_of
from bioconv.report.training_report import training_report
from bioconv.segmentation.learning.data import SegmentationData
from bioconv.segmentation.learning.example_pictures import example_pictures
from bioconv.segmentation.learning.fit import (
    SegmentationPlan,
    SegmentationRun,
    data_hash,
    make_segmentation_split,
    train_segmentation,
)
from bioconv.segmentation.learning.scoring import image_score, metric_name, worst_first
from bioconv.segmentation.objective import Objective
from bioconv.training.callbacks import standard_callbacks
from bioconv.training.distributed import is_first
from bioconv.training.run_folder import begun_run, run_folder
from bioconv.training.splits import PARTS
from bioconv.version import __version__

_WORST = 20


def train_to_file(
    data: SegmentationData,
    plan: SegmentationPlan,
    output: Path,
    *,
    split_file: str | Path | None = None,
    device: str = "cpu",
    resume: bool = False,
    events: str | Path | None = None,
    command: str = "",
) -> SegmentationRun:
    """Train a segmenter and write it, with its folder `NAME.run/`.

    Under `torchrun` the processes train together and the first of them writes.

    Parameters
    ----------
    split_file
        A split to follow; None: the folder's on resuming, else a new one.

    Raises
    ------
    InputError, ModelError, OptionError, OutputError, TrainingError, TrainingInterrupted
        As `train_segmentation`.
    """
    folder, first = run_folder(output), is_first()
    made = partial(make_segmentation_split, data, plan.config.seed)
    with begun_run(output, made, split_file=split_file, device=device, resume=resume) as split:
        run = train_segmentation(
            data,
            plan,
            split=split,
            folder=folder,
            callbacks=standard_callbacks(folder, events=events, description=plan.name),
            device=device,
            resume=resume,
        )
        if first:
            write_model(output, run.model)
            _write_scores(folder / "dev.tsv", run, data.objective)
            training_report(folder / "report.html", _report(data, plan, run, {"command": command, "device": device}))
    return run


def _write_scores(path: Path, run: SegmentationRun, objective: Objective) -> None:
    """Write the score of every held-out image."""
    lines = [f"image\tstratum\t{metric_name(objective)}\tfound\twrong\tmissed"]
    for score in run.scores:
        counts = "\t".join(",".join(map(str, own)) for own in (score.found, score.wrong, score.missed))
        lines.append(f"{score.name}\t{score.stratum}\t{image_score(score, objective):.4f}\t{counts}")
    with open_output(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode())


def _report(
    data: SegmentationData, plan: SegmentationPlan, run: SegmentationRun, said: dict[str, object]
) -> TrainingReport:
    """Return what the report says."""
    objective, history = data.objective, run.run.history
    order = worst_first(run.scores, objective)[:_WORST]
    shape = "x".join([str(plan.patches.size)] * data.ndim)
    notes = ["The part dev chose which weights were kept and how maps become masks, so its figures flatter a little."]
    return TrainingReport(
        title=plan.name,
        summary=f"A segmenter ({run.model.architecture}), trained on {len(run.split.names('train')):,} images in "
        f"patches of {shape}. It ended because {run.run.stopped}.",
        curves=curves_of(history),
        best_epoch=float(run.run.best[0]),
        learning_rate=[(float(row["step"]), float(row["learning_rate"])) for row in history],
        metrics=[
            Metric(name, value.value, value.low, value.high, "images drawn again, 95 %; pooled", part)
            for part, own in run.metrics.items()
            for name, value in own.items()
        ],
        worst=Table(
            ("image", metric_name(objective), "found", "wrong", "missed"),
            [(s.name, image_score(s, objective), sum(s.found), sum(s.wrong), sum(s.missed)) for s in order],
        ),
        split=Table(
            ("part", "images"), [(part, len(run.split.names(part))) for part in PARTS if run.split.names(part)]
        ),
        split_made=run.split.made,
        settings={
            **run.model.config,
            **run.model.metadata["preprocessing"],
            **{f"patch {name}": value for name, value in asdict(plan.patches).items()},
            **{f"augmentation {name}": value for name, value in asdict(plan.augmentation).items()},
            **plan.config.to_json(),
        },
        environment={
            "bioconv": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "seed": plan.config.seed,
            **said,
            **data_hash(data),
        },
        pictures=example_pictures(run.examples, objective),
        notes=notes,
    )
