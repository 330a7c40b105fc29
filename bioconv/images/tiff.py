"""TIFF, OME-TIFF, BigTIFF and ImageJ's TIFF."""

from __future__ import annotations

import contextlib
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bioconv.errors import InputError
from bioconv.images.axes import Layout, Window, advice, as_native, layout, native
from bioconv.images.failures import listening, told
from bioconv.images.image import ImageInfo, ImageSource, Pixels
from bioconv.images.palette import Fetch, coloured
from bioconv.images.tiff_metadata import channel_names, spacing_of
from bioconv.images.tiff_pixels import TiffPixels

if TYPE_CHECKING:
    import tifffile

_STRUCTURE = {
    254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347,
    512, 513, 514, 515, 519, 520, 521, 530,
}  # fmt: skip
"""Tags without which pixels cannot be read as they were written."""
_DAMAGE = re.compile(
    r"missing|corrupt|incomplete|zeroed|out of range|failed|invalid page|invalid shaped|not match|incorrect|next page"
)
_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG = (6, 7, 34892, 33007)
_SIDE_PICTURES = {"thumbnail", "label", "macro", "overview", "preview", "map"}


def open_tiff(path: Path, axes: str | None, *, indices: bool = False) -> ImageSource:
    """Open a TIFF; see :func:`bioconv.images.reader.open_image`.

    Parameters
    ----------
    indices
        Read the numbers of a palette image, not its colours; pages of unknown meaning count as planes.
    """
    import tifffile

    with contextlib.ExitStack() as stack:
        with listening("tifffile") as heard:
            file = stack.enter_context(tifffile.TiffFile(path))
            _check_damage(heard)
            series, warnings = _one_series(file, axes)
            _check_damage(heard)
            pixels = TiffPixels(file, series)
            spacing, source = spacing_of(series, file)
            _check_damage(heard)
        warnings += told(heard)
        source_ = _source(path, pixels, file, series, axes, spacing, (source, warnings), indices=indices)
        stack.pop_all()
    return source_


def _check_damage(heard: list[tuple[int, str]]) -> None:
    """Refuse what tifffile would read with parts missing or guessed."""
    for level, text in heard:
        tag = re.search(r"TiffTag (\d+) ", text)
        if int(tag[1]) in _STRUCTURE if tag else level >= logging.ERROR or _DAMAGE.search(text):
            message = f"a damaged TIFF ({text})"
            raise InputError(message)


def _one_series(file: tifffile.TiffFile, axes: str | None) -> tuple[tifffile.TiffPageSeries, tuple[str, ...]]:
    """Return the one image of a file; thumbnails, labels and masks beside it do not count."""
    every = [series for series in file.series if series.shape]
    if not every:
        message = "a TIFF without an image"
        raise InputError(message)
    found = [
        series
        for series in every
        if not int(series.keyframe.subfiletype) & 5 and str(series.name).lower() not in _SIDE_PICTURES
    ]
    if len(found) <= 1 or axes:
        warnings = (f"the first of its {len(found)} images was read",) if len(found) > 1 else ()
        return (found or every)[0], warnings
    sizes = ", ".join(f"{series.axes} {'x'.join(map(str, series.shape))}" for series in found[:4])
    message = (
        f"holds {len(found)} images ({sizes}{', ...' if len(found) > 4 else ''}); keep one in a file of its own "
        "(bfconvert -series 0, or Fiji), or let segment or train segment read the first (--axes)"
    )
    raise InputError(message)


