"""Crops read through a spatial change: zoom, shear, rotation, flips and elastic displacement in one step.

Pixels are read where the change says, also outside the crop, so that no border shows; beyond the image it
goes on mirrored. Moves by whole pixels, flips and quarter turns copy values and interpolate nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.images.augmentation_draws import Draw

WAVES = 32
"""Plane waves an elastic field is the sum of; their number makes its values nearly normal."""


def warp_image(
    pixels: NDArray[Any], draw: Draw, *, center: tuple[float, ...], shape: tuple[int, ...], order: int = 1
) -> NDArray[np.float32]:
    """Return a crop of an image, changed as drawn.

    Parameters
    ----------
    pixels
        (C, *spatial), 2 or 3 spatial axes; only the part that is needed is touched.
    draw
        The change; its intensity is not applied here.
    center
        Of the crop in the image, in pixels, the first pixel's centre being 0; a crop from `start` has
        its centre at `start + (size - 1) / 2`.
    shape
        Of the crop.
    order
        1 interpolates linearly, 0 takes the nearest pixel.

    Returns
    -------
    NDArray
        (C, *shape) float32.

    Examples
    --------
    >>> pixels = np.arange(16.0).reshape(1, 4, 4)
    >>> warp_image(pixels, Draw(quarter_turns=1), center=(0.5, 0.5), shape=(2, 2))
    array([[[1., 5.],
            [0., 4.]]], dtype=float32)
    """
    if order not in (0, 1):
        message = f"order is {order}; expected 0 (nearest) or 1 (linear)"
        raise ValueError(message)
    if whole := _whole_pixels(draw, center, shape):
        return np.ascontiguousarray(_copy(pixels, *whole), dtype=np.float32)
    if order == 0:
        return _nearest(pixels, draw, center, shape).astype(np.float32, copy=False)
    base = np.floor(center)
    low, fraction = [], []
    for offset, rest in zip(_offsets(draw, shape), center - base, strict=True):
        position = offset + np.float32(rest)
        floor = np.floor(position)
        fraction.append(position - floor)
        low.append(floor.astype(np.intp))
    window, low, high = _window(pixels, [a + int(b) for a, b in zip(low, base, strict=True)], reach=1)
    flat = window.reshape(len(window), -1).astype(np.float32, copy=False)
    return _interpolate(flat, low, high, fraction).reshape(len(pixels), *shape)


def warp_labels(labels: NDArray[Any], draw: Draw, *, center: tuple[float, ...], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the crop of a label image that belongs to `warp_image`'s: the nearest label, no new values.

    Parameters
    ----------
    labels
        (*spatial,), any type.
    draw, center, shape
        As given to `warp_image`.

    Returns
    -------
    NDArray
        (*shape,), type of `labels`.
    """
    if whole := _whole_pixels(draw, center, shape):
        return np.ascontiguousarray(_copy(labels[None], *whole)[0])
    cut: NDArray[Any] = _nearest(labels[None], draw, center, shape)[0]
    return cut


def linear_map(draw: Draw, ndim: int) -> NDArray[np.float64]:
    """Return the matrix from an offset in the crop to the offset in the image that is read there: (ndim, ndim).

    Axes are ([Z, ]Y, X). Entries that miss a whole number by rounding are that number.
    """
    if ndim not in (2, 3) or len(draw.flips) not in (0, ndim):
        message = f"{ndim} spatial axes and {len(draw.flips)} flips do not go together"
        raise ValueError(message)
    plane = np.eye(ndim)
    if draw.shear:
        plane[-1, -2] = -draw.shear
    matrix = plane / draw.zoom
    for angle, axes in zip(draw.tilt_degrees, ((0, 2), (0, 1)), strict=True):
        if angle and ndim == 3:
            matrix = matrix @ _turn(angle, axes, ndim)
    matrix = matrix @ _turn(draw.rotation_degrees + 90 * draw.quarter_turns, (ndim - 2, ndim - 1), ndim)
    matrix = matrix @ np.diag([-1.0 if flip else 1.0 for flip in draw.flips or (False,) * ndim])
    near = np.rint(matrix)
    return np.where(np.abs(matrix - near) < 1e-12, near, matrix)


def _turn(degrees: float, axes: tuple[int, int], ndim: int) -> NDArray[np.float64]:
    angle = np.deg2rad(degrees)
    first, second = axes
    matrix = np.eye(ndim)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = np.sin(angle), -np.sin(angle)
    return matrix


def _whole_pixels(
    draw: Draw, center: tuple[float, ...], shape: tuple[int, ...]
) -> tuple[list[NDArray[np.intp]], list[int]] | None:
    """Return positions along each axis of the image, and the crop's axis each follows; None unless they are whole."""
    if draw.elastic_pixels:
        return None
    matrix = linear_map(draw, len(shape))
    if not np.isin(matrix, (-1, 0, 1)).all() or (np.abs(matrix).sum(0) != 1).any():
        return None
    positions, follows = [], []
    for row, middle in zip(matrix, center, strict=True):
        axis = int(np.flatnonzero(row)[0])
        along = middle + row[axis] * (np.arange(shape[axis]) - (shape[axis] - 1) / 2)
        if (along != np.rint(along)).any():
            return None
        positions.append(along.astype(np.intp))
        follows.append(axis)
    return positions, follows


