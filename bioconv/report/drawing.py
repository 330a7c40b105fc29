"""Plots as inline SVG: text stays text, colours follow the page, nothing is loaded from outside."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from html import escape
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bioconv.errors import OptionError
from bioconv.report.facts import Picture, Points

# Okabe & Ito's colours for all kinds of vision, those that show on white and on black; line styles tell them
# apart without colour.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STYLES = ("-", "--", "-.", ":")
_INK = "#010203"  # stands for the colour of the page's text, put in afterwards
_WIDE_RANGE = 20


def draw_curves(panel: str, lines: Mapping[str, Points], *, best: float | None = None) -> Picture:
    """Return learning curves: one panel, a line per part of the data, the epoch that was kept marked."""
    figure, axes = blank("epoch", panel)
    for place, (name, points) in enumerate(lines.items()):
        axes.plot(
            [x for x, _ in points], [y for _, y in points], label=name, color=_COLOURS[place % len(_COLOURS)],
            linestyle=_STYLES[place % len(_STYLES)], marker="o" if len(points) < 3 else None,
        )  # fmt: skip
    if best is not None:
        axes.axvline(best, color=_INK, linewidth=0.8, linestyle=":", label="kept")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, labelcolor=_INK)
    ends = "; ".join(
        f"{name} from {points[0][1]:.4g} to {points[-1][1]:.4g}" for name, points in lines.items() if points
    )
    kept = "" if best is None else f"; the weights of epoch {best:g} were kept"
    return Picture(svg(figure), f"{panel} by epoch", f"Line plot of {panel} by epoch: {ends}{kept}.")


def draw_learning_rate(points: Points) -> Picture:
    """Return the learning rate by step, logarithmic where it spans more than a factor of 20."""
    figure, axes = blank("step", "learning rate")
    axes.plot([x for x, _ in points], [y for _, y in points], color=_COLOURS[0])
    rates = [rate for _, rate in points if rate > 0]
    if rates and max(rates) > _WIDE_RANGE * min(rates):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    ends = f"from {points[0][1]:.3g} to {points[-1][1]:.3g}, at most {max(rate for _, rate in points):.3g}"
    return Picture(svg(figure), "learning rate by step", f"Line plot of the learning rate by step: {ends}.")


def embed(picture: Picture, number: int) -> str:
    """Return a picture as an `<svg>` element to stand in a page beside others.

    Parameters
    ----------
    number
        One of its own for each picture of a page: its identifiers must not meet those of another.

    Raises
    ------
    OptionError
        If it is no SVG, or holds a script or a reference to something outside.
    """
    _check_svg(picture)
    body = "<svg" + picture.svg.partition("<svg")[2]  # without what precedes a document
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    mark = f"p{number}-"
    body = re.sub(r'(\s(?:xlink:)?href="#|\sid="|url\(#)', rf"\g<1>{mark}", body)
    head, _, rest = body.partition(">")
    head = re.sub(r'\s(?:width|height|role|aria-labelledby|aria-label)="[^"]*"', "", head)
    if "viewBox" not in head:
        size = [re.search(rf'\s{side}="([\d.]+)', picture.svg) for side in ("width", "height")]
        if all(size):
            head += ' viewBox="0 0 {} {}"'.format(*(match[1] for match in size if match))
    title = f'<title id="{mark}title">{escape(picture.description)}</title>'
    return f'{head} role="img" aria-labelledby="{mark}title">{title}{rest}'.strip()


def _check_svg(picture: Picture) -> None:
    try:
        root = ElementTree.fromstring(picture.svg)
    except ElementTree.ParseError as error:
        message = f"picture {picture.caption!r} is no SVG: {error}"
        raise OptionError(message) from error
    problems = [] if root.tag.rpartition("}")[2] == "svg" else [f"<{root.tag}> instead of <svg>"]
    for element in root.iter():
        tag = str(element.tag).rpartition("}")[2].lower()
        if tag in {"script", "foreignobject", "iframe"}:
            problems.append(f"<{tag}>")
        for key, value in element.attrib.items():
            name = key.rpartition("}")[2].lower()
            outside = name in {"href", "src"} and not value.startswith(("#", "data:image/"))
            if name.startswith("on") or outside or re.search(r"url\(\s*['\"]?(?!#)", value):
                problems.append(f"{name}={value[:40]!r}")
        if tag == "style" and re.search(r"@import|url\(", element.text or ""):
            problems.append("a style that loads something")
    if problems:
        message = f"picture {picture.caption!r} holds {', '.join(problems[:3])}; a plain drawing expected"
        raise OptionError(message)


def blank(x: str, y: str) -> tuple[Figure, Axes]:
    """Return an empty plot whose ink `svg` turns into the colour of the page's text."""
    figure = Figure(figsize=(5.2, 3.0), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_xlabel(x, color=_INK)
    axes.set_ylabel(y, color=_INK)
    axes.tick_params(colors=_INK, which="both")
    axes.grid(color=_INK, alpha=0.15, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(_INK)
    return figure, axes


def svg(figure: Figure) -> str:
    """Return a plot as an SVG document."""
    stream = io.StringIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "bioconv", "font.family": "sans-serif"}
    # Text stays text: which letters the reader's fonts have is not known here.
    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue().replace(_INK, "currentColor")
