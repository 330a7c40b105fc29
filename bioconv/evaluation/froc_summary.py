"""Figures of marks against lesions, with intervals by drawing images (or patients) again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bioconv.errors import InputError
from bioconv.evaluation.figures import Figures, Settings, entry
from bioconv.evaluation.froc import RATES, Detections, Ints
from bioconv.evaluation.inputs import Floats
from bioconv.evaluation.resampling import draw_times, interval_of

Many = Callable[[Ints | None], Floats]


def summarise_froc(detections: Detections, settings: Settings) -> Figures:
    """Judge marks: sensitivity at 1/8 to 8 false positives per image, their mean, JAFROC's figure of merit.

    Parameters
    ----------
    detections
        As `bioconv.evaluation.froc.match_marks` returns them.
    settings
        Resamples, level, seed, groups (one per image) and threshold.

    Returns
    -------
    dict
        `samples` (images), `lesions`, `images_with_lesions`, `false_positives`, `models` (`marks` -> figure -> value,
        low, high, error, method) and `notes`.

    Raises
    ------
    InputError
        If there is no lesion, or most resamples have none.
    """
    rates, threshold = np.array(RATES), settings.threshold

    def of_lesions(times: Ints | None) -> Floats:
        read = detections.sensitivity_at(rates, times)
        point = [] if threshold is None else detections.at_threshold(threshold, times)
        return np.array([*read, read.mean(), *point])

    names = [f"sensitivity_at_{rate:g}" for rate in RATES] + ["mean_sensitivity"]
    if threshold is not None:
        names += ["sensitivity", "false_positives_per_image"]
    figures: Figures = {} if threshold is None else {"threshold": entry(threshold, "given")}
    figures |= _entries(names, of_lesions, detections, settings)
    notes = ["sensitivity at a rate is read off this very curve: it describes it, and is no operating point"]
    if settings.groups is None:
        notes.append("images are taken as independent; with several of a patient, --images FILE with a column patient")
    with_lesions = len(np.unique(detections.lesion_image))
    if with_lesions < detections.images:
        figures |= _entries(
            ["jafroc"], lambda times: np.array([detections.figure_of_merit(times)]), detections, settings
        )
    else:
        notes.append("no JAFROC figure of merit: no image is without lesions")
    return {
        "samples": detections.images,
        "lesions": len(detections.lesion_image),
        "images_with_lesions": with_lesions,
        "false_positives": len(detections.false_image),
        "models": {"marks": figures},
        "notes": notes,
    }


def _entries(names: list[str], metric: Many, detections: Detections, settings: Settings) -> Figures:
    """Return each figure of all images with the interval of its resamples."""
    whole = metric(None)
    units = detections.images if settings.groups is None else len(set(settings.groups))
    if units < 2:
        return {name: entry(float(value), "one image or group") for name, value in zip(names, whole, strict=True)}
    again, refused = [], 0
    groups = range(detections.images) if settings.groups is None else settings.groups
    for times in draw_times(np.zeros(detections.images), groups, settings.seed):
        try:
            again.append(metric(times))
        except InputError as error:
            refused += 1
            if refused > settings.resamples:
                message = f"most resamples of images could not be used: {error}; give more images with lesions"
                raise InputError(message) from error
        if len(again) == settings.resamples:
            break
    method = "bootstrap of images" if settings.groups is None else "bootstrap of groups"
    return {
        name: entry(interval_of(float(value), np.array(draws), level=settings.level), method)
        for name, value, draws in zip(names, whole, np.array(again).T, strict=True)
    }
