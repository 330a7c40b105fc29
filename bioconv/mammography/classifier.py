"""From mammograms to statements: scores of images, joined to breasts and exams, with the models' own thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv.conv.device_memory import must_fit
from bioconv.errors import InputError, OptionError
from bioconv.mammography.exams import NETWORK, Exam, Rule, score_exam
from bioconv.mammography.fusion import Vector, joined_scores
from bioconv.mammography.heat_maps import HeatMap, heat_map
from bioconv.mammography.model import ClassificationModel
from bioconv.mammography.preparation import Preparation, Prepared, prepare
from bioconv.mammography.views import View, read_pixels


@dataclass(frozen=True)
class Choices:
    """What the caller may choose; everything else is the models'.

    Parameters
    ----------
    threshold
        Rule of the threshold, such as `sensitivity=0.9`; None: each model's usual one.
    prevalence
        Share of positives that probabilities are to hold for; None: that of the models' validation data.
    rule
        How scores are joined to breasts and exams; the views' part is not asked for where models join them themselves.
    """

    threshold: str | None = None
    prevalence: float | None = None
    rule: Rule = field(default_factory=Rule)


@dataclass(frozen=True, eq=False)
class ImageScore:
    """What the models say of one image.

    Parameters
    ----------
    scores
        Logit of the finding by each model.
    answers
        Head to class to probability, the mean over the models, of the heads beside the finding.
    warnings
        Of reading and preparing it.
    vectors
        What each model found in it before views are joined; empty of models that score every image by itself.
    """

    view: View
    scores: tuple[float, ...]
    answers: dict[str, dict[str, float]]
    warnings: tuple[str, ...]
    vectors: tuple[Vector, ...] = ()


@dataclass(frozen=True)
class Statement:
    """What a score of one level comes to.

    Parameters
    ----------
    score
        Logit, the mean over the models; None where there is none.
    probability
        Calibrated, the mean over the models; None where a model was not calibrated for this level, or for scores
        joined in another way.
    spread
        Standard deviation of the models' probabilities, else of their scores; None of one model.
    threshold
        On the score: the mean of the models'; None where one has none.
    positive
        Whether the score reaches the threshold; None where there is none.
    """

    score: float | None
    probability: float | None = None
    spread: float | None = None
    threshold: float | None = None
    positive: bool | None = None


class Classifier:
    """One or several models, averaged, and what the caller chose.

    Raises
    ------
    OptionError
        If a model has no threshold of the rule that was asked for or no calibration to move to a prevalence, the
        models' heads differ, some join views and others do not, one is given twice, or one is of patches.
    """

    def __init__(self, models: Sequence[ClassificationModel], choices: Choices | None = None) -> None:
        self.models, self.choices = tuple(models), choices or Choices()
        first = self.models[0].objective
        for model in self.models[1:]:
            if model.objective.to_json() != first.to_json():
                message = f"models {self.models[0].name} and {model.name} answer different questions: "
                raise OptionError(message + "give models with the same heads")
        if len({model.hash for model in self.models}) < len(self.models):
            message = f"models {', '.join(model.name for model in self.models)}: one is given twice; give each once"
            raise OptionError(message)
        for model in self.models:
            self._check_choices(model)
        if self.joins_views:
            self.choices = replace(self.choices, rule=Rule(NETWORK, self.choices.rule.breasts))

    @property
    def joins_views(self) -> bool:
        """Whether the models score breasts by joining what they find in the views."""
        return self.models[0].joins_views

    def _check_choices(self, model: ClassificationModel) -> None:
        if model.joins_views != self.joins_views:
            message = (
                f"models {self.models[0].name} and {model.name}: one joins the views of a breast, the other scores "
            )
            raise OptionError(message + "each image by itself; give models of one kind")
        if self.choices.rule.views in ({"max"} if model.joins_views else {NETWORK}):
            does = "joins the views of a breast itself" if model.joins_views else "scores each image by itself"
            message = f"model {model.name} {does}; leave out the rule {self.choices.rule.views} of views"
            raise OptionError(message)
        if patch := model.facts.get("classification", {}).get("patch"):
            message = f"model {model.name} tells patches of {patch} pixels apart, not mammograms; train one of whole "
            raise OptionError(message + "images from it (train classify --from, --top)")
        if not model.decisions and (self.choices.threshold is not None or self.choices.prevalence is not None):
            message = f"model {model.name} was not calibrated: it has no thresholds and no probabilities; leave out "
            raise OptionError(message + "threshold and prevalence")
        for decisions in model.decisions.values():
            decisions.threshold(self.choices.threshold)
            decisions.probabilities([0.0], prevalence=self.choices.prevalence)

    @property
    def domain_warning(self) -> str:
        """What every row warns of: what the models were trained on."""
        unsaid = "the model does not say what it was trained on"
        said = [f"the model was trained on {model.domain}" if model.domain else unsaid for model in self.models]
        return f"{'; '.join(dict.fromkeys(said))}: what it says of other images is not known to hold"

    @property
    def rule_warning(self) -> str:
        """What rows of breasts and exams warn of where scores are not joined as in calibration; else empty."""
        own = {one.joined for model in self.models for one in model.decisions.values()}
        if not own - {str(self.choices.rule)}:
            return ""
        return f"calibration and threshold hold for {' or '.join(sorted(own))}: none are given for {self.choices.rule}"

    @property
    def further_columns(self) -> list[str]:
        """Names of the answers beside the finding, `HEAD=CLASS`."""
        return [f"{head.name}={one}" for head in self.models[0].objective.heads[1:] for one in head.classes]

    def score(self, view: View) -> ImageScore:
        """Read, prepare and score one image.

        Raises
        ------
        InputError
            If its pixels cannot be read, or a model makes no number of them.
        OptionError
            If the device's memory does not hold it.
        """
        return self.score_pixels(*read_pixels(view))[0]

    def score_pixels(self, pixels: NDArray[np.float32], view: View) -> tuple[ImageScore, Prepared]:
        """Prepare and score the pixels of a view, as of `read_pixels`; `Prepared` is that of the first model.

        Raises
        ------
        InputError
            If a model makes no number of them.
        OptionError
            If the device's memory does not hold them.
        """
        known: dict[Preparation, Prepared] = {}
        logits, vectors = [], []
        for model in self.models:
            if model.preparation not in known:
                known[model.preparation] = prepare(pixels, view, model.preparation)
            image = known[model.preparation].pixels[None]
            with must_fit(model.device, str(view.path)):
                if model.joins_views:  # the image is a breast of which there is one view
                    vectors.append(model.vectors(image)[0])
                    logits.append(model.join(vectors[-1][None], np.zeros(1, np.int64)))
                else:
                    logits.append(model.logits(image)[0])
        if not all(np.isfinite(one).all() for one in (*logits, *vectors)):
            message = f"{view.path}: the model's score is not a finite number; are its pixels as they should be?"
            raise InputError(message)
        scores = tuple(float(one[0]) for one in logits)
        heard = (text for prepared in known.values() for text in prepared.warnings)
        warnings = tuple(dict.fromkeys((*view.warnings, *heard)))
        answers = self._answers(np.stack(logits))
        return ImageScore(view, scores, answers, warnings, tuple(vectors)), known[self.models[0].preparation]

    def heat_map(self, prepared: Prepared, view: View) -> HeatMap:
        """Return the heat map of the first model.

        Raises
        ------
        OptionError
            If the device's memory does not hold the view's image.
        """
        with must_fit(self.models[0].device, f"{view.path} (heat map)"):
            return heat_map(self.models[0], prepared.pixels)

    def join(
        self, exam: Exam, images: Mapping[Path, ImageScore]
    ) -> tuple[dict[str, tuple[float, ...]], tuple[float, ...] | None]:
        """Return the models' scores of an exam's breasts and of itself, as `join_scores` does."""
        scores = {view.path: images[view.path].scores for view in exam.views if view.path in images}
        joined = None
        if self.joins_views:
            joined = joined_scores(exam, {path: images[path].vectors for path in scores}, self.models)
        return join_scores(exam, scores, self.choices.rule, joined=joined)

    def state(self, level: str, scores: Sequence[float] | None) -> Statement:
        """Return what the models' scores of one image, breast or exam come to."""
        if scores is None:
            return Statement(None)
        values = np.array(scores, np.float64)
        decisions = (model.decisions.get(level) for model in self.models)
        known = [one for one in decisions if one is not None and one.hold(self.choices.rule)]
        if len(known) < len(self.models):
            spread = float(values.std()) if len(values) > 1 else None
            return Statement(float(values.mean()), spread=spread)
        prevalence = self.choices.prevalence
        likely = np.array(
            [one.probabilities([score], prevalence=prevalence)[0] for one, score in zip(known, scores, strict=True)]
        )
        threshold = float(np.mean([one.threshold(self.choices.threshold).value for one in known]))
        return Statement(
            score=float(values.mean()),
            probability=float(likely.mean()),
            spread=float(likely.std()) if len(likely) > 1 else None,
            threshold=threshold,
            positive=bool(values.mean() >= threshold),
        )

    def _answers(self, logits: NDArray[np.float32]) -> dict[str, dict[str, float]]:
        found = {}
        for head in self.models[0].objective.heads[1:]:
            own = np.mean(
                [model.answers(one[None])[head.name][0] for model, one in zip(self.models, logits, strict=True)], 0
            )
            found[head.name] = dict(zip(head.classes, map(float, own), strict=True))
        return found


