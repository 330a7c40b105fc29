"""Overlap of many masks: means over images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bioconv.evaluation.figures import Figures, Settings, entry
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.overlap import ClassOverlap
from bioconv.evaluation.resampling import interval_of


def summarise_masks(images: Mapping[str, ClassOverlap], settings: Settings) -> Figures:
    """Return mean Dice and IoU over images, overall and (several classes) per class.

    Parameters
    ----------
    images
        Image -> its overlap. An image's own figure is the mean over its classes.
    settings
        Resamples and level; images are drawn again.

    Returns
    -------
    dict
        `samples`, `models` (class or `mean` -> figure -> value, low, high, error, method) and `notes`. A class
        is averaged over the images in which it was looked at.
    """
    classes = sorted({one for image in images.values() for one in image.classes})
    result: Figures = {"samples": len(images), "models": {}, "notes": []}
    parts: dict[str, dict[str, list[float]]] = {
        "mean": {"dice": [one.mean_dice for one in images.values()], "iou": [one.mean_iou for one in images.values()]}
    }
    for value in classes if len(classes) > 1 else []:
        among = [(one, one.classes.index(value)) for one in images.values() if value in one.classes]
        parts[str(value)] = {"dice": [float(o.dice[i]) for o, i in among], "iou": [float(o.iou[i]) for o, i in among]}
    for name, figures in parts.items():
        result["models"][name] = {key: _mean(np.array(values), settings) for key, values in figures.items()}
        result["models"][name]["images"] = entry(len(figures["dice"]), "count")
    return result


def _mean(values: Floats, settings: Settings) -> Figures:
    if len(values) < 2:
        return entry(float(values[0]), "one image")
    again = settings.draw(lambda some, _: float(some.mean()), values, np.zeros(len(values)), stratified=True)
    return entry(interval_of(float(values.mean()), again, level=settings.level), "bootstrap of images")
