"""A training from data to files: the model, and beside it the folder of split, states, logs, search and report."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bioconv import runtime
from bioconv.models.model_file import write_model
from bioconv.report.facts import Errors, Metric, Picture, Table, TrainingReport, curves_of
from bioconv.report.training_report import training_report
from bioconv.sequence.binding.data import BindingData
from bioconv.sequence.binding.fit import BindingPlan, BindingRun, make_binding_split, train_binding
from bioconv.sequence.detector_matches import rank_detectors
from bioconv.sequence.detector_motifs import detector_motifs
from bioconv.training.callbacks import standard_callbacks
from bioconv.training.search import LogUniform, SearchSpace, SearchTable, Setting, Uniform, draw_settings, search
from bioconv.training.splits import Split, read_split, write_split
from bioconv.version import __version__

_SPACE: SearchSpace = {
    "learning_rate": LogUniform(5e-4, 1e-2),
    "l2": LogUniform(1e-5, 1e-1),
    "dropout": Uniform(0.0, 0.6),
}
_WORST = 20
_LOGOS = 8
_SHOWN = 1000


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
    folder = output.with_suffix(".run")
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "split.tsv"
    split = _split(data, plan, kept if resume and kept.exists() else split_file)
    write_split(kept, split)
    table = None
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
    write_model(output, run.model)
    facts = _report(data, plan, run, table, {"command": command, "device": device}, reference)
    training_report(folder / "report.html", facts)
    return run


def _split(data: BindingData, plan: BindingPlan, path: str | Path | None) -> Split:
    return read_split(path) if path else make_binding_split(data, ranked=plan.ranked, seed=plan.config.seed)


def _with(plan: BindingPlan, setting: Setting) -> BindingPlan:
    values: dict[str, Any] = dict(setting)
    network = replace(plan.recipe.network, dropout=values.pop("dropout"))
    return replace(plan, recipe=replace(plan.recipe, network=network), config=replace(plan.config, **values))


def _searched(
    data: BindingData, plan: BindingPlan, split: Split, folder: Path, count: int, device: str
) -> tuple[BindingPlan, SearchTable]:
    """Return the plan with the best of random settings."""
    table = SearchTable(folder / "search.tsv", draw_settings(_SPACE, count, plan.config.seed))

    def score(setting: Setting, index: int) -> float:
        run = train_binding(data, replace(_with(plan, setting), refit=False), split=split, device=device)
        value = next(iter(run.metrics["dev"].values())).value
        runtime.logger.info("setting %d of %d: %.4f  %s", index + 1, count, value, setting)
        return value

    best = search(table, score)
    runtime.logger.info("best setting: %s", best.values)
    return _with(plan, best.values), table


def _report(
    data: BindingData,
    plan: BindingPlan,
    run: BindingRun,
    table: SearchTable | None,
    said: dict[str, object],
    reference: float | None,
) -> TrainingReport:
    history = run.runs[0].history if run.runs else []
    name = next(iter(run.metrics["dev"]))
    errors = {part: 1 - own[name].value for part, own in run.metrics.items()}
    stopped = f" It ended because {run.runs[0].stopped}." if run.runs else ""
    return TrainingReport(
        title=plan.name,
        summary=f"A motif detector network, trained on {len(run.split.names('train')):,} sequences of {data.length} "
        f"letters from {data.sources[0]['file']}.{stopped}",
        curves=curves_of(history),
        best_epoch=float(run.runs[0].best[0]) if run.runs else None,
        learning_rate=[(float(row["step"]), float(row["learning_rate"])) for row in history],
        errors=Errors(
            f"1 − {name}",
            errors["train"],
            errors["dev"],
            errors.get("train-dev"),
            reference=None if reference is None else 1 - reference,
        ),
        metrics=[
            Metric(
                key, value.value, value.low, value.high, "DeLong, 95 %" if key == "auroc" else "bootstrap, 95 %", part
            )
            for part, own in run.metrics.items()
            for key, value in own.items()
        ],
        worst=_worst(run),
        split=Table(
            ("part", "sequences"),
            [(part, len(run.split.names(part))) for part in sorted(set(run.split.parts.values()))],
        ),
        split_made=run.split.made,
        search=_search_table(run, table),
        settings=_settings(plan),
        environment={
            "bioconv": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "seed": plan.config.seed,
            **said,
            **{str(source["file"]): f"sha256 {source['content_sha256']}" for source in data.sources},
        },
        pictures=_logos(data, run),
    )


def _settings(plan: BindingPlan) -> dict[str, object]:
    if plan.published is not None:
        return {"recipe": "published", **asdict(plan.published)}
    recipe = asdict(plan.recipe)
    return {**recipe.pop("network"), **recipe, **plan.config.to_json(), "ranked": plan.ranked, "refit": plan.refit}


def _worst(run: BindingRun) -> Table:
    """List the held-out sequences whose scores are farthest on the wrong side."""
    names, targets, found = run.dev
    binary = np.isin(targets, (0, 1)).all()
    wrong = np.where(targets > 0, -found, found) if binary else np.abs(found - targets)
    order = np.argsort(-wrong, kind="stable")[:_WORST]
    rows = [(names[place], f"{targets[place]:g}", f"{found[place]:.3f}") for place in order.tolist()]
    return Table(("sequence", "truth", "score"), rows)


def _search_table(run: BindingRun, table: SearchTable | None) -> Table | None:
    if run.calibration is not None:
        rows = run.calibration.rows()
        best = int(np.argmin([row["loss"] for row in rows]))
        return Table(list(rows[0]), [[f"{value:.4g}" for value in row.values()] for row in rows], best)
    if table is None:
        return None
    trials = [table.trials[index] for index in sorted(table.trials)]
    names = list(trials[0].values)
    rows_ = [[trial.index, *(trial.values[name] for name in names), trial.score] for trial in trials]
    return Table(["setting", *names, "score"], rows_, [trial.index for trial in trials].index(table.best().index))


def _logos(data: BindingData, run: BindingRun) -> list[Picture]:
    from bioconv.report.logos import LogoRow, figure_bytes, stacked_logos

    detectors = run.network.detectors()
    found = rank_detectors(
        detector_motifs(detectors, list(data.codes[:_SHOWN]), name=run.model.metadata["name"]), _LOGOS
    )
    pictures = []
    for motif in found:
        if motif.motif is None:
            continue
        figure = stacked_logos([LogoRow(motif.motif.frequencies, motif.consensus)])
        caption = (
            f"{motif.motif.name}: {motif.consensus}, in {motif.sites:,} of the first {min(_SHOWN, len(data.codes)):,}"
        )
        pictures.append(
            Picture(figure_bytes(figure, "svg").decode(), caption, f"Sequence logo of the motif {motif.consensus}")
        )
    return pictures
