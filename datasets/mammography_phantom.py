"""Synthetic mammograms whose truth is known by construction; for tests, demonstrations and teaching.

Never data: they look like breasts from afar and teach nothing about cancer. Every name says `synthetic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_GLYPHS = {
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "C": "01111 10000 10000 10000 10000 10000 01111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
}
_VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SyntheticMammogram:
    """One view of a synthetic woman.

    Parameters
    ----------
    pixels
        (Y, X) float32, 0 (air) to 1; a marker such as `RCC` is burnt in outside the breast.
    laterality, view
        `L` or `R`; `CC` or `MLO`.
    chest_side
        Of the image: left breasts have their chest wall on the `left`, right ones on the `right`.
    breast
        (Y, X) bool: skin included.
    nipple
        Row and column of its tip.
    mass
        Row and column of the planted mass's centre, or None.
    """

    pixels: Floats
    laterality: str
    view: str
    chest_side: str
    breast: NDArray[np.bool_]
    nipple: tuple[float, float]
    mass: tuple[float, float] | None


def synthetic_mammograms(
    seed: int = 0,
    *,
    shape: tuple[int, int] = (256, 200),
    masses: Mapping[str, float] | None = None,
    marker: bool = True,
) -> tuple[SyntheticMammogram, ...]:
    """Make the four standard views of one woman: R-CC, L-CC, R-MLO, L-MLO.

    Her breasts differ in size and texture, no view is its own mirror image, and MLO views have a pectoral muscle.

    Parameters
    ----------
    seed : int
        Same seed, same woman.
    shape : (int, int)
        Rows and columns, at least 64 each.
    masses : dict, optional
        Laterality to the contrast of a planted mass, such as `{"L": 0.4}`; it shows in both views of that breast.
    marker : bool
        Whether letters are burnt in.

    Returns
    -------
    tuple of SyntheticMammogram

    Raises
    ------
    ValueError
        If `shape` is too small, or a key of `masses` is neither L nor R.

    Examples
    --------
    >>> views = synthetic_mammograms(1, masses={"L": 0.4})
    >>> [(view.laterality, view.view, view.chest_side, view.mass is None) for view in views[:2]]
    [('R', 'CC', 'right', True), ('L', 'CC', 'left', False)]
    """
    if min(shape) < 64 or set(masses or {}) - {"L", "R"}:
        message = f"shape {shape}, masses {masses}; expected at least 64 x 64 pixels, and masses of L or R"
        raise ValueError(message)
    views = []
    for laterality, view in _VIEWS:
        # The same draws for both views of a breast: it is the same breast
        rng = np.random.default_rng([seed, "RL".index(laterality)])
        contrast = (masses or {}).get(laterality, 0.0)
        views.append(_view(rng, laterality, view, shape, contrast=contrast, marker=marker))
    return tuple(views)


def _view(
    rng: np.random.Generator, laterality: str, view: str, shape: tuple[int, int], *, contrast: float, marker: bool
) -> SyntheticMammogram:
    """Draw a view with its chest wall on the left, and mirror it for a right breast."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns].astype(np.float64)
    depth, height = columns * rng.uniform(0.5, 0.65), rows * rng.uniform(0.3, 0.36)
    centre = rows * (rng.uniform(0.46, 0.5) if view == "CC" else rng.uniform(0.58, 0.62))
    # The lower half sags: no breast is its own mirror image from top to bottom.
    half = np.where(y < centre, height, height * 0.85)
    inside = np.clip(1 - (x / depth) ** 2 - ((y - centre) / half) ** 2, 0, None)
    tip = (centre, depth + columns * 0.015)
    nipple = np.hypot(y - tip[0], x - depth) < columns * 0.03
    thick = np.sqrt(inside)
    texture = ndimage.gaussian_filter(rng.standard_normal(shape), columns / 40)
    tissue = 0.25 + 0.45 * thick + 0.12 * texture / texture.std() * (thick > 0.3)
    breast = (inside > 0) | nipple
    pixels = np.where(breast, tissue, 0.0)
    if view == "MLO":
        muscle = (x < columns * 0.3 * (1 - y / (rows * 0.55))) & (y < rows * 0.55)
        breast |= muscle
        pixels = np.where(muscle, 0.85, pixels)
    mass = None
    if contrast:
        mass = (centre + height * rng.uniform(-0.3, 0.3), depth * rng.uniform(0.35, 0.6))
        spot = np.exp(-((y - mass[0]) ** 2 + (x - mass[1]) ** 2) / (2 * (columns * 0.03) ** 2))
        pixels = pixels + contrast * spot * breast
    left = laterality == "L"
    if not left:
        pixels, breast = pixels[:, ::-1], breast[:, ::-1]
        tip, mass = (tip[0], columns - 1 - tip[1]), mass and (mass[0], columns - 1 - mass[1])
    pixels = ndimage.gaussian_filter(pixels, 0.7)
    if marker:
        pixels = _stamped(pixels, laterality + view, right=left)
    found = np.clip(pixels + rng.normal(0, 0.005, shape), 0, 1).astype(np.float32)
    return SyntheticMammogram(found, laterality, view, "left" if left else "right", breast.copy(), tip, mass)


def _stamped(pixels: NDArray[np.float64], text: str, *, right: bool) -> NDArray[np.float64]:
    """Burn letters into the upper corner away from the chest wall; they are never mirrored."""
    letters = [np.array([[int(dot) for dot in row] for row in _GLYPHS[letter].split()]) for letter in text]
    line = np.concatenate([np.pad(letter, ((0, 0), (0, 1))) for letter in letters], axis=1)
    line = np.kron(line, np.ones((2, 1), int)) if min(pixels.shape) >= 200 else line
    stamped = pixels.copy()
    top, left = 4, pixels.shape[1] - line.shape[1] - 4 if right else 4
    where = stamped[top : top + line.shape[0], left : left + line.shape[1]]
    where[line > 0] = 1.0
    return stamped
