"""A training from data to files: the model, and beside it the folder of split, states, logs, search and report."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bioconv import runtime
from bioconv.errors import TrainingInterrupted
from bioconv.models.model_file import write_model
from bioconv.report.training_report import training_report
from bioconv.sequence.binding.data import BindingData
from bioconv.sequence.binding.fit import (
    BindingPlan,
    BindingRun,
    make_binding_split,
    train_binding,
    try_binding_settings,
)
from bioconv.sequence.binding.run_report import run_report
from bioconv.sequence.binding.side_by_side import can_stand_together
from bioconv.training.callbacks import standard_callbacks
from bioconv.training.distributed import is_first
from bioconv.training.run_folder import begun_run, run_folder
from bioconv.training.search import LogUniform, SearchSpace, SearchTable, Setting, Uniform, draw_settings, search
from bioconv.training.splits import Split

_TOGETHER = 8  # settings trained at once
_SPACE: SearchSpace = {
    "learning_rate": LogUniform(5e-4, 1e-2),
    "l2": LogUniform(1e-5, 1e-1),
    "dropout": Uniform(0.0, 0.6),
}


def train_to_file(
    data: BindingData,
    plan: BindingPlan,
    output: Path,
    *,
    split_file: str | Path | None = None,
    search_count: int = 0,
    device: str = "cpu",
    resume: bool = False,
    events: str | Path | None = None,
    command: str = "",
    reference: float | None = None,
) -> BindingRun:
    """Train a model of binding and write it, with its folder `NAME.run/`.

    Under `torchrun` the processes train together and the first of them writes.

    Parameters
    ----------
    split_file
        A split to follow; None: the folder's on resuming, else a new one.
    search_count
        Random settings of learning rate, weight decay and dropout to compare on the validation part first; the
        table `search.tsv` is gone on with.
    reference
        Level to compare with in the report: the AUROC (or correlation) of something else.

    Raises
    ------
    InputError, OptionError, OutputError, TrainingError, TrainingInterrupted
        As `train_binding`.
    """
    folder, first = run_folder(output), is_first()
    made = partial(make_binding_split, data, ranked=plan.ranked, seed=plan.config.seed)
    table = None
    with begun_run(output, made, split_file=split_file, device=device, resume=resume) as split:
        if search_count and plan.published is None:
            plan, table = _searched(data, plan, split, folder, search_count, device)
        run = train_binding(
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
            facts = run_report(data, plan, run, table, {"command": command, "device": device}, reference)
            training_report(folder / "report.html", facts)
    return run


def _with(plan: BindingPlan, setting: Setting) -> BindingPlan:
    values: dict[str, Any] = dict(setting)
    network = replace(plan.recipe.network, dropout=values.pop("dropout"))
    return replace(plan, recipe=replace(plan.recipe, network=network), config=replace(plan.config, **values))


def _search_together(data: BindingData, plan: BindingPlan, split: Split, table: SearchTable, device: str) -> None:
    """Try the settings that have no score yet, some at a time, on shared batches."""
    pending = table.pending()
    for first in range(0, len(pending), _TOGETHER):
        chosen = pending[first : first + _TOGETHER]
        start = time.monotonic()
        try:
            found = try_binding_settings(
                data, plan, [table.settings[index] for index in chosen], split=split, device=device
            )
        except TrainingInterrupted as stop:
            message = f"interrupted in setting {chosen[0] + 1} of {len(table.settings)}; those before it are in "
            message += f"{table.path}; resume with --resume"
            raise TrainingInterrupted(message) from stop
        seconds = (time.monotonic() - start) / len(chosen)
        for index, value in zip(chosen, found, strict=True):
            table.record(index, score=value, seconds=seconds)
            runtime.logger.info(
                "setting %d of %d: %.4f  %s", index + 1, len(table.settings), value, table.settings[index]
            )


def _searched(
    data: BindingData, plan: BindingPlan, split: Split, folder: Path, count: int, device: str
) -> tuple[BindingPlan, SearchTable]:
    """Return the plan with the best of random settings; they are trained side by side where they can be."""
    table = SearchTable(folder / "search.tsv", draw_settings(_SPACE, count, plan.config.seed))
    if plan.start is None and can_stand_together(plan.config):
        _search_together(data, plan, split, table, device)

    def score(setting: Setting, index: int) -> float:
        try:
            run = train_binding(data, replace(_with(plan, setting), refit=False), split=split, device=device)
        except TrainingInterrupted as stop:
            message = f"interrupted in setting {index + 1} of {count}; those before it are in {table.path}; resume "
            message += "with --resume"
            raise TrainingInterrupted(message) from stop
        value = next(iter(run.metrics["dev"].values())).value
        runtime.logger.info("setting %d of %d: %.4f  %s", index + 1, count, value, setting)
        return value

    best = search(table, score)
    runtime.logger.info("best setting: %s", best.values)
    return _with(plan, best.values), table
