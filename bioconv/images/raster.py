"""PNG, JPEG, BMP and GIF pictures."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.axes import Window, advice, full_window, layout
from bioconv.images.failures import listening, told
from bioconv.images.image import ImageInfo, ImageSource, Pixels
from bioconv.images.limits import check_memory, check_ratio
from bioconv.images.palette import Fetch, coloured

_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "I", "I;16", "I;16B"}
_ALPHA = {"LA", "La", "PA", "RGBA"}


def open_raster(path: Path, kind: str, axes: str | None, *, indices: bool = False) -> ImageSource:
    """Open a picture; see :func:`bioconv.images.reader.open_image`. `indices` reads a palette's numbers."""
    if kind == "png":
        check_png(path)
    with listening("PIL") as heard, _picture(path, kind) as picture:
        size, mode, frames = picture.size, picture.mode, int(getattr(picture, "n_frames", 1))
        deep = _png_depth(path) == 16 if kind == "png" else False
        orientation = int(picture.getexif().get(0x0112, 1) or 1)
        table = _palette(picture) if mode in ("P", "PA") and not indices else None
        clear = "transparency" in picture.info
    if mode not in _MODES:
        message = f"a picture in {mode} colours; convert to RGB or grey"
        raise InputError(message)
    if frames > 1:
        return _animation(path, kind, frames, axes, told(heard), indices=indices)
    rows, columns = size[::-1] if orientation < 5 else size
    bands = {"LA": 1, "La": 1, "RGB": 3, "RGBA": 3, "RGBX": 3}.get(mode, 1)
    dtype = np.dtype(np.uint16 if deep or mode.startswith("I;16") else np.int32 if mode == "I" else np.uint8)
    check_ratio((*size, bands), dtype if dtype == np.uint16 else np.dtype(np.uint8), path.stat().st_size)
    check_memory((*size, bands), dtype)
    warnings = told(heard)
    if orientation != 1:
        warnings += (f"turned upright as its EXIF orientation ({orientation}) says",)
    held: list[Pixels] = []

    def whole() -> Pixels:
        if not held:
            held.append(_decode(path, kind, mode, orientation, deep=deep))
        return held[0]

    if mode in _ALPHA:
        warnings += _hidden(whole())
    elif clear:
        warnings += ("its transparent colour is read as stored",)
    shape: tuple[int, ...] = (rows, columns) if bands == 1 else (3, rows, columns)
    found_axes = "YX" if bands == 1 else "CYX"

    def cut(window: Window) -> Pixels:
        pixels = whole()
        if bands == 1:
            return (pixels if pixels.ndim == 2 else pixels[..., 0])[window]
        return pixels[(*window[1:], window[0])].transpose(2, 0, 1)

    fetch: Fetch = cut
    if table is not None:
        found_axes, shape, fetch = coloured(found_axes, shape, fetch, table)
    rgb = "C" in found_axes
    info = ImageInfo(
        path=str(path), format=kind, axes=found_axes, shape=shape, dtype=dtype,
        channels=("red", "green", "blue") if rgb else ("",), rgb=rgb,
        bit_depth=1 if mode == "1" else dtype.itemsize * 8, facts={"warnings": warnings},
    )  # fmt: skip
    return ImageSource(info, fetch, held.clear)


def _picture(path: Path, kind: str) -> Any:
    """Open with the one plugin of that format: no guessing, and no limit but ours."""
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin

    plugins: dict[str, Callable[..., Any]] = {
        "png": PngImagePlugin.PngImageFile, "jpeg": JpegImagePlugin.JpegImageFile,
        "bmp": BmpImagePlugin.BmpImageFile, "gif": GifImagePlugin.GifImageFile,
    }  # fmt: skip
    return plugins[kind](path)


