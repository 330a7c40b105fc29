"""Copies of an image among others: found by their pixels, whatever the files are called."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bioconv.images.image import ImageSource
from bioconv.images.resampling import resize, weights

SIDE = 32  # of the thumbnails that are compared
ALIKE = 0.999  # correlation from which on two images count as copies
_AT_ONCE = 1 << 25  # pixels of a plane read at a time
_PAIRS = 1 << 14  # candidates compared at a time
_SLACK = 1e-4  # for the rounding of what is compared first

Thumbnails = NDArray[np.float32]


def thumbnail(pixels: NDArray[np.floating]) -> Thumbnails:
    """Return an image's mean over a grid of 32 x 32, less its mean and of length 1: (1024,).

    Their product is the correlation of two images: blind to brightness, contrast, size and compression. Pixels that are
    no numbers, or infinite, count as 0.
    """
    return _centred(resize(_finite(pixels), (SIDE, SIDE)))


def thumbnail_of(source: ImageSource) -> Thumbnails:
    """Return the thumbnail of an open image, (1024,), read in strips: of its middle plane, the mean of its channels.

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    sizes = source.info.sizes
    rows, columns = sizes["Y"], sizes["X"]
    down, across = weights(rows, SIDE), weights(columns, SIDE)
    strip = max(1, _AT_ONCE // (columns * sizes.get("C", 1)))
    mean = np.zeros((SIDE, SIDE))
    middle = {axis: slice(size // 2, size // 2 + 1) for axis, size in sizes.items() if axis in "TZ"}
    for start in range(0, rows, strip):
        window = middle | {"Y": slice(start, min(start + strip, rows))}
        block = source.read(tuple(window.get(axis, slice(0, size)) for axis, size in sizes.items()))
        grey = block.reshape(-1, *block.shape[-2:]).mean(0, dtype=np.float32)
        mean += down[:, start : start + len(grey)] @ (across @ _finite(grey).T).T
    return _centred(mean)


def copies(thumbnails: Thumbnails, *, alike: float = ALIKE, turned: bool = False) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of places (first, second, correlation) of images that are copies; mirrored ones too.

    The result is that of comparing every pair, but few are compared. The mean of a thumbnail over its orientations,
    and the lowest frequencies of that, are projections: they lie no further apart than the thumbnails themselves in
    any orientation, so what is too far apart there cannot be a pair.

    Parameters
    ----------
    thumbnails
        (n, 1024), of `thumbnail`.
    turned
        Whether images turned by 90, 180 and 270 degrees are copies too.
    """
    from scipy.spatial import cKDTree

    if not thumbnails.any():
        return
    grids = np.asarray(thumbnails, np.float32).reshape(-1, SIDE, SIDE)
    known = np.flatnonzero(grids.any((1, 2)))  # an image of one value is nobody's copy
    tree = cKDTree(_low_frequencies(grids[known], turned))
    reach = float(np.sqrt(max(2 - 2 * alike, 0))) + _SLACK
    found = np.sort(known[tree.query_pairs(reach, output_type="ndarray")], axis=1)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    for start in range(0, len(found), _PAIRS):
        pairs = found[start : start + _PAIRS]
        ones, others = grids[pairs[:, 0]], grids[pairs[:, 1]]
        best = np.max([np.einsum("nyx,nyx->n", ones, one) for one in _orientations(others, turned)], axis=0)
        for (first, second), value in zip(pairs[best >= alike], best[best >= alike], strict=True):
            yield int(first), int(second), float(value)


def _orientations(grids: Thumbnails, turned: bool) -> Iterator[Thumbnails]:
    """Yield (n, 32, 32) as they are and mirrored, in four directions if `turned`."""
    for quarters in range(4 if turned else 1):
        own = np.rot90(grids, quarters, (1, 2))
        yield own
        yield own[:, :, ::-1]


def _low_frequencies(grids: Thumbnails, turned: bool) -> NDArray[np.float64]:
    """Return the mean over the orientations in 16 coefficients; odd ones vanish where it is its own mirror image."""
    from scipy.fft import dctn

    number = 8 if turned else 2
    mean = sum(_orientations(grids, turned), np.zeros_like(grids)) / number
    cosines = dctn(mean.astype(np.float64), axes=(1, 2), norm="ortho")
    low = cosines[:, :8:2, :8:2] if turned else cosines[:, :4, :8:2]
    return np.asarray(low.reshape(len(grids), -1))


def _finite(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.nan_to_num(pixels, posinf=0, neginf=0))


def _centred(mean: NDArray[np.floating]) -> Thumbnails:
    flat = mean.astype(np.float64)
    centred = (flat - flat.mean()).ravel()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length if length > 0 else centred, np.float32)