def _copy(pixels: NDArray[Any], positions: list[NDArray[np.intp]], follows: list[int]) -> NDArray[Any]:
    """Return `pixels` (C, *spatial) at positions along each axis, with the crop's order of axes."""
    crop = pixels
    for axis, along in enumerate(positions, start=1):
        inside = _mirror(along, pixels.shape[axis])
        crop = crop[(slice(None),) * axis + (slice(int(inside.min()), int(inside.max()) + 1),)]
        crop = np.take(crop, inside - inside.min(), axis=axis)
    return crop.transpose(0, *(1 + follows.index(axis) for axis in range(len(follows))))


def _nearest(pixels: NDArray[Any], draw: Draw, center: tuple[float, ...], shape: tuple[int, ...]) -> NDArray[Any]:
    base = np.floor(center)
    nearest = [
        np.rint(offset + np.float32(middle - whole)).astype(np.intp) + int(whole)
        for offset, middle, whole in zip(_offsets(draw, shape), center, base, strict=True)
    ]
    window, steps, _ = _window(pixels, nearest, reach=0)
    index = sum(steps[1:], start=steps[0])
    return np.take(window.reshape(len(window), -1), index, axis=1).reshape(len(pixels), *shape)


# Of one draw the image asks first, then its labels: one grid for both.
@lru_cache(maxsize=1)
def _offsets(draw: Draw, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], ...]:
    """Return, per axis of the image, where each pixel of the crop is read: (*shape,) from the crop's centre."""
    axes = [np.arange(size) - (size - 1) / 2 for size in shape]
    offsets = []
    for row in linear_map(draw, len(shape)):
        total = np.zeros(shape, np.float32)
        for axis, (factor, along) in enumerate(zip(row, axes, strict=True)):
            total += (factor * along).astype(np.float32).reshape(-1, *(1,) * (len(shape) - axis - 1))
        offsets.append(total)
    if draw.elastic_pixels:
        for total, moved in zip(offsets, displacement(draw, shape), strict=True):
            total += moved
    for total in offsets:
        total.flags.writeable = False
    return tuple(offsets)


def displacement(draw: Draw, shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
    """Return the elastic displacement along each axis, in pixels of the image: (*shape,) each.

    A sum of plane waves with random directions, lengths and phases: its covariance is Gaussian, its
    standard deviation the same everywhere, and it does not depend on the crop's shape. Rahimi & Recht,
    Advances in Neural Information Processing Systems 20 (2007), have the sum; the use of such fields is
    Simard et al., doi 10.1109/ICDAR.2003.1227801.
    """
    ndim = len(shape)
    rng = np.random.default_rng(draw.elastic_seed)
    rates = rng.normal(0, 1 / draw.elastic_scale, (ndim, ndim, WAVES))
    phases = rng.uniform(0, 2 * np.pi, (ndim, WAVES))
    axes = [np.arange(size) - (size - 1) / 2 for size in shape]
    fields = []
    for rate, phase in zip(rates, phases, strict=True):
        # The cosine of a sum over a grid is the real part of a product of matrices: fast.
        *others, last = (np.exp(1j * np.outer(along, turns)) for along, turns in zip(axes, rate, strict=True))
        waves = np.exp(1j * phase)[None]
        for line in others:
            waves = (waves[:, None] * line).reshape(-1, WAVES)
        total = waves.real @ last.real.T - waves.imag @ last.imag.T
        fields.append((draw.elastic_pixels * np.sqrt(2 / WAVES) * total).reshape(shape).astype(np.float32))
    return fields


def _window(
    pixels: NDArray[Any], low: list[NDArray[np.intp]], *, reach: int
) -> tuple[NDArray[Any], list[NDArray[np.intp]], list[NDArray[np.intp]]]:
    """Return the part of `pixels` that is read, and flat steps in it: per axis to `low`, and to `low + reach`."""
    starts, stops, nexts = [], [], []
    for axis, size in enumerate(pixels.shape[1:]):
        first, last = int(low[axis].min()), int(low[axis].max()) + reach
        nexts.append(low[axis] + reach)
        if first < 0 or last >= size:
            low[axis], nexts[axis] = _mirror(low[axis], size), _mirror(nexts[axis], size)
            first = int(min(low[axis].min(), nexts[axis].min()))
            last = int(max(low[axis].max(), nexts[axis].max()))
        starts.append(first)
        stops.append(last + 1)
    window = pixels[(slice(None), *map(slice, starts, stops))]
    step = 1
    for axis in reversed(range(len(starts))):
        for steps in (low, nexts):
            steps[axis] = (steps[axis] - starts[axis]) * step
        step *= window.shape[axis + 1]
    return window, low, nexts


def _mirror(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Return positions inside 0 to `size` - 1 of an axis that goes on mirrored at its first and last pixel."""
    if size == 1:
        return np.zeros_like(index)
    period = 2 * (size - 1)
    turned = np.abs(index) % period
    inside: NDArray[np.intp] = np.minimum(turned, period - turned)
    return inside


def _interpolate(
    flat: NDArray[np.float32],
    low: list[NDArray[np.intp]],
    high: list[NDArray[np.intp]],
    fraction: list[NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Interpolate linearly between the corners that the steps `low` and `high` of each axis lead to: (C, points)."""

    def between(axis: int, steps: NDArray[np.intp] | int) -> NDArray[np.float32]:
        if axis == len(low):
            return np.take(flat, steps, axis=1)
        first = between(axis + 1, steps + low[axis].ravel())
        second = between(axis + 1, steps + high[axis].ravel())
        second -= first
        second *= fraction[axis].ravel()
        first += second
        return first

    return between(0, 0)
