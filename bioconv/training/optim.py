"""Optimisers, the groups of parameters they step, and the penalties on weights.

The order of one step is decided here: gradients are unscaled, clipped, then `add_penalties` adds the coupled
penalties, then the optimiser steps. Clipping thus bounds what the data say, as with the `weight_decay` of
`torch.optim`, and cannot switch a penalty off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from bioconv.training.config import TrainConfig
from bioconv.training.finetune import is_frozen
from bioconv.training.parameters import list_tensors

Group = dict[str, Any]
_BETA2 = {"rmsprop": 0.99, "adadelta": 0.9, "adam": 0.999, "adamw": 0.999}
_EPSILON = {"adagrad": 1e-10, "adadelta": 1e-6}


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[Group]:
    """Return the groups of parameters an optimiser steps.

    Call it after `freeze`, on resuming too: what is frozen is left out, unless it will learn later
    (`unfreeze_at`). The order is that of the layers from the input on, weights before the rest.

    Returns
    -------
    list of dict
        `params`; `factor`, what the learning rate is multiplied with (`layer_decay` to the number of the layer
        from the head down); `penalised`, whether L1 and L2 apply (weights, but no biases and
        normalisations); `lr`, the rate at factor 1 of the schedule.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    >>> groups = parameter_groups(model, TrainConfig(layer_decay=0.5))
    >>> [(group["factor"], group["penalised"]) for group in groups]
    [(0.5, True), (0.5, False), (1.0, True), (1.0, False)]
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for tensor in list_tensors(model):
        later = config.unfreeze_at is not None and is_frozen(tensor.module, tensor.own_name)
        if tensor.parameter.requires_grad or later:
            key = (config.layer_decay**tensor.layer, tensor.is_weight)
            groups.setdefault(key, []).append(tensor.parameter)
    return [
        {"params": params, "factor": factor, "penalised": penalised, "lr": config.learning_rate * factor}
        for (factor, penalised), params in groups.items()
    ]


def build_optimizer(config: TrainConfig, groups: list[Group]) -> torch.optim.Optimizer:
    """Return the optimiser of a configuration, from `torch.optim`.

    `momentum` is used by momentum, nesterov, adam and adamw; rmsprop and the others are the plain ones.
    """
    name, rate = config.optimizer, config.learning_rate
    beta2 = _BETA2.get(name, 0.0) if config.beta2 is None else config.beta2
    epsilon = _EPSILON.get(name, 1e-8) if config.epsilon is None else config.epsilon
    if name in {"sgd", "momentum", "nesterov"}:
        momentum = 0.0 if name == "sgd" else config.momentum
        nesterov = name == "nesterov" and momentum > 0  # without momentum there is nothing to look ahead with
        return torch.optim.SGD(groups, rate, momentum=momentum, nesterov=nesterov)
    if name == "adagrad":
        return torch.optim.Adagrad(groups, rate, eps=epsilon)
    if name == "adadelta":
        return torch.optim.Adadelta(groups, rate, rho=beta2, eps=epsilon)
    if name == "rmsprop":
        return torch.optim.RMSprop(groups, rate, alpha=beta2, eps=epsilon)
    if name == "adam":
        return torch.optim.Adam(groups, rate, betas=(config.momentum, beta2), eps=epsilon)
    decayed = [{**group, "weight_decay": config.l2 if group["penalised"] else 0.0} for group in groups]
    return torch.optim.AdamW(decayed, rate, betas=(config.momentum, beta2), eps=epsilon)


def add_penalties(groups: Iterable[Group], config: TrainConfig) -> None:
    """Add the gradient of l1 * sum |w| + l2 / 2 * sum w² to the weights' gradients.

    Call it after clipping, right before the optimiser's step. The L2 penalty of `adamw` is left out: that
    optimiser shrinks the weights itself (Loshchilov & Hutter 2019, arXiv 1711.05101).

    Parameters
    ----------
    groups
        Those of `parameter_groups`, or `optimizer.param_groups`.
    """
    l2 = 0.0 if config.optimizer == "adamw" else config.l2
    if not (config.l1 or l2):
        return
    with torch.no_grad():
        for group in groups:
            learning = [weight for weight in group["params"] if group["penalised"] and weight.grad is not None]
            for weight in learning:
                if config.l1:
                    weight.grad.add_(weight.sign(), alpha=config.l1)
                if l2:
                    weight.grad.add_(weight, alpha=l2)
