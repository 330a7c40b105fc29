"""How well classes are told apart: accuracy, errors of each class, areas, with intervals by drawing groups again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.evaluation import Interval, auroc, bootstrap, fit_temperature, log_loss, wilson_interval
from bioconv.sequence.recurrent.data import SequenceData
from bioconv.training.losses import MISSING

Figures = dict[str, Interval]
_RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class PartScores:
    """Logits of a part's sequences, or of their letters; U units whose class is known.

    Parameters
    ----------
    names, groups
        Of the sequences.
    logits
        (U, C) float64.
    truth
        (U,) number of the class.
    owner
        (U,) place of the sequence a unit belongs to, rising.
    classes
        Their names.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    logits: NDArray[np.float64]
    truth: NDArray[np.int64]
    owner: NDArray[np.int64]
    classes: tuple[str, ...]
    per_position: bool

    @cached_property
    def found(self) -> NDArray[np.int64]:
        """The class with the highest logit, (U,)."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)

    def probabilities(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """Return softmax(logits / temperature), (U, C)."""
        from scipy.special import softmax

        return np.asarray(softmax(self.logits / temperature, axis=1))


def part_scores(data: SequenceData, logits: Sequence[NDArray[Any]]) -> PartScores:
    """Put logits, (C,) of each sequence or (length, C) of its letters, beside what is known of them."""
    known = [target != MISSING for target in data.targets]
    return PartScores(
        data.names,
        data.groups,
        np.concatenate([np.atleast_2d(own)[keep] for own, keep in zip(logits, known, strict=True)]).astype(np.float64),
        np.concatenate([target[keep] for target, keep in zip(data.targets, known, strict=True)]),
        np.repeat(np.arange(len(known)), [int(keep.sum()) for keep in known]),
        data.classes,
        data.per_position,
    )


def validated(scores: PartScores) -> dict[str, float]:
    """Return what a validation says: `loss` (mean cross-entropy), `accuracy` and, of two classes, `auroc`."""
    found = {
        "loss": log_loss(scores.probabilities(), scores.truth),
        "accuracy": float((scores.found == scores.truth).mean()),
    }
    if len(scores.classes) == 2:
        both = len(np.unique(scores.truth)) == 2
        found["auroc"] = auroc(_margin(scores), scores.truth) if both else float("nan")
    return found


def temperature_of(dev: PartScores) -> tuple[float, str]:
    """Return the temperature that suits these logits, and why it is 1 where none could be fitted (else nothing)."""
    try:
        return float(fit_temperature(dev.logits, dev.truth)), ""
    except InputError as error:
        return 1.0, f"probabilities are not calibrated, the temperature stays 1: {error}"


def summarise(scores: PartScores) -> Figures:
    """Return `accuracy`, `error CLASS` of each class that occurs and, of two classes of sequences, `auroc`.

    95 % intervals: Wilson's where each sequence is a group of its own, else groups (of letters: at least whole
    sequences) are drawn again.
    """
    right = scores.found == scores.truth
    found = {"accuracy": _share(scores, right, np.ones(len(right), np.bool_))}
    for number, name in enumerate(scores.classes):
        own = scores.truth == number
        if own.any():
            found[f"error {name}"] = _share(scores, ~right & own, own)
    if len(scores.classes) == 2 and not scores.per_position and len(np.unique(scores.truth)) == 2:
        found["auroc"] = _area(scores)
    return found


def _share(scores: PartScores, some: NDArray[np.bool_], of: NDArray[np.bool_]) -> Interval:
    """Return the share of units that are some of those counted."""
    whole = wilson_interval(int(some.sum()), int(of.sum()))
    if not scores.per_position and len(set(scores.groups)) == len(scores.groups):
        return whole
    names, group = np.unique(np.array(scores.groups)[scores.owner], return_inverse=True)
    counts = np.stack([np.bincount(group, one, minlength=len(names)) for one in (some, of)], axis=1)
    try:
        return bootstrap(_ratio, counts, np.zeros(len(names)), groups=np.arange(len(names)), count=_RESAMPLES)
    except InputError:  # too few groups to draw again
        return whole


def _ratio(counts: NDArray[Any], labels: NDArray[Any]) -> float:
    some, of = counts.sum(axis=0)
    if not of:
        message = "nothing to take a share of"
        raise InputError(message)
    return float(some / of)


def _area(scores: PartScores) -> Interval:
    try:
        return bootstrap(auroc, _margin(scores), scores.truth, groups=scores.groups, count=_RESAMPLES)
    except InputError:
        return bootstrap(auroc, _margin(scores), scores.truth, count=_RESAMPLES)


def _margin(scores: PartScores) -> NDArray[np.float64]:
    return np.asarray(scores.logits[:, 1] - scores.logits[:, 0])
