"""The state of a training on the disk: one safetensors file, written whole or not at all.

Tensors lie in the file as they are; everything else (optimiser's scalars, counters, history, configuration)
is one canonical JSON. No pickle, so that a state from elsewhere can be opened without harm.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from bioconv.errors import TrainingError
from bioconv.outputs import open_output
from bioconv.runtime import logger
from bioconv.training.config import TrainConfig
from bioconv.training.data import Samples
from bioconv.version import __version__

FORMAT = 1
_KEY = "bioconv_training"
_ANY_TIME = {"workers", "time_budget"}  # they decide no number
_LENGTH = {"epochs", "max_steps", "patience"}  # they decide none up to where the training stands
_WHOLE = {"cosine", "one-cycle"}  # schedules that look ahead to the end


@dataclass
class Counters:
    """How far a training has come.

    Parameters
    ----------
    step, epoch, batch
        Optimiser steps done; the epoch and the batch in it that come next, from 0.
    seconds
        Time spent, over all resumed parts.
    loss, weight
        Sums of weighted sample losses and of weights since the last validation.
    history
        One dict per validation.
    best_epoch, best_value
        Of the best validation; None before the first, value None where nothing is validated.
    stopped
        Why it ended; empty while it has not.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    weight: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    best_value: float | None = None
    stopped: str = ""


@dataclass(frozen=True, eq=False)
class State:
    """Everything a training needs to go on.

    Parameters
    ----------
    counters
        How far it has come.
    tensors
        Trees of dicts, lists and tuples with tensors and plain values as leaves: `model`, `optimizer`, and
        where they exist `average`, `scaler`, `best`.
    config, data
        What the training is of; compared when it is resumed.
    """

    counters: Counters
    trees: dict[str, Any]
    config: TrainConfig
    data: dict[str, Any]


def write_state(path: Path, state: State) -> None:
    """Write a state; the one that was there stays if that fails.

    Raises
    ------
    OutputError
        If it cannot be written (full disk, no permission).
    """
    tensors: dict[str, torch.Tensor] = {}
    facts = {
        "format": FORMAT,
        "bioconv": __version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "config": state.config.to_json(),
        "data": state.data,
        "counters": _flatten(asdict(state.counters), "counters", tensors),
        "trees": {name: _flatten(tree, name, tensors) for name, tree in state.trees.items()},
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    data = safetensors.torch.save(dict(sorted(tensors.items())), metadata={_KEY: text})
    with open_output(path) as stream:
        stream.write(data)


def read_state(path: Path, config: TrainConfig, data: dict[str, Any]) -> State:
    """Read a state to go on with.

    Raises
    ------
    TrainingError
        If it is not there, is damaged, or is of another configuration or other data; the message names the
        differences.
    """
    if not path.exists():
        message = f"{path} is not there, so there is nothing to resume; start without --resume"
        raise TrainingError(message)
    try:
        with safetensors.safe_open(str(path), framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - no mapping
        facts = json.loads(metadata[_KEY])
        if facts["format"] != FORMAT:
            message = f"{path} has format {facts['format']}; this bioconv reads {FORMAT}"
            raise TrainingError(message)
        counters = Counters(**_unflatten(facts["counters"], tensors))
        trees = {name: _unflatten(tree, tensors) for name, tree in facts["trees"].items()}
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} is no complete training state ({error}); remove it and start without --resume"
        raise TrainingError(message) from error
    _compare(path, facts, config, data)
    return State(counters, trees, config, data)


def _compare(path: Path, facts: dict[str, Any], config: TrainConfig, data: dict[str, Any]) -> None:
    free = _ANY_TIME if config.schedule in _WHOLE else _ANY_TIME | _LENGTH
    now = {key: value for key, value in config.to_json().items() if key not in free}
    then = {key: value for key, value in facts["config"].items() if key not in free}
    differences = _differences(then, now, "") + _differences(facts["data"], data, "data ")
    if differences:
        listed = "; ".join(differences)
        message = f"{path} is of another training: {listed}; use what it had, or start without --resume"
        raise TrainingError(message)
    for name, now_is in (("threads", torch.get_num_threads()), ("torch", torch.__version__)):
        if facts[name] != now_is:
            logger.warning(
                "%s was written with %s %s, this is %s: results may differ in the last bits",
                path, name, facts[name], now_is,
            )  # fmt: skip


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], kind: str) -> list[str]:
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return [f"{kind}{name} was {then.get(name)!r} and is {now.get(name)!r}" for name in names]


