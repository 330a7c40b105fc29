"""From binding data to a model file: split, training, calibration, null distribution, what is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import InputError, OptionError
from bioconv.evaluation import Interval, auprc, bootstrap, delong_interval, fit_logistic, pearson, spearman
from bioconv.models.deepbind import DeepBind
from bioconv.models.model_file import ModelFile
from bioconv.sequence.binding.data import BindingData, fingerprints
from bioconv.sequence.binding.published import Calibration, PublishedPlan, calibrate, fit_restarts
from bioconv.sequence.binding.recipe import (
    Fitted,
    Recipe,
    fit_network,
    held_out_samples,
    new_network,
    part_negatives,
    scores,
    train_samples,
)
from bioconv.sequence.binding.samples import Codes, FixedSamples
from bioconv.sequence.binding.side_by_side import try_settings
from bioconv.sequence.deepbind import MotifModel, load_motif_model, to_model_file
from bioconv.sequence.nulls import null_distribution
from bioconv.training import Run, TrainConfig
from bioconv.training.callbacks import Callback
from bioconv.training.distributed import local_device, process_group
from bioconv.training.finetune import load_matching
from bioconv.training.search import Setting
from bioconv.training.splits import Split, check_split, make_split
from bioconv.version import __version__
from bioconv.wording import counted

_HELD_OUT = 0.1
_MOST_HELD_OUT = 1000
_TOP_HELD_OUT = 250


@dataclass(frozen=True)
class BindingPlan:
    """How a model of binding is made.

    Parameters
    ----------
    recipe, config
        Model, sampling and training of bioconv's own recipe.
    published
        Follow the published recipe instead, this far.
    ranked
        The sequences are listed best first: the best are drawn most, and the validation part `dev` is 250 of the
        first 500 (or a tenth of all); as many of all ranks are `train-dev`.
    refit
        After validation train again on all sequences, for as long; the model file has these weights, its
        validation figures are those of the first training.
    name, licence, citation
        Of the model, for its card.
    """

    recipe: Recipe = field(default_factory=Recipe)
    config: TrainConfig = field(default_factory=TrainConfig)
    published: PublishedPlan | None = None
    ranked: bool = False
    refit: bool = False
    name: str = "model"
    licence: str = ""
    citation: str = ""
    start: Path | None = None


@dataclass(frozen=True, eq=False)
class BindingRun:
    """A model of binding and how it came about.

    Parameters
    ----------
    model
        What is written to the model file.
    network
        The same weights as a network.
    split
        Who was trained on and who was held out.
    metrics
        Part to name to value with its 95 % interval; `train` is at most 1000 of its sequences.
    dev
        Names, targets and scores of the validation part; a shuffle is named after its positive.
    runs
        The trainings, in order.
    calibration
        Of the published recipe: what cross-validation found.
    """

    model: ModelFile
    network: DeepBind
    split: Split
    metrics: dict[str, dict[str, Interval]]
    dev: tuple[list[str], NDArray[np.float32], NDArray[np.float64]]
    runs: list[Run]
    calibration: Calibration | None


def make_binding_split(data: BindingData, *, ranked: bool, seed: int) -> Split:
    """Divide sequences into `train` and `dev`; identical ones (or on the other strand) stay together."""
    marks = fingerprints(data.codes)
    if not ranked:
        share = min(_HELD_OUT, _MOST_HELD_OUT / len(data.names))
        return make_split(data.names, groups=marks, fractions={"train": 1 - share, "dev": share}, seed=seed)
    count = min(_TOP_HELD_OUT, len(data.names) // 10)
    rng, top = np.random.default_rng([seed, 1]), 2 * count
    part_of = {marks[place]: "train-dev" for place in rng.permutation(len(marks))[:count].tolist()}
    part_of |= {marks[place]: "dev" for place in rng.permutation(top)[:count].tolist()}
    parts = {name: part_of.get(mark, "train") for name, mark in zip(data.names, marks, strict=True)}
    groups = dict(zip(data.names, marks, strict=True))
    return Split(parts, groups, f"dev: {count} of the first {top}; train-dev: {count} of all; seed={seed}")


def train_binding(
    data: BindingData,
    plan: BindingPlan,
    *,
    split: Split | None = None,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "cpu",
    resume: bool = False,
) -> BindingRun:
    """Train a model of binding.

    Parameters
    ----------
    split
        Names to `train` and `dev` (other parts are left alone); None: `make_binding_split`.
    folder
        Where states and logs are kept; with `resume` an interrupted training goes on from there, and one of which
        nothing was kept begins.

    Raises
    ------
    InputError
        If the split does not fit the data, or lets identical sequences cross.
    TrainingError, TrainingInterrupted
        As `Trainer.fit`.
    """
    if split is None:
        split = make_binding_split(data, ranked=plan.ranked, seed=plan.config.seed)
    check_split(split, fingerprints=dict(zip(data.names, fingerprints(data.codes), strict=True)))
    train, train_dev, dev = (split.indices(data.names, part) for part in ("train", "train-dev", "dev"))
    if not len(train) or not len(dev):
        message = f"the split has {counted(len(train), 'sequence')} in train and {len(dev)} in dev; both are needed"
        raise InputError(message)
    data, standard = _standardised(data, train)
    learnt, unseen = part_negatives(data)
    job = _Job(learnt, plan, folder, tuple(callbacks), device, resume)
    seed = plan.config.seed + 1
    held_out = held_out_samples(unseen, dev, seed)
    calibration = None
    with process_group(local_device(device)):  # one for all trainings: it can be joined only once
        if plan.published is None:
            fitted = [job.train(train, held_out)]
            judged = fitted[0].network
            if plan.refit:
                fitted.append(replace(job, data=data).train(np.sort(np.concatenate([train, dev, train_dev])), None))
            network, runs = fitted[-1].network, [each.run for each in fitted]
        else:
            judged, calibration = job.published(train)
            network, runs = judged, []
    found = scores(judged, held_out.codes)
    shown = np.random.default_rng(seed).permutation(train)[:_MOST_HELD_OUT]
    parts = {"train": (learnt, shown), "train-dev": (unseen, train_dev), "dev": (unseen, dev)}
    samples = {part: held_out_samples(own, places, seed) for part, (own, places) in parts.items() if len(places)}
    metrics = {
        part: _metrics(scores(judged, own.codes), own.targets, measured=data.values is not None, seed=seed)
        for part, own in samples.items()
    }
    logistic = _logistic(found, held_out.targets, data)
    model = _model_file(network, data, plan, split, metrics["dev"], logistic, standard)
    told = (_dev_names(unseen, dev, len(found)), held_out.targets, found)
    return BindingRun(model, network, split, metrics, told, runs, calibration)


def try_binding_settings(
    data: BindingData, plan: BindingPlan, settings: Sequence[Setting], *, split: Split, device: str = "cpu"
) -> list[float]:
    """Train one network per setting side by side; return what each reached on the split's part `dev`."""
    train, dev = split.indices(data.names, "train"), split.indices(data.names, "dev")
    data, _ = _standardised(data, train)
    learnt, unseen = part_negatives(data)
    recipe = plan.recipe if plan.ranked else replace(plan.recipe, rank_scale=None)
    return try_settings(
        train_samples(learnt, train, recipe, plan.config.seed),
        recipe,
        plan.config,
        settings,
        validation=held_out_samples(unseen, dev, plan.config.seed + 1),
        device=device,
    )


