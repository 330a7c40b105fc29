"""A mutation map as a picture: the letters, as high as they matter, over a heat map of all substitutions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OptionError

Floats = NDArray[np.float64]

LONGEST = 500  # letters that can be told apart
_LETTERS = "ACGT"
_COLOURS = {"A": "#1b9e3e", "C": "#2166ac", "G": "#e08214", "T": "#c51b29"}
_FORMATS = {".svg": "svg", ".png": "png", ".pdf": "pdf"}


@dataclass(frozen=True, eq=False)
class MapPicture:
    """What is drawn.

    Attributes
    ----------
    title : str
    sequence : str
        L letters.
    start : int
        Number of the first letter on the axis.
    deltas : (L, 4) float64
        Changes of the score with A, C, G, T at each place.
    importance : (L,) float64
        Heights of the letters, 0 or more.
    """

    title: str
    sequence: str
    start: int
    deltas: Floats
    importance: Floats


def picture_format(path: str | Path) -> str:
    """Return `svg`, `png` or `pdf` by the name of a file.

    Raises
    ------
    OptionError
        If it ends in anything else.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        message = f"{path}: a plot is written as {', '.join(_FORMATS)}; give a name that ends so"
        raise OptionError(message)
    return _FORMATS[suffix]


def draw_mutation_map(picture: MapPicture, stream: BinaryIO, *, form: str = "svg") -> None:
    """Draw a mutation map; the same input gives the same bytes.

    Raises
    ------
    OptionError
        If the sequence is longer than 500 letters: too long to be read.
    """
    length = len(picture.sequence)
    if length > LONGEST:
        message = f"the sequence has {length} letters, a plot shows up to {LONGEST}; plot a part of it"
        raise OptionError(message)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "bioconv", "svg.fonttype": "path", "font.size": 8}):
        figure = Figure(figsize=(max(4.0, 1.6 + 0.16 * length), 2.8), layout="constrained")
        logo, heat = figure.subplots(2, 1, sharex=True, height_ratios=[1.1, 1])
        _draw_letters(logo, picture)
        _draw_heat(figure, heat, picture)
        logo.set_title(picture.title, fontsize=9, loc="left")
        metadata = {"Date": None} if form == "svg" else {"CreationDate": None} if form == "pdf" else None
        figure.savefig(stream, format=form, dpi=150, metadata=metadata)


def _draw_letters(axes: Any, picture: MapPicture) -> None:
    from matplotlib.patches import PathPatch

    for place, (letter, height) in enumerate(zip(picture.sequence, picture.importance.tolist(), strict=True)):
        if letter in _COLOURS and height > 0:
            axes.add_patch(PathPatch(_letter_path(letter, place, height), color=_COLOURS[letter], linewidth=0))
    axes.set_xlim(-0.5, len(picture.sequence) - 0.5)
    axes.set_ylim(0, max(float(picture.importance.max(initial=0)) * 1.05, 1e-6))
    axes.set_ylabel("largest loss")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0, labelbottom=False)


def _letter_path(letter: str, place: int, height: float) -> Any:
    """Return the outline of a letter that fills a box one place wide."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    outline = TextPath((0, 0), letter, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = outline.get_extents()
    fit = Affine2D().translate(-box.x0, -box.y0).scale(0.9 / box.width, height / box.height)
    return fit.translate(place - 0.45, 0).transform_path(outline)


def _draw_heat(figure: Any, axes: Any, picture: MapPicture) -> None:
    limit = max(float(np.abs(picture.deltas).max(initial=0)), 1e-6)
    image = axes.imshow(
        picture.deltas.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
    )
    rows = [(place, _LETTERS.index(letter)) for place, letter in enumerate(picture.sequence) if letter in _LETTERS]
    if rows:
        axes.scatter(*zip(*rows, strict=True), s=3, color="0.35", linewidths=0)  # the letter that is there
    axes.set_yticks(range(4), list(_LETTERS))
    length = len(picture.sequence)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if length / step <= 15 or step == 100)
    ticks = [place for place in range(length) if (picture.start + place) % step == 0]
    axes.set_xticks(ticks, [f"{picture.start + place:,}" for place in ticks])
    axes.set_xlabel("position")
    axes.tick_params(length=2)
    figure.colorbar(image, ax=axes, label="change of score", pad=0.01, aspect=8)
