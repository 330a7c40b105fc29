"""Resampling planes along each axis: area averages where they shrink, linear where they grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def resize(pixels: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return a plane with another number of pixels over the same extent.

    An axis that shrinks takes the mean of what each new pixel covers, parts of pixels counted as such; one that
    grows is interpolated between pixel centres. A constant stays a constant, and nothing leaves the range of the
    values.

    Parameters
    ----------
    pixels
        (Y, X) real numbers.
    shape
        New rows and columns.

    Returns
    -------
    NDArray
        (*shape) float32.

    Examples
    --------
    >>> resize(np.array([[0, 3, 6], [6, 9, 12]]), (1, 2))
    array([[4., 8.]], dtype=float32)
    """
    if pixels.ndim != 2 or 0 in pixels.shape or min(shape) < 1:
        message = f"pixels of shape {pixels.shape} to {shape}; expected two axes, each with at least one pixel"
        raise ValueError(message)
    found = np.asarray(pixels, np.float32)
    if shape[0] != found.shape[0]:
        found = weights(found.shape[0], shape[0]) @ found
    if shape[1] != found.shape[1]:
        found = (weights(found.shape[1], shape[1]) @ found.T).T
    return np.ascontiguousarray(found, np.float32)


def weights(old: int, new: int) -> sparse.csr_array:
    """Return the (new, old) matrix of one axis; its rows sum to 1."""
    if new < old:
        edges = np.arange(new + 1) * (old / new)
        edges[-1] = old
        first, last = np.floor(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int).clip(max=old)
        rows = np.repeat(np.arange(new), last - first)
        columns = np.concatenate([np.arange(low, high) for low, high in zip(first, last, strict=True)])
        covered = np.minimum(columns + 1, edges[rows + 1]) - np.maximum(columns, edges[rows])
        share = covered.clip(min=0) * (new / old)
    else:
        places = ((np.arange(new) + 0.5) * (old / new) - 0.5).clip(0, old - 1)
        lower = np.minimum(np.floor(places).astype(int), max(old - 2, 0))
        upper = np.minimum(lower + 1, old - 1)
        rows = np.repeat(np.arange(new), 2)
        columns = np.stack([lower, upper], axis=1).ravel()
        part = places - lower
        share = np.stack([1 - part, part], axis=1).ravel()
    matrix = sparse.csr_array((share, (rows, columns)), shape=(new, old))
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.csr_array(sparse.diags_array(1 / sums) @ matrix).astype(np.float32)
