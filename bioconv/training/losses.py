"""Losses, one number per sample; computed in float32 or better, under mixed precision too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from bioconv.errors import InputError, OptionError
from bioconv.training.config import TrainConfig

Loss = Callable[[Any, Any], torch.Tensor]
MISSING = -100
"""Class index of a missing label; in targets that are not whole numbers it is NaN."""
_VOXEL = 1.0  # added to both sides of Dice: an empty region is a match, and there is no 0 / 0
_TINY = 1e-12


def build_loss(config: TrainConfig, *, class_weights: NDArray[np.float32] | None = None) -> Loss:
    """Return a function (outputs, targets) -> (N,) losses of the samples.

    Outputs are logits (of `mse` and `mae`: values), (N,), (N, C) or (N, C, *spatial). Missing targets (NaN, or
    class -100) are left out; a sample's loss is the mean over its known ones, 0 without any.

    - `bce`: targets as the outputs, 0 to 1: every output is a yes or no of its own;
    - `cross-entropy`: targets (N, *spatial) class indices;
    - `soft`: targets as the outputs, probabilities (distillation); one channel is a yes or no;
    - `hinge`: yes or no (targets as the outputs, 0 or 1), or class indices, then summed over the other
      classes and divided by their number plus 1;
    - `mse`, `mae`: targets as the outputs;
    - `focal`: as `bce` or `cross-entropy`, times (1 - p of the true class) ** focal_gamma (Lin et al. 2017,
      doi 10.1109/ICCV.2017.324);
    - `dice`: (N, 1, *spatial) with binary masks or (N, C, *spatial) with class indices; 1 minus
      2 sum p g / (sum p² + sum g²), 1 added to both (Milletari et al. 2016, doi 10.1109/3DV.2016.79), averaged
      over the classes; `dice-ce`: plus `bce` or `cross-entropy`.

    Parameters
    ----------
    class_weights
        (C,) factors on the loss by the true class, (2,) for a yes or no; of Dice's average of classes. None: all
        alike.

    Raises
    ------
    OptionError
        If the loss knows no classes and weights are given, or cannot smooth labels and shall.

    Examples
    --------
    >>> loss = build_loss(TrainConfig(loss="mae"))
    >>> loss(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, float("nan")]))
    tensor([1., 0.])
    """
    name = config.loss
    if class_weights is not None and name in {"soft", "mse", "mae"}:
        message = f"class weights were given, but the loss {name} knows no classes; leave them out"
        raise OptionError(message)
    if config.label_smoothing and name not in {"bce", "cross-entropy", "dice-ce"}:
        message = f"label_smoothing is {config.label_smoothing:g}, but the loss {name} does not smooth labels; set 0"
        raise OptionError(message)
    weights = None if class_weights is None else torch.as_tensor(class_weights)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.autocast(outputs.device.type, enabled=False):
            logits = outputs if outputs.dtype == torch.float64 else outputs.float()
            case = _case(name, logits, targets, None if weights is None else weights.to(logits))
            if name in {"dice", "dice-ce"}:
                entropy = _mean(_entropy(case, config.label_smoothing), case) if name == "dice-ce" else 0.0
                return _dice(case) + entropy
            return _mean(_elementwise(config, case), case)

    return loss


class MultiHead:
    """Several losses of one model, weighed and added: a loss too.

    Outputs and targets are dictionaries with the names of the losses, or tuples in their order. A head whose
    target is missing (NaN, or class -100) adds 0 to that sample's loss.

    Parameters
    ----------
    losses
        Name of the head to its loss and its weight.

    Raises
    ------
    OptionError
        If there are no losses, or a weight is negative.

    Examples
    --------
    >>> loss = MultiHead({"size": (build_loss(TrainConfig(loss="mse")), 0.5)})
    >>> loss({"size": torch.tensor([3.0])}, {"size": torch.tensor([1.0])})
    tensor([2.])
    """

    def __init__(self, losses: Mapping[str, tuple[Loss, float]]) -> None:
        if not losses or any(weight < 0 for _, weight in losses.values()):
            given = {name: weight for name, (_, weight) in losses.items()}
            message = f"heads with weights {given}; at least one head and weights of 0 or more expected"
            raise OptionError(message)
        self.losses = dict(losses)

    def __call__(self, outputs: Any, targets: Any) -> torch.Tensor:
        """Return the (N,) weighted sums of the heads' losses.

        Raises
        ------
        InputError
            If a head has no output or no target.
        """
        outputs, targets = self._by_name(outputs, "outputs"), self._by_name(targets, "targets")
        heads = [weight * loss(outputs[name], targets[name]) for name, (loss, weight) in self.losses.items()]
        return torch.stack(heads).sum(0)

    def _by_name(self, values: Any, what: str) -> Mapping[str, torch.Tensor]:
        if not isinstance(values, Mapping) and len(values) == len(self.losses):
            return dict(zip(self.losses, values, strict=True))
        if not isinstance(values, Mapping) or not set(self.losses) <= set(values):
            given = sorted(values) if isinstance(values, Mapping) else f"{len(values)} without names"
            message = f"{what} are {given}; one for each of {', '.join(self.losses)} expected"
            raise InputError(message)
        return values


@dataclass(frozen=True, eq=False)
class _Case:
    """A batch put in one form: yes-or-no questions, or classes along axis 1.

    `logits` (N, ...), `targets` the same shape, or without axis 1 where they are class indices (`exclusive`);
    `known` like `targets`; what is not known is 0 in `targets`.
    """

    logits: torch.Tensor
    targets: torch.Tensor
    known: torch.Tensor
    exclusive: bool
    weights: torch.Tensor | None


def _case(name: str, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None) -> _Case:
    known = ~targets.isnan() if targets.is_floating_point() else targets != MISSING
    targets = targets.where(known, torch.zeros_like(targets))
    if name in {"dice", "dice-ce"} and logits.ndim < 3:
        _refuse(name, logits, targets, "outputs (N, C, *spatial) expected")
    mixed = name in {"hinge", "focal", "dice", "dice-ce"} and logits.ndim > 1 and logits.shape[1] > 1
    exclusive = name == "cross-entropy" or (mixed and targets.ndim == logits.ndim - 1)
    if exclusive:
        if logits.ndim < 2 or targets.shape != logits.shape[:1] + logits.shape[2:]:
            _refuse(name, logits, targets, "outputs (N, C, *spatial) and class indices (N, *spatial) expected")
        return _Case(logits, targets.long(), known, True, weights)
    if targets.ndim == logits.ndim - 1 and logits.shape[1] == 1:
        targets, known = targets[:, None], known[:, None]
    if targets.ndim == logits.ndim + 1 and targets.shape[1] == 1:
        logits = logits[:, None]
    if targets.shape != logits.shape:
        _refuse(name, logits, targets, "the same shape expected")
    return _Case(logits, targets.to(logits), known, False, weights)


def _elementwise(config: TrainConfig, case: _Case) -> torch.Tensor:
    logits, targets = case.logits, case.targets
    if config.loss == "mse":
        return (logits - targets) ** 2
    if config.loss == "mae":
        return (logits - targets).abs()
    if config.loss == "hinge":
        return _hinge(case)
    if config.loss == "soft" and logits.ndim > 1 and logits.shape[1] > 1:
        # times C: the mean over classes and places then is the sum over classes
        return -(targets * logits.log_softmax(1)) * logits.shape[1]
    if config.loss == "focal":
        return _entropy(case, 0.0) * _doubt(case) ** config.focal_gamma
    return _entropy(case, config.label_smoothing)


def _entropy(case: _Case, smoothing: float) -> torch.Tensor:
    if case.exclusive:
        return F.cross_entropy(case.logits, case.targets, case.weights, reduction="none", label_smoothing=smoothing)
    smoothed = case.targets * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(case.logits, smoothed, reduction="none") * _yes_no_weights(case)


def _doubt(case: _Case) -> torch.Tensor:
    """Return 1 minus the probability given to the truth, kept off 0, where its power has no gradient."""
    if case.exclusive:
        truth = case.logits.log_softmax(1).gather(1, case.targets[:, None])[:, 0]
        return -torch.expm1(truth).clamp(max=-_TINY)
    wrong = case.logits * (1 - 2 * case.targets)
    return wrong.sigmoid().clamp(min=_TINY)


def _hinge(case: _Case) -> torch.Tensor:
    if not case.exclusive:
        signs = 2 * case.targets - 1
        return (1 - signs * case.logits).clamp(min=0) * _yes_no_weights(case)
    true = case.targets[:, None]
    margins = (1 - case.logits.gather(1, true) + case.logits).clamp(min=0)
    others = margins.scatter(1, true, 0.0).sum(1) / case.logits.shape[1]
    return others if case.weights is None else others * case.weights[case.targets]


def _dice(case: _Case) -> torch.Tensor:
    known = case.known[:, None] if case.exclusive else case.known
    if case.exclusive:
        found = case.logits.softmax(1)
        truth = F.one_hot(case.targets, case.logits.shape[1]).movedim(-1, 1).to(found)
    else:
        found, truth = case.logits.sigmoid(), case.targets
    found, truth = (found * known).flatten(2), (truth * known).flatten(2)
    shared = 2 * (found * truth).sum(2) + _VOXEL
    losses = 1 - shared / ((found**2).sum(2) + (truth**2).sum(2) + _VOXEL)
    if not case.exclusive or case.weights is None:
        return losses.mean(1)
    return losses @ (case.weights / case.weights.sum())


def _yes_no_weights(case: _Case) -> torch.Tensor | float:
    if case.weights is None:
        return 1.0
    return case.weights[0] + (case.weights[1] - case.weights[0]) * case.targets


def _mean(elements: torch.Tensor, case: _Case) -> torch.Tensor:
    """Return the mean over the known elements of each sample, (N,)."""
    known = case.known.to(elements)
    count = known.flatten(1).sum(1) if known.ndim > 1 else known
    total = (elements * known).flatten(1).sum(1) if elements.ndim > 1 else elements * known
    return total / count.clamp(min=1)


def _refuse(name: str, outputs: torch.Tensor, targets: torch.Tensor, expected: str) -> NoReturn:
    message = f"loss {name}: outputs {tuple(outputs.shape)}, targets {tuple(targets.shape)}; {expected}"
    raise InputError(message)