def _decode(path: Path, kind: str, mode: str, orientation: int, *, deep: bool) -> Pixels:
    """Return (rows, columns[, samples]), turned upright."""
    if deep and mode in ("RGB", "RGBA", "LA"):
        import imagecodecs  # Pillow keeps 8 of the 16 bits

        pixels = np.asarray(imagecodecs.png_decode(path.read_bytes()))
        if pixels.dtype != np.uint16:
            message = f"16-bit colours that were decoded as {pixels.dtype}"
            raise InputError(message)
    else:
        with listening("PIL"), _picture(path, kind) as picture:
            pixels = np.array(picture)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8)
    elif deep or mode.startswith("I;16"):
        pixels = pixels.astype(np.uint16)  # older Pillows hold grey of 16 bits as int32
    return _upright(pixels, orientation)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def _hidden(pixels: Pixels) -> tuple[str, ...]:
    """Say how many pixels are fully transparent."""
    if pixels.ndim < 3 or pixels.shape[-1] not in (2, 4):
        return ()
    count = int((pixels[..., -1] == 0).sum())
    if not count:
        return ()
    return (f"{count} of its {pixels[..., 0].size} pixels are fully transparent; the colours under them were read",)


def _palette(picture: Any) -> NDArray[np.uint8]:
    colours = picture.getpalette("RGB") or [0, 0, 0]
    return np.asarray(colours, np.uint8).reshape(-1, 3)


def _animation(
    path: Path, kind: str, frames: int, axes: str | None, warnings: tuple[str, ...], *, indices: bool
) -> ImageSource:
    """Open a moving picture, whose frames are grey or colours; what they mean must be said."""
    with listening("PIL"), _picture(path, kind) as picture:
        size = picture.size[::-1]
        check_memory((frames, *size, 3), np.dtype(np.uint8))
        check_ratio((frames, *size), np.dtype(np.uint8), path.stat().st_size)
        pages = []
        for number in range(frames):
            picture.seek(number)
            pages.append(np.asarray(picture if indices else picture.convert("RGB")))
    if not axes and not indices:
        message = f"{frames} frames of {size}: not clear what they are; {advice((frames, *size, 3))}"
        raise InputError(message)
    stacked = np.stack([page[..., 0] if page.ndim > 2 and (page == page[..., :1]).all() else page for page in pages])
    own = "ZYX" if stacked.ndim == 3 else "ZYXS"
    given = (axes or own).upper()
    if len(given) == 3 and stacked.ndim == 4:
        given += "S"
    if len(given) == 4 and stacked.ndim == 3:
        given = given[:3]
    plan = layout(given.replace("C", "S") if len(given) == 4 else given, stacked.shape)
    pixels = plan.arrange(stacked[plan.file_window(full_window(plan.shape, None))])
    rgb = stacked.ndim == 4
    info = ImageInfo(
        path=str(path), format=kind, axes=plan.axes, shape=plan.shape, dtype=pixels.dtype,
        channels=("red", "green", "blue") if rgb else ("",) * plan.shape[plan.axes.index("C")]
        if "C" in plan.axes else ("",), rgb=rgb, facts={"warnings": warnings},
    )  # fmt: skip
    return ImageSource(info, lambda window: pixels[window])


def _png_depth(path: Path) -> int:
    with path.open("rb") as stream:
        return stream.read(25)[24]


def check_png(path: Path) -> None:
    """Check that a PNG is whole: every chunk has its length and checksum, up to the end mark.

    Pillow does not look at the checksums of pixels.

    Raises
    ------
    InputError
        If it is not.
    """
    size = path.stat().st_size
    place, kind = 8, b""
    with path.open("rb") as stream:
        while kind != b"IEND":
            stream.seek(place)
            head = stream.read(8)
            length, kind = int.from_bytes(head[:4]), head[4:]
            if len(head) < 8 or place + length + 12 > size:
                message = f"not a readable image: a PNG cut short after {size} bytes; copy it again"
                raise InputError(message)
            checksum = _checksum(stream, kind, length)
            if place == 8 and (kind != b"IHDR" or length != 13):
                message = "not a readable image: a PNG without a header"
                raise InputError(message)
            if stream.read(4) != checksum.to_bytes(4):
                name = kind.decode("latin1")
                message = f"not a readable image: damaged, the checksum of its {name} chunk is wrong; copy it again"
                raise InputError(message)
            place += length + 12


def _checksum(stream: Any, kind: bytes, length: int) -> int:
    checksum = zlib.crc32(kind)
    while length:
        block = stream.read(min(length, 1 << 20))
        if not block:
            break
        checksum = zlib.crc32(block, checksum)
        length -= len(block)
    return checksum