def _dev_names(data: BindingData, dev: NDArray[np.int64], count: int) -> list[str]:
    names = [data.names[place] for place in dev.tolist()]
    if data.negatives is not None:
        return names + [f"negative {number}" for number in range(1, count - len(names) + 1)]
    return names + [f"{names[place % len(names)]} (shuffled)" for place in range(len(names), count)]


@dataclass(frozen=True, eq=False)
class _Job:
    data: BindingData
    plan: BindingPlan
    folder: Path | None
    callbacks: tuple[Callback, ...]
    device: str
    resume: bool

    def train(self, part: NDArray[np.int64], held_out: FixedSamples | None) -> Fitted:
        """Train on a part."""
        recipe, config = self.plan.recipe, self.plan.config
        if not self.plan.ranked:
            recipe = replace(recipe, rank_scale=None)
        return fit_network(
            train_samples(self.data, part, recipe, config.seed),
            recipe,
            config,
            validation=held_out,
            folder=self.folder and self.folder / ("all" if held_out is None else "held-out"),
            callbacks=self.callbacks,
            device=self.device,
            resume=self.resume,
            start=self._start(recipe),
        )

    def _start(self, recipe: Recipe) -> DeepBind | None:
        if self.plan.start is None:
            return None
        network = new_network(recipe, self.plan.config.seed)
        tensors = to_model_file(load_motif_model(self.plan.start)).tensors
        unmatched = load_matching(network, {k: v for k, v in tensors.items() if "null." not in k})
        if unmatched.kept:
            runtime.logger.warning("not in %s, or of another shape: %s", self.plan.start, ", ".join(unmatched.kept))
        return network

    def published(self, part: NDArray[np.int64]) -> tuple[DeepBind, Calibration]:
        """Follow the published recipe on a part."""
        plan, seed = self.plan.published, self.plan.config.seed
        assert plan is not None
        if self.data.values is not None or self.data.negatives is not None:
            message = "the published recipe trains on bound sequences and their shuffles; use the default recipe here"
            raise OptionError(message)
        positives = self.data.codes[part]
        found = calibrate(
            positives, plan, seed=seed, device=self.device, folder=self.folder, on_stage=runtime.logger.info
        )
        setting, steps = found.best()
        runtime.logger.info("best of %d settings: %s, %d steps", len(found.settings), setting, steps)
        network, losses = fit_restarts(
            positives, setting, steps, plan, seed=seed, device=self.device, folder=self.folder
        )
        runtime.logger.info("training losses of the restarts: %s", ", ".join(f"{loss:.4f}" for loss in losses))
        return network.eval(), found


