"""How often each value or class comes, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from bioconv.report.drawing import blank, svg
from bioconv.report.facts import Picture

_COLOUR = "#0072b2"
_BARS = 30


def draw_histogram(values: Mapping[float, int], name: str, counted: str, *, of: str = "") -> Picture:
    """Return a histogram of values that each come a number of times.

    Parameters
    ----------
    values
        Value to number; at least one.
    name, counted
        What the values are, and what is counted: `length`, `records`.
    of
        Whose they are, for the caption.
    """
    places, weights = np.array(list(values), float), np.array(list(values.values()), float)
    low, high = float(places.min()), float(places.max())
    edges = np.linspace(low, high, _BARS + 1) if high > low else np.array([low - 0.5, low + 0.5])
    heights, edges = np.histogram(places, edges, weights=weights)
    return draw_steps(heights.tolist(), edges.tolist(), name, counted, of=of)


def draw_steps(heights: Sequence[float], edges: Sequence[float], name: str, counted: str, *, of: str = "") -> Picture:
    """Return a histogram whose bins are counted already: one edge more than heights."""
    figure, axes = blank(name, counted)
    axes.bar(edges[:-1], heights, width=np.diff(edges), align="edge", color=_COLOUR, edgecolor="none")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    most = int(np.argmax(heights))
    said = f"{counted} by {name}, from {edges[0]:.4g} to {edges[-1]:.4g}; most ({heights[most]:g}) from "
    said += f"{edges[most]:.4g} to {edges[most + 1]:.4g}"
    return Picture(svg(figure), _caption(name, counted, of), f"Histogram of {said}.")


def draw_classes(counts: Mapping[str, int], name: str, counted: str, *, of: str = "") -> Picture:
    """Return a bar per class, the first above."""
    figure, axes = blank(counted, name)
    labels = [_label(label) for label in counts]
    places = np.arange(len(labels))
    axes.barh(places, list(counts.values()), color=_COLOUR, height=0.7)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    said = ", ".join(f"{label or '(empty)'} {number}" for label, number in counts.items())
    return Picture(svg(figure), _caption(name, counted, of), f"Bars of {counted} by {name}: {said}.")


def _label(text: str) -> str:
    """Return a class's name as plain text of an axis: its end where it is long, and no formula."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text) or "(empty)"
    return (plain if len(plain) <= 24 else "…" + plain[-23:]).replace("$", r"\$")


def _caption(name: str, counted: str, of: str) -> str:
    return f"{of}: {counted} by {name}" if of else f"{counted} by {name}"
