"""What a classifier's outputs mean: its heads, their loss, and the probabilities they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bioconv.errors import ModelError
from bioconv.training.config import TrainConfig
from bioconv.training.losses import MISSING, Loss, MultiHead, build_loss


@dataclass(frozen=True)
class Head:
    """One question about an image.

    Parameters
    ----------
    name
        Column of the table it is learnt from: `label`, `view`, `density`.
    classes
        Its answers, at least two. Two are told apart by one logit, that of the second.
    weight
        Of its loss beside the others'.
    """

    name: str
    classes: tuple[str, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        if (
            len(set(self.classes)) < 2
            or len(set(self.classes)) < len(self.classes)
            or not 0 <= self.weight < float("inf")
        ):
            message = f"head {self.name!r} with classes {list(self.classes)} and weight {self.weight}: at least two "
            raise ModelError(message + "different classes and a weight of 0 or more expected")

    @property
    def outputs(self) -> int:
        """Logits it takes."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    @property
    def binary(self) -> bool:
        """Whether it is a yes-or-no question."""
        return self.outputs == 1


@dataclass(frozen=True)
class Objective:
    """What is learnt: one or more heads, the first of which is the finding.

    Parameters
    ----------
    heads
        The first is binary: its second class is what scores, thresholds and heat maps are about.
    """

    heads: tuple[Head, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "heads", tuple(self.heads))
        names = [head.name for head in self.heads]
        if not names or len(set(names)) < len(names) or not self.heads[0].binary:
            message = f"heads {names}: different names expected, the first a question with two answers"
            raise ModelError(message)

    @property
    def outputs(self) -> int:
        """Logits of all heads together."""
        return sum(head.outputs for head in self.heads)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the logits."""
        return tuple(
            head.name if head.binary else f"{head.name}={one}"
            for head in self.heads
            for one in (head.classes[1:] if head.binary else head.classes)
        )

    def parts(self, logits: Tensor) -> dict[str, Tensor]:
        """Divide logits (N, outputs) among the heads: (N,) of a binary one, (N, classes) of others."""
        pieces = logits.split([head.outputs for head in self.heads], dim=1)  # type: ignore[no-untyped-call]
        return {
            head.name: piece[:, 0] if head.binary else piece for head, piece in zip(self.heads, pieces, strict=True)
        }

    def probabilities(self, logits: Tensor) -> dict[str, Tensor]:
        """Return each head's probabilities (N, classes)."""
        found = {}
        for head in self.heads:
            own = self.parts(logits)[head.name]
            found[head.name] = torch.stack([1 - own.sigmoid(), own.sigmoid()], 1) if head.binary else own.softmax(1)
        return found

    def targets(self, answers: Mapping[str, list[str]]) -> dict[str, Tensor]:
        """Return targets (N,) of each head from the words of a table; an empty word is not known.

        Raises
        ------
        ModelError
            If a word is none of the head's classes.
        """
        found = {}
        for head in self.heads:
            places = {word: place for place, word in enumerate(head.classes)} | {"": MISSING}
            odd = sorted({word for word in answers[head.name] if word not in places})
            if odd:
                message = f"{head.name} {odd[0]!r} is none of the classes {', '.join(head.classes)}"
                raise ModelError(message)
            own = torch.tensor([places[word] for word in answers[head.name]])
            found[head.name] = own.float().where(own != MISSING, float("nan")) if head.binary else own
        return found

    def loss(self, config: TrainConfig) -> Loss:
        """Return a loss of (logits (N, outputs), targets as `targets` gives them): the heads' weighted sum."""
        losses = {
            head.name: (build_loss(config if head.binary else replace(config, loss="cross-entropy")), head.weight)
            for head in self.heads
        }
        together = MultiHead(losses)
        return lambda logits, targets: together(self.parts(logits), targets)

    def to_json(self) -> list[dict[str, Any]]:
        """Return it as values JSON can hold."""
        return [{"name": head.name, "classes": list(head.classes), "weight": head.weight} for head in self.heads]

    @classmethod
    def from_json(cls, values: Any) -> Objective:
        """Build it from such values.

        Raises
        ------
        ModelError
            If they do not describe heads.
        """
        try:
            return cls(tuple(Head(**one) for one in values))
        except TypeError as error:
            message = f"heads {values!r}: a list with name, classes and weight of each expected"
            raise ModelError(message) from error
