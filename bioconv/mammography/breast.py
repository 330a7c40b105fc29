"""Where the breast lies in a mammogram, from its pixels alone: mask, box, side of the chest wall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bioconv.images.resampling import resize

COARSE = 256
"""Longer side of the grid on which the breast is looked for."""
SMALLEST, LARGEST = 0.03, 0.97
"""A breast covers this share of an image; what covers less or more was not found."""
CERTAIN = 0.1
"""From this confidence on the pixels tell the side of the chest wall."""
_OPENING = 4.0  # coarse pixels: labels, scratches and thin frames are narrower than twice this
_LEVELS = 256
_FRAME, _STEP = 0.6, 0.15  # share of a line, and of the range of greys by which it is brighter than further in
_SPREADS, _LEAST = 5.0, 0.04  # of the air, and of the range of greys
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: rows `[top, bottom)`, columns `[left, right)`.

    Parameters
    ----------
    top, bottom
        Rows, from 0.
    left, right
        Columns, from 0.

    Raises
    ------
    ValueError
        If it holds no pixel, or begins below 0.

    Examples
    --------
    >>> box = Box(2, 5, 0, 4)
    >>> box.shape, np.zeros((9, 9))[box.window].shape
    ((3, 4), (3, 4))
    """

    top: int
    bottom: int
    left: int
    right: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom and 0 <= self.left < self.right):
            message = f"{self} holds no pixel; expected 0 <= top < bottom and 0 <= left < right"
            raise ValueError(message)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def window(self) -> tuple[slice, slice]:
        """What cuts it out of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def holds(self, y: float, x: float) -> bool:
        """Return whether the pixel in which a point (`y`, `x`) lies is inside; a pixel's own index is its centre."""
        return self.top - 0.5 <= y < self.bottom - 0.5 and self.left - 0.5 <= x < self.right - 0.5


@dataclass(frozen=True, eq=False)
class Breast:
    """What was found.

    Parameters
    ----------
    mask
        (Y, X) bool.
    box
        Around the mask and its margin; the whole image where no breast was found.
    side
        Of the image on which the chest wall lies, by the pixels: `left`, `right`, or empty where they do not tell.
    confidence
        Of the side, 0 to 1.
    found
        False: mask and box are the whole image.
    warnings
        Why not, and the like.
    """

    mask: Mask
    box: Box
    side: str
    confidence: float
    found: bool = True
    warnings: tuple[str, ...] = ()


def find_breast(pixels: NDArray[Any], *, margin: float = 0.02) -> Breast:
    """Find the breast in a mammogram with dark air.

    The air's grey is estimated from the histogram, what is brighter is opened so that letters, scratches and thin
    frames fall away, and the largest piece is the breast.

    Parameters
    ----------
    pixels
        (Y, X) real numbers; those that are not finite count as air. MONOCHROME1 is inverted by the reader.
    margin
        Added around the mask's box, as a share of the image's longer side.

    Returns
    -------
    Breast

    Raises
    ------
    ValueError
        If it is no plane with pixels.

    Examples
    --------
    >>> image = np.zeros((200, 160))
    >>> image[40:160, 90:] = 100
    >>> breast = find_breast(image, margin=0)
    >>> breast.box, breast.side
    (Box(top=40, bottom=160, left=90, right=160), '')
    """
    if pixels.ndim != 2 or 0 in pixels.shape:
        message = f"pixels of shape {pixels.shape}; expected (Y, X) with at least one pixel"
        raise ValueError(message)
    coarse, frame = _coarse(pixels)
    inside = _on_grid(frame, coarse.shape, pixels.shape)
    found = _largest(_bright(coarse))
    share = float(found.mean())
    if not SMALLEST <= share <= LARGEST:
        warning = f"no breast found (the largest bright piece covers {share:.0%}); the whole image was taken"
        side, confidence = chest_wall(coarse)
        whole = Box(0, pixels.shape[0], 0, pixels.shape[1])
        return Breast(np.ones(pixels.shape, bool), whole, side, confidence, False, (warning,))
    mask = np.zeros(pixels.shape, bool)
    mask[inside.window] = resize(found.astype(np.float32), pixels.shape)[inside.window] >= 0.5
    side, confidence = chest_wall(np.where(found, np.maximum(coarse, 1 / _LEVELS), 0))
    return Breast(mask, bounding_box(mask, margin=round(margin * max(pixels.shape)), inside=inside), side, confidence)


