"""Copies of an image on both sides of a split: found by their pixels, whatever the files are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.mammography.resampling import resize
from bioconv.training.splits import Split

SIDE = 32  # of the thumbnails that are compared
ALIKE = 0.999  # correlation from which on two images count as copies
_SHOWN = 5
_ROWS = 1024  # thumbnails compared at a time with all others


def thumbnail(pixels: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return an image's mean over a grid of 32 x 32, less its mean and of length 1: (1024,).

    Their product is the correlation of two images: blind to brightness, contrast, size and compression.
    """
    mean = resize(pixels, (SIDE, SIDE)).astype(np.float64)
    centred = (mean - mean.mean()).ravel()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length if length > 0 else centred, np.float32)


def copies(thumbnails: NDArray[np.float32], *, alike: float = ALIKE) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of places (first, second, correlation) of images that are copies; mirrored ones too.

    Parameters
    ----------
    thumbnails
        (n, 1024), of `thumbnail`.
    """
    mirrored = thumbnails.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(thumbnails), -1)
    for start in range(0, len(thumbnails), _ROWS):
        block = thumbnails[start : start + _ROWS]
        found = np.maximum(block @ thumbnails.T, block @ mirrored.T)
        for row, column in np.argwhere(found >= alike):
            if start + row < column:
                yield int(start + row), int(column), float(found[row, column])


def check_copies(
    split: Split, names: Sequence[str], thumbnails: NDArray[np.float32], *, alike: float = ALIKE
) -> list[str]:
    """Refuse a split with copies of an image in different parts.

    Returns
    -------
    list of str
        What was found within one part: a line each.

    Raises
    ------
    InputError
        If copies are in different parts; it names the first five pairs.
    """
    across: list[str] = []
    within: list[str] = []
    for one, other, value in copies(thumbnails, alike=alike):
        parts = split.parts[names[one]], split.parts[names[other]]
        said = f"{names[one]} ({parts[0]}) and {names[other]} ({parts[1]}), correlation {value:.4f}"
        (within if parts[0] == parts[1] else across).append(said)
    if across:
        more = f" and {len(across) - _SHOWN} more" if len(across) > _SHOWN else ""
        pairs = "1 pair" if len(across) == 1 else f"{len(across)} pairs"
        message = f"{pairs} of images that are copies, but in different parts of the split: "
        message += f"{'; '.join(across[:_SHOWN])}{more}. Give them one group, or leave one out"
        raise InputError(message)
    return within
