"""Label masks from files of every format that keeps numbers as they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.formats import image_stem, image_suffix

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".npy", ".nii", ".nii.gz", ".mgz", ".mgh")
Mask = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class MaskPair:
    """A predicted and a true mask of one name.

    Parameters
    ----------
    name
        The files' name without suffix.
    predicted, truth
        The file; none where there is none, several where the name is not clear.
    """

    name: str
    predicted: tuple[Path, ...]
    truth: tuple[Path, ...]

    def files(self) -> tuple[Path, Path]:
        """Return the two files.

        Raises
        ------
        InputError
            If one is missing, or there are several of that name.
        """
        for files, what in ((self.predicted, "predicted"), (self.truth, "true")):
            if len(files) > 1:
                message = f"{self.name}: {len(files)} {what} masks ({', '.join(map(str, files))}); keep one"
                raise InputError(message)
            if not files:
                message = f"{self.name}: there is no {what} mask beside {(self.predicted + self.truth)[0]}"
                raise InputError(message)
        return self.predicted[0], self.truth[0]


def pair_masks(predicted: str | Path, truth: str | Path) -> list[MaskPair]:
    """Return the masks of two folders in pairs, by file name without suffix, sorted by name.

    Hidden files and files of other kinds are left alone.

    Parameters
    ----------
    predicted, truth
        The folders.

    Raises
    ------
    InputError
        If one is no folder, or neither holds a mask.
    """
    found: dict[str, tuple[list[Path], list[Path]]] = defaultdict(lambda: ([], []))
    for side, folder in enumerate((predicted, truth)):
        if not Path(folder).is_dir():
            message = f"{folder} is not a folder; give one with masks ({', '.join(SUFFIXES)})"
            raise InputError(message)
        for path in sorted(Path(folder).iterdir()):
            if image_suffix(path) in SUFFIXES and not path.name.startswith("."):
                found[image_stem(path)][side].append(path)
    if not found:
        message = f"neither {predicted} nor {truth} holds masks ({', '.join(SUFFIXES)})"
        raise InputError(message)
    return [MaskPair(name, tuple(a), tuple(b)) for name, (a, b) in sorted(found.items())]


def read_mask(path: str | Path) -> Mask:
    """Return a mask: (Y, X), or (pages, Y, X) of several pages or planes; whole numbers.

    Palette images give the palette's indices. Colour images are taken where the channels are equal
    (grey stored as colour); transparency is left out. Volumes have the axes that
    :func:`bioconv.images.reader.open_image` gives them.

    Parameters
    ----------
    path
        Any image but JPEG.

    Raises
    ------
    InputError
        If the file cannot be read, holds fractions, is in colour, or was packed with loss (JPEG).
    MissingDependencyError
        If a package that reads this file is not installed.
    """
    from bioconv.images.reader import open_source

    with open_source(path, indices=True) as source:
        if source.info.format == "jpeg":
            message = f"{path}: JPEG changes the numbers it stores; save masks as PNG or TIFF"
            raise InputError(message)
        pixels = source.read()
    if source.info.rgb:
        pixels = _grey(pixels, source.info.axes.index("C"), path)
    elif "C" in source.info.axes:
        message = f"{path}: {source.info.sizes['C']} channels; expected a mask with one"
        raise InputError(message)
    if pixels.dtype.kind == "f" and np.isfinite(pixels).all() and not np.any(pixels % 1):
        return pixels.astype(np.int64)
    if pixels.dtype.kind not in "iu":
        message = f"{path}: pixels of {pixels.dtype} are no labels; expected whole numbers"
        raise InputError(message)
    return pixels


def _grey(pixels: NDArray[Any], axis: int, path: str | Path) -> NDArray[Any]:
    """Return one channel of an image whose colour channels are equal."""
    first: NDArray[Any] = pixels.take(0, axis)
    if any((pixels.take(number, axis) != first).any() for number in range(1, pixels.shape[axis])):
        message = f"{path}: in colour; expected a mask with one channel"
        raise InputError(message)
    return first