def bounding_box(mask: Mask, *, margin: int = 0, inside: Box | None = None) -> Box:
    """Return the smallest box around what is true, with a margin that ends at the image's borders, or at `inside`.

    Raises
    ------
    ValueError
        If nothing is true.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        message = "an empty mask has no box"
        raise ValueError(message)
    most = inside or Box(0, mask.shape[0], 0, mask.shape[1])
    return Box(
        max(int(rows[0]) - margin, min(most.top, int(rows[0]))),
        min(int(rows[-1]) + 1 + margin, max(most.bottom, int(rows[-1]) + 1)),
        max(int(columns[0]) - margin, min(most.left, int(columns[0]))),
        min(int(columns[-1]) + 1 + margin, max(most.right, int(columns[-1]) + 1)),
    )


def chest_wall(weights: NDArray[Any]) -> tuple[str, float]:
    """Return the side of the image on which the chest wall lies, and how sure that is, 0 to 1.

    A breast is broad and thick at the chest wall, narrow and thin at the nipple: the outer twentieths of its box
    are compared. The confidence is their difference over their sum; below `CERTAIN` the side is empty.

    Parameters
    ----------
    weights
        (Y, X) brightness above air inside the breast, 0 outside; not negative.
    """
    columns = np.flatnonzero(weights.any(axis=0))
    if not len(columns):
        return "", 0.0
    width = max((int(columns[-1]) + 1 - int(columns[0])) // 20, 1)
    left = float(weights[:, columns[0] : columns[0] + width].sum())
    right = float(weights[:, columns[-1] + 1 - width : columns[-1] + 1].sum())
    confidence = abs(left - right) / (left + right)
    if confidence < CERTAIN:
        return "", confidence
    return ("left" if left > right else "right"), confidence


def _coarse(pixels: NDArray[Any]) -> tuple[Floats, Box]:
    """Return the image small and without odd numbers, from 0 to 1, and what lies inside its white frame."""
    values = np.asarray(pixels, np.float32)
    finite = np.isfinite(values)
    lowest = float(values.min(where=finite, initial=np.inf))
    if not finite.all():
        values = np.where(finite, values, lowest if np.isfinite(lowest) else 0)
    scale = min(COARSE / max(values.shape), 1.0)
    small = resize(values, (max(round(values.shape[0] * scale), 1), max(round(values.shape[1] * scale), 1)))
    inside = _inside_frame(small)
    low, high = np.percentile(small[inside.window], [0.5, 99.5])  # a label must not press the rest together
    if not high > low:
        low, high = float(small.min()), float(small.max())
    scaled = np.clip((small - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
    found = np.zeros(small.shape, np.float32)
    found[inside.window] = scaled[inside.window]
    return found, inside


def _on_grid(frame: Box, coarse: tuple[int, ...], shape: tuple[int, ...]) -> Box:
    """Return a box of the coarse grid on the original one; where it cuts something off, one coarse pixel more."""
    (rows, columns), (height, width) = coarse, shape
    y, x = height / rows, width / columns
    return Box(
        math.ceil((frame.top + 1) * y) if frame.top else 0,
        math.floor((frame.bottom - 1) * y) if frame.bottom < rows else height,
        math.ceil((frame.left + 1) * x) if frame.left else 0,
        math.floor((frame.right - 1) * x) if frame.right < columns else width,
    )


def _inside_frame(small: Floats) -> Box:
    """Return what is left of an image without the bright lines of a scanner's frame."""
    rows, columns = small.shape
    step = _STEP * float(small.max() - small.min())
    top, bottom = _frame_lines(small, step), _frame_lines(small[::-1], step)
    left, right = _frame_lines(small.T, step), _frame_lines(small.T[::-1], step)
    return Box(top, rows - bottom, left, columns - right)


def _frame_lines(lines: Floats, step: float) -> int:
    """Return how many first lines are a frame: most of each much brighter than the image further in.

    A breast cut off by the border is as bright further in.
    """
    deepest, most = len(lines) // 12, len(lines) // 16
    framed = [float((line - lines[deepest] > step).mean()) > _FRAME for line in lines[:most]]
    return max((number + 1 for number, one in enumerate(framed) if one), default=0)


def _bright(coarse: Floats) -> Mask:
    """Return what is brighter than air.

    Minimum cross entropy (Li & Lee, doi 10.1016/0031-3203(93)90115-D) parts air from breast; the skin, which is
    between the two, is told from air by the spread of the air.
    """
    level = _cross_entropy_level(coarse)
    air = coarse[coarse <= level]
    middle = float(np.median(air))
    spread = 1.4826 * float(np.median(np.abs(air - middle)))
    return np.asarray(coarse > min(level, middle + max(_SPREADS * spread, _LEAST)))


def _cross_entropy_level(coarse: Floats) -> float:
    counts, edges = np.histogram(coarse, _LEVELS, (0, 1))
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts)[:-1], np.cumsum(counts[::-1])[::-1][1:]
    mass_below, mass_above = np.cumsum(counts * centres)[:-1], np.cumsum((counts * centres)[::-1])[::-1][1:]
    parted = np.flatnonzero((below > 0) & (above > 0))
    if not len(parted):
        return 1.0
    below, above, mass_below, mass_above = below[parted], above[parted], mass_below[parted], mass_above[parted]
    entropy = -mass_below * np.log(mass_below / below) - mass_above * np.log(mass_above / above)
    return float(edges[parted[np.argmin(entropy)] + 1])


def _largest(bright: Mask) -> Mask:
    """Return the largest piece after opening, its holes filled."""
    radius = _OPENING * max(bright.shape) / COARSE
    reach = max(int(radius), 1)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    # Beyond the border the image goes on as it ends: the breast is cut off by the chest wall, not narrow there.
    wide = np.pad(bright, reach, mode="edge")
    opened = ndimage.binary_opening(wide, y**2 + x**2 <= radius**2)[reach:-reach, reach:-reach]
    pieces, count = ndimage.label(opened)
    if not count:
        return np.zeros(bright.shape, bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    filled: Mask = ndimage.binary_fill_holes(pieces == sizes.argmax())
    return filled
