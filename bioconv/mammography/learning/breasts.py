"""Breasts as samples: the views of one breast in one exam go through the same network, which joins what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bioconv.mammography.exams import group_exams
from bioconv.mammography.fusion import kind_of
from bioconv.mammography.labels import joined_label
from bioconv.mammography.learning.data import LabelledView
from bioconv.mammography.objective import Head, Objective
from bioconv.models.fusion import MISSING
from bioconv.training.data import Batch, Samples
from bioconv.training.draws import sample_keys, uniforms

ALONE = 1 / 3
"""Share of the draws in which a breast of several views is shown by one of them."""

_STREAM = 1 << 40  # apart from the draws that change images


@dataclass(frozen=True, eq=False)
class Breast:
    """One breast of one exam.

    Parameters
    ----------
    places
        Of its views among the images.
    kinds
        What view each is, as `bioconv.mammography.fusion.kind_of` says.
    answers
        Of each head, joined: the finding is positive where one view's is, negative where all are; another answer is
        that of all views, or not known where they differ.
    """

    places: tuple[int, ...]
    kinds: tuple[int, ...]
    answers: dict[str, str]


def find_breasts(images: Sequence[LabelledView], objective: Objective) -> list[Breast]:
    """Group images by exam and breast; those of one woman never become another's, nor left ones right ones."""
    places: dict[Path, int] = {image.view.path: place for place, image in enumerate(images)}
    found = []
    for exam in group_exams([image.view for image in images]):
        for breast in exam.breasts:
            own = tuple(places[view.path] for view in breast.views)
            if own:
                answers = {head.name: _answer([images[n] for n in own], head, objective) for head in objective.heads}
                found.append(Breast(own, tuple(kind_of(view) for view in breast.views), answers))
    return found


def _answer(views: Sequence[LabelledView], head: Head, objective: Objective) -> str:
    said = [view.answers[head.name] for view in views]
    if head is objective.heads[0]:
        label = joined_label(None if not one else one == head.classes[1] for one in said)
        return "" if label is None else head.classes[label]
    return said[0] if len(set(said)) == 1 else ""


class BreastSamples:
    """Breasts, an epoch being all of them.

    A breast of several views is shown by one of them in a third of the draws, so that the network learns to answer
    where the other is missing.

    Parameters
    ----------
    samples
        Single images.
    breasts
        Their places are those of `samples`.
    alone
        Share of draws of one view.
    """

    def __init__(
        self, samples: Samples, breasts: Sequence[Breast], objective: Objective, *, seed: int = 0, alone: float = ALONE
    ) -> None:
        self._samples, self._breasts, self._seed, self._alone = samples, tuple(breasts), seed, alone
        answers = {head.name: [breast.answers[head.name] for breast in breasts] for head in objective.heads}
        self._targets = tuple(objective.targets(answers)[head.name] for head in objective.heads)

    def __len__(self) -> int:
        return len(self._breasts)

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return images (N, V, C, Y, X) with kinds (N, V), -1 where no view is, and targets (N,) of each head."""
        keys = sample_keys(self._seed + _STREAM, epoch, indices)
        shown = [self._shown(int(n), draw) for n, draw in zip(indices, uniforms(keys, 2), strict=True)]
        own = self._samples.batch(np.array([place for views in shown for place, _ in views], np.int64), epoch).inputs
        rows = [row for row, views in enumerate(shown) for _ in views]
        columns = [column for views in shown for column in range(len(views))]
        kinds = torch.full((len(shown), max(map(len, shown))), MISSING)
        kinds[rows, columns] = torch.tensor([kind for views in shown for _, kind in views])
        images = own.new_zeros((*kinds.shape, *own.shape[1:]))
        images[rows, columns] = own
        chosen = torch.from_numpy(indices)
        return Batch((images, kinds), tuple(one[chosen] for one in self._targets))

    def classes(self) -> NDArray[np.int64] | None:
        """Return the finding of every breast, for balancing; None if some are not known."""
        finding = self._targets[0].numpy()
        return None if np.isnan(finding).any() else finding.astype(np.int64)

    def fingerprint(self) -> str:
        """Return a hash of the images; the breasts follow from them."""
        return f"breasts {self._alone:g} {self._samples.fingerprint()}"  # type: ignore[attr-defined]

    def _shown(self, number: int, draw: NDArray[np.float64]) -> list[tuple[int, int]]:
        """Return place and kind of the views that are shown."""
        breast = self._breasts[number]
        views = list(zip(breast.places, breast.kinds, strict=True))
        return [views[int(draw[1] * len(views))]] if draw[0] < self._alone else views


class Breasts(nn.Module):
    """A network applied to the views of breasts."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.head_names = tuple(f"network.{name}" for name in network.head_names)

    def forward(self, images: Tensor, kinds: Tensor) -> Tensor:
        """Return logits (N, outputs) of breasts: images (N, V, C, Y, X), kinds (N, V)."""
        there = kinds != MISSING
        # Places without a view do not go through the network: its normalisations never see them.
        own = self.network.vectors(images[there].contiguous(memory_format=torch.channels_last))
        vectors = own.new_zeros((*kinds.shape, own.shape[1]))
        vectors[there] = own
        found: Tensor = self.network.join(vectors, kinds)
        return found
