"""Objects of many images: pooled scores and means over images, with intervals by drawing images again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bioconv.evaluation.figures import Figures, Settings, entry
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.intervals import Interval
from bioconv.evaluation.object_counts import ObjectCounts
from bioconv.evaluation.objects import ApTable
from bioconv.evaluation.resampling import interval_of

Figure = Callable[[ObjectCounts], Floats]
FIGURES: dict[str, tuple[str, bool]] = {
    "ap50": ("average_precision", False), "mean_ap": ("average_precision", True), "f1": ("f1", False),
    "precision": ("precision", False), "recall": ("recall", False), "pq": ("panoptic_quality", False),
    "matched_iou": ("matched_iou", False),
}  # fmt: skip
"""Figure -> the score of the counts, and whether it is the mean over all thresholds; else it is at the first."""


def summarise_objects(table: ApTable, settings: Settings, *, empties: str = "perfect") -> Figures:
    """Return each figure of all objects together (`pooled`) and averaged over images (`image mean`).

    Parameters
    ----------
    table
        Counts of the images; its first threshold is the one of all figures but `mean_ap`.
    settings
        Resamples, seed and level; images are drawn again.
    empties
        What images without any object count as, as `object_counts.EMPTIES` has it.

    Returns
    -------
    dict
        `samples`, `empty_images`, `empties`, `models` (`pooled` and `image mean` -> figure -> value, low, high, error,
        method) and `notes`.
    """
    count = len(table.counts.tp)
    rng = np.random.default_rng(settings.seed)
    times = rng.multinomial(count, np.full(count, 1 / count), size=settings.resamples)
    drawn = _weighted(table.counts, times)
    counts = table.counts
    empty = int((counts.tp + counts.fp + counts.fn == 0)[:, 0].sum())
    result: Figures = {"samples": count, "empty_images": empty, "empties": empties, "notes": []}
    pooled, means = {}, {}
    for name, (score, average) in FIGURES.items():
        columns = slice(None) if average else slice(0, 1)

        def value(some: ObjectCounts, score: str = score, columns: slice = columns) -> Floats:
            found: Floats = getattr(some, score)(empties=empties)[..., columns].mean(axis=-1)
            return found

        whole = float(value(counts.pooled()))
        pooled[name] = _entry(whole, value(drawn), settings, count)
        each = value(counts)
        known = ~np.isnan(each)
        weight = times[:, known]
        if known.any():
            again = (weight @ each[known])[weight.sum(1) > 0] / weight.sum(1)[weight.sum(1) > 0]
            means[name] = _entry(float(each[known].mean()), again, settings, int(known.sum()))
        else:
            means[name] = entry(float("nan"), "no image with objects")
    result["models"] = {"pooled": pooled, "image mean": means}
    return result


def object_rows(names: list[str], table: ApTable, *, empties: str = "perfect") -> Iterator[Figures]:
    """Yield each image's counts at the first threshold and its figures; None where it has none."""
    for number, name in enumerate(names):
        own = table.counts.chosen([number])
        row: Figures = {"name": name, "tp": int(own.tp[0, 0]), "fp": int(own.fp[0, 0]), "fn": int(own.fn[0, 0])}
        for figure, (score, average) in FIGURES.items():
            values = getattr(own, score)(empties=empties)[0]
            value = float(values.mean() if average else values[0])
            row[figure] = None if np.isnan(value) else value
        yield row


def _weighted(counts: ObjectCounts, times: np.ndarray) -> ObjectCounts:  # type: ignore[type-arg]
    """Return the pooled counts of resamples, (resamples, thresholds)."""
    return ObjectCounts(times @ counts.tp, times @ counts.fp, times @ counts.fn, times @ counts.iou_sum)


def _entry(value: float, again: Floats, settings: Settings, count: int) -> Figures:
    again = again[~np.isnan(again)]
    if count < 2 or len(again) < 2:
        return entry(value, "one image")
    found: Interval = interval_of(value, again, level=settings.level)
    return entry(found, "bootstrap of images")
