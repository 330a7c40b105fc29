"""How well whole images are segmented: counts per image, pooled over images, with intervals by drawing images again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bioconv.evaluation import Interval
from bioconv.evaluation.objects import match_objects
from bioconv.evaluation.resampling import interval_of
from bioconv.segmentation.learning.data import LabelledImage
from bioconv.segmentation.objective import Objective
from bioconv.segmentation.objects.instances import InstanceSettings, split_instances
from bioconv.segmentation.objects.splitting import USUAL

Floats = NDArray[np.float32]
THRESHOLDS = tuple(round(0.1 + 0.05 * step, 2) for step in range(17))


@dataclass(frozen=True)
class Decision:
    """How maps become masks.

    Parameters
    ----------
    threshold
        Probability from which on a pixel is foreground (`binary`).
    instances
        Of `instances`.
    """

    threshold: float = 0.5
    instances: InstanceSettings = USUAL


@dataclass(frozen=True)
class ImageScore:
    """Counts of one image, an entry per class of `classes` without the background, else one.

    Parameters
    ----------
    found, wrong, missed
        True positives, false positives, false negatives: objects matched at IoU 0.5 (`instances`), pixels
        (otherwise).
    """

    name: str
    stratum: str
    found: tuple[int, ...]
    wrong: tuple[int, ...]
    missed: tuple[int, ...]


def metric_name(objective: Objective) -> str:
    """Return what `pooled` measures: `ap50` of objects, TP / (TP + FP + FN) at IoU 0.5, or `dice` of pixels."""
    return "ap50" if objective.kind == "instances" else "dice"


def decide(maps: Floats, objective: Objective, decision: Decision) -> NDArray[np.int32]:
    """Return labels (*spatial) of probabilities (K, *spatial): objects from 1, or class indices."""
    if objective.kind == "instances":
        return split_instances(maps, decision.instances)
    if objective.kind == "binary":
        return np.asarray(maps[0] >= decision.threshold, np.int32)
    return np.asarray(maps.argmax(0), np.int32)


def score_image(labels: NDArray[np.int32], image: LabelledImage, objective: Objective) -> ImageScore:
    """Compare labels with an image's mask; pixels that are not known do not count."""
    truth = image.labels
    if (truth < 0).any():
        labels, truth = np.where(truth < 0, 0, labels), np.maximum(truth, 0)
    if objective.kind == "instances":
        matching = match_objects(labels, truth, threshold=0.5)
        counts = [(int(matching.tp), int(matching.fp), int(matching.fn))]
    else:
        values = range(1, 2 if objective.kind == "binary" else objective.outputs)
        counts = [_overlap(labels == value, truth == value) for value in values]
    found, wrong, missed = zip(*counts, strict=True)
    return ImageScore(image.name, image.pair.stratum, found, wrong, missed)


def _overlap(labels: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int, int]:
    both = int((labels & truth).sum())
    return both, int(labels.sum()) - both, int(truth.sum()) - both


def pooled(scores: Sequence[ImageScore], objective: Objective) -> float:
    """Return the score of all images' counts together, the mean over classes; 1 where there is nothing to find."""
    return float(_ratio(_counts(scores).sum(0), objective))


def pooled_interval(
    scores: Sequence[ImageScore], objective: Objective, *, count: int = 2000, seed: int = 0
) -> Interval:
    """Return the pooled score with its 95 % interval, images drawn again."""
    counts = _counts(scores)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=count)
    again = _ratio(np.tensordot(times, counts, axes=1), objective)
    return interval_of(pooled(scores, objective), np.asarray(again))


def image_score(score: ImageScore, objective: Objective) -> float:
    """Return the score of one image."""
    return pooled([score], objective)


def worst_first(scores: Sequence[ImageScore], objective: Objective) -> list[ImageScore]:
    """Return the scores of images, the worst first."""
    return sorted(scores, key=lambda score: image_score(score, objective))


def _counts(scores: Sequence[ImageScore]) -> NDArray[np.int64]:
    """Return (images, 3, classes)."""
    return np.array([(score.found, score.wrong, score.missed) for score in scores], np.int64)


def _ratio(counts: NDArray[np.int64], objective: Objective) -> NDArray[np.float64]:
    """Return scores of (..., 3, classes) counts, averaged over classes."""
    weight = 1 if objective.kind == "instances" else 2
    found, wrong, missed = (counts[..., number, :].astype(np.float64) for number in range(3))
    total = weight * found + wrong + missed
    ratio = np.divide(weight * found, total, out=np.ones_like(total), where=total > 0)
    return np.asarray(ratio.mean(-1))


def score_all(
    images: Iterable[LabelledImage],
    maps_of: Callable[[LabelledImage], Floats],
    objective: Objective,
    decision: Decision,
) -> list[ImageScore]:
    """Segment and score images one after another."""
    return [score_image(decide(maps_of(image), objective, decision), image, objective) for image in images]


def choose_decision(
    images: Sequence[LabelledImage], maps: Sequence[Floats], objective: Objective, usual: Decision
) -> Decision:
    """Return the decision that scores best on these images: validation images, never those of a test.

    Of equals the first; the usual one comes first.
    """
    if objective.kind == "classes":
        return usual
    if objective.kind == "binary":
        choices = [usual, *(replace(usual, threshold=value) for value in THRESHOLDS)]
    else:
        own = usual.instances
        choices = [usual] + [
            replace(usual, instances=replace(own, foreground=foreground, depth=depth, touch=touch, min_size=size))
            for foreground in (0.4, 0.5, 0.6, 0.7)
            for depth in (0.09, 0.12, 0.15, 0.2, 0.25)
            for touch in (0.0, 0.1, 0.2)
            for size in (15, 25)
        ]
    found = []
    for choice in choices:
        scores = [
            score_image(decide(own, objective, choice), image, objective)
            for image, own in zip(images, maps, strict=True)
        ]
        found.append(pooled(scores, objective))
    return choices[int(np.argmax(found))]
