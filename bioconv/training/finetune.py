"""Starting from another model: what is copied, what is frozen, what learns again later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bioconv.errors import ModelError, OptionError
from bioconv.training.config import TrainConfig
from bioconv.training.parameters import NORMALISATIONS, head_prefixes, list_tensors

_MARK = "_frozen_by_training"  # on a module: names of its own parameters that `freeze` froze


@dataclass(frozen=True)
class Unmatched:
    """What `load_matching` did not copy.

    Parameters
    ----------
    kept
        Tensors of the model that keep their values: not in the file, or of another shape there.
    unused
        Tensors of the file that found no place.
    """

    kept: tuple[str, ...]
    unused: tuple[str, ...]


def freeze(model: nn.Module, config: TrainConfig) -> list[str]:
    """Stop parameters from learning as `config.freeze` says; return their names.

    `all-but-head` freezes all but the head (`bioconv.training.parameters.list_tensors` says what that is), a
    number that many parameter tensors from the input on. A normalisation of which a parameter is frozen,
    or that has none and follows a frozen layer, keeps its running statistics too (see `keep_frozen_eval`).

    Raises
    ------
    OptionError
        If nothing would be left to learn.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    >>> freeze(model, TrainConfig(freeze="all-but-head"))
    ['0.weight', '0.bias']
    """
    if config.freeze == "none":
        return []
    tensors = list_tensors(model)
    if config.freeze == "all-but-head":
        chosen = [tensor for tensor in tensors if tensor.layer > 0]
    else:
        chosen = tensors[: int(config.freeze)]
    names = {tensor.name for tensor in chosen}
    if not any(tensor.parameter.requires_grad for tensor in tensors if tensor.name not in names):
        shape = f"the model has {len(tensors)} parameter tensors, its head is {head_prefixes(model)}"
        message = f"--freeze {config.freeze} leaves nothing to learn: {shape}; freeze fewer"
        raise OptionError(message)
    for tensor in chosen:
        if tensor.parameter.requires_grad:
            tensor.parameter.requires_grad_(False)
            tensor.parameter.grad = None
            _mark(tensor.module).add(tensor.own_name)
    _mark_statistics(model)
    return [tensor.name for tensor in chosen]


def unfreeze(model: nn.Module) -> list[str]:
    """Let everything that `freeze` froze learn again; return its names.

    What the architecture itself holds fixed stays fixed. Call `model.train()` afterwards: normalisations
    then move their running statistics again.
    """
    names = []
    for prefix, module in model.named_modules():
        for own_name in sorted(module.__dict__.get(_MARK, ())):
            module.get_parameter(own_name).requires_grad_(True)
            names.append(f"{prefix}.{own_name}" if prefix else own_name)
        module.__dict__.pop(_MARK, None)
    return names


def keep_frozen_eval(model: nn.Module) -> None:
    """Put frozen normalisations in evaluation mode; call it after every `model.train()`.

    Otherwise their running statistics would follow the new data, and the frozen layers would compute
    something else than they were trained for.
    """
    for module in model.modules():
        if isinstance(module, NORMALISATIONS) and _MARK in module.__dict__:
            module.eval()


def is_frozen(module: nn.Module, own_name: str) -> bool:
    """Say whether `freeze` froze a module's own parameter."""
    return own_name in module.__dict__.get(_MARK, ())


def load_matching(model: nn.Module, tensors: Mapping[str, NDArray[np.generic] | torch.Tensor]) -> Unmatched:
    """Copy into a model the tensors that have the name and shape of its own (`--from MODEL`).

    Raises
    ------
    ModelError
        If not one parameter fits; the message names both models' tensors.
    """
    own = model.state_dict(keep_vars=True)
    fitting = [name for name in own if name in tensors and tuple(tensors[name].shape) == tuple(own[name].shape)]
    if not any(isinstance(own[name], nn.Parameter) for name in fitting):
        has = ", ".join(f"{name} {tuple(array.shape)}" for name, array in list(tensors.items())[:8])
        wants = ", ".join(f"{name} {tuple(array.shape)}" for name, array in list(own.items())[:8])
        message = f"no parameter of the model to start from fits: it has {has or 'none'}; this model has {wants}"
        raise ModelError(message)
    with torch.no_grad():
        for name in fitting:
            given = tensors[name]
            own[name].copy_(given if isinstance(given, torch.Tensor) else torch.tensor(given))
    kept = tuple(name for name in own if name not in fitting)
    return Unmatched(kept, tuple(sorted(set(tensors) - set(fitting))))


def _mark(module: nn.Module) -> set[str]:
    """Mark a module as frozen; return the set of its frozen parameters' names, to add to."""
    marks: set[str] = module.__dict__.setdefault(_MARK, set())
    return marks


def _mark_statistics(model: nn.Module) -> None:
    """Mark the normalisations without parameters that follow a frozen module."""
    frozen = False
    for module in model.modules():
        own = list(module.named_parameters(recurse=False))
        if own:
            frozen = all(is_frozen(module, name) for name, _ in own)
        elif frozen and isinstance(module, NORMALISATIONS):
            _mark(module)
