"""Label masks from files: PNG, TIFF, BMP, GIF through Pillow, and NPY."""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".npy")
Mask = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class MaskPair:
    """A predicted and a true mask of one name; None where there is no file, several where the name is not clear."""

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
    """Pair the masks of two folders by file name without suffix, sorted by name.

    Hidden files and files of other kinds are left alone.

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
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                found[path.stem][side].append(path)
    if not found:
        message = f"neither {predicted} nor {truth} holds masks ({', '.join(SUFFIXES)})"
        raise InputError(message)
    return [MaskPair(name, tuple(a), tuple(b)) for name, (a, b) in sorted(found.items())]


def read_mask(path: str | Path) -> Mask:
    """Read a mask: (Y, X), or (pages, Y, X) of several pages; whole numbers.

    Palette images give the palette's indices. Colour images are taken where the channels are equal
    (grey stored as colour); transparency is left out.

    Raises
    ------
    InputError
        If the file cannot be read, holds fractions, or is in colour.
    """
    path = Path(path)
    pixels = _read_npy(path) if path.suffix.lower() == ".npy" else _read_image(path)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8)
    if pixels.dtype.kind == "f" and np.isfinite(pixels).all() and not np.any(pixels % 1):
        return pixels.astype(np.int64)
    if pixels.dtype.kind not in "iu":
        message = f"{path}: pixels of {pixels.dtype} are no labels; expected whole numbers"
        raise InputError(message)
    return pixels


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        pixels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        message = f"{path}: not a readable NPY file: {error}"
        raise InputError(message) from error
    if not isinstance(pixels, np.ndarray) or not pixels.size:
        message = f"{path}: holds no array of pixels"
        raise InputError(message)
    return pixels


def _read_image(path: Path) -> NDArray[Any]:
    from PIL import Image, ImageSequence

    try:
        with warnings.catch_warnings():
            # Whole slides are larger than Pillow thinks an image should be; its limit for errors stays.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                pages = [_grey(np.asarray(page), path) for page in ImageSequence.Iterator(image)]
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        message = f"{path}: not a readable image: {error}"
        raise InputError(message) from error
    if len({page.shape for page in pages}) > 1:
        message = f"{path}: its pages differ in size; expected one mask"
        raise InputError(message)
    return pages[0] if len(pages) == 1 else np.stack(pages)


def _grey(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return one channel of an image whose colour channels are equal."""
    if pixels.ndim == 2:
        return pixels.copy()
    colour = pixels[..., : 1 if pixels.shape[-1] == 2 else 3]
    if (colour != colour[..., :1]).any():
        message = f"{path}: in colour; expected a mask with one channel"
        raise InputError(message)
    return colour[..., 0].copy()