def join_scores(
    exam: Exam,
    scores: Mapping[Path, Sequence[float]],
    rule: Rule,
    *,
    joined: Mapping[str, Sequence[float]] | None = None,
) -> tuple[dict[str, tuple[float, ...]], tuple[float, ...] | None]:
    """Join each model's scores of an exam's images by itself.

    Parameters
    ----------
    joined
        Laterality to the models' scores of that breast, where they join views themselves.

    Returns
    -------
    breasts : dict
        Laterality to the models' scores, of breasts that have one.
    exam : tuple or None
        The models' scores; None where no breast has one.
    """
    own_scores = {view.path: scores[view.path] for view in exam.views if view.path in scores}
    count = max((len(own) for own in own_scores.values()), default=0)
    found = [
        score_exam(
            exam, {path: own[n] for path, own in own_scores.items()}, rule,
            joined={side: own[n] for side, own in (joined or {}).items()},
        )
        for n in range(count)
    ]  # fmt: skip
    if not found or found[0].score is None:
        return {}, None
    breasts: dict[str, tuple[float, ...]] = {}
    for number, breast in enumerate(found[0].breasts):
        own = [one.breasts[number].score for one in found]
        if all(score is not None for score in own):
            breasts[breast.laterality] = tuple(float(score or 0.0) for score in own)
    return breasts, tuple(float(one.score or 0.0) for one in found)
