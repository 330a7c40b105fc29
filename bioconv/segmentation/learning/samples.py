"""Patches of labelled images, cut through random transforms: what a segmenter's batches are made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv.images.augmentation import Augmentation, change_intensity, draw, warp_image, warp_labels
from bioconv.segmentation.learning.data import LabelledImage
from bioconv.segmentation.objective import Objective
from bioconv.segmentation.objects.targets import instance_targets
from bioconv.segmentation.preprocessing import COLOUR, Preprocessing
from bioconv.training.data import Batch
from bioconv.training.draws import sample_keys
from bioconv.training.losses import MISSING

_POINTS = 2000  # foreground pixels remembered of an image, to centre patches on
_LEVELS = 255  # maps are kept in bytes


@dataclass(frozen=True)
class PatchPlan:
    """How patches are drawn.

    Parameters
    ----------
    size
        Pixels of a side.
    per_epoch
        Patches drawn in an epoch.
    foreground
        Share of patches laid over a random object (class, for `classes`); the rest lie anywhere.
    balance
        Strata are drawn in proportion to their number of images to this power: 1 as they are, 0 all alike.
    contact_reach
        Pixels; of `instance_targets`.
    """

    size: int = 128
    per_epoch: int = 1000
    foreground: float = 0.5
    balance: float = 0.5
    contact_reach: float = 2.0


@dataclass(frozen=True, eq=False)
class _Ready:
    """An image ready to be cut: channels (C, *spatial) 0 to 1, and maps (K, *spatial) or labels (*spatial)."""

    channels: NDArray[Any]
    maps: NDArray[np.uint8] | None
    labels: NDArray[np.int32]
    points: tuple[NDArray[np.int32], ...]
    all_known: bool


class PatchSamples:
    """Random patches: a sample is a function of (seed, epoch, index) alone.

    Parameters
    ----------
    images
        What patches are cut from.
    """

    def __init__(
        self,
        images: tuple[LabelledImage, ...],
        objective: Objective,
        preprocessing: Preprocessing,
        plan: PatchPlan,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self._objective, self._plan, self._seed = objective, plan, seed
        self._inputs = len(preprocessing.inputs)
        chosen = Augmentation() if augmentation is None else augmentation
        self._augmentation = chosen if self._inputs == len(COLOUR) else replace(chosen, stain=0.0)
        self._ready = [_prepared(image, objective, preprocessing, plan) for image in images]
        self._share = np.cumsum(_weights([image.pair.stratum for image in images], plan.balance))
        self._names = [image.name for image in images]

    def __len__(self) -> int:
        return self._plan.per_epoch

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return patches: inputs (N, C, *size) float32, targets as the objective wants them."""
        pieces = [self._patch(np.random.default_rng(key)) for key in sample_keys(self._seed, epoch, indices)]
        inputs, targets = (np.stack(side) for side in zip(*pieces, strict=True))
        images = torch.from_numpy(inputs)
        if images.ndim == 4:
            images = images.to(memory_format=torch.channels_last)
        return Batch(images, torch.from_numpy(targets))

    def classes(self) -> None:
        """Return None: patches have no class."""

    def fingerprint(self) -> str:
        """Return a hash of the images, masks and how they are cut."""
        digest = hashlib.sha256(f"{self._plan} {self._augmentation} {self._objective}".encode())
        for name, ready in zip(self._names, self._ready, strict=True):
            digest.update(name.encode() + str(ready.channels.shape).encode())
            digest.update(np.ascontiguousarray(ready.channels).view(np.uint8).data)
            digest.update(ready.labels.data)
        return digest.hexdigest()[:16]

    def _patch(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[Any]]:
        ready = self._ready[int(np.searchsorted(self._share, rng.random(), side="right"))]
        shape = (self._plan.size,) * ready.labels.ndim
        center = self._center(ready, rng)
        drawn = draw(self._augmentation, rng, ndim=len(shape), channels=self._inputs)
        cut, center = _around(ready.labels.shape, center, self._plan.size, self._augmentation)
        pixels = ready.channels[:, *cut].astype(np.float32)
        if len(pixels) < self._inputs:
            pixels = np.repeat(pixels, self._inputs, axis=0)
        image = change_intensity(warp_image(pixels, drawn, center=center, shape=shape), drawn)
        if ready.maps is None:
            labels = warp_labels(ready.labels[cut], drawn, center=center, shape=shape)
            return image, self._targets(labels)
        maps = warp_image(ready.maps[:, *cut].astype(np.float32) / _LEVELS, drawn, center=center, shape=shape)
        maps[0] = maps[0] > 0.5
        if not ready.all_known:
            unknown = warp_labels(ready.labels[cut], drawn, center=center, shape=shape) < 0
            maps[:, unknown] = np.nan
        return image, maps

    def _center(self, ready: _Ready, rng: np.random.Generator) -> tuple[float, ...]:
        if ready.points and rng.random() < self._plan.foreground:
            points = ready.points[rng.integers(len(ready.points))]
            middle = points[rng.integers(len(points))] + rng.uniform(-0.25, 0.25, points.shape[1]) * self._plan.size
        else:
            middle = rng.uniform(0, 1, ready.labels.ndim) * (np.array(ready.labels.shape) - 1)
        # Whole pixels: a patch that is not turned or zoomed is a piece of the image, not an interpolation.
        half = (self._plan.size - 1) / 2 % 1
        return tuple(float(np.floor(place)) + half for place in middle)

    def _targets(self, labels: NDArray[Any]) -> NDArray[Any]:
        if self._objective.kind == "classes":
            return np.where(labels < 0, MISSING, labels).astype(np.int64)
        return np.where(labels < 0, np.nan, labels)[None].astype(np.float32)


