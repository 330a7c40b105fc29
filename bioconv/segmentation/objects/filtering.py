"""Label images put in order: small objects and those at the border left out, numbers without gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError


def filter_labels(labels: NDArray[Any], *, min_size: int = 0, drop_border: bool = False) -> NDArray[np.int32]:
    """Leave objects out and number the others 1, 2, ... by their first pixel, row by row.

    Parameters
    ----------
    labels
        Whole numbers from 0, any number of axes.
    min_size
        Pixels; smaller objects are left out.
    drop_border
        Leave out objects with a pixel on the image's edge, on any axis.

    Raises
    ------
    InputError
        If the labels are not whole numbers from 0.

    Examples
    --------
    >>> filter_labels(np.array([[5, 5, 0, 9, 0, 2, 2]]), min_size=2).tolist()
    [[1, 1, 0, 0, 0, 2, 2]]
    """
    if labels.dtype.kind not in "biu" or (labels.size and labels.min() < 0):
        message = f"labels of {labels.dtype}; expected whole numbers from 0"
        raise InputError(message)
    values, first, where, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    where = where.reshape(labels.shape)
    kept = (values > 0) & (sizes >= min_size)
    if drop_border:
        for axis in range(labels.ndim):
            for end in (0, -1):
                kept[where.take([end], axis=axis) if labels.size else []] = False
    number = np.zeros(len(values), np.int32)
    order = np.flatnonzero(kept)[np.argsort(first[kept])]
    number[order] = np.arange(1, len(order) + 1)
    return number[where]
