"""From scores to probabilities and decisions: fitted on held-out women, kept in the model, never changed by use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError, ModelError, OptionError
from bioconv.evaluation import (
    fit_logistic,
    operating_point,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)
from bioconv.evaluation.logistic import Logistic
from bioconv.mammography.exams import Rule

LEVELS = ("image", "breast", "exam")
"""What a score may be of: one image, one breast, one exam of a woman."""

RULES = ("youden", "sensitivity=0.9", "specificity=0.9")
"""How thresholds are chosen when nothing else is asked for."""

FEWEST = 10
"""Of either class, to fit a curve on."""


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it did where it was chosen.

    Parameters
    ----------
    rule
        `youden`, `sensitivity=X` or `specificity=X`: what it was chosen for.
    value
        Scores from here on are called positive; scores are logits.
    sensitivity, specificity
        (value, low, high), 95 % intervals, on the data it was chosen on: they flatter.
    """

    rule: str
    value: float
    sensitivity: tuple[float, float, float]
    specificity: tuple[float, float, float]


@dataclass(frozen=True)
class Decisions:
    """What scores of one level mean.

    Parameters
    ----------
    level
        One of `LEVELS`.
    slope, intercept
        The probability of a score s is 1 / (1 + exp(-(slope s + intercept))), Platt's scaling.
    positives, negatives
        How many it was fitted on; their ratio is the prevalence that the probabilities hold for.
    thresholds
        The first is the usual one.
    joined
        How the scores were joined that it was fitted on, as `str(Rule())`; of images it does not matter. Scores of
        breasts and exams that are joined in another way mean something else.
    """

    level: str
    slope: float
    intercept: float
    positives: int
    negatives: int
    thresholds: tuple[Threshold, ...]
    joined: str = str(Rule())

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", tuple(self.thresholds))

    def hold(self, rule: Rule) -> bool:
        """Say whether they hold for scores joined by a rule."""
        return self.level == LEVELS[0] or self.joined == str(rule)

    @property
    def prevalence(self) -> float:
        """Share of positives among the data they were fitted on."""
        return self.positives / (self.positives + self.negatives)

    def probabilities(self, scores: ArrayLike, *, prevalence: float | None = None) -> NDArray[np.float64]:
        """Return calibrated probabilities of scores (n,).

        Parameters
        ----------
        prevalence
            Share of positives where the model is used; None: that of the data it was fitted on. Odds are moved by
            the ratio of both odds (Saerens et al. 2002, doi 10.1162/089976602753284446).

        Raises
        ------
        OptionError
            If `prevalence` is not between 0 and 1.
        """
        return Logistic(self.slope, self.intercept + self._moved(prevalence)).probabilities(scores)

    def _moved(self, prevalence: float | None) -> float:
        if prevalence is None:
            return 0.0
        if not 0 < prevalence < 1:
            message = f"a prevalence of {prevalence}; give a number between 0 and 1"
            raise OptionError(message)
        return math.log(prevalence / (1 - prevalence)) - math.log(self.positives / self.negatives)

    def threshold(self, rule: str | None = None) -> Threshold:
        """Return the threshold of a rule, or the usual one.

        Raises
        ------
        OptionError
            If the model has none of that rule.
        """
        known = {one.rule: one for one in self.thresholds}
        if rule is not None and rule not in known:
            message = f"the model has no threshold {rule!r} for one {self.level}; it has {', '.join(known)}"
            raise OptionError(message)
        return known[rule] if rule is not None else self.thresholds[0]

    def to_json(self) -> dict[str, Any]:
        """Return it as values JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Decisions:
        """Build it from such values.

        Raises
        ------
        ModelError
            If they do not describe decisions.
        """
        try:
            given = dict(values)
            thresholds = tuple(
                Threshold(one["rule"], float(one["value"]), tuple(one["sensitivity"]), tuple(one["specificity"]))
                for one in given.pop("thresholds")
            )
            found = cls(**given, thresholds=thresholds)
        except (KeyError, TypeError, ValueError) as error:
            message = f"decisions {values!r} do not fit: {error!r}"
            raise ModelError(message) from error
        if found.level not in LEVELS or min(found.positives, found.negatives) < 1 or not found.thresholds:
            message = f"decisions for level {found.level!r} on {found.positives} and {found.negatives}: not of a model"
            raise ModelError(message)
        return found


def fit_decisions(
    level: str, scores: ArrayLike, labels: ArrayLike, *, rules: Sequence[str] = RULES
) -> Decisions | None:
    """Fit calibration and thresholds on held-out scores.

    None where there are fewer than ten of either class, where scores do not rise with the finding, and where no
    threshold does what the first rule asks for: nothing is said then rather than something wrong.

    Parameters
    ----------
    scores
        (n,) logits, not of the training part.
    labels
        (n,) 0 or 1.
    rules
        `youden`, `sensitivity=X`, `specificity=X`; the first becomes the usual one.

    Raises
    ------
    OptionError
        If a rule is none of these.
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(labels).astype(bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if min(positives, negatives) < FEWEST:
        return None
    try:
        slope, intercept = fit_logistic(values, truth, smoothed=True)
    except InputError:  # all scores are equal
        return None
    thresholds = []
    for rule in dict.fromkeys(rules):
        value = choose_threshold(rule, values, truth)
        done = operating_point(values, truth, value)
        sides = [(one.value, one.low, one.high) for one in (done.sensitivity, done.specificity)]
        if math.isfinite(value):
            thresholds.append(Threshold(rule, value, *sides))
    if slope <= 0 or not thresholds or thresholds[0].rule != rules[0]:
        return None
    return Decisions(level, float(slope), float(intercept), positives, negatives, tuple(thresholds))


def check_rule(rule: str) -> None:
    """Refuse what is no rule for a threshold.

    Raises
    ------
    OptionError
        If it is neither `youden` nor `sensitivity=X` or `specificity=X` with X above 0 and at most 1.
    """
    choose_threshold(rule, [0.0, 1.0], [0, 1])


def choose_threshold(rule: str, scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the threshold that a rule chooses on these scores; infinite where none does what it asks for.

    Raises
    ------
    OptionError
        If the rule is not known.
    """
    if rule == "youden":
        return youden_threshold(scores, labels)
    name, _, text = rule.partition("=")
    chosen = {"sensitivity": threshold_at_sensitivity, "specificity": threshold_at_specificity}.get(name)
    try:
        level = float(text)
    except ValueError:
        chosen = None
    if chosen is None:
        message = f"{rule!r} is no rule for a threshold; give youden, sensitivity=0.9 or specificity=0.9"
        raise OptionError(message)
    return chosen(scores, labels, level)
