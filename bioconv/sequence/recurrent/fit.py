"""From labelled sequences to a model file: split, training, calibration, scores of held-out groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bioconv.errors import ModelError, OptionError
from bioconv.models import RECURRENT
from bioconv.models.configuration import read_config
from bioconv.models.model_file import ModelFile, read_model
from bioconv.models.recurrent import Recurrent, RecurrentConfig
from bioconv.sequence.alphabets import DNA
from bioconv.sequence.recurrent.data import SequenceData, data_hash
from bioconv.sequence.recurrent.inference import logits_of
from bioconv.sequence.recurrent.model import SequenceModel, check_model, to_model_file
from bioconv.sequence.recurrent.recipe import DEFAULTS
from bioconv.sequence.recurrent.samples import SequenceSamples
from bioconv.sequence.recurrent.scoring import (
    Figures,
    PartScores,
    part_scores,
    summarise,
    temperature_of,
    validated,
)
from bioconv.sequence.recurrent.splitting import make_recurrent_split, parts_of
from bioconv.training import Run, TrainConfig, Trainer
from bioconv.training.balancing import class_weights
from bioconv.training.callbacks import Callback
from bioconv.training.finetune import Unmatched, load_matching
from bioconv.training.losses import MISSING, build_loss
from bioconv.training.run_folder import has_state
from bioconv.training.splits import Split, check_split
from bioconv.version import __version__

NETWORK = RecurrentConfig(hidden=64, pooling="attention", dropout=0.3)
"""The network unless told otherwise."""

_LOSSES = ("cross-entropy", "focal", "hinge")


@dataclass(frozen=True)
class RecurrentPlan:
    """How a recurrent model is made.

    Parameters
    ----------
    network
        Hyper-parameters; letters and outputs are those of the data, and pooling is `none` for labels of letters.
    config
        How it is trained.
    start
        Model file of which the weights that fit are taken to begin with.
    background
        Class that means nothing is there; empty: none.
    features
        Class to `type`, `offset` and perhaps `length`: what it is in GFF3, see `SequenceModel`.
    reverse_complement
        Whether the other strand of each training sequence is a sample too.
    name, licence, citation
        For the model file.

    Raises
    ------
    OptionError
        If the loss of `config` is not one for classes.
    """

    network: RecurrentConfig = NETWORK
    config: TrainConfig = DEFAULTS
    start: Path | None = None
    background: str = ""
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    reverse_complement: bool = False
    name: str = "model"
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        if self.config.loss not in _LOSSES:
            message = f"loss is {self.config.loss!r}; sequences have classes, give one of {', '.join(_LOSSES)}"
            raise OptionError(message)


@dataclass(frozen=True, eq=False)
class RecurrentRun:
    """A recurrent model and how it came about.

    Parameters
    ----------
    model
        What is written to the model file.
    network
        The same weights as a network.
    metrics
        Part to figures: on `dev` they flatter, on `test` they do not.
    scores
        Part to logits and classes.
    unmatched
        What was not taken from the model to start from.
    notes
        What should be known of it, a sentence each.
    """

    model: ModelFile
    network: Recurrent
    split: Split
    metrics: dict[str, Figures]
    scores: dict[str, PartScores]
    run: Run
    temperature: float
    unmatched: Unmatched | None
    notes: list[str]


def network_like(start: Path) -> RecurrentConfig:
    """Return the hyper-parameters of a model to start from.

    Raises
    ------
    ModelError
        If it is no recurrent model.
    """
    file = _start_file(start)
    return read_config(RecurrentConfig, file.config)


def train_recurrent(
    data: SequenceData,
    plan: RecurrentPlan,
    *,
    split: Split | None = None,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "cpu",
    resume: bool = False,
) -> RecurrentRun:
    """Train a recurrent model.

    Parameters
    ----------
    split
        Names to `train`, `dev` and perhaps `test`; None: `make_recurrent_split`. `test` is scored once, at the end.
    folder
        Where states and logs are kept; with `resume` an interrupted training goes on from there, and one of which
        nothing was kept begins.

    Raises
    ------
    InputError
        If the split does not fit the data, or a group or a sequence is in two parts.
    ModelError
        If the model to start from does not fit, or the model could not be kept (a feature outside the window, say).
    OptionError
        If the plan does not fit the data.
    TrainingError, TrainingInterrupted
        As `Trainer.fit`.
    """
    network_config = fitted_config(data, plan)
    split = make_recurrent_split(data, plan.config.seed) if split is None else split
    check_split(split, groups=dict(zip(data.names, data.groups, strict=True)))
    parts = parts_of(data, split)
    network, unmatched = _begin(network_config, plan, data)
    model = SequenceModel(
        plan.name, network, data.alphabet, data.classes, window=_window(parts["train"]), features=plan.features,
        background=plan.background,
    )  # fmt: skip
    check_model(model)  # what cannot be kept is not worth training
    loss, config = _loss(parts["train"], plan.config)
    trainer = Trainer(
        network,
        SequenceSamples(parts["train"], both_strands=plan.reverse_complement),
        config,
        loss=loss,
        validate=lambda model: validated(_scores(model, parts["dev"])),
        folder=folder,
        callbacks=callbacks,
        device=device,
    )
    run = trainer.fit(resume=resume and has_state(folder))
    network = network.eval()
    scores = {part: _scores(network, own) for part, own in parts.items() if part != "train" and own.names}
    network = network.to("cpu")
    temperature, why = temperature_of(scores["dev"])
    metrics = {part: summarise(own) for part, own in scores.items()}
    model = replace(model, temperature=temperature, facts=_facts(data, plan, split, metrics))
    notes = [*([f"{why[:1].upper()}{why[1:]}."] if why else []), *_missing(scores)]
    return RecurrentRun(to_model_file(model), network, split, metrics, scores, run, temperature, unmatched, notes)


def fitted_config(data: SequenceData, plan: RecurrentPlan) -> RecurrentConfig:
    """Return the network's hyper-parameters for these data.

    Raises
    ------
    OptionError
        If the plan does not fit the data.
    """
    said = f"the classes are {', '.join(data.classes)}"
    odd = sorted({*plan.features, *([plan.background] if plan.background else [])} - set(data.classes))
    if odd:
        message = f"background or features name {', '.join(odd)}; {said}"
        raise OptionError(message)
    if plan.reverse_complement and data.alphabet != DNA:
        message = f"the sequences are {data.alphabet.name}, which has no reverse complement; leave it out"
        raise OptionError(message)
    config = plan.network
    if data.per_position and config.pooling not in ("none", NETWORK.pooling, RecurrentConfig.pooling):
        message = f"labels are of letters, so that nothing is pooled: leave out pooling {config.pooling!r}"
        raise OptionError(message)
    if not data.per_position and config.pooling == "none":
        message = "pooling is 'none', but labels are of sequences: give another pooling"
        raise OptionError(message)
    pooling = "none" if data.per_position else config.pooling
    try:
        return replace(config, letters=len(data.alphabet), outputs=len(data.classes), pooling=pooling)
    except ValueError as error:
        raise OptionError(str(error)) from error


def _begin(config: RecurrentConfig, plan: RecurrentPlan, data: SequenceData) -> tuple[Recurrent, Unmatched | None]:
    """Return the network to begin with; the global random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.config.seed)
        network = Recurrent(config)
    if plan.start is None:
        return network, None
    file = _start_file(plan.start)
    theirs = file.metadata.get("recurrent", {}).get("alphabet")
    if theirs != data.alphabet.name:
        message = f"{plan.start} reads {theirs}, the sequences are {data.alphabet.name}; start from another model"
        raise ModelError(message)
    return network, load_matching(network, _for_classes(file, data.classes))


