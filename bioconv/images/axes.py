"""Named axes: from the order in a file to the order T, C, Z, Y, X, and windows back again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError

CANONICAL = "TCZYX"
"""Time, channel, plane, row, column: the order of the axes of every image."""
MEANING = "T time, C channel, Z plane, Y row, X column, S colour"
Window = tuple[slice, ...]


@dataclass(frozen=True)
class Layout:
    """How the axes of an array in a file become those of an image.

    Parameters
    ----------
    axes
        The image's axes, a subset of "TCZYX" in that order.
    shape
        The image's size along each of them.
    order
        For each axis of the image the number of the file's axis.
    ndim
        Number of axes in the file.
    fixed
        For axes of the file that the image does not have, the index that is read.
    """

    axes: str
    shape: tuple[int, ...]
    order: tuple[int, ...]
    ndim: int
    fixed: Mapping[int, int] = field(default_factory=dict)

    def file_window(self, window: Window) -> Window:
        """Return the part of the file's array that holds a window of the image."""
        found = [slice(index, index + 1) for index in (self.fixed.get(axis, 0) for axis in range(self.ndim))]
        for axis, part in zip(self.order, window, strict=True):
            found[axis] = part
        return tuple(found)

    def arrange(self, block: NDArray[Any]) -> NDArray[Any]:
        """Return a block in the file's order with the image's axes (a view)."""
        rest = [axis for axis in range(self.ndim) if axis not in self.order]
        block = block.transpose((*rest, *self.order))
        return block.reshape(block.shape[len(rest) :])


def layout(axes: str, shape: tuple[int, ...], *, samples: int | None = None, keep_planes: bool = False) -> Layout:
    """Return the layout of an array of a file whose axes are known.

    Parameters
    ----------
    axes
        One letter per axis: T, C, Z, Y, X; S is colour (it becomes C); others only where the size is 1.
    samples
        How many of the colour samples are read (transparency comes last); all if not given.
    keep_planes
        Keep a Z axis of size 1.

    Raises
    ------
    InputError
        If letters are unknown or doubled, Y or X is missing, or the array is empty. The message has no path.

    Examples
    --------
    >>> layout("YXS", (60, 80, 4), samples=3)
    Layout(axes='CYX', shape=(3, 60, 80), order=(2, 0, 1), ndim=3, fixed={})
    """
    letters = axes.upper()
    _check_letters(letters, shape)
    sizes = {letter: size for letter, size in zip(letters, shape, strict=True)}
    if samples is not None and "S" in sizes:
        sizes["S"] = min(samples, sizes["S"])
    if "S" in sizes and "C" in sizes:
        if min(sizes["S"], sizes["C"]) > 1:
            message = f"axes {letters}: both channels and colour (sizes {shape}); split the channels into files"
            raise InputError(message)
        del sizes["C" if sizes["S"] > 1 else "S"]
    kept = {"C" if letter == "S" else letter: letter for letter in sizes if letter in "TCZYXS"}
    for letter in "TC" if keep_planes else "TCZ":
        if letter in kept and sizes[kept[letter]] == 1:
            del kept[letter]
    found = "".join(letter for letter in CANONICAL if letter in kept)
    return Layout(
        axes=found,
        shape=tuple(sizes[kept[letter]] for letter in found),
        order=tuple(letters.index(kept[letter]) for letter in found),
        ndim=len(shape),
    )


def _check_letters(letters: str, shape: tuple[int, ...]) -> None:
    if len(letters) != len(shape):
        message = f"axes {letters}: {len(letters)} letters for {len(shape)} axes (sizes {shape})"
        raise InputError(message)
    if len(set(letters)) < len(letters):
        message = f"axes {letters}: a letter occurs twice"
        raise InputError(message)
    if missing := [letter for letter in "YX" if letter not in letters]:
        message = f"axes {letters}: {' and '.join(missing)} missing; every image has rows Y and columns X"
        raise InputError(message)
    if any(letter not in "TCZYXS" and size != 1 for letter, size in zip(letters, shape, strict=True)):
        message = f"axes {letters} (sizes {shape}): not clear; {advice(shape)}"
        raise InputError(message)
    if not all(shape):
        message = f"an image without pixels (sizes {shape})"
        raise InputError(message)


def advice(shape: tuple[int, ...]) -> str:
    """Say how to name the axes of an array of that shape."""
    example = {1: "X", 2: "YX", 3: "ZYX", 4: "ZCYX", 5: "TZCYX"}.get(len(shape), "TZCYX")
    if len(shape) == 3 and shape[-1] <= 4:
        example = "YXC"
    return (
        f"segment and train segment can be told, for example --axes {example} ({MEANING}); for other commands write a "
        "file that says it"
    )


def full_window(shape: tuple[int, ...], window: Window | None) -> Window:
    """Return a window with whole numbers for all its bounds.

    Raises
    ------
    ValueError
        If it does not have one slice per axis, steps over pixels, or is empty.
    """
    if window is None:
        return tuple(slice(0, size) for size in shape)
    if len(window) != len(shape):
        message = f"a window of {len(window)} slices for {len(shape)} axes"
        raise ValueError(message)
    bounds = [part.indices(size) for part, size in zip(window, shape, strict=True)]
    if any(step != 1 or stop <= start for start, stop, step in bounds):
        message = f"window {window} of an image of shape {shape}: empty, or with steps"
        raise ValueError(message)
    return tuple(slice(start, stop) for start, stop, _ in bounds)


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that pixels of a file are read as: native bytes, bool as uint8, every float as float32.

    Raises
    ------
    InputError
        If such numbers are no pixels (complex numbers, records, text).
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind in "iu":
        return dtype.newbyteorder("=")
    if dtype.kind == "f":
        return np.dtype(np.float32)
    message = f"pixels of type {dtype}; expected whole numbers or real numbers"
    raise InputError(message)


def as_native(block: NDArray[Any]) -> NDArray[Any]:
    """Return pixels with the dtype of :func:`native`."""
    with np.errstate(over="ignore", invalid="ignore"):  # 1e300 of a 64-bit file is inf in 32 bits
        return np.ascontiguousarray(block, dtype=native(block.dtype))
