"""A mammogram with its heat map laid over it, on the original grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioconv.mammography.heat_maps import HeatMap
from bioconv.mammography.preparation import Prepared

Picture = NDArray[np.uint8]
_STRONGEST = 0.55  # of the colour over the grey, where the map is 1
# Dark violet over orange to yellow: rising in lightness, so that it is read without colour too.
_STOPS = np.array([(0, 40, 0, 90), (0.35, 150, 30, 110), (0.7, 240, 120, 30), (1, 255, 235, 90)], np.float64)


def draw_heat(pixels: NDArray[np.float32], prepared: Prepared, heat: HeatMap) -> Picture:
    """Return the image (Y, X, 3) in the greys the network read, with the heat map over the part that it read.

    What the network did not read, letters and labels away from the breast for most models, is black.

    Parameters
    ----------
    pixels
        (Y, X), the original grid.
    prepared
        Of these pixels.
    heat
        On the prepared grid.
    """
    low, high = prepared.window
    restore = prepared.placement.restore
    grey = np.clip((pixels - low) / max(high - low, 1e-12), 0, 1) * 255
    grey[restore((prepared.pixels[0] > 0) | prepared.mask) <= 0] = 0
    warmth = np.clip(restore(heat.values), 0, 1)
    share = _STRONGEST * warmth
    drawn = np.empty((*pixels.shape, 3), np.uint8)
    for place in range(3):  # one colour at a time: mammograms are large
        colour = np.interp(warmth, _STOPS[:, 0], _STOPS[:, place + 1])
        drawn[..., place] = np.rint(grey * (1 - share) + colour * share)
    return drawn


def shrunk(picture: Picture, largest: int) -> Picture:
    """Return a picture scaled down by a whole number, so that no side is longer than `largest`."""
    factor = max(1, -(-max(picture.shape[:2]) // largest))
    height, width = (size // factor * factor for size in picture.shape[:2])
    cut = picture[:height, :width].reshape(height // factor, factor, width // factor, factor, -1)
    return np.asarray(np.rint(cut.mean(axis=(1, 3))), np.uint8)
