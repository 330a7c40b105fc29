"""How well women are told apart: scores of images, breasts and exams, with intervals by drawing women again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.evaluation import Interval, auroc, bootstrap, delong_interval
from bioconv.evaluation.intervals import wilson_interval
from bioconv.mammography.decisions import LEVELS, Decisions
from bioconv.mammography.exams import NETWORK, Exam, Rule, group_exams, score_exam
from bioconv.mammography.labels import FEWEST, joined_label
from bioconv.mammography.learning.data import LabelledView
from bioconv.mammography.objective import Head

Figures = dict[str, Interval]
Joined = Callable[[Exam], Mapping[str, float]]


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


def score_images(images: Sequence[LabelledView], logits: NDArray[np.float64], head: Head) -> LevelScores:
    """Return the scores of images whose label is known."""
    return _scores(
        [
            (image.name, float(logit), image.answers[head.name] == head.classes[1], image.group)
            for image, logit in zip(images, logits, strict=True)
            if image.answers[head.name]
        ]
    )


def score_levels(
    images: Sequence[LabelledView], logits: NDArray[np.float64], head: Head, *, joined: Joined | None = None
) -> dict[str, LevelScores]:
    """Return the scores of images, breasts and exams, and labels by `joined_label`.

    Parameters
    ----------
    joined
        From an exam to the scores of its breasts, by laterality, where the network joins views; None: the usual rule.
    """
    rule = Rule() if joined is None else Rule(NETWORK)
    known = [(image, float(logit)) for image, logit in zip(images, logits, strict=True) if image.answers[head.name]]
    group = {image.view.path: image.group for image, _ in known}
    positive = {image.view.path: image.answers[head.name] == head.classes[1] for image, _ in known}
    scores = {image.view.path: logit for image, logit in known}
    of_breast, of_exam = [], []
    for exam in group_exams([image.view for image, _ in known]):
        scored = score_exam(exam, scores, rule, joined=None if joined is None else joined(exam))
        name, own = " ".join(filter(None, (exam.patient, exam.study))), []
        for breast, one in zip(exam.breasts, scored.breasts, strict=True):
            if one.score is not None:
                own.append(bool(joined_label(positive[view.path] for view in breast.views)))
                of_breast.append((f"{name} {breast.laterality}", one.score, own[-1], group[breast.views[0].path]))
        if scored.score is not None:
            first = next(view for breast in exam.breasts for view in breast.views)
            of_exam.append((name, scored.score, bool(joined_label(own)), group[first.path]))
    found = (score_images(images, logits, head), _scores(of_breast), _scores(of_exam))
    return dict(zip(LEVELS, found, strict=True))


def _scores(rows: Sequence[tuple[str, float, bool, str]]) -> LevelScores:
    names, scores, labels, groups = zip(*rows, strict=True) if rows else ((), (), (), ())
    return LevelScores(list(names), np.array(scores, np.float64), np.array(labels, np.bool_), list(groups))


def summarise(scores: LevelScores, decisions: Decisions | None) -> Figures:
    """Return `auroc`, and at the model's usual threshold `sensitivity` and `specificity`, with 95 % intervals.

    The area's interval is DeLong's where each woman counts once, else women are drawn again. Nothing is returned
    where there are fewer than five of either label.
    """
    if min(scores.labels.sum(), (~scores.labels).sum()) < FEWEST:
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