def _prepared(image: LabelledImage, objective: Objective, preprocessing: Preprocessing, plan: PatchPlan) -> _Ready:
    grey_only = len(image.pixels) == 1
    prepared = preprocessing.prepare(image.pixels, preprocessing.intensity(image.pixels))
    channels = (prepared[:1] if grey_only else prepared).astype(np.float16)
    known = np.maximum(image.labels, 0)
    maps = None
    if objective.kind == "instances":
        # To the nearest level: bytes hold a forest of maps in a quarter of the memory.
        maps = np.round(instance_targets(known, reach=plan.contact_reach) * _LEVELS).astype(np.uint8)
    return _Ready(channels, maps, image.labels, _points(known, objective.kind), bool((image.labels >= 0).all()))


def _points(labels: NDArray[np.int32], kind: str) -> tuple[NDArray[np.int32], ...]:
    """Return foreground pixels to centre patches on, (n, ndim) per class; of objects one each, at random."""
    rng = np.random.default_rng(0)
    places = rng.permutation(np.flatnonzero(labels))
    if not len(places):
        return ()
    values = labels.ravel()[places]
    chosen = []
    if kind == "instances":
        chosen = [places[np.unique(values, return_index=True)[1]]]
    else:
        chosen = [places[values == value][:_POINTS] for value in np.unique(values)]
    return tuple(np.stack(np.unravel_index(own, labels.shape), axis=1).astype(np.int32) for own in chosen)


def _around(
    sizes: tuple[int, ...], center: tuple[float, ...], patch: int, augmentation: Augmentation
) -> tuple[tuple[slice, ...], tuple[float, ...]]:
    """Return the part of an image that a patch can come from, and the centre in it."""
    zoom, shear = min(augmentation.zoom), abs(augmentation.shear)
    radius = patch * (0.75 + shear) / min(zoom, 1.0) + 5 * augmentation.elastic_pixels + 4
    cut, moved = [], []
    for size, middle in zip(sizes, center, strict=True):
        start, stop = max(0, int(middle - radius)), min(size, int(middle + radius) + 2)
        cut.append(slice(start, stop))
        moved.append(middle - start)
    return tuple(cut), tuple(moved)


def _weights(strata: list[str], power: float) -> NDArray[np.float64]:
    """Return each image's probability: strata by their size to a power, images of one stratum alike."""
    counts = {stratum: strata.count(stratum) for stratum in strata}
    weights = np.array([counts[stratum] ** (power - 1) for stratum in strata])
    return np.asarray(weights / weights.sum())
