"""The one file a model is kept in: safetensors, with one JSON that says what the tensors are.

Never a pickle, and no class name out of the file is ever imported. The same model gives the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from bioconv.errors import ModelError
from bioconv.outputs import open_output

FORMAT = 1
KEY = "bioconv"
"""Under which the header of a file holds what is not a tensor."""
_PUBLISHED = b"# deepbind"  # what a published parameter file begins with
_PARTS = ("format", "architecture", "config", "metadata")

# What may be said about a model. All optional here: an architecture asks for what it needs.
METADATA = frozenset(
    {
        "name", "preprocessing", "labels", "window", "spacing", "calibration", "segmentation", "classification",
        "recurrent", "training", "metrics", "licence", "citation", "source", "bioconv",
    }
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a model file holds.

    Parameters
    ----------
    architecture
        Name in the table of architectures.
    config
        Hyper-parameters, values that JSON can hold.
    tensors
        Name to array of any shape: weights, and arrays of the calibration.
    metadata
        Any of `METADATA`: what is needed to use the model rightly, and where it comes from.
    """

    architecture: str
    config: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    metadata: dict[str, Any] = field(default_factory=dict)

    def tensor(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        """Return the float32 tensor of a `name`, which has the given shape (None: any length).

        Raises
        ------
        ModelError
            If it is not there, or has another type or shape.
        """
        if name not in self.tensors:
            message = f"model has no tensor {name!r}; it has {', '.join(sorted(self.tensors)) or 'none'}"
            raise ModelError(message)
        array = self.tensors[name]
        fits = len(array.shape) == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype != np.float32:
            wanted = tuple("any" if want is None else want for want in shape)
            message = f"tensor {name!r} is {array.dtype} {array.shape}; expected float32 {wanted}"
            raise ModelError(message)
        return array


def write_model(path: str | Path, model: ModelFile) -> None:
    """Write a model to a file, whole or not at all.

    Raises
    ------
    ModelError
        If it holds what no reader would accept (a NaN, an unknown metadata key, a value JSON cannot hold).
    OutputError
        If the file cannot be written.
    """
    with open_output(path) as stream:
        stream.write(to_bytes(model))


def to_bytes(model: ModelFile) -> bytes:
    """Return the bytes of a model file.

    Raises
    ------
    ModelError
        If it holds what no reader would accept (a NaN, an unknown metadata key, a value JSON cannot hold).
    """
    _check(model, "this model")
    facts = {
        "format": FORMAT,
        "architecture": model.architecture,
        "config": model.config,
        "metadata": model.metadata,
    }
    try:
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"this model's config or metadata cannot be written as JSON: {error}"
        raise ModelError(message) from error
    tensors = {name: array.copy(order="C") for name, array in sorted(model.tensors.items())}
    return safetensors.numpy.save(tensors, metadata={KEY: text})


def read_model(path: str | Path) -> ModelFile:
    """Return a model file's content, validated.

    Raises
    ------
    ModelError
        If the file is not there, is damaged, is no bioconv model, comes from a later version, says things
        this version does not know, or holds numbers that are not finite.
    """
    try:
        with safetensors.safe_open(str(path), framework="numpy") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - no mapping
    except (OSError, safetensors.SafetensorError, TypeError, ValueError, AttributeError) as error:
        message = f"{path}: cannot be read as a model file (safetensors): {error}; is the file complete?"
        raise ModelError(message) from error
    facts = _described(metadata, path)
    model = ModelFile(facts["architecture"], facts["config"], tensors, facts["metadata"])
    _check(model, str(path))
    return model


def architecture_of(path: str | Path) -> str:
    """Return the architecture of a model file, without reading its tensors; `deepbind` of a published parameter file.

    Raises
    ------
    ModelError
        As `read_model`.
    """
    try:
        with Path(path).open("rb") as stream:
            if stream.read(len(_PUBLISHED)) == _PUBLISHED:
                return "deepbind"
        with safetensors.safe_open(str(path), framework="numpy") as opened:
            metadata = opened.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        message = f"{path}: cannot be read as a model file (safetensors): {error}; is the file complete?"
        raise ModelError(message) from error
    return str(_described(metadata, path)["architecture"])


def _described(metadata: dict[str, str], path: str | Path) -> dict[str, Any]:
    if set(metadata) != {KEY}:
        message = f"{path}: no bioconv model: its metadata keys are {sorted(metadata)}, expected ['{KEY}']"
        raise ModelError(message)
    return _facts(metadata[KEY], path)


def _facts(text: str, path: str | Path) -> dict[str, Any]:
    try:
        facts = json.loads(text)
    except ValueError as error:
        message = f"{path}: its description is no JSON: {error}"
        raise ModelError(message) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        found = facts.get("format") if isinstance(facts, dict) else None
        message = f"{path}: model format {found!r}; this bioconv reads format {FORMAT}, update it for later ones"
        raise ModelError(message)
    if set(facts) != set(_PARTS):
        odd = sorted(set(facts) ^ set(_PARTS))
        message = f"{path}: unknown or missing keys {odd} in model format {FORMAT}; expected {list(_PARTS)}"
        raise ModelError(message)
    types = {"architecture": str, "config": dict, "metadata": dict}
    for name, wanted in types.items():
        if not isinstance(facts[name], wanted):
            message = f"{path}: {name} is {type(facts[name]).__name__}; expected {wanted.__name__}"
            raise ModelError(message)
    return facts


def _check(model: ModelFile, where: str) -> None:
    unknown = sorted(set(model.metadata) - METADATA)
    if unknown:
        message = f"{where}: unknown metadata keys {unknown} in model format {FORMAT}; known are {sorted(METADATA)}"
        raise ModelError(message)
    for name, array in model.tensors.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            message = f"{where}: tensor {name!r} holds numbers that are not finite"
            raise ModelError(message)
