"""How originals became the files that are listed here, where their bytes differ.

Pixels and text are the original's, or as the function says. The bytes depend on the encoder's version as well: PNG
files made by the same Pillow have the sha256 that is known, while gzip and JPEG may come out otherwise. Tables that go
with a set (`index.csv`, `labels.csv`) were made of its notes.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images import pictures
from bioconv.images.masks import read_mask
from bioconv.images.reader import read_image
from bioconv.outputs import open_output
from bioconv.wording import unreadable

_DRIVE = {"images": "images", "1st_manual": "vessels", "2nd_manual": "vessels_2nd_observer", "mask": "fov"}
_MIAS = (
    "image", "patient", "laterality", "tissue", "abnormality", "severity",
    "x_1024", "y_1024_from_bottom", "radius_1024",
)  # fmt: skip


def pack(source: Path, target: Path) -> None:
    """Write a file compressed by gzip at level 9, without name and time.

    Its bytes are those listed where Python was built with zlib itself; zlib-ng makes others, of the same content.

    Parameters
    ----------
    source
        A file.
    target
        Its gzip.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with open_output(target) as stream, gzip.GzipFile("", "wb", 9, stream, mtime=0) as packed:
        packed.write(source.read_bytes())


def to_png(source: Path, target: Path, *, mask: bool = False) -> None:
    """Write an image of 8 bits as PNG.

    Parameters
    ----------
    source
        TIFF, GIF or JPEG of 8 bits.
    target
        PNG.
    mask
        Whether it is a mask: every pixel but 0 becomes 255.

    Raises
    ------
    InputError
        If it cannot be read or has more than 8 bits.
    OutputError
        If the file cannot be written.
    """
    pixels = np.where(read_mask(source) > 0, 255, 0).astype(np.uint8) if mask else _pixels(source)
    _write(target, _png(pixels, compress_level=9))


def drive(original: Path, target: Path) -> int:
    """Write what is there of DRIVE as it is unpacked as PNG under the names of `drive`; return the number of files.

    Into `cache_folder() / "drive"` it is ready for use; the maps of published networks are not made.

    Parameters
    ----------
    original
        Holds `training/` and `test/` with `images/`, `1st_manual/`, `2nd_manual/` and `mask/`.
    target
        A folder; made if it is not there.

    Raises
    ------
    InputError
        If no file is found, or one cannot be read.
    OutputError
        If a file cannot be written.
    """
    count = 0
    for part in ("training", "test"):
        for folder, named in _DRIVE.items():
            for path in sorted((original / part / folder).glob("[0-9][0-9]_*")):
                own = target / part / named / f"{path.name[:2]}.png"
                own.parent.mkdir(parents=True, exist_ok=True)
                to_png(path, own, mask=folder != "images")
                count += 1
    if not count:
        message = f"{original} holds no training/images/21_training.tif and the like; give the folder of DRIVE"
        raise InputError(message)
    return count


def merge_masks(image: Path, masks: list[Path], image_target: Path, labels_target: Path) -> int:
    """Write an image of the 2018 Data Science Bowl and the label image of its objects; return their number.

    Constant transparency is dropped and equal channels become one; the objects are numbered from 1 in the order given,
    and a pixel of two is the later one's.

    Parameters
    ----------
    image
        The picture.
    masks
        A file per object; what is not 0 belongs to it.
    image_target, labels_target
        PNG, of the picture and of its labels (uint16).

    Raises
    ------
    InputError
        If a file cannot be read or a mask has another size than the image.
    OutputError
        If a file cannot be written.
    """
    pixels = _pixels(image)[..., :3]
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    labels = np.zeros(pixels.shape[:2], np.uint16)
    for number, path in enumerate(masks, 1):
        mask = read_mask(path) > 0
        if mask.shape != labels.shape:
            message = f"{path} has {mask.shape} pixels, its image {labels.shape}"
            raise InputError(message)
        labels[mask] = number
    _write(image_target, _png(pixels, optimize=True))
    _write(labels_target, _png(labels, optimize=True))
    return len(masks)


