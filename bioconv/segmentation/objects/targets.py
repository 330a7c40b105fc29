"""What a network that splits objects learns: foreground, distance to the object's border, contact of two objects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioconv.errors import InputError

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def instance_targets(labels: ArrayLike, *, reach: float = 2) -> Floats:
    """Return the three maps of labelled objects.

    Parameters
    ----------
    labels
        (Y, X) or (Z, Y, X) whole numbers: 0 is background, each other value an object, connected or not.
    reach
        Pixels; the contact are the pixels at most so far from two different objects. An object's own pixels are
        at distance 0 of it, so the contact of objects that touch is 2 * `reach` wide, that of objects with a
        gap less, and a gap of 2 * `reach` or more has none.

    Returns
    -------
    ndarray
        (3, *labels.shape) float32 in 0..1. Foreground: 1 in objects. Distance: from the pixel to the nearest one
        outside its object, divided by the object's largest; the image's edge is no border of an object. Contact:
        1 near two objects, on either of them or in the gap between them.

    Raises
    ------
    InputError
        If the labels are not whole numbers from 0, or have another number of axes.

    Examples
    --------
    >>> foreground, distance, contact = instance_targets([[1, 1, 1, 0, 0, 0, 2, 2]] * 3)
    >>> (100 * distance[1]).round().tolist()
    [100.0, 67.0, 33.0, 0.0, 0.0, 0.0, 50.0, 100.0]
    >>> contact[1].tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    """
    numbered = _numbered(labels)
    maps = np.zeros((3, *numbered.shape), np.float32)
    if numbered.any():
        maps[0] = numbered > 0
        maps[1] = _distance(numbered)
        maps[2] = _contact(numbered, reach)
    return maps


def _numbered(labels: ArrayLike) -> Labels:
    """Return labels whose values do not exceed the number of pixels."""
    given: NDArray[Any] = np.asarray(labels)
    if given.dtype.kind not in "biu" or given.ndim not in (2, 3) or (given.size and given.min() < 0):
        message = f"labels of {given.dtype} and shape {given.shape}; expected whole numbers from 0, (Y, X) or (Z, Y, X)"
        raise InputError(message)
    if given.size and given.max() > given.size:
        values, inverse = np.unique(given, return_inverse=True)
        given = inverse.reshape(given.shape) + (values[0] > 0)
    return given.astype(np.int64, copy=False)


def _distance(labels: Labels) -> Floats:
    """Return each pixel's distance to the nearest one outside its object, as a share of the object's largest.

    The nearest pixel outside has a neighbour in the object. Where the object touches no other it is therefore
    background, and one transform of the whole image does; the others are done one by one.
    """
    from scipy import ndimage

    touching = _touching(labels)
    if labels.all() and not touching:  # one object fills the image: all of it is as deep as can be
        return np.ones(labels.shape, np.float32)
    distance = np.zeros(labels.shape) if labels.all() else ndimage.distance_transform_edt(labels)
    boxes = ndimage.find_objects(labels)
    for value in touching:
        box = tuple(
            slice(max(side.start - 1, 0), min(side.stop + 1, size))
            for side, size in zip(boxes[value - 1], labels.shape, strict=True)
        )
        inside = labels[box] == value
        distance[box][inside] = ndimage.distance_transform_edt(inside)[inside]
    largest = np.ones(int(labels.max()) + 1)  # no object is shallower than a pixel
    np.maximum.at(largest, labels.ravel(), distance.ravel())
    return (distance / largest[labels]).astype(np.float32)


def _touching(labels: Labels) -> list[int]:
    """Return the labels of objects with a pixel beside one of another object."""
    found = [np.zeros(0, labels.dtype)]
    for axis in range(labels.ndim):
        along = np.moveaxis(labels, axis, 0)
        a, b = along[:-1], along[1:]
        meet = (a != b) & (a > 0) & (b > 0)
        found += [a[meet], b[meet]]
    return [int(value) for value in np.unique(np.concatenate(found))]


def _contact(labels: Labels, reach: float) -> NDArray[np.bool_]:
    """Say which pixels have two objects within `reach`."""
    none = np.int64(labels.max() + 1)
    largest, smallest = np.zeros_like(labels), np.full_like(labels, none)
    positive = np.where(labels > 0, labels, none)
    for here, there in _shifts(labels.ndim, reach):
        np.maximum(largest[here], labels[there], out=largest[here])
        np.minimum(smallest[here], positive[there], out=smallest[here])
    return (largest > smallest) & (smallest < none)


def _shifts(ndim: int, reach: float) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield, for every offset no longer than `reach`, the part of an array and the part that lies there."""
    most = math.floor(reach)
    for offset in product(range(-most, most + 1), repeat=ndim):
        if sum(step * step for step in offset) <= reach * reach:
            here = tuple(slice(max(-step, 0), -step if step > 0 else None) for step in offset)
            there = tuple(slice(max(step, 0), step if step < 0 else None) for step in offset)
            yield here, there