def _standardised(data: BindingData, train: NDArray[np.int64]) -> tuple[BindingData, dict[str, float] | None]:
    """Clamp measured values at the training part's 99.95th percentile, then give it mean 0 and variance 1."""
    if data.values is None:
        return data, None
    top = float(np.quantile(data.values[train], 0.9995))
    values = np.minimum(data.values, top)
    mean, deviation = float(values[train].mean()), float(values[train].std())
    if deviation == 0:
        message = "all measured values are equal; there is nothing to learn"
        raise InputError(message)
    standard = {"mean": mean, "deviation": deviation, "clamp": top}
    return replace(data, values=((values - mean) / deviation).astype(np.float32)), standard


def _metrics(
    found: NDArray[np.float64], targets: NDArray[np.float32], *, measured: bool, seed: int
) -> dict[str, Interval]:
    if measured:
        return {
            name: bootstrap(metric, found, targets, seed=seed)
            for name, metric in {"pearson": pearson, "spearman": spearman}.items()
        }
    return {"auroc": delong_interval(found, targets), "auprc": bootstrap(auprc, found, targets, seed=seed)}


def _logistic(
    found: NDArray[np.float64], targets: NDArray[np.float32], data: BindingData
) -> tuple[float, float] | None:
    """Fit the probability of being bound where bound and unbound are equally many."""
    if data.values is not None:
        return None
    slope, intercept = fit_logistic(found, targets, smoothed=True)
    share = float(targets.mean())
    return float(slope), float(intercept - np.log(share / (1 - share)))


def training_background(codes: Codes) -> NDArray[np.float64]:
    """Return the first-order composition of sequences on both strands, (5, 4), as `nulls.sample_windows` takes it."""
    both = [codes, np.array([3, 2, 1, 0, 4], np.uint8)[codes][:, ::-1]]
    pairs = np.ones((4, 4))
    for strand in both:
        known = (strand[:, :-1] < 4) & (strand[:, 1:] < 4)
        words = strand[:, :-1][known].astype(np.int64) * 4 + strand[:, 1:][known]
        pairs += np.bincount(words, minlength=16).reshape(4, 4)
    first = pairs.sum(axis=1) / pairs.sum()
    return np.concatenate([first[None], pairs / pairs.sum(axis=1, keepdims=True)])


def _model_file(
    network: DeepBind,
    data: BindingData,
    plan: BindingPlan,
    split: Split,
    metrics: dict[str, Interval],
    logistic: tuple[float, float] | None,
    standard: dict[str, float] | None,
) -> ModelFile:
    detectors = network.detectors()
    window = max(data.length, detectors.length)
    background = training_background(data.codes)
    null, record_null = (
        null_distribution(detectors, background, window=window, padded=padded, cached=False) for padded in (False, True)
    )
    counts = {part: len(split.names(part)) for part in sorted(set(split.parts.values()))}
    training: dict[str, Any] = {
        "data": data.sources,
        "split": counts | {"made": split.made},
        "negatives": "none" if data.values is not None else "given" if data.negatives is not None else "shuffles",
        "recipe": asdict(plan.recipe) | {"ranked": plan.ranked, "refit": plan.refit},
        "config": plan.config.to_json(),
        "threads": torch.get_num_threads(),
    }
    if plan.published is not None:
        training["recipe"] = {"published": asdict(plan.published)}
    if standard is not None:
        training["standardised"] = standard
    if plan.start is not None:
        training["started_from"] = plan.start.name
    given = {"licence": plan.licence, "citation": plan.citation}
    return to_model_file(
        MotifModel(plan.name, detectors, window, False, null, logistic, record_null),
        labels=["score"],
        training=training,
        metrics={name: [value.value, value.low, value.high] for name, value in metrics.items()},
        bioconv=__version__,
        **{name: text for name, text in given.items() if text},
    )
