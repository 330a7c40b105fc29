"""A recurrent model's training from data to files: the model, and beside it the folder with all about it."""

from __future__ import annotations

import os
import platform
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv.models.model_file import write_model
from bioconv.outputs import open_output
from bioconv.report.facts import Metric, Table, TrainingReport, curves_of
from bioconv.report.training_report import training_report
from bioconv.sequence.recurrent.data import SequenceData, data_hash
from bioconv.sequence.recurrent.fit import RecurrentPlan, RecurrentRun, fitted_config, train_recurrent
from bioconv.sequence.recurrent.scoring import PartScores
from bioconv.sequence.recurrent.splitting import PARTS, make_recurrent_split
from bioconv.training.callbacks import standard_callbacks
from bioconv.training.distributed import is_first
from bioconv.training.run_folder import begun_run, run_folder
from bioconv.version import __version__

_WORST = 12


def train_to_file(
    data: SequenceData,
    plan: RecurrentPlan,
    output: Path,
    *,
    split_file: str | Path | None = None,
    device: str = "cpu",
    resume: bool = False,
    events: str | Path | None = None,
    command: str = "",
) -> RecurrentRun:
    """Train a recurrent model and write it, with its folder `NAME.run/`.

    Under `torchrun` the processes train together and the first of them writes.

    Parameters
    ----------
    split_file
        A split to follow; None: the folder's on resuming, else a new one.

    Raises
    ------
    InputError, ModelError, OptionError, OutputError, TrainingError, TrainingInterrupted
        As `train_recurrent`.
    """
    folder, first = run_folder(output), is_first()
    fitted_config(data, plan)  # before anything is made
    made = partial(make_recurrent_split, data, plan.config.seed)
    with begun_run(output, made, split_file=split_file, device=device, resume=resume) as split:
        run = train_recurrent(
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
            for part, scores in run.scores.items():
                write_scores(folder / f"{part}.tsv", scores, run.temperature)
            training_report(folder / "report.html", _report(data, plan, run, {"command": command, "device": device}))
    return run


def write_scores(path: Path, scores: PartScores, temperature: float) -> None:
    """Write the probabilities of held-out sequences, or how many of their letters are right.

    Of sequences: name, label, group, a column per class, which `bioconv evaluate` reads as scores and as labels.
    """
    if scores.per_position:
        lines = ["name\tgroup\tletters\tright"]
        known, right = _by_sequence(scores)
        rows = zip(scores.names, scores.groups, known.tolist(), right.tolist(), strict=True)
        lines += ["\t".join(map(str, row)) for row in rows]
    else:
        lines = ["\t".join(["name", "label", "group", *scores.classes])]
        for place, own in enumerate(scores.probabilities(temperature)):
            about = (scores.names[place], scores.classes[scores.truth[place]], scores.groups[place])
            lines.append("\t".join([*about, *(f"{value:.6g}" for value in own)]))
    with open_output(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode())


def _by_sequence(scores: PartScores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many units of each sequence are known, and how many of them are right."""
    size = len(scores.names)
    known = np.bincount(scores.owner, minlength=size)
    return known, np.bincount(scores.owner[scores.found == scores.truth], minlength=size)


def _worst(scores: PartScores, temperature: float) -> Table:
    """Return the sequences that are most wrong."""
    if scores.per_position:
        known, right = _by_sequence(scores)
        order = np.argsort(right / known, kind="stable")[:_WORST]
        rows = [(scores.names[n], int(known[n]), f"{right[n] / known[n]:.3f}") for n in order]
        return Table(("sequence", "letters", "right"), rows)
    given = scores.probabilities(temperature)
    of_truth = given[np.arange(len(given)), scores.truth]
    wrong = [n for n in np.argsort(of_truth, kind="stable")[:_WORST] if scores.found[n] != scores.truth[n]]
    columns = ("sequence", "truth", "prediction", "probability of the truth")
    return Table(
        columns,
        [
            (scores.names[n], scores.classes[scores.truth[n]], scores.classes[scores.found[n]], f"{of_truth[n]:.2g}")
            for n in wrong
        ],
    )


def _split_table(data: SequenceData, run: RecurrentRun) -> Table:
    """Return how many sequences, and labelled units of each class, each part has."""
    rows = []
    for part in PARTS:
        own = data.of(run.split.indices(data.names, part))
        if own.names:
            units = np.concatenate(own.targets)
            rows.append((part, len(own.names), *np.bincount(units[units >= 0], minlength=len(data.classes)).tolist()))
    return Table(("part", "sequences", *data.classes), rows)


def _report(data: SequenceData, plan: RecurrentPlan, run: RecurrentRun, said: dict[str, object]) -> TrainingReport:
    """Return what the report says."""
    history, unit = run.run.history, "letters" if data.per_position else "sequences"
    notes = [
        "The part dev chose which weights were kept and the temperature, so its figures flatter; test is scored once.",
        *run.notes,
    ]
    if data.contradictions:
        notes.append(f"{len(data.contradictions)} sequences occur with different labels; they are in one part.")
    if run.unmatched is not None and run.unmatched.kept:
        notes.append(f"Not taken from the model to start from: {', '.join(run.unmatched.kept[:8])}.")
    return TrainingReport(
        title=plan.name,
        summary=f"A recurrent network that puts {unit} into {len(data.classes)} classes, trained on "
        f"{len(run.split.names('train')):,} sequences. It ended because {run.run.stopped}.",
        curves=curves_of(history),
        best_epoch=float(run.run.best[0]),
        learning_rate=[(float(row["step"]), float(row["learning_rate"])) for row in history],
        metrics=[
            Metric(name, value.value, value.low, value.high, "95 %, Wilson, or groups drawn again", part)
            for part, own in run.metrics.items()
            for name, value in own.items()
        ],
        worst=_worst(run.scores["dev"], run.temperature),
        split=_split_table(data, run),
        split_made=run.split.made,
        settings={
            **run.model.config,
            "alphabet": data.alphabet.name,
            "temperature": run.temperature,
            "reverse complement": plan.reverse_complement,
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
