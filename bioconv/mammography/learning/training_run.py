"""A classifier's training from data to files: the model, and beside it the folder of split, states, logs and report."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from bioconv.mammography.learning.data import ClassificationData, data_hash
from bioconv.mammography.learning.fit import (
    ClassificationPlan,
    ClassificationRun,
    make_classification_split,
    train_classification,
)
from bioconv.models.model_file import write_model
from bioconv.outputs import open_output
from bioconv.report.facts import Metric, Table, TrainingReport, curves_of
from bioconv.report.training_report import training_report
from bioconv.training.callbacks import standard_callbacks
from bioconv.training.distributed import is_first
from bioconv.training.run_folder import begun_run, run_folder
from bioconv.training.splits import PARTS
from bioconv.version import __version__

RESEARCH_USE = "Research use only, not a medical device."


def train_to_file(
    data: ClassificationData,
    plan: ClassificationPlan,
    output: Path,
    *,
    split_file: str | Path | None = None,
    device: str = "cpu",
    resume: bool = False,
    events: str | Path | None = None,
    command: str = "",
) -> ClassificationRun:
    """Train a classifier and write it, with its folder `NAME.run/`.

    Under `torchrun` the processes train together and the first of them writes.

    Parameters
    ----------
    split_file
        A split to follow; None: the folder's on resuming, else a new one.

    Raises
    ------
    InputError, ModelError, OptionError, OutputError, TrainingError, TrainingInterrupted
        As `train_classification`.
    """
    folder, first = run_folder(output), is_first()
    made = partial(make_classification_split, data, plan.config.seed)
    with begun_run(output, made, split_file=split_file, device=device, resume=resume) as split:
        run = train_classification(
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
            for part in run.scores:
                _write_scores(folder / f"{part}.tsv", run, part)
            training_report(folder / "report.html", _report(data, plan, run, {"command": command, "device": device}))
    return run


def _write_scores(path: Path, run: ClassificationRun, part: str) -> None:
    """Write the score of every held-out image, breast and exam; `bioconv evaluate` reads it, one level at a time."""
    lines = ["name\tlevel\tscore\tlabel\tgroup"]
    for level, own in run.scores[part].items():
        for name, score, label, group in zip(own.names, own.scores, own.labels, own.groups, strict=True):
            lines.append(f"{name}\t{level}\t{score:.6g}\t{int(label)}\t{group}")
    with open_output(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode())


def _report(
    data: ClassificationData, plan: ClassificationPlan, run: ClassificationRun, said: dict[str, object]
) -> TrainingReport:
    """Return what the report says."""
    history = run.run.history
    notes = [
        RESEARCH_USE,
        "The part dev chose weights, calibration and thresholds, so its figures flatter; test is scored with them.",
        *(f"{line[:1].upper()}{line[1:]}." for line in run.uncalibrated),
        *(f"Copies within one part: {line}" for line in run.copies),
    ]
    if run.unmatched is not None and run.unmatched.kept:
        notes.append(f"Not taken from the model to start from: {', '.join(run.unmatched.kept[:8])}.")
    return TrainingReport(
        title=plan.name,
        summary=f"A classifier ({run.model.architecture}) of {data.objective.heads[0].name}, trained on "
        f"{len(run.split.names('train')):,} images. It ended because {run.run.stopped}.",
        curves=curves_of(history),
        best_epoch=float(run.run.best[0]),
        learning_rate=[(float(row["step"]), float(row["learning_rate"])) for row in history],
        metrics=[
            Metric(f"{level} {name}", value.value, value.low, value.high, "95 %, women drawn again or DeLong", part)
            for part, levels in run.metrics.items()
            for level, own in levels.items()
            for name, value in own.items()
        ],
        split=Table(
            ("part", "images"), [(part, len(run.split.names(part))) for part in PARTS if run.split.names(part)]
        ),
        split_made=run.split.made,
        settings={
            **run.model.config,
            **{f"preparation {name}": value for name, value in data.preparation.to_json().items()},
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
        notes=notes,
    )