def _for_classes(file: ModelFile, classes: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return a model's tensors, its head's rows in the order of these classes; without the head if it has others."""
    theirs = list(file.metadata["labels"])
    same = sorted(theirs) == sorted(classes)
    rows = [theirs.index(name) for name in classes] if same else []
    return {
        name: tensor[rows] if name.startswith("head.") else tensor
        for name, tensor in file.tensors.items()
        if same or not name.startswith("head.")
    }


def _start_file(start: Path) -> ModelFile:
    file = read_model(start)
    if file.architecture not in RECURRENT:
        message = f"{start}: {file.architecture!r} is no recurrent model; start from one that train lstm made"
        raise ModelError(message)
    return file


def _loss(train: SequenceData, config: TrainConfig) -> tuple[Callable[[Any, Any], Tensor], TrainConfig]:
    """Return the loss, and the configuration without what the loss does itself."""
    if not train.per_position:
        return build_loss(config), config
    weights = None
    if config.class_weights == "balanced":  # classes of letters, which the trainer does not know
        weights = class_weights(np.concatenate([own[own != MISSING] for own in train.targets]))
        config = replace(config, class_weights="none")
    of_letters = build_loss(config, class_weights=weights)
    return lambda outputs, targets: of_letters(outputs.movedim(-1, 1), targets), config


def _scores(network: nn.Module, data: SequenceData) -> PartScores:
    """Return the logits of a part beside its classes."""
    return part_scores(data, logits_of(cast("Recurrent", network), data.codes))


def _window(train: SequenceData) -> int:
    """Return the letters of every training sequence where all are alike and labelled as a whole, else 0."""
    lengths = set(train.lengths.tolist())
    return lengths.pop() if len(lengths) == 1 and not train.per_position else 0


def _missing(scores: dict[str, PartScores]) -> list[str]:
    """Say of which classes the held-out parts say nothing."""
    return [
        f"The part {part} has nothing of the class {name}."
        for part, own in scores.items()
        for number, name in enumerate(own.classes)
        if number not in own.truth
    ]


def _facts(data: SequenceData, plan: RecurrentPlan, split: Split, metrics: dict[str, Figures]) -> dict[str, Any]:
    """Return the further metadata of the model file."""
    counts = {part: len(split.names(part)) for part in sorted(set(split.parts.values()))}
    training: dict[str, Any] = {
        "data": data_hash(data),
        "split": counts | {"made": split.made},
        "reverse_complement": plan.reverse_complement,
        "config": plan.config.to_json(),
        "threads": torch.get_num_threads(),
    }
    if plan.start is not None:
        training["started_from"] = plan.start.name
    said = {"licence": plan.licence, "citation": plan.citation}
    return {
        "training": training,
        "metrics": {
            f"{part} {name}": [value.value, value.low, value.high]
            for part, own in metrics.items()
            for name, value in own.items()
        },
        "bioconv": __version__,
        **{name: value for name, value in said.items() if value},
    }
