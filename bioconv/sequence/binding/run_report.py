"""What the report of a training of a binding model says."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict

import numpy as np
import torch

from bioconv.report.facts import Errors, Metric, Picture, Table, TrainingReport, curves_of
from bioconv.sequence.binding.data import BindingData
from bioconv.sequence.binding.fit import BindingPlan, BindingRun
from bioconv.sequence.detector_matches import rank_detectors
from bioconv.sequence.detector_motifs import detector_motifs
from bioconv.training.search import SearchTable
from bioconv.training.splits import PARTS
from bioconv.version import __version__

_WORST = 20
_LOGOS = 8
_SHOWN = 1000
_FEW = 100


def run_report(
    data: BindingData,
    plan: BindingPlan,
    run: BindingRun,
    table: SearchTable | None,
    said: dict[str, object],
    reference: float | None,
) -> TrainingReport:
    """Return what the report says.

    Parameters
    ----------
    table
        The settings that were tried before, if any.
    said
        Further facts on the run's environment.
    reference
        Level to compare with: the AUROC (or correlation) of something else.
    """
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
            for part, own in sorted(run.metrics.items(), key=lambda entry: PARTS.index(entry[0]), reverse=True)
            for key, value in own.items()
        ],
        worst=_worst(run),
        split=Table(
            ("part", "sequences"),
            [(part, len(run.split.names(part))) for part in PARTS if run.split.names(part)],
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
        notes=_notes(plan, run),
    )


def _notes(plan: BindingPlan, run: BindingRun) -> list[str]:
    """Say what the figures do not say of themselves."""
    notes = []
    if plan.published is None:
        notes.append(
            "The part dev chose which weights were kept (and, in a search, the setting), so its figures flatter the "
            "model a little: judge it on an experiment or on chromosomes of their own with bioconv evaluate."
        )
    if plan.refit:
        notes.append("The model was trained again on all sequences; the figures are those of the training before.")
    if len(run.split.names("dev")) < _FEW:
        notes.append(f"dev has {len(run.split.names('dev'))} sequences: mind the width of the intervals.")
    return notes


def _settings(plan: BindingPlan) -> dict[str, object]:
    if plan.published is not None:
        return {"recipe": "published", **asdict(plan.published)}
    recipe = asdict(plan.recipe)
    if not plan.ranked:
        recipe["rank_scale"] = None
    return {**recipe.pop("network"), **recipe, **plan.config.to_json(), "ranked": plan.ranked, "refit": plan.refit}


def _worst(run: BindingRun) -> Table:
    """List the held-out sequences whose scores are farthest on the wrong side."""
    names, targets, found = run.dev
    binary = np.isin(targets, (0, 1)).all()
    wrong = np.where(targets > 0, -found, found) if binary else np.abs(found - targets)
    order = np.argsort(-wrong, kind="stable")[:_WORST]
    truth = [int(target) if binary else float(target) for target in targets[order]]
    rows = [(names[place], own, float(found[place])) for place, own in zip(order.tolist(), truth, strict=True)]
    return Table(("sequence", "truth", "score"), rows)


def _search_table(run: BindingRun, table: SearchTable | None) -> Table | None:
    if run.calibration is not None:
        rows = run.calibration.rows()
        best = int(np.argmin([row["loss"] for row in rows]))
        return Table(["setting", *rows[0]], [[place, *row.values()] for place, row in enumerate(rows)], best)
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
            f"{motif.name}: responds in {motif.sites:,} of the first {min(_SHOWN, len(data.codes)):,} sequences; "
            f"without it scores are {motif.importance or 0:.3g} lower"
        )
        pictures.append(
            Picture(figure_bytes(figure, "svg").decode(), caption, f"Sequence logo of the motif {motif.consensus}")
        )
    return pictures