def halve(source: Path, target: Path) -> None:
    """Write a PGM of 8 bits with means over 2 x 2 pixels, rounded half to even, as PNG.

    Parameters
    ----------
    source
        A binary PGM.
    target
        PNG.

    Raises
    ------
    InputError
        If it is no such PGM, or its sides are odd.
    OutputError
        If the file cannot be written.
    """
    data = source.read_bytes()
    head = re.match(rb"P5\s(?:#[^\n]*\n)*(\d+)\s+(\d+)\s+255\s", data)
    width, height = (int(side) for side in head.groups()) if head else (0, 0)
    if not head or len(data) != head.end() + width * height or width % 2 or height % 2:
        message = f"{source} is no binary PGM of 8 bits with even sides"
        raise InputError(message)
    pixels = np.frombuffer(data, np.uint8, offset=head.end()).reshape(height // 2, 2, width // 2, 2)
    _write(target, _png(pixels.mean((1, 3)).round().astype(np.uint8), optimize=True))


def mini_mias(original: Path, target: Path) -> int:
    """Write mini-MIAS as it is unpacked in the form of `mini-mias-512`; return the number of images.

    Into `cache_folder() / "mini-mias-512"` it is ready for use.

    Parameters
    ----------
    original
        Holds `mdb001.pgm` to `mdb322.pgm` and the notes, `Info.txt`.
    target
        A folder; made if it is not there.

    Raises
    ------
    InputError
        If the notes or the images are not there, or a file cannot be read.
    OutputError
        If a file cannot be written.
    """
    try:
        notes = (original / "Info.txt").read_text("latin-1")
    except OSError as error:
        raise InputError(unreadable(original / "Info.txt", error)) from error
    rows = [_lesion(line.split()) for line in notes.splitlines() if re.match(r"mdb\d{3} +[FGD] ", line)]
    names = list(dict.fromkeys(row[0] for row in rows))
    lacking = [name for name in names if not (original / f"{name}.pgm").is_file()]
    if lacking or not names:
        message = f"{original} lacks {f'{lacking[0]}.pgm' if lacking else 'notes on images in Info.txt'}"
        raise InputError(message)
    (target / "images").mkdir(parents=True, exist_ok=True)
    for name in names:
        halve(original / f"{name}.pgm", target / "images" / f"{name}.png")
    text = io.StringIO()
    csv.writer(text).writerows([_MIAS, *rows])
    _write(target / "labels.csv", text.getvalue().encode())
    return len(names)


def _lesion(words: list[str]) -> list[str]:
    """Turn a line of the notes into a row: of a pair of films the odd one is the right breast."""
    name, tissue, kind, *more = words
    number = int(name[3:])
    severity, place = (more[0] if more else ""), [word for word in more[1:4] if word.isdecimal()]
    own = place if len(place) == 3 else ["", "", ""]
    return [name, f"p{(number + 1) // 2:03d}", "LR"[number % 2], tissue, kind, severity, *own]


def shrink(source: Path, target: Path, *, side: int = 192, quality: int = 93) -> None:
    """Write a grey image scaled by Lanczos's filter to `side` x `side` pixels as JPEG.

    Parameters
    ----------
    source
        A grey image.
    target
        JPEG.
    side
        Pixels.
    quality
        JPEG's, as Pillow counts it.

    Raises
    ------
    InputError
        If it cannot be read or is in colour.
    OutputError
        If the file cannot be written.
    """
    from PIL import Image

    small = Image.fromarray(read_mask(source).astype(np.uint8)).resize((side, side), Image.Resampling.LANCZOS)
    _write(target, pictures.to_jpeg(np.asarray(small), quality=quality))


def _pixels(path: Path) -> NDArray[Any]:
    """Read an image of 8 bits as (Y, X) or (Y, X, C)."""
    image = read_image(path)
    pixels = image.pixels
    if pixels.dtype != np.uint8:
        message = f"{path} has {pixels.dtype} pixels; expected 8 bits"
        raise InputError(message)
    if "C" in image.info.axes:
        pixels = np.moveaxis(pixels, image.info.axes.index("C"), -1)
    return pixels.reshape(pixels.shape[-3:] if "C" in image.info.axes else pixels.shape[-2:])


def _png(pixels: NDArray[Any], **how: Any) -> bytes:
    """Return a PNG of what is encoded once and kept: smaller than pictures of pages, and slower."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", **how)
    return stream.getvalue()


def _write(target: Path, data: bytes) -> None:
    with open_output(target) as stream:
        stream.write(data)
