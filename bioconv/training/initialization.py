"""How weights start, drawn from the seed of the configuration alone."""

from __future__ import annotations

import math

import torch
from torch import nn

from bioconv.training.config import TrainConfig
from bioconv.training.parameters import Tensor, list_tensors


def initialize(model: nn.Module, config: TrainConfig) -> None:
    """Draw a model's weights anew as `config.initialization` says, and set its biases to 0.

    - `default`: nothing is touched;
    - `normal`: N(0, init_deviation²);
    - `xavier`: uniform in ±sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio, AISTATS 2010);
    - `kaiming`: N(0, 2 / fan_in) (He et al. 2015, doi 10.1109/ICCV.2015.123);
    - `identity`: recurrent weights the identity, each gate's, the others `normal` (Le, Jaitly & Hinton 2015,
      arXiv 1504.00941).

    Normalisations are left as they are. The numbers depend on the seed and on the order of the model's
    parameters, not on its device; torch's global generator is not used.
    """
    if config.initialization == "default":
        return
    generator = torch.Generator().manual_seed(config.seed)
    with torch.no_grad():
        for tensor in list_tensors(model):
            if tensor.is_weight:
                drawn = [_draw(block, tensor, config, generator) for block in _gates(tensor)]
                tensor.parameter.copy_(torch.cat(drawn))
            elif tensor.is_bias:
                tensor.parameter.zero_()


def _draw(block: torch.Tensor, tensor: Tensor, config: TrainConfig, generator: torch.Generator) -> torch.Tensor:
    shape = tuple(block.shape)
    recurrent = isinstance(tensor.module, nn.RNNBase | nn.RNNCellBase) and tensor.own_name.startswith("weight_hh")
    if config.initialization == "identity" and recurrent:
        return torch.eye(*shape)
    fan_in, fan_out = _fans(shape, tensor.module)
    if config.initialization == "xavier":
        bound = math.sqrt(6 / (fan_in + fan_out))
        return torch.rand(shape, generator=generator) * (2 * bound) - bound
    deviation = math.sqrt(2 / fan_in) if config.initialization == "kaiming" else config.init_deviation
    return torch.randn(shape, generator=generator) * deviation


def _gates(tensor: Tensor) -> tuple[torch.Tensor, ...]:
    """Return a recurrent layer's weights gate by gate: each gate has fans of its own."""
    if isinstance(tensor.module, nn.RNNBase | nn.RNNCellBase) and not tensor.own_name.startswith("weight_hr"):
        return torch.split(tensor.parameter, int(tensor.module.hidden_size))
    return (tensor.parameter,)


def _fans(shape: tuple[int, ...], module: nn.Module) -> tuple[int, int]:
    """Return how many inputs an output sees, and how many outputs an input reaches (strides left aside)."""
    field = math.prod(shape[2:])
    if isinstance(module, nn.modules.conv._ConvTransposeNd):  # (in, out / groups, ...)
        return shape[0] // module.groups * field, shape[1] * field
    return shape[1] * field, shape[0] * field
