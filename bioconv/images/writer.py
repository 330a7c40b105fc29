"""Masks and maps in the family and geometry of the image they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OutputError
from bioconv.images.image import ImageInfo
from bioconv.images.nifti_rows import NiftiRows
from bioconv.images.rows import NpyRows, PngRows, RowWriter
from bioconv.images.tiff_rows import TiffRows
from bioconv.outputs import open_output

PNG_MOST = 65535
_AT_ONCE = 1 << 24


def mask_suffix(info: ImageInfo, *, max_label: int = 0) -> str:
    """Return the suffix of a mask's file: ".tif", ".png", ".nii.gz", ".nii" or ".npy".

    PNG, JPEG, BMP and GIF pictures get PNG masks; where there are more labels than PNG's 16 bits hold, TIFF.
    DICOM volumes get NIfTI, which keeps their affine; single DICOM pictures TIFF, which keeps their spacing,
    or PNG where they have none. OME-Zarr gets TIFF.

    Parameters
    ----------
    info
        The image.
    max_label
        The largest label.

    Examples
    --------
    >>> import numpy as np
    >>> info = ImageInfo("a.jpg", "jpeg", "CYX", (3, 60, 80), np.dtype(np.uint8), ("red", "green", "blue"), True)
    >>> mask_suffix(info), mask_suffix(info, max_label=70_000)
    ('.png', '.tif')
    """
    if info.format in ("nifti", "mgh"):
        return ".nii" if info.path.lower().endswith(".nii") else ".nii.gz"
    if info.format == "npy":
        return ".npy"
    if info.format == "dicom" and "Z" in info.axes:
        return ".nii.gz"
    flat = not set(info.axes) & set("TZ") and info.spacing is None
    picture = info.format in ("png", "jpeg", "bmp", "gif", "dicom") and flat
    return ".png" if picture and max_label <= PNG_MOST else ".tif"


def label_dtype(max_label: int) -> np.dtype[Any]:
    """Return the smallest of uint8, uint16, uint32 that holds labels up to `max_label`.

    Raises
    ------
    OutputError
        If none does.
    """
    for kind in (np.uint8, np.uint16, np.uint32):
        if 0 <= max_label <= np.iinfo(kind).max:
            return np.dtype(kind)
    message = f"label {max_label}; expected 0 to {np.iinfo(np.uint32).max}"
    raise OutputError(message)


class MaskWriter:
    """Takes a mask in strips of rows, in order; made by :func:`open_mask_writer`.

    Parameters
    ----------
    path
        The file, for messages.
    rows
        What takes its rows.
    shape
        Of the whole mask.
    dtype
        Of its values.
    """

    def __init__(self, path: str, rows: RowWriter, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._path, self._writer, self._dtype = path, rows, dtype
        self._columns = shape[-1]
        self._count = int(np.prod(shape[:-1], dtype=np.int64))
        self._next = 0

    def write(self, rows: slice, labels: NDArray[Any]) -> None:
        """Write rows.

        Parameters
        ----------
        rows
            Which rows, counted through all planes: row y of plane z is number z * Y + y.
        labels
            (..., X), as many rows as that, whole numbers.

        Raises
        ------
        OutputError
            If they are not the next rows, or a label is larger than was said.
        """
        labels = np.asarray(labels).reshape(-1, self._columns)
        start, stop = rows.start or 0, self._next + len(labels) if rows.stop is None else rows.stop
        if start != self._next or stop - start != len(labels) or stop > self._count:
            message = (
                f"{self._path}: rows {start} to {stop} with {len(labels)} rows of labels; expected rows from "
                f"{self._next}, of {self._count}"
            )
            raise OutputError(message)
        if self._dtype.kind == "u" and labels.size:
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high > np.iinfo(self._dtype).max:
                message = f"{self._path}: labels {low} to {high} do not fit into {self._dtype}"
                raise OutputError(message)
        step = max(1, _AT_ONCE // max(1, self._columns * self._dtype.itemsize))
        for first in range(0, len(labels), step):
            self._writer.write(labels[first : first + step])
        self._next = stop

    def finish(self) -> None:
        """Write what comes after the last row.

        Raises
        ------
        OutputError
            If rows are missing.
        """
        if self._next != self._count:
            message = f"{self._path}: {self._next} of {self._count} rows were written"
            raise OutputError(message)
        self._writer.finish()


@contextmanager
def open_mask_writer(path: str | Path, info: ImageInfo, max_label: int) -> Iterator[MaskWriter]:
    """Yield a mask to be written in strips; the file appears when the block ends well, whole or not at all.

    Parameters
    ----------
    path
        Its suffix says the format; see :func:`mask_suffix`.
    info
        The image; the mask has its axes without C, its geometry and spacing.
    max_label
        The largest label, which decides on the dtype.

    Raises
    ------
    OutputError
        If the format cannot hold the labels or the axes, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> info = ImageInfo("", "array", "YX", (4, 5), np.dtype(np.uint8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open_mask_writer(f"{folder}/mask.tif", info, 1) as mask:
    ...         mask.write(slice(0, 3), np.ones((3, 5), int))
    ...         mask.write(slice(3, 4), np.zeros((1, 5), int))
    """
    axes, shape = mask_axes(info)
    dtype = label_dtype(max_label)
    with open_output(path) as stream:
        rows = _row_writer(str(path), stream, info, axes, shape, dtype)
        writer = MaskWriter(str(path), rows, shape, dtype)
        yield writer
        writer.finish()


def mask_axes(info: ImageInfo) -> tuple[str, tuple[int, ...]]:
    """Return the axes and shape of the mask of an image (`info`): its own without C."""
    axes = info.axes.replace("C", "")
    return axes, tuple(info.sizes[axis] for axis in axes)


def write_mask(path: str | Path, labels: NDArray[Any], info: ImageInfo) -> None:
    """Write a label mask with the shape, affine and spacing of its image, in the smallest dtype that holds it.

    Parameters
    ----------
    path
        Its suffix says the format; see :func:`mask_suffix`.
    labels
        Whole numbers from 0, of the image's shape without C.
    info
        The image.

    Raises
    ------
    OutputError
        If the shape is another, labels are negative or too large for the format, or the file cannot be written.
    """
    labels = np.asarray(labels)
    _, shape = mask_axes(info)
    if labels.shape != shape or labels.dtype.kind not in "iub":
        message = f"{path}: labels {labels.dtype} {labels.shape}; expected whole numbers of shape {shape}"
        raise OutputError(message)
    with open_mask_writer(path, info, int(labels.max())) as writer:
        writer.write(slice(0, labels.size // shape[-1]), labels.astype(np.uint8) if labels.dtype == bool else labels)


def write_map(path: str | Path, values: NDArray[Any], info: ImageInfo, *, channels: tuple[str, ...] = ()) -> None:
    """Write probabilities or uncertainties, as TIFF, NIfTI or NPY.

    Parameters
    ----------
    path
        Its suffix says the format; see :func:`map_suffix`.
    values
        (C, *shape of the mask); they are written as float32.
    info
        The image.
    channels
        Names of the maps; empty: none.

    Raises
    ------
    OutputError
        If the shape is another, or the format holds no such numbers.
    """
    _, shape = mask_axes(info)
    values = np.asarray(values)
    if values.shape[1:] != shape:
        message = f"{path}: a map of shape {values.shape}; expected (channels, {', '.join(map(str, shape))})"
        raise OutputError(message)
    with open_map_writer(path, info, len(values), names=channels) as writer:
        writer.write(slice(0, values.size // shape[-1]), values)


@contextmanager
def open_map_writer(
    path: str | Path, info: ImageInfo, channels: int, *, names: tuple[str, ...] = ()
) -> Iterator[MaskWriter]:
    """Yield maps to be written in strips, one channel after another; as `open_mask_writer` otherwise.

    Rows are counted through all channels and planes: row y of plane z of channel c is number (c * Z + z) * Y + y.

    Parameters
    ----------
    path
        Its suffix says the format; see :func:`map_suffix`.
    info
        The image.
    channels, names
        How many, and what they are called.

    Raises
    ------
    OutputError
        If the format holds no such numbers, or the file cannot be written.
    """
    axes, shape = mask_axes(info)
    dtype = np.dtype(np.float32)
    with open_output(path) as stream:
        rows = _row_writer(str(path), stream, info, "C" + axes, (channels, *shape), dtype, names)
        writer = MaskWriter(str(path), rows, (channels, *shape), dtype)
        yield writer
        writer.finish()


def map_suffix(info: ImageInfo) -> str:
    """Return the suffix of the file of a map of an image (`info`): that of the mask, or ".tif" for pictures."""
    suffix = mask_suffix(info)
    return ".tif" if suffix == ".png" else suffix


def _row_writer(
    path: str, stream: BinaryIO, info: ImageInfo, axes: str, shape: tuple[int, ...], dtype: np.dtype[Any],
    channels: tuple[str, ...] = (),
) -> RowWriter:  # fmt: skip
    name = path.lower()
    if name.endswith((".tif", ".tiff")):
        return TiffRows(stream, axes, shape, dtype, spacing=info.spacing, unit=info.unit, channels=channels)
    if name.endswith((".nii", ".nii.gz")):
        return NiftiRows(stream, info, axes, shape, dtype, packed=name.endswith(".gz"))
    if name.endswith(".npy"):
        return NpyRows(stream, shape, dtype)
    if name.endswith(".png") and len(shape) == 2 and dtype.kind == "u" and dtype.itemsize <= 2:
        return PngRows(stream, shape, dtype)
    message = (
        f"{path}: {dtype} of shape {shape} cannot be written in this format; name it .tif, .nii.gz or .npy "
        "(.png holds one plane and labels up to 65535)"
    )
    raise OutputError(message)
