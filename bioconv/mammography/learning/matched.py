"""Matched pairs: the two breasts of one woman in the same view, one with the finding and one without, compared.

The likelihood of matched case-control studies (Breslow & Day 1980, IARC Scientific Publications 32, chapter VII): what
differs between women, such as density or the film, cancels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bioconv.errors import InputError
from bioconv.mammography.learning.data import LabelledView
from bioconv.mammography.objective import Head, Objective
from bioconv.training.config import TrainConfig
from bioconv.training.data import Batch, Samples


def find_pairs(images: Sequence[LabelledView], head: Head) -> NDArray[np.int64]:
    """Return pairs of images of one group and one view: with the finding, and without.

    Parameters
    ----------
    head
        Of the finding.

    Returns
    -------
    (P, 2) int64
        Places in `images`. An image stands in one pair at the most; what has no counterpart stands in none.

    Raises
    ------
    InputError
        If there is no pair at all.
    """
    kinds: dict[tuple[str, str], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for place, image in enumerate(images):
        answer = image.answers[head.name]
        if answer:
            kinds[image.group, image.view.view][answer != head.classes[1]].append(place)
    pairs = [pair for found, others in kinds.values() for pair in zip(found, others, strict=False)]
    if not pairs:
        message = f"no two training images of one woman and view differ in {head.name}; train without matching"
        raise InputError(message)
    return np.array(pairs, np.int64)


class MatchedSamples:
    """Pairs of samples, an epoch being all of them.

    Parameters
    ----------
    samples
        Single images.
    pairs : (P, 2) int64
    """

    def __init__(self, samples: Samples, pairs: NDArray[np.int64]) -> None:
        self._samples, self._pairs = samples, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return pairs of images (N, 2, C, Y, X), and targets (N, 2) of each head."""
        single = self._samples.batch(self._pairs[indices].ravel(), epoch)
        return Batch(_paired(single.inputs), tuple(_paired(own) for own in single.targets))

    def classes(self) -> NDArray[np.int64] | None:
        """Return None: every pair holds both answers."""
        return None

    def fingerprint(self) -> str:
        """Return a hash of the images; the pairs follow from them."""
        return "matched " + str(self._samples.fingerprint())  # type: ignore[attr-defined]


class Matched(nn.Module):
    """A network applied to both images of a pair."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.head_names = tuple(f"network.{name}" for name in getattr(network, "head_names", ()))

    def forward(self, pairs: Tensor) -> Tensor:
        """Return logits (N, 2, outputs) of pairs (N, 2, C, Y, X)."""
        return _paired(self.network(pairs.flatten(0, 1)))


def matched_loss(objective: Objective, config: TrainConfig) -> Any:
    """Return a loss of (logits (N, 2, outputs), targets (N, 2) of each head), (N,).

    It is -log P(the finding is on this side), a logistic function of the difference of both logits, and the mean of
    both images' own losses, which keeps the scores of different women comparable.
    """
    single = objective.loss(config)

    def loss(logits: Tensor, targets: tuple[Tensor, ...]) -> Tensor:
        alone = single(logits.flatten(0, 1), tuple(own.flatten() for own in targets))
        finding = logits[..., 0]
        return functional.softplus(finding[:, 1] - finding[:, 0]) + _paired(alone).mean(1)

    return loss


def _paired(values: Tensor) -> Tensor:
    return values.reshape(-1, 2, *values.shape[1:])
