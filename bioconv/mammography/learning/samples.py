"""Prepared images with random changes: what a classifier's batches are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv.images.augmentation import Augmentation, change_intensity, draw, warp_image
from bioconv.mammography.learning.data import LabelledView, as_floats
from bioconv.mammography.model import network_inputs
from bioconv.mammography.objective import Objective
from bioconv.training.data import Batch
from bioconv.training.draws import sample_keys
from bioconv.training.normalisation import Normalisation


class ViewSamples:
    """Prepared images: a sample is a function of (seed, epoch, index) alone.

    Parameters
    ----------
    augmentation
        Random changes; None: none, as in use.
    """

    def __init__(
        self,
        images: Sequence[LabelledView],
        objective: Objective,
        normalisation: Normalisation,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self._images, self._normalisation, self._seed = tuple(images), normalisation, seed
        self._augmentation, self._objective = augmentation, objective
        answers = {head.name: [image.answers[head.name] for image in images] for head in objective.heads}
        self._targets = objective.targets(answers)

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return images (N, C, Y, X) float32 and the targets of the heads, a tuple of (N,)."""
        keys = sample_keys(self._seed, epoch, indices)
        pixels = np.stack([self._pixels(int(n), int(key)) for n, key in zip(indices, keys, strict=True)])
        chosen = torch.from_numpy(indices)
        targets = tuple(self._targets[head.name][chosen] for head in self._objective.heads)
        return Batch(network_inputs(pixels, self._normalisation), targets)

    def classes(self) -> NDArray[np.int64] | None:
        """Return the finding of every image, for balancing; None if some are not known."""
        finding = self._targets[self._objective.heads[0].name].numpy()
        return None if np.isnan(finding).any() else finding.astype(np.int64)

    def fingerprint(self) -> str:
        """Return a hash of images, targets and how they are changed."""
        digest = hashlib.sha256(f"{self._augmentation} {self._objective} {self._normalisation.to_json()}".encode())
        for image in self._images:
            digest.update(f"{image.name} {image.answers}".encode() + image.pixels.tobytes())
        return digest.hexdigest()[:16]

    def _pixels(self, number: int, key: int) -> NDArray[np.float32]:
        """Return the pixels of one image, (1, Y, X), 0 to 1."""
        image = self._images[number]
        pixels = as_floats(image.pixels)[None]
        if self._augmentation is None:
            return pixels
        rng = np.random.default_rng(key)
        drawn = draw(self._augmentation, rng, ndim=2, channels=1)
        middle = ((pixels.shape[1] - 1) / 2, (pixels.shape[2] - 1) / 2)
        moved = warp_image(pixels, drawn, center=middle, shape=pixels.shape[1:])
        return np.clip(change_intensity(moved, drawn), 0, 1)
