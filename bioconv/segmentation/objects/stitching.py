"""Objects of a stack that was segmented plane by plane: labels of neighbouring planes become one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.objects import object_overlap


def stitch_planes(labels: ArrayLike, iou: float = 0.25) -> NDArray[np.int32]:
    """Join the objects of neighbouring planes that cover each other.

    Each object goes on in at most one of the next plane: pairs are matched one to one, the most pairs of an IoU of
    at least `iou` and then the largest sum of IoUs. An object that is missing in a plane ends there.

    Parameters
    ----------
    labels
        (Z, Y, X) whole numbers; the labels of a plane say nothing of those of another.
    iou
        Above 0 and up to 1.

    Returns
    -------
    ndarray
        (Z, Y, X) int32: objects are numbered 1, 2, ... by their first pixel, plane by plane and row by row.

    Raises
    ------
    InputError
        If the labels have other axes or are not whole numbers from 0.
    OptionError
        If `iou` is not in (0, 1].

    Examples
    --------
    >>> stitch_planes([[[1, 1, 0, 2]], [[7, 7, 0, 0]], [[0, 0, 0, 3]]], 0.5).tolist()
    [[[1, 1, 0, 2]], [[1, 1, 0, 0]], [[0, 0, 0, 3]]]
    """
    stack = np.asarray(labels)
    if stack.ndim != 3:
        message = f"labels of shape {stack.shape}; expected (Z, Y, X)"
        raise InputError(message)
    if not 0 < iou <= 1:
        message = f"the IoU for joining planes is {iou}; give a number above 0 and up to 1, such as 0.25"
        raise OptionError(message)
    joined = np.zeros(stack.shape, np.int32)
    objects = 0
    for z, plane in enumerate(stack):
        overlap = object_overlap(joined[z - 1] if z else np.zeros_like(plane), plane)
        before, here = overlap.match(iou).pairs.T
        values, first, where = np.unique(plane, return_index=True, return_inverse=True)
        number = np.zeros(len(values), np.int32)
        number[np.searchsorted(values, here)] = before
        new = np.flatnonzero((number == 0) & (values > 0))
        new = new[np.argsort(first[new])]
        number[new] = np.arange(1, len(new) + 1) + objects
        objects += len(new)
        joined[z] = number[where].reshape(plane.shape)
    return joined
