"""The figures of each part of the samples, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bioconv.errors import InputError
from bioconv.evaluation.binary_summary import summarise_binary
from bioconv.evaluation.figures import Figures, Settings
from bioconv.evaluation.inputs import Flags, Floats
from bioconv.evaluation.strata import Stratum

LEAST = 10
"""Positives, negatives and groups below which a stratum gets no figures: their intervals would mislead."""


def summarise_strata(
    models: Mapping[str, Floats],
    labels: Flags,
    strata: Sequence[Stratum],
    settings: Settings,
    *,
    calibrated: bool | Mapping[str, bool] | None = None,
) -> list[Figures]:
    """Judge the models within each stratum, at the thresholds of the whole.

    Parameters
    ----------
    models, labels, settings
        As in `bioconv.evaluation.binary_summary.summarise_binary`.
    strata
        Parts of the samples; they may overlap.
    calibrated
        Whether scores are probabilities, or model -> that, as seen on all samples.

    Returns
    -------
    list of dict
        Per stratum `column`, `stratum`, `samples`, `positives`, `negatives`, `groups` (if there are any) and either
        `models`, `comparisons`, `reliability` and `notes`, or `too_few`: the reason why there are no figures.
    """
    rows = []
    for stratum in strata:
        inside = stratum.members
        own = labels[inside]
        row: Figures = {"column": stratum.column, "stratum": stratum.name, "samples": len(own)}
        row |= {"positives": int(own.sum()), "negatives": int((~own).sum())}
        groups = None
        if settings.groups is not None:
            groups = [group for group, within in zip(settings.groups, inside, strict=True) if within]
            row["groups"] = len(set(groups))
        few = [f"{row[key]} {key}" for key in ("positives", "negatives", "groups") if row.get(key, LEAST) < LEAST]
        if few:
            rows.append(row | {"too_few": f"{', '.join(few)}; no figures below {LEAST}"})
            continue
        chosen = {name: np.asarray(scores)[inside] for name, scores in models.items()}
        try:
            figures = summarise_binary(chosen, own, replace(settings, groups=groups), calibrated=calibrated)
        except InputError as error:  # a bootstrap of groups that finds no second class
            rows.append(row | {"too_few": str(error)})
            continue
        rows.append(row | {key: value for key, value in figures.items() if key not in row})
    return rows
