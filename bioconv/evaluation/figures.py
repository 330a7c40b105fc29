"""Figures of a summary: a value, its interval, and how that was made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from numpy.typing import NDArray

from bioconv.evaluation.delong import delong_interval
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.intervals import Difference, Interval
from bioconv.evaluation.resampling import Metric, interval_of, resamples
from bioconv.evaluation.thresholds import ChosenThreshold

Figures = dict[str, Any]
DELONG = "DeLong, logit scale"
WILSON = "Wilson"


@dataclass(frozen=True)
class Settings:
    """How figures are made.

    Parameters
    ----------
    resamples, seed
        Of the bootstrap.
    level
        Of confidence.
    threshold
        From which score on a sample is called positive; None: no operating point.
    groups
        Group of each sample; all intervals then come from a bootstrap of groups.
    chosen
        Model -> its own threshold, chosen on validation data; `threshold` is then None.
    prevalence
        Share of positives at which predictive values are wanted too.
    partial
        Lowest and highest false-positive rate of the partial area; None: no partial area.
    """

    resamples: int = 2000
    seed: int = 0
    level: float = 0.95
    threshold: float | None = None
    groups: Sequence[str] | None = None
    chosen: Mapping[str, ChosenThreshold] = field(default_factory=dict)
    prevalence: float | None = None
    partial: tuple[float, float] | None = None

    def threshold_of(self, model: str) -> tuple[float, str] | None:
        """Return a model's threshold and where it comes from, or None."""
        if model in self.chosen:
            return self.chosen[model].value, f"validation, {self.chosen[model].rule}"
        return None if self.threshold is None else (self.threshold, "given")

    def draw(self, metric: Metric, scores: NDArray[Any], labels: NDArray[Any], *, stratified: bool) -> Floats:
        """Return the metric of each resample; without groups, of samples within classes or of all samples."""
        groups = self.groups if self.groups is not None else None if stratified else range(len(labels))
        return resamples(metric, scores, labels, count=self.resamples, seed=self.seed, groups=groups)

    def drawn(self, *, stratified: bool) -> str:
        """Say how resamples are drawn."""
        if self.groups is not None:
            return "bootstrap of groups"
        return "bootstrap within classes" if stratified else "bootstrap of samples"


def resampled(
    metric: Metric, scores: NDArray[Any], labels: NDArray[Any], settings: Settings, *, stratified: bool = False
) -> Figures:
    """Return a metric with its bootstrap interval."""
    value = float(metric(scores, labels))  # first: if it refuses, it says why of the samples, not of resamples
    again = settings.draw(metric, scores, labels, stratified=stratified)
    interval = interval_of(value, again, level=settings.level)
    return entry(interval, settings.drawn(stratified=stratified))


def delong_entry(scores: NDArray[Any], labels: NDArray[Any], *, level: float) -> Figures:
    """Return an area under the ROC curve with its interval, and which of the two intervals it is."""
    area = delong_interval(scores, labels, level=level)
    smaller = min(int(labels.sum()), int(len(labels) - labels.sum()))
    return entry(area, DELONG if smaller > 1 and area.error > 0 else f"Wilson, {smaller} trials")


def entry(value: Interval | float, method: str) -> Figures:
    """Return value, low, high, error and method; None where there is none."""
    given = asdict(value) if isinstance(value, Interval) else {"value": value, "low": None, "high": None, "error": None}
    return {key: None if one is not None and math.isnan(one) else one for key, one in given.items()} | {
        "method": method
    }


def comparison(a: str, b: str, key: str, difference: Difference, method: str) -> Figures:
    """Return one figure of model `a` less that of `b`."""
    return {"a": a, "b": b, "metric": key, **asdict(difference), "method": method}
