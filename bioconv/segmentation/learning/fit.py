"""From images and masks to a model file: split, training, decision, scores on whole images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bioconv.errors import InputError, ModelError
from bioconv.evaluation import Interval
from bioconv.images.augmentation import Augmentation
from bioconv.images.stains import brown_share
from bioconv.models.building import build_network
from bioconv.models.model_file import ModelFile, read_model
from bioconv.segmentation.channels import GREY
from bioconv.segmentation.learning.data import LabelledImage, SegmentationData
from bioconv.segmentation.learning.held_out_maps import held_out_maps
from bioconv.segmentation.learning.recipe import AUGMENTATIONS, DEFAULTS
from bioconv.segmentation.learning.samples import PatchPlan, PatchSamples
from bioconv.segmentation.learning.scoring import (
    Decision,
    ImageScore,
    choose_decision,
    decide,
    metric_name,
    pooled,
    pooled_interval,
    score_all,
    score_image,
    worst_first,
)
from bioconv.segmentation.model import from_model_file, to_model_file
from bioconv.segmentation.objective import Objective
from bioconv.segmentation.preprocessing import COLOUR, Preprocessing
from bioconv.training import Run, TrainConfig, Trainer
from bioconv.training.callbacks import Callback
from bioconv.training.finetune import load_matching
from bioconv.training.run_folder import has_state
from bioconv.training.splits import Split, check_split, make_split
from bioconv.version import __version__
from bioconv.wording import counted

_HELD_OUT = 0.15
_MOST_HELD_OUT = 100
SHOWN = 6  # examples for the report
_WATCHED = 24  # images validated on while training goes on; all of them at its end


@dataclass(frozen=True)
class SegmentationPlan:
    """How a segmenter is made.

    Parameters
    ----------
    architecture, network
        Name of the architecture, and hyper-parameters other than inputs and outputs.
    preprocessing
        None: that of the model to start from, else the usual one. Its `inputs` are taken from the data, or from the
        model to start from.
    colour
        Whether the model is to read colour pictures though all of these are grey: they are repeated.
    start
        Model file to start from; architecture and network are then its own.
    spacing
        Size of a pixel in micrometres, for the model file.
    """

    architecture: str = "unet"
    network: dict[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    colour: bool = False
    patches: PatchPlan = field(default_factory=PatchPlan)
    augmentation: Augmentation = AUGMENTATIONS["usual"]
    config: TrainConfig = DEFAULTS
    start: Path | None = None
    spacing: float | None = None
    name: str = "model"
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True, eq=False)
class SegmentationRun:
    """A segmenter and how it came about.

    Parameters
    ----------
    model
        What is written to the model file.
    network
        The same weights as a network.
    metrics
        Part to name to value with its 95 % interval (images drawn again).
    scores
        Of every image of `dev`, whole.
    decision
        How maps become masks, chosen on `dev`.
    examples
        The held-out images with the worst scores, and what was found in them.
    """

    model: ModelFile
    network: nn.Module
    split: Split
    metrics: dict[str, dict[str, Interval]]
    scores: list[ImageScore]
    decision: Decision
    run: Run
    examples: list[tuple[LabelledImage, NDArray[np.int32], ImageScore]]


def make_segmentation_split(data: SegmentationData, seed: int) -> Split:
    """Divide images into `train` and `dev`: as the table says, else at random, groups whole, strata evenly.

    Raises
    ------
    InputError
        If the table names a part for some images only.
    """
    pairs = [image.pair for image in data.images]
    groups = [pair.group or image.name for pair, image in zip(pairs, data.images, strict=True)]
    given = [image.name for image in data.images if image.pair.part]
    if given:
        if len(given) < len(pairs):
            message = (
                f"the column split is empty for {counted(len(pairs) - len(given), 'image')}; fill it, or leave it out"
            )
            raise InputError(message)
        parts = {image.name: image.pair.part for image in data.images}
        return Split(parts, dict(zip(data.names, groups, strict=True)), "as the table says")
    share = min(_HELD_OUT, _MOST_HELD_OUT / len(pairs))
    strata = [pair.stratum for pair in pairs]
    fractions = {"train": 1 - share, "dev": share}
    return make_split(data.names, labels=strata, groups=groups, fractions=fractions, seed=seed)


def train_segmentation(
    data: SegmentationData,
    plan: SegmentationPlan,
    *,
    split: Split | None = None,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "cpu",
    resume: bool = False,
) -> SegmentationRun:
    """Train a segmenter.

    Parameters
    ----------
    split
        Names to `train` and `dev` (other parts are left alone); None: `make_segmentation_split`.
    folder
        Where states and logs are kept; with `resume` an interrupted training goes on from there, and one of which
        nothing was kept begins.

    Raises
    ------
    InputError
        If the split does not fit the data.
    ModelError
        If the model to start from does not fit.
    TrainingError, TrainingInterrupted
        As `Trainer.fit`.
    """
    split = make_segmentation_split(data, plan.config.seed) if split is None else split
    check_split(split, fingerprints={image.name: _fingerprint(image) for image in data.images})
    train, dev = (tuple(data.images[place] for place in split.indices(data.names, part)) for part in ("train", "dev"))
    if not train or not dev:
        message = f"the split has {counted(len(train), 'image')} in train and {len(dev)} in dev; both are needed"
        raise InputError(message)
    job = _Job(data.objective, _preprocessing(plan, data), plan)
    network, architecture = job.network(data)
    seed = plan.config.seed
    samples = PatchSamples(
        train, data.objective, job.preprocessing, plan.patches, augmentation=plan.augmentation, seed=seed
    )
    trainer = Trainer(
        network,
        samples,
        plan.config,
        loss=data.objective.loss(plan.config),
        validate=lambda model: job.validate(model, dev[:: -(-len(dev) // _WATCHED)]),
        folder=folder,
        callbacks=callbacks,
        device=device,
    )
    run = trainer.fit(resume=resume and has_state(folder))
    network = network.to("cpu").eval()
    maps = [job.maps(network, image) for image in dev]
    decision = choose_decision(dev, maps, data.objective, Decision())
    found = {image.name: (image, decide(own, data.objective, decision)) for image, own in zip(dev, maps, strict=True)}
    scores = [score_image(labels, image, data.objective) for image, labels in found.values()]
    examples = [(*found[score.name], score) for score in worst_first(scores, data.objective)[:SHOWN]]
    metrics = {"dev": {metric_name(data.objective): pooled_interval(scores, data.objective)}}
    model = to_model_file(
        network, architecture, data.objective, job.preprocessing, job.facts(data, split, metrics, decision)
    )
    return SegmentationRun(model, network, split, metrics, scores, decision, run, examples)


@dataclass(frozen=True, eq=False)
class _Job:
    objective: Objective
    preprocessing: Preprocessing
    plan: SegmentationPlan

    def network(self, data: SegmentationData) -> tuple[nn.Module, str]:
        """Return the network to train and its architecture; the global random numbers stay as they were."""
        plan = self.plan
        architecture, config = plan.architecture, dict(plan.network)
        file = None if plan.start is None else read_model(plan.start)
        if file is not None:
            _check_start(file, plan.start)
            architecture, config = file.architecture, dict(file.config) | config
        config |= {"channels_in": len(self.preprocessing.inputs), "outputs": self.objective.outputs, "ndim": data.ndim}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.config.seed)
            network = build_network(architecture, config)
        if file is not None:
            load_matching(network, file.tensors)
        if data.ndim == 2:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network, architecture

    def maps(self, network: nn.Module, image: LabelledImage) -> Any:
        prepared = self.preprocessing.prepare(image.pixels, self.preprocessing.intensity(image.pixels))
        return held_out_maps(network, self.objective, prepared)

    def validate(self, network: nn.Module, images: Sequence[LabelledImage]) -> dict[str, float]:
        scores = score_all(images, lambda image: self.maps(network, image), self.objective, Decision())
        return {"score": pooled(scores, self.objective)}

    def facts(
        self, data: SegmentationData, split: Split, metrics: dict[str, dict[str, Interval]], decision: Decision
    ) -> dict[str, Any]:
        """Return the metadata of the model file."""
        plan = self.plan
        counts = {part: len(split.names(part)) for part in sorted(set(split.parts.values()))}
        about: dict[str, Any] = {"threshold": decision.threshold}
        if self.objective.kind == "instances":
            trained = [image for image in data.images if split.parts[image.name] == "train"]
            about |= {"instances": asdict(decision.instances), "diameter": _diameter(trained)}
        training = {
            "data": data_hash(data),
            "split": counts | {"made": split.made},
            "patches": asdict(plan.patches),
            "augmentation": asdict(plan.augmentation),
            "config": plan.config.to_json(),
            "threads": torch.get_num_threads(),
        }
        if data.inputs == COLOUR:
            training["brown"] = max(_brown(image.pixels) for image in data.images)
        if plan.start is not None:
            training["started_from"] = plan.start.name
        said = {"spacing": plan.spacing, "licence": plan.licence, "citation": plan.citation}
        return {
            "name": plan.name,
            "segmentation": about,
            "training": training,
            "metrics": {name: [own.value, own.low, own.high] for name, own in metrics["dev"].items()},
            "bioconv": __version__,
            **{name: value for name, value in said.items() if value},
        }


def _brown(colours: NDArray[Any]) -> float:
    """Return how much of an image's stained tissue is brown: by it a model knows later whether it has met DAB.

    Grey images among colour ones have one channel, and nothing brown.
    """
    return round(brown_share(colours), 4) if colours.dtype.kind == "u" and len(colours) == len(COLOUR) else 0.0


def _preprocessing(plan: SegmentationPlan, data: SegmentationData) -> Preprocessing:
    if plan.start is None:
        inputs = COLOUR if plan.colour and data.inputs == GREY else data.inputs
        return replace(plan.preprocessing or Preprocessing(), inputs=inputs)
    known = from_model_file(read_model(plan.start)).preprocessing
    own = replace(plan.preprocessing or known, inputs=known.inputs)
    if len(own.inputs) == len(data.inputs) or (own.colour and data.inputs == GREY):
        return own
    message = f"{plan.start} reads the channels {', '.join(own.inputs)}; these images have {', '.join(data.inputs)}"
    raise InputError(message)


def _check_start(file: ModelFile, path: Path | None) -> None:
    try:
        from_model_file(file)
    except ModelError as error:
        message = f"--from {path}: {error}"
        raise ModelError(message) from error


def _fingerprint(image: LabelledImage) -> str:
    digest = hashlib.sha256(f"{image.pixels.shape} {image.pixels.dtype}".encode())
    digest.update(np.ascontiguousarray(image.pixels).view(np.uint8).data)
    return digest.hexdigest()[:32]


def data_hash(data: SegmentationData) -> dict[str, Any]:
    """Return how many images there are, and one hash of all pixels and masks."""
    digest = hashlib.sha256()
    for image in sorted(data.images, key=lambda image: image.name):
        digest.update(_fingerprint(image).encode())
        digest.update(np.ascontiguousarray(image.labels).data)
    return {"images": len(data.images), "sha256": digest.hexdigest()}


def _diameter(images: Sequence[LabelledImage]) -> float | None:
    """Return the median diameter of a disc (a ball) of an object's size, in pixels."""
    sizes = [np.bincount(np.maximum(image.labels, 0).ravel())[1:] for image in images]
    areas = np.concatenate(sizes) if sizes else np.zeros(0)
    areas = areas[areas > 0]
    if not len(areas):
        return None
    size = float(np.median(areas))
    ball = images[0].labels.ndim == 3
    return round(float((6 * size / np.pi) ** (1 / 3) if ball else (4 * size / np.pi) ** 0.5), 2)
