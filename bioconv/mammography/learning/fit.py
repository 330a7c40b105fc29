"""From labelled views to a model file: split, training, calibration, thresholds, scores of held-out women."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bioconv.errors import InputError
from bioconv.images.augmentation import Augmentation
from bioconv.mammography.decisions import FEWEST, RULES, Decisions, check_rule, fit_decisions
from bioconv.mammography.exams import NETWORK, Rule
from bioconv.mammography.learning.beginning import begin, network_of
from bioconv.mammography.learning.breasts import Breasts, BreastSamples, find_breasts
from bioconv.mammography.learning.data import ClassificationData, LabelledView, data_hash
from bioconv.mammography.learning.held_out import score_women, validate
from bioconv.mammography.learning.matched import Matched, MatchedSamples, find_pairs, matched_loss
from bioconv.mammography.learning.recipe import AUGMENTATIONS, DEFAULTS
from bioconv.mammography.learning.samples import ViewSamples
from bioconv.mammography.learning.scoring import Figures, LevelScores, summarise
from bioconv.mammography.model import to_model_file
from bioconv.models.model_file import ModelFile
from bioconv.training import Run, TrainConfig, Trainer
from bioconv.training.callbacks import Callback
from bioconv.training.copies import check_copies
from bioconv.training.data import Samples
from bioconv.training.finetune import Unmatched
from bioconv.training.normalisation import Normalisation
from bioconv.training.run_folder import has_state
from bioconv.training.splits import Split, check_split, make_split
from bioconv.version import __version__
from bioconv.wording import counted

_HELD_OUT = 0.2


@dataclass(frozen=True)
class ClassificationPlan:
    """How a classifier is made.

    Parameters
    ----------
    architecture, network
        Name of the architecture, and hyper-parameters other than inputs and outputs; with `fusion="views"` samples are
        breasts, whose views the network joins.
    start
        Model file to start from: its architecture and hyper-parameters count, and its normalisation; of its weights
        those that fit.
    rules
        How thresholds are chosen; the first is the usual one.
    matched
        Whether both answers of one woman and view are compared; images without a counterpart are not trained on. Not
        together with fusion.
    domain
        What was trained on, in words: every later result warns with it.
    """

    architecture: str = "residual"
    network: dict[str, Any] = field(default_factory=dict)
    augmentation: Augmentation = AUGMENTATIONS["usual"]
    config: TrainConfig = DEFAULTS
    start: Path | None = None
    rules: tuple[str, ...] = RULES
    matched: bool = False
    domain: str = ""
    name: str = "model"
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        for rule in self.rules:  # now, not after a night of training
            check_rule(rule)


@dataclass(frozen=True, eq=False)
class ClassificationRun:
    """A classifier and how it came about.

    Parameters
    ----------
    model
        What is written to the model file.
    network
        The same weights as a network.
    metrics
        Part to level to figures: on `dev` they flatter, on `test` they do not.
    scores
        Part to level to scores, labels and patients.
    copies
        Copies of images found within one part.
    unmatched
        What was not taken from the model to start from.
    uncalibrated
        Levels of which the model gives scores only, and why: a line each.
    """

    model: ModelFile
    network: nn.Module
    split: Split
    metrics: dict[str, dict[str, Figures]]
    scores: dict[str, dict[str, LevelScores]]
    run: Run
    copies: list[str]
    unmatched: Unmatched | None
    uncalibrated: list[str]


def make_classification_split(data: ClassificationData, seed: int) -> Split:
    """Divide images into `train` and `dev`: as the table says, else at random; women whole, findings evenly.

    Raises
    ------
    InputError
        If the table names a part for some images only.
    """
    names, groups = data.names, [image.group for image in data.images]
    given = [image for image in data.images if image.part]
    if given and len(given) < len(names):
        message = f"the column split is empty for {counted(len(names) - len(given), 'image')}; fill it, or leave it out"
        raise InputError(message)
    if given:
        parts = {image.name: image.part for image in data.images}
        return Split(parts, dict(zip(names, groups, strict=True)), "as the table says")
    labels = [image.answers[data.objective.heads[0].name] for image in data.images]
    return make_split(
        names, labels=labels, groups=groups, fractions={"train": 1 - _HELD_OUT, "dev": _HELD_OUT}, seed=seed
    )


def train_classification(
    data: ClassificationData,
    plan: ClassificationPlan,
    *,
    split: Split | None = None,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "cpu",
    resume: bool = False,
) -> ClassificationRun:
    """Train a classifier.

    Parameters
    ----------
    split
        Names to `train`, `dev` and perhaps `test`; None: `make_classification_split`. `test` is scored once, at the
        end, with calibration and thresholds from `dev`.
    folder
        Where states and logs are kept; with `resume` an interrupted training goes on from there, and one of which
        nothing was kept begins.

    Raises
    ------
    InputError
        If the split does not fit the data, or one woman or copies of one image are in two parts.
    ModelError
        If the model to start from does not fit.
    OptionError
        If views shall be both joined and matched, or patches either.
    TrainingError, TrainingInterrupted
        As `Trainer.fit`.
    """
    # What cannot be had together is said before anything is done.
    architecture, config, _ = network_of(plan, patches=data.patch is not None)
    split = make_classification_split(data, plan.config.seed) if split is None else split
    check_split(split, groups={image.name: image.group for image in data.images})
    whole = data.split_of_whole(split)
    copies = check_copies(whole, list(whole.parts) if data.whole else data.names, data.thumbnails)
    parts = {part: data.of(split.names(part)) for part in ("train", "dev", "test")}
    _check_parts(parts, data, breasts=config.get("fusion", "none") != "none")
    normalisation, network, unmatched = begin(plan, split, parts["train"], data.objective.outputs)
    model, samples = _trained(network, parts["train"], data, normalisation, plan)
    trainer = Trainer(
        model,
        samples,
        plan.config,
        loss=(matched_loss(data.objective, plan.config) if plan.matched else data.objective.loss(plan.config)),
        validate=lambda _: validate(network, parts["dev"], normalisation, data),
        folder=folder,
        callbacks=callbacks,
        device=device,
    )
    run = trainer.fit(resume=resume and has_state(folder))
    network = network.to("cpu").eval()
    scores = {
        part: score_women(network, images, normalisation, data)
        for part, images in parts.items()
        if images and part != "train"
    }
    joined = str(Rule() if network.fusion is None else Rule(NETWORK))
    decisions = {
        level: replace(one, joined=joined)
        for level, own in scores["dev"].items()
        if (one := fit_decisions(level, own.scores, own.labels, rules=plan.rules)) is not None
    }
    metrics = {
        part: {level: summarise(own, decisions.get(level)) for level, own in levels.items()}
        for part, levels in scores.items()
    }
    facts = _facts(data, plan, split, decisions, metrics)
    file = to_model_file(network, architecture, data.objective, (data.preparation, normalisation), facts)
    uncalibrated = [_uncalibrated(level, own) for level, own in scores["dev"].items() if level not in decisions]
    return ClassificationRun(file, network, split, metrics, scores, run, copies, unmatched, uncalibrated)


def _trained(
    network: Any,
    train: list[LabelledView],
    data: ClassificationData,
    normalisation: Normalisation,
    plan: ClassificationPlan,
) -> tuple[nn.Module, Samples]:
    """Return what is trained, and on what: images, pairs of them, or breasts."""
    seed, objective = plan.config.seed, data.objective
    single = ViewSamples(train, objective, normalisation, augmentation=plan.augmentation, seed=seed)
    if plan.matched:
        return Matched(network), MatchedSamples(single, find_pairs(train, objective.heads[0]))
    if network.fusion is not None:
        return Breasts(network), BreastSamples(single, find_breasts(train, objective), objective, seed=seed)
    return network, single


def _uncalibrated(level: str, dev: LevelScores) -> str:
    positive, count = int(dev.labels.sum()), len(dev.labels)
    why = f"ten of either are needed in dev, which has {positive} with the finding and {count - positive} without"
    if min(positive, count - positive) >= FEWEST:
        why = "its scores do not rise with the finding, or no threshold does what the first rule asks for"
    return f"no probabilities and no thresholds of one {level}: {why}"


def _check_parts(parts: dict[str, list[LabelledView]], data: ClassificationData, *, breasts: bool) -> None:
    head = data.objective.heads[0]
    for part in ("train", "dev"):
        answers = [image.answers[head.name] for image in parts[part]]
        if breasts:
            answers = [breast.answers[head.name] for breast in find_breasts(parts[part], data.objective)]
        there = set(answers) - {""}
        if there != set(head.classes):
            count = f"{len(answers)} {'breasts' if breasts else 'images'}"
            message = f"the part {part} has {count} with {head.name} {', '.join(sorted(there)) or 'nothing'}: "
            raise InputError(message + f"both {head.classes[0]} and {head.classes[1]} are needed there")


def _facts(
    data: ClassificationData,
    plan: ClassificationPlan,
    split: Split,
    decisions: dict[str, Decisions],
    metrics: dict[str, dict[str, Figures]],
) -> dict[str, Any]:
    """Return the metadata of the model file."""
    counts = {part: len(split.names(part)) for part in sorted(set(split.parts.values()))}
    training: dict[str, Any] = {
        "data": data_hash(data),
        "split": counts | {"made": split.made},
        "augmentation": asdict(plan.augmentation),
        "matched": plan.matched,
        "config": plan.config.to_json(),
        "threads": torch.get_num_threads(),
    }
    if plan.start is not None:
        training["started_from"] = plan.start.name
    said = {"licence": plan.licence, "citation": plan.citation}
    return {
        "name": plan.name,
        "classification": {
            "decisions": [one.to_json() for one in decisions.values()],
            "domain": plan.domain,
            **({} if data.patch is None else {"patch": data.patch}),
        },
        "training": training,
        "metrics": {
            f"{part} {level} {name}": [value.value, value.low, value.high]
            for part, levels in metrics.items()
            for level, own in levels.items()
            for name, value in own.items()
        },
        "bioconv": __version__,
        **{name: value for name, value in said.items() if value},
    }
