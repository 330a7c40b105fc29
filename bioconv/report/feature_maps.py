"""Filters and feature maps of a network as grids of pictures."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
MOST = 64
"""Tiles of a grid; more are not shown, and the title says so."""
_ROW = 8
_TILE = 1.25  # inches


@dataclass(frozen=True)
class Tile:
    """One picture of a grid: (y, x) or (y, x, 3), and what stands below it."""

    pixels: Floats
    text: str


def draw_maps(maps: Floats, title: str, *, names: Sequence[str] = ()) -> Figure:
    """Draw the maps of one layer, each in its own range of grey.

    Parameters
    ----------
    maps
        (K, y, x).
    title
        What they are of.
    names
        K names, or none: then they are numbered from 0.
    """
    tiles = []
    for number, plane in enumerate(maps[:MOST]):
        low, high = float(plane.min()), float(plane.max())
        name = names[number] if names else f"#{number}"
        scaled = (plane - low) / (high - low) if high > low else np.zeros_like(plane)
        tiles.append(Tile(scaled, f"{name}\n{low:.2g} to {high:.2g}"))
    shown = f"{len(tiles)} of {len(maps)}" if len(maps) > MOST else str(len(maps))
    size = f"{maps.shape[2]} x {maps.shape[1]} pixels"
    legend = "black is a map's lowest value, white its highest; below: "
    legend += "name, lowest to highest" if names else "number, lowest to highest"
    return _grid(tiles, f"{title}\n{shown} maps of {size}; {legend}", columns=_ROW)


def draw_filters(weights: Floats, title: str, *, colour: bool = False) -> Figure:
    """Draw the filters of a convolution, all on one scale.

    Parameters
    ----------
    weights
        (K, C, y, x).
    title
        What they are of.
    colour
        Whether the three inputs are red, green and blue: then a filter is one picture in colour. Others are a picture
        for each input, red above and blue below zero.
    """
    largest = float(np.abs(weights).max()) or 1.0
    scaled = weights / largest
    size = f"{weights.shape[3]} x {weights.shape[2]} pixels"
    if colour and weights.shape[1] == 3:
        tiles = [Tile((one.transpose(1, 2, 0) + 1) / 2, f"#{number}") for number, one in enumerate(scaled[:MOST])]
        legend = (
            f"colour: weights on red, green and blue; mid-grey is 0, full colour {largest:.2g}, none -{largest:.2g}"
        )
        columns, count = _ROW, len(weights)
    else:
        inputs = weights.shape[1]
        pairs = [(number, place) for number in range(len(weights)) for place in range(inputs)]
        tiles = [
            Tile(_signed(scaled[number, place]), f"#{number}" if inputs == 1 else f"#{number}, input {place}")
            for number, place in pairs[:MOST]
        ]
        legend = f"white is 0, red up to {largest:.2g}, blue down to -{largest:.2g}"
        columns, count = (inputs * (_ROW // inputs) if inputs <= _ROW else _ROW), len(pairs)
    shown = f"{len(tiles)} of {count}" if count > len(tiles) else str(count)
    return _grid(tiles, f"{title}\n{shown} filters of {size}; {legend}", columns=columns)


def draw_input(pixels: Floats, title: str) -> Figure:
    """Draw what a network reads: (C, Y, X), in colour where C is 3, else channel by channel."""
    if len(pixels) != 3:
        return draw_maps(pixels, title)
    low, high = float(pixels.min()), float(pixels.max())
    scaled = (pixels - low) / (high - low) if high > low else np.zeros_like(pixels)
    size = f"{pixels.shape[2]} x {pixels.shape[1]} pixels"
    return _grid([Tile(scaled.transpose(1, 2, 0), f"{low:.2g} to {high:.2g}")], f"{title}\n{size}", columns=1, tile=4.5)


def _signed(plane: Floats) -> Floats:
    """Return numbers from -1 to 1 as colours: blue, white, red."""
    up, down = np.clip(plane, 0, 1), np.clip(-plane, 0, 1)
    red, blue = np.array([0.70, 0.09, 0.17]), np.array([0.13, 0.40, 0.67])  # told apart with colour-blind eyes
    coloured: Floats = 1 - up[..., None] * (1 - red) - down[..., None] * (1 - blue)
    return coloured


def _grid(tiles: Sequence[Tile], title: str, *, columns: int, tile: float = _TILE) -> Figure:
    columns = max(1, min(columns, len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles[0].pixels.shape[:2]
    # Long images keep their shape, within reason.
    high = tile * float(np.clip(height / width, 0.4, 2.5))
    figure = Figure(figsize=(max(columns * tile, 6.5) + 0.2, rows * (high + 0.34) + 0.65), layout="constrained")
    first, _, rest = title.partition("\n")
    # Broken by hand: the title is wider than a narrow grid.
    figure.suptitle("\n".join([first, *textwrap.wrap(rest, int(figure.get_figwidth() * 15))]), fontsize=8)
    for axes, one in zip(np.ravel(figure.subplots(rows, columns)), tiles, strict=False):
        axes.imshow(one.pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest" if width < 32 else "antialiased")
        axes.set_title(one.text, fontsize=6, y=0, va="top", pad=-2)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure
