"""A picture of an image with the outlines of its mask: contrast stretched, scaled down where the image is huge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.segmentation.inference.uncertainty import outlines

Picture = NDArray[np.uint8]
Rows = Callable[[slice], NDArray[Any]]

LARGEST = 2048
"""Most pixels of a side."""

_LIMITS = (0.2, 99.8)  # percentiles that become black and white
# Bright on grey and on stained tissue; neighbours of one colour are rare, as labels go through them in turn.
_COLOURS = np.array(
    [(255, 225, 25), (0, 220, 255), (255, 60, 200), (80, 255, 80), (255, 130, 0), (120, 150, 255)], np.uint8
)


@dataclass(frozen=True, eq=False)
class Contrast:
    """Which values become black and white, per channel.

    Parameters
    ----------
    low, high : ndarray of float64, (C,)
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, sample: NDArray[Any], *, together: bool) -> Contrast:
        """Choose from a sample (C, ...) of an image's pixels; `together`: one choice for all, so that hues are kept."""
        flat = np.asarray(sample, np.float64).reshape(len(sample), -1)
        if together:
            flat = np.broadcast_to(flat.reshape(1, -1), (len(sample), flat.size))
        low, high = np.percentile(flat, _LIMITS, axis=1)
        return cls(low, high)

    def stretch(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return pixels (C, ...) on the scale from 0, black, to 1, white; not clipped."""
        shape = (len(pixels), *(1 for _ in pixels.shape[1:]))
        span = np.where(self.high > self.low, self.high - self.low, 1).reshape(shape)
        return np.asarray((pixels - self.low.reshape(shape)) / span, np.float32)


def shrink_factor(shape: tuple[int, int], largest: int = LARGEST) -> int:
    """Return how many pixels of a side become one, so that none is longer than `largest`.

    Examples
    --------
    >>> shrink_factor((2048, 100)), shrink_factor((20000, 20000))
    (1, 10)
    """
    return max(1, -(-max(shape) // largest))


def draw_overlay(
    pixels: Rows, labels: Rows, shape: tuple[int, int], contrast: Contrast, *, largest: int = LARGEST
) -> Picture:
    """Return a picture of an image with the outlines of its labels, read in strips.

    Parameters
    ----------
    pixels
        From rows to (C, rows, X); three channels are red, green and blue, of others the first is shown in grey.
    labels
        From rows to (rows, X).
    shape
        Y and X of the image.
    contrast
        Of the image as a whole.
    largest
        Most pixels of a side; larger images are scaled down by a whole factor: the mean of pixels, the middle label.

    Returns
    -------
    ndarray of uint8, (y, x, 3)
    """
    factor = shrink_factor(shape, largest)
    strip = max(1, 512 // factor) * factor
    parts, marks = [], []
    for start in range(0, shape[0], strip):
        rows = slice(start, min(start + strip, shape[0]))
        block = contrast.stretch(pixels(rows))
        parts.append(_shrink(block if len(block) == 3 else block[:1], factor))
        middle = np.minimum(np.arange(0, rows.stop - rows.start, factor) + factor // 2, rows.stop - rows.start - 1)
        across = np.minimum(np.arange(0, shape[1], factor) + factor // 2, shape[1] - 1)
        marks.append(labels(rows)[middle][:, across])
    seen = np.clip(np.concatenate(parts, axis=1) * 255, 0, 255).astype(np.uint8)
    picture = np.ascontiguousarray(np.broadcast_to(np.moveaxis(seen, 0, -1), (*seen.shape[1:], 3)))
    return draw_outlines(picture, np.concatenate(marks))


def draw_outlines(picture: Picture, labels: NDArray[Any]) -> Picture:
    """Draw the outlines of labels (Y, X) into a picture (Y, X, 3), each in a colour of its own, inside the object."""
    edge = outlines(labels) & (labels > 0)
    picture[edge] = _COLOURS[(labels[edge].astype(np.int64) - 1) % len(_COLOURS)]
    return picture


def _shrink(block: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return the means of squares of pixels; at the end of an axis they may be cut."""
    if factor == 1:
        return block
    for axis in (1, 2):
        size = block.shape[axis]
        starts = np.arange(0, size, factor)
        counts = np.minimum(starts + factor, size) - starts
        shape = [1, 1, 1]
        shape[axis] = len(starts)
        means = np.add.reduceat(block, starts, axis=axis) / counts.reshape(shape)
        block = np.asarray(means, np.float32)
    return block
