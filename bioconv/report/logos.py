"""Sequence logos: letters as high as the information they carry, in bits.

Schneider & Stephens (1990) Nucleic Acids Res 18:6097-6100, doi:10.1093/nar/18.20.6097. Figures are made without
pyplot and leave no state behind; the same input gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OptionError
from bioconv.outputs import open_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTER_WIDTH, LOGO_HEIGHT = 0.26, 1.0
"""Inches of a column, and of 2 bits."""
_COLOURS = {"A": "#109648", "C": "#255c99", "G": "#f7b32b", "T": "#d62839"}
_INVISIBLE = 0.004  # bits; below that a letter is thinner than a hair


@dataclass(frozen=True, eq=False)
class LogoRow:
    """One logo of a stack.

    Parameters
    ----------
    frequencies
        (L, 4): A, C, G, T; rows sum to 1.
    label
        Written above it.
    offset
        Columns by which it is moved to the right.
    """

    frequencies: NDArray[np.float64]
    label: str
    offset: int = 0


@dataclass(frozen=True, eq=False)
class LogoPanel:
    """One logo of an overview: (L, 4) frequencies, a title above and lines of text below."""

    frequencies: NDArray[np.float64]
    title: str
    caption: Sequence[str] = ()


def letter_heights(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (L, 4) heights in bits: each letter's share of its column's information.

    Examples
    --------
    >>> letter_heights(np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0]]))
    array([[2. , 0. , 0. , 0. ],
           [0.5, 0.5, 0. , 0. ]])
    """
    present = np.where(frequencies > 0, frequencies, 1.0)
    bits = np.maximum(2 + (present * np.log2(present)).sum(axis=1, keepdims=True), 0)
    return np.asarray(frequencies * bits)


def draw_logo(axes: Axes, frequencies: NDArray[np.float64], *, offset: int = 0) -> None:
    """Draw a logo on axes: columns at `offset`, `offset` + 1, ..., heights 0 to 2 bits."""
    import logomaker
    import pandas

    heights = letter_heights(frequencies)
    heights[heights < _INVISIBLE] = 0
    table = pandas.DataFrame(heights, columns=list("ACGT"), index=np.arange(len(heights)) + offset)
    logomaker.Logo(
        table, ax=axes, color_scheme=_COLOURS, font_name="DejaVu Sans", font_weight="bold", show_spines=False, vsep=0.01
    )
    axes.set_ylim(0, 2)
    axes.set_yticks([0, 1, 2])
    axes.spines["left"].set_visible(True)
    axes.spines["bottom"].set_visible(True)
    axes.tick_params(labelsize=7, length=2, pad=1.5)


def stacked_logos(rows: Sequence[LogoRow], *, title: str = "") -> Figure:
    """Return a figure of logos one below the other, their columns aligned by `offset`.

    Raises
    ------
    OptionError
        If there are no rows.
    """
    if not rows:
        message = "no logos to draw; give one or more"
        raise OptionError(message)
    first = min(row.offset for row in rows)
    last = max(row.offset + len(row.frequencies) for row in rows)
    left, right, above, between = 0.55, 0.15, 0.35 if title else 0.05, 0.55
    width = max((last - first) * LETTER_WIDTH, 3.0)
    height = above + len(rows) * (LOGO_HEIGHT + between)
    size = (width + left + right, height)
    figure = _figure(size)
    if title:
        figure.text(left / size[0], 1 - 0.2 / height, title, fontsize=10, fontweight="bold", va="center")
    for number, row in enumerate(rows):
        bottom = height - above - (number + 1) * (LOGO_HEIGHT + between) + 0.28
        box = (left / size[0], bottom / height, (last - first) * LETTER_WIDTH / size[0], LOGO_HEIGHT / height)
        axes = figure.add_axes(box)
        draw_logo(axes, row.frequencies, offset=row.offset)
        axes.set_xlim(first - 0.5, last - 0.5)
        columns = np.arange(len(row.frequencies))
        shown = columns[(columns + 1) % 5 == 0] if len(columns) > 9 else columns
        axes.set_xticks(shown + row.offset, [str(k + 1) for k in shown.tolist()])
        axes.set_ylabel("bits", fontsize=7, labelpad=2)
        axes.set_title(row.label, fontsize=8, loc="left", pad=3)
    return figure


def overview(panels: Sequence[LogoPanel], *, title: str = "", columns: int = 3) -> Figure:
    """Return a page of logos, all letters of one width, row by row.

    Raises
    ------
    OptionError
        If there are no panels, or `columns` is below 1.
    """
    if not panels or columns < 1:
        message = f"{len(panels)} logos in {columns} columns; give 1 or more of both"
        raise OptionError(message)
    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
    longest = max(len(panel.frequencies) for panel in panels)
    texts = max(len(panel.caption) for panel in panels)
    left, gap, above, line = 0.4, 0.35, 0.5 if title else 0.15, 0.15
    logo = max(longest * LETTER_WIDTH * 0.6, 2.2)
    cell = (left + logo + gap, 0.3 + 0.7 * LOGO_HEIGHT + 0.18 + line * texts + 0.12)
    size = (columns * cell[0], above + lines * cell[1])
    figure = _figure(size)
    if title:
        figure.text(0.15 / size[0], 1 - 0.25 / size[1], title, fontsize=12, fontweight="bold", va="center")
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        x, y = column * cell[0] + left, size[1] - above - row * cell[1]
        bottom = y - 0.3 - 0.7 * LOGO_HEIGHT
        width = longest * LETTER_WIDTH * 0.6
        axes = figure.add_axes((x / size[0], bottom / size[1], width / size[0], 0.7 * LOGO_HEIGHT / size[1]))
        draw_logo(axes, panel.frequencies)
        axes.set_xlim(-0.5, longest - 0.5)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.set_title(panel.title, fontsize=8, fontweight="bold", loc="left", pad=3)
        for k, text in enumerate(panel.caption):
            place = (bottom - 0.08 - line * (k + 0.5)) / size[1]
            figure.text(x / size[0], place, text, fontsize=7, va="center", color="#444444")
    return figure


def _figure(size: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size, facecolor="white")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as SVG or PNG, by the name's ending; the same figure gives the same bytes.

    Raises
    ------
    OptionError
        If the name ends in something else.
    OutputError
        If it cannot be written.
    """
    form = Path(path).suffix.lower().removeprefix(".")
    if form not in _FACTS:
        message = f"{path}: figures are written as .svg or .png; give a name that ends so"
        raise OptionError(message)
    drawn = figure_bytes(figure, form)
    with open_output(path) as stream:
        stream.write(drawn)


_FACTS: dict[str, dict[str, Any]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


def figure_bytes(figure: Figure, form: str) -> bytes:
    """Return a figure as `svg` or `png`."""
    import matplotlib

    drawn = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "bioconv", "svg.fonttype": "path"}):
        figure.savefig(drawn, format=form, dpi=150, metadata=_FACTS[form])
    return drawn.getvalue()
