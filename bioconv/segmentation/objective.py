"""What a segmenter's outputs mean: the targets it learns, its loss, and the probabilities it gives.

- `instances`: three yes-or-no maps: the foreground, the distance to the object's border (its own greatest is 1) and
  the contact of two objects;
- `binary`: one yes-or-no map;
- `classes`: one map per class, of which one is true at every pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bioconv.errors import ModelError
from bioconv.training.config import TrainConfig
from bioconv.training.losses import Loss, build_loss

KINDS = ("instances", "binary", "classes")
INSTANCE_MAPS = ("foreground", "distance", "contact")


@dataclass(frozen=True)
class Objective:
    """What is learnt.

    Parameters
    ----------
    kind
        One of `KINDS`.
    labels
        Names of the maps: of `instances` always `INSTANCE_MAPS`, of `binary` one, of `classes` one per class with
        the background first.
    """

    kind: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        fits = {
            "instances": self.labels == INSTANCE_MAPS, "binary": len(self.labels) == 1, "classes": len(self.labels) > 1
        }  # fmt: skip
        if not fits.get(self.kind, False):
            message = (
                f"kind {self.kind!r} with labels {self.labels}: expected one of {', '.join(KINDS)} with its labels"
            )
            raise ModelError(message)

    @property
    def outputs(self) -> int:
        """Logits per pixel."""
        return len(self.labels)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return probabilities (N, K, *spatial) of logits of the same shape."""
        return logits.softmax(1) if self.kind == "classes" else logits.sigmoid()

    def loss(self, config: TrainConfig) -> Loss:
        """Return a loss of (outputs, targets).

        Targets are (N, 3, *spatial) for `instances`, (N, 1, *spatial) for `binary`, (N, *spatial) class indices for
        `classes`. Outputs that are a tuple (deep supervision, an auxiliary output) are each compared with the
        targets, brought to their size; each counts half of the one before.
        """
        whole = _instance_loss(config) if self.kind == "instances" else build_loss(config)

        def loss(outputs: Tensor | tuple[Tensor, ...], targets: Tensor) -> Tensor:
            if isinstance(outputs, Tensor):
                return whole(outputs, targets)
            parts = [0.5**n * whole(one, _resized(targets, one)) for n, one in enumerate(outputs)]
            return torch.stack(parts).sum(0) / sum(0.5**n for n in range(len(parts)))

        return loss


_DISTANCE_WEIGHT = 2.0
_CONTACT = np.array([1, 5], np.float32)  # contacts are rare: a missed one merges two objects


def _instance_loss(config: TrainConfig) -> Callable[[Any, Any], Tensor]:
    foreground, distance = build_loss(replace(config, loss="dice-ce")), build_loss(replace(config, loss="mae"))
    contact = build_loss(replace(config, loss="bce", label_smoothing=0.0), class_weights=_CONTACT)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        # The absolute error keeps the valley between two objects sharp; entropy would blur it.
        return (
            foreground(outputs[:, :1], targets[:, :1])
            + _DISTANCE_WEIGHT * distance(outputs[:, 1:2].float().sigmoid(), targets[:, 1:2])
            + contact(outputs[:, 2:3], targets[:, 2:3])
        )

    return loss


def _resized(targets: Tensor, like: Tensor) -> Tensor:
    size = like.shape[2:]
    if targets.is_floating_point():
        return targets if targets.shape[2:] == size else functional.interpolate(targets, size, mode="area")
    if targets.shape[1:] == size:
        return targets
    return functional.interpolate(targets[:, None].double(), size, mode="nearest")[:, 0].to(targets.dtype)
