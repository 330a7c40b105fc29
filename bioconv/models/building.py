"""From a model file to a network, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from bioconv.errors import ModelError
from bioconv.models import model_class
from bioconv.models.configuration import read_config
from bioconv.models.model_file import ModelFile


def build_network(architecture: str, config: dict[str, Any]) -> nn.Module:
    """Build a network from its hyper-parameters.

    Raises
    ------
    ModelError
        If a key is unknown or a value makes no sense.
    """
    network_class = model_class(architecture)
    try:
        network: nn.Module = network_class(read_config(network_class.config_class, config))
    except (ModelError, TypeError, ValueError, RuntimeError) as error:
        message = f"hyper-parameters of {architecture}: {error}"
        raise ModelError(message) from error
    return network


def sketch_network(architecture: str, config: dict[str, Any]) -> nn.Module:
    """Build a network without weights, on torch's `meta` device, in evaluation mode: for its sizes alone.

    Raises
    ------
    ModelError
        If a key is unknown or a value makes no sense.
    """
    with torch.device("meta"):
        return build_network(architecture, config).eval()


def load_weights(network: nn.Module, file: ModelFile) -> None:
    """Copy all weights of a model file into a network.

    Raises
    ------
    ModelError
        If one is missing, unknown or of another shape.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: array.shape for name, array in file.tensors.items()}
    if wanted != given:
        odd = sorted(name for name in {*wanted, *given} if wanted.get(name) != given.get(name))
        message = f"its tensors do not fit {file.architecture}: {odd[0]} is {given.get(odd[0])}, expected "
        message += f"{wanted.get(odd[0])} (and {len(odd) - 1} more)"
        raise ModelError(message)
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in file.tensors.items()})
    if int(file.config.get("ndim", 2)) == 2:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def open_network(file: ModelFile) -> nn.Module:
    """Return the network of a model file with its weights, in evaluation mode.

    Raises
    ------
    ModelError
        If hyper-parameters or weights do not fit.
    """
    network = build_network(file.architecture, file.config)
    load_weights(network, file)
    return network.eval()


def network_file(network: nn.Module, architecture: str, metadata: dict[str, Any]) -> ModelFile:
    """Return the model file of a network that keeps its hyper-parameters in `config`."""
    tensors = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in network.state_dict().items()}
    config: Any = network.config
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
    return ModelFile(architecture, plain, tensors, metadata)
