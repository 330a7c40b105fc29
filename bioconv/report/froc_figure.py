"""The free-response curve: lesions found against false positives per image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bioconv.evaluation.froc import RATES, FrocCurve

_COLOUR = "#0072b2"


def draw_froc(curve: FrocCurve, entries: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the curve over 1/8 to 8 false positives per image, with the intervals at these rates.

    Parameters
    ----------
    curve
        As `bioconv.evaluation.froc.froc_curve` returns it.
    entries
        Figure -> value, low and high, as `bioconv.evaluation.froc_summary.summarise_froc` has them.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; rates on a scale of powers of 2.
    """
    figure = Figure(figsize=(5.4, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    lowest, highest = RATES[0] / 1.3, RATES[-1] * 1.3
    # Between two points the sensitivity is that of the left one: no mark lies between.
    rates, found = curve.false_positives, curve.sensitivity
    start = float(found[rates <= lowest].max())
    inside = (rates > lowest) & (rates <= highest)
    x = np.concatenate([[lowest], rates[inside], [highest]])
    y = np.concatenate([[start], found[inside], [found[inside][-1] if inside.any() else start]])
    axes.step(x, y, where="post", color=_COLOUR, linewidth=1.6)
    for rate in RATES:
        entry = entries[f"sensitivity_at_{rate:g}"]
        low, high = (entry["value"] if entry[key] is None else entry[key] for key in ("low", "high"))
        axes.plot([rate, rate], [low, high], color=_COLOUR, linewidth=0.9)
        axes.plot(rate, entry["value"], marker="o", markersize=4, color=_COLOUR)
    at = entries.get("false_positives_per_image")
    if at and lowest <= at["value"] <= highest:
        point = (at["value"], entries["sensitivity"]["value"])
        axes.plot(*point, marker="*", markersize=11, color="#d55e00", linestyle="none", label="at the threshold")
        axes.legend(loc="lower right", fontsize="small")
    axes.set_xticks(RATES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.minorticks_off()
    axes.set(title="FROC", xlabel="false positives per image", ylabel="lesions found", ylim=(-0.02, 1.02))
    axes.set_xlim(lowest, highest)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