def load_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> None:
    """Give a model and its optimiser what a state holds of them.

    Raises
    ------
    TrainingError
        If they are of another shape; the message names the differences.
    """
    then, now = (
        {name: tuple(t.shape) for name, t in tensors.items() if isinstance(t, torch.Tensor)}
        for tensors in (state.trees["model"], model.state_dict())
    )
    differences = _differences(then, now, "tensor ")
    if differences:
        message = f"the state to resume is of another model: {'; '.join(differences[:8])}; start without --resume"
        raise TrainingError(message)
    model.load_state_dict(state.trees["model"])
    try:
        optimizer.load_state_dict(state.trees["optimizer"])
    except (ValueError, KeyError) as error:
        message = f"the state to resume is of another optimiser: {error}; start without --resume"
        raise TrainingError(message) from error


def data_fingerprint(samples: Samples) -> dict[str, Any]:
    """Return what tells one training part from another: size, classes, and its own `fingerprint()` if it has one."""
    facts: dict[str, Any] = {"samples": len(samples)}
    classes = samples.classes()
    if classes is not None:
        facts["classes"] = hashlib.sha256(np.ascontiguousarray(classes, np.int64).tobytes()).hexdigest()[:16]
    own = getattr(samples, "fingerprint", None)
    if own is not None:
        facts["fingerprint"] = own()
    return facts


def check_finite(tensors: Mapping[str, Any], where: str) -> None:
    """Refuse weights that are no numbers.

    Raises
    ------
    TrainingError
        Naming the first such tensor.
    """
    for name, tensor in tensors.items():
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            message = (
                f"{where}: {name} holds numbers that are not finite; lower --learning-rate, set --clip-norm, or "
                "use --precision float32"
            )
            raise TrainingError(message)


def to_cpu(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy on the CPU of a state dict, sharing memory with nothing."""
    return {
        name: value.detach().to("cpu", copy=True) if isinstance(value, torch.Tensor) else value
        for name, value in tensors.items()
    }


def _flatten(tree: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return a tree as JSON; its tensors go to `tensors`, under their paths."""
    if isinstance(tree, torch.Tensor):
        # A copy: safetensors refuses tensors that share memory (tied weights).
        tensors[path] = tree.detach().to("cpu", copy=True).contiguous()
        return {"tensor": path}
    if isinstance(tree, Mapping):
        pairs = [[key, _flatten(value, f"{path}/{key}", tensors)] for key, value in tree.items()]
        return {"dict": pairs}
    if isinstance(tree, (list, tuple)):
        branches = [_flatten(value, f"{path}/{number}", tensors) for number, value in enumerate(tree)]
        return {type(tree).__name__ if type(tree) in {list, tuple} else "list": branches}
    if isinstance(tree, np.generic):
        tree = tree.item()
    if isinstance(tree, float) and not math.isfinite(tree):
        return {"float": str(tree)}
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    message = f"{path} is {type(tree).__name__}, which a training state cannot hold"
    raise TrainingError(message)


def _unflatten(tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "float":
        return float(value)
    if kind == "dict":
        return {key: _unflatten(branch, tensors) for key, branch in value}
    branches = [_unflatten(branch, tensors) for branch in value]
    return tuple(branches) if kind == "tuple" else branches
