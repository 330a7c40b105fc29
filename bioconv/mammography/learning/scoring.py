"""How well women are told apart: scores of images, breasts and exams, with intervals by drawing women again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.evaluation import Interval, auroc, bootstrap, delong_interval
from bioconv.evaluation.intervals import wilson_interval
from bioconv.mammography.decisions import LEVELS, Decisions
from bioconv.mammography.learning.data import LabelledView
from bioconv.mammography.objective import Head

Figures = dict[str, Interval]


@dataclass(frozen=True, eq=False)
class LevelScores:
    """Scores of one level, those whose label is known.

    Parameters
    ----------
    names
        What each is of, for reports.
    scores
        (n,) logits.
    labels
        (n,) bool.
    groups
        The woman each belongs to.
    """

    names: list[str]
    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    groups: list[str]


def score_levels(images: Sequence[LabelledView], logits: NDArray[np.float64], head: Head) -> dict[str, LevelScores]:
    """Return the scores of images, breasts and exams: of a breast the mean of its views, of an exam its highest breast.

    A breast is positive where one of its images is, an exam where one of its breasts is.
    """
    kept = [(image, float(logit)) for image, logit in zip(images, logits, strict=True) if image.answers[head.name]]
    rows = [((image.name,), logit, image.answers[head.name] == head.classes[1], image.group) for image, logit in kept]
    breasts = [
        ((image.patient, image.study, image.laterality), logit, positive, group)
        for (image, _), (_, logit, positive, group) in zip(kept, rows, strict=True)
    ]
    of_breast = _joined(breasts, np.mean)
    of_exam = _joined([(key[:2], *rest) for key, *rest in of_breast], np.max)
    return {level: _scores(own) for level, own in zip(LEVELS, (rows, of_breast, of_exam), strict=True)}


_Row = tuple[tuple[str, ...], float, bool, str]


def _joined(rows: Sequence[_Row], rule: object) -> list[_Row]:
    """Join rows of one key: scores by a rule, labels by any."""
    together: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        together[row[0]].append(row)
    return [
        (key, float(rule([one[1] for one in own])), any(one[2] for one in own), own[0][3])  # type: ignore[operator]
        for key, own in together.items()
    ]


def _scores(rows: Sequence[_Row]) -> LevelScores:
    return LevelScores(
        [" ".join(filter(None, key)) for key, *_ in rows],
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.bool_),
        [row[3] for row in rows],
    )


def summarise(scores: LevelScores, decisions: Decisions | None) -> Figures:
    """Return `auroc`, and at the model's usual threshold `sensitivity` and `specificity`, with 95 % intervals.

    The area's interval is DeLong's where each woman counts once, else women are drawn again. Nothing is returned
    where all labels are alike.
    """
    if scores.labels.all() or not scores.labels.any():
        return {}
    once = len(set(scores.groups)) == len(scores.groups)
    found = {"auroc": delong_interval(scores.scores, scores.labels) if once else _drawn(auroc, scores)}
    if decisions is None:
        return found
    called = scores.scores >= decisions.threshold().value
    for name, of in (("sensitivity", scores.labels), ("specificity", ~scores.labels)):
        right = called == scores.labels
        found[name] = wilson_interval(int((right & of).sum()), int(of.sum()))
    return found


def _drawn(metric: object, scores: LevelScores) -> Interval:
    try:
        return bootstrap(metric, scores.scores, scores.labels, groups=scores.groups, count=1000)  # type: ignore[arg-type]
    except InputError:  # too few women to draw again
        return delong_interval(scores.scores, scores.labels)
