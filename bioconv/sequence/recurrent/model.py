"""A recurrent model as it is used: the network of a model file, its alphabet, its classes, its calibration."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bioconv.errors import ModelError, OptionError
from bioconv.models import RECURRENT
from bioconv.models.building import network_file, open_network
from bioconv.models.model_file import ModelFile, read_model
from bioconv.models.recurrent import Recurrent
from bioconv.sequence.alphabets import Alphabet, alphabet_named

_OWN = ("alphabet", "temperature", "window", "features", "background")


@dataclass(frozen=True, eq=False)
class SequenceModel:
    """A network that puts sequences, or each letter of them, into classes.

    Parameters
    ----------
    name
        What its columns and files are called.
    network
        Codes (N, L) and lengths (N,) to logits.
    alphabet
        What its codes mean.
    labels
        The classes, in the order of the outputs.
    temperature
        Probabilities are softmax(logits / temperature).
    window
        Letters of every sequence it was trained on where all were alike, else 0. A model with a window can be slid
        along longer sequences.
    features
        What a class stands for in GFF3: label to `type` (a term of the Sequence Ontology), `offset` (letters from the
        window's start, or from the labelled letter, to the feature's first one) and, where it is not 1, `length`.
    background
        The class that means nothing is there; empty where there is none.
    facts
        Further metadata of the model file: training, metrics, licence, citation and the like.
    """

    name: str
    network: Recurrent
    alphabet: Alphabet
    labels: tuple[str, ...]
    temperature: float = 1.0
    window: int = 0
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    background: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def per_position(self) -> bool:
        """Say whether it gives probabilities of each letter, and not of the sequence as a whole."""
        return self.network.config.pooling == "none"

    def digest(self) -> str:
        """Return the sha256 of the weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def load_sequence_model(path: str | Path) -> SequenceModel:
    """Open a recurrent model's file, in evaluation mode on the CPU.

    Raises
    ------
    ModelError
        If it cannot be read, or is no recurrent model.
    """
    file = read_model(path)
    try:
        return from_model_file(file, default_name=Path(path).stem)
    except ModelError as error:
        message = f"{path}: {error}"
        raise ModelError(message) from error


def from_model_file(file: ModelFile, *, default_name: str = "model") -> SequenceModel:
    """Build a recurrent model from what a model file holds.

    Raises
    ------
    ModelError
        If it is of another architecture, or something is missing or does not fit.
    """
    about = file.metadata.get("recurrent")
    if file.architecture not in RECURRENT or not isinstance(about, dict):
        message = f"a model of architecture {file.architecture!r} that does not read sequences letter by letter; "
        raise ModelError(message + "give one that `bioconv train lstm` made")
    if odd := sorted(set(_OWN) ^ set(about)):
        message = f"recurrent: {', '.join(odd)} unknown or missing; expected {', '.join(_OWN)}"
        raise ModelError(message)
    try:
        alphabet = alphabet_named(str(about["alphabet"]))
    except OptionError as error:
        raise ModelError(str(error)) from error
    model = SequenceModel(
        name=file.metadata.get("name", default_name),
        network=cast("Recurrent", open_network(file)),
        alphabet=alphabet,
        labels=_labels(file.metadata.get("labels")),
        temperature=about["temperature"],
        window=about["window"],
        features=about["features"],
        background=about["background"],
        facts={key: value for key, value in file.metadata.items() if key not in ("name", "labels", "recurrent")},
    )
    check_model(model)
    return model


def to_model_file(model: SequenceModel) -> ModelFile:
    """Return what `write_model` keeps of a model.

    Raises
    ------
    ModelError
        If its parts do not fit each other.
    """
    check_model(model)
    about = {
        "alphabet": model.alphabet.name,
        "temperature": float(model.temperature),
        "window": model.window,
        "features": model.features,
        "background": model.background,
    }
    metadata = {**model.facts, "name": model.name, "labels": list(model.labels), "recurrent": about}
    return network_file(model.network, "recurrent", metadata)


def _labels(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(map(_is_name, given)) or len(set(given)) < len(given):
        message = f"labels are {given!r}; expected different texts without tabs and line ends, one per class"
        raise ModelError(message)
    return tuple(given)


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and bool(text) and text.isprintable()


def check_model(model: SequenceModel) -> None:
    """Refuse a model that could not be kept in a file.

    Raises
    ------
    ModelError
        If its parts do not fit each other.
    """
    config, message = model.network.config, ""
    labels = _labels(list(model.labels))
    warm = type(model.temperature) in (int, float) and math.isfinite(model.temperature) and model.temperature > 0
    if not _is_name(model.name):
        message = (
            f"name is {model.name!r}; expected text without tabs and line ends, a column of tables is called by it"
        )
    elif len(labels) != config.outputs:
        message = f"{len(labels)} labels for {config.outputs} outputs; expected one for each"
    elif len(model.alphabet) != config.letters:
        message = f"the alphabet {model.alphabet.name} has {len(model.alphabet)} letters, the network {config.letters}"
    elif not warm:
        message = f"temperature is {model.temperature!r}; expected a number above 0"
    elif type(model.window) is not int or model.window < 0:
        message = f"window is {model.window!r}; expected a number of letters, or 0"
    elif model.background != "" and model.background not in labels:
        message = f"background is {model.background!r}; expected one of {', '.join(labels)}, or nothing"
    if message:
        raise ModelError(message)
    _check_features(model.features, labels)
    for label, feature in model.features.items() if model.window and not model.per_position else ():
        end = feature["offset"] + feature.get("length", 1)
        if feature["offset"] < 0 or end > model.window:
            message = f"the feature of {label}, letters {feature['offset']} to {end}, is not inside the window of "
            raise ModelError(message + f"{model.window} letters")


def _check_features(features: Any, labels: tuple[str, ...]) -> None:
    fits = isinstance(features, dict) and all(
        label in labels
        and isinstance(feature, dict)
        and {"type", "offset"} <= set(feature) <= {"type", "offset", "length"}
        and _is_name(feature["type"])
        and type(feature["offset"]) is int
        and type(feature.get("length", 1)) is int
        and feature.get("length", 1) > 0
        for label, feature in features.items()
    )
    if not fits:
        message = (
            f"features are {features!r}; expected label to type (a text), offset and length (whole numbers), of the "
        )
        raise ModelError(message + f"labels {', '.join(labels)}")