def _source(
    path: Path, pixels: TiffPixels, file: tifffile.TiffFile, series: tifffile.TiffPageSeries, axes: str | None,
    spacing: dict[str, float], said: tuple[str, tuple[str, ...]], *, indices: bool,
) -> ImageSource:  # fmt: skip
    page = series.keyframe
    plan = _layout(file, series, axes, anyhow=indices)
    _check_colours(page)
    flip = int(page.photometric) == _MINISWHITE and not indices
    fetch = _fetch(pixels, plan, flip=flip, bits=_bits(page))
    found_axes, shape, dtype = plan.axes, plan.shape, native(pixels.dtype)
    colour = int(page.photometric) in (_RGB, _YCBCR) and plan.shape[:1] != () and _is_colour(plan, series)
    if int(page.photometric) == _PALETTE and not file.is_imagej and not indices and page.colormap is not None:
        found_axes, shape, fetch = coloured(found_axes, shape, fetch, _table(page))
        colour, dtype = "C" in found_axes, np.dtype(np.uint8)
    steps = tuple(spacing.get(axis, 0.0) for axis in found_axes if axis in "ZYX")
    known = bool(steps) and all(steps)
    facts: dict[str, Any] = {"warnings": said[1], "spacing_source": said[0] if spacing else ""}
    if not known and "X" in spacing and "Y" in spacing:
        facts["spacing_yx"] = (spacing["Y"], spacing["X"])
        facts["warnings"] += ("the distance of the planes is not given",)
    count = shape[found_axes.index("C")] if "C" in found_axes else 1
    info = ImageInfo(
        path=str(path), format="tiff", axes=found_axes, shape=shape, dtype=dtype,
        channels=("red", "green", "blue") if colour and count == 3 else channel_names(series, file, count),
        rgb=colour and count == 3, spacing=steps if known else None, unit="um" if known else "",
        bit_depth=_bits(page), facts=facts,
    )  # fmt: skip
    return ImageSource(info, fetch, pixels.close)


def _fetch(pixels: TiffPixels, plan: Layout, *, flip: bool, bits: int) -> Fetch:
    def fetch(window: Window) -> Pixels:
        block = as_native(plan.arrange(pixels.read(plan.file_window(window))))
        if flip and block.dtype.kind == "u":  # white is zero: bright is large everywhere else
            block = np.subtract(block.dtype.type((1 << bits) - 1), block)
        return block

    return fetch


def _layout(file: tifffile.TiffFile, series: tifffile.TiffPageSeries, axes: str | None, *, anyhow: bool) -> Layout:
    """Return which axis is which: as given, or as the file says; never a guess."""
    page = series.keyframe
    shape = tuple(int(size) for size in series.shape)
    own = str(series.axes)
    certain = all(letter in "TCZYXS" or size == 1 for letter, size in zip(own, shape, strict=True))
    extra = [int(kind) for kind in page.extrasamples or ()]
    count = int(page.samplesperpixel)
    colour = int(page.photometric) in (_RGB, _YCBCR)
    alpha = len([kind for kind in extra if kind in (1, 2)]) or (colour and count == 4)
    samples = count - (alpha if count > 1 else 0) if "S" in own else None
    if axes and len(axes) == len(shape):
        at = own.find("S")
        if at >= 0 and axes[at].upper() not in "CS":
            message = f"axes {axes} (sizes {shape}): axis {at + 1} is the colour; name it C"
            raise InputError(message)
        given = axes if at < 0 else axes[:at] + "S" + axes[at + 1 :]
        return layout(given, shape, samples=samples)
    if anyhow and not certain and len(shape) == 3:
        return layout("ZYX" if own.endswith("YX") else own, shape, samples=samples)
    if not certain:
        pages = "" if file.is_ome or file.is_imagej else "plain TIFF pages can be planes, times or channels; "
        given = f"axes {axes} do not fit: " if axes else ""
        message = f"{given}not clear which axis is which in {own} (sizes {shape}): {pages}{advice(shape)}"
        raise InputError(message)
    return layout(own, shape, samples=samples)


def _is_colour(plan: Layout, series: tifffile.TiffPageSeries) -> bool:
    return "C" in plan.axes and series.axes[plan.order[plan.axes.index("C")]] == "S"


def _check_colours(page: tifffile.TiffPage) -> None:
    kind = int(page.photometric)
    if kind == _YCBCR and int(page.compression) not in _JPEG:
        message = "colours as YCbCr without JPEG compression; convert to RGB (tiffcp, Fiji)"
        raise InputError(message)
    if kind in (5, 8, 9, 10):
        name = {5: "CMYK", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}[kind]
        message = f"{name} colours; convert to RGB or grey"
        raise InputError(message)


def _bits(page: tifffile.TiffPage) -> int:
    bits = page.bitspersample
    return int(max(bits) if isinstance(bits, tuple) else bits)


def _table(page: tifffile.TiffPage) -> Pixels:
    """Return the colours, (n, 3) uint8, of the 16-bit colour map."""
    table = np.asarray(page.colormap).T
    return np.ascontiguousarray(table if table.max(initial=0) < 256 else table >> 8).astype(np.uint8)
