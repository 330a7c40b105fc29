"""Opening images of any format that is read: the one way in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bioconv.errors import InputError
from bioconv.images.axes import CANONICAL
from bioconv.images.failures import reading
from bioconv.images.formats import image_format, looks_like_dicom
from bioconv.images.image import Image, ImageSource, check_info

ImagePath = str | Path | Sequence[str | Path]
"""A file, a folder with one DICOM series or an OME-Zarr, or the files of one DICOM series."""


def open_image(path: ImagePath, *, axes: str | None = None) -> ImageSource:
    """Return an opened image; its pixels are read when asked for.

    The format is that of the first bytes, whatever the name. Pixels are as stored: integers stay integers of
    their width, real numbers become float32, transparency is left out, palettes become colours, and pictures
    are turned as their EXIF tag says. DICOM values follow the standard; see `bioconv.images.dicom`.

    Parameters
    ----------
    path
        A file, a folder with one DICOM series or an OME-Zarr, or the files of one DICOM series.
    axes
        One letter per axis of the file's array (T, C, Z, Y, X; S for colour), where the file does not say;
        it overrules what the file says where the number of axes is the same.

    Raises
    ------
    InputError
        If the file is no image that can be read right, or which axis is which is not clear. The message starts
        with the path and says what to do.
    MissingDependencyError
        If a package that reads this file is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/cells.npy", np.zeros((60, 80), np.uint16))
    ...     with open_image(f"{folder}/cells.npy") as image:
    ...         print(image.info.axes, image.info.shape, image.info.dtype, image.info.spacing)
    YX (60, 80) uint16 None
    """
    return open_source(path, axes=axes)


def read_image(path: ImagePath, *, axes: str | None = None) -> Image:
    """Return a whole image, read into memory.

    Parameters
    ----------
    path, axes
        As of :func:`open_image`.

    Raises
    ------
    InputError, MissingDependencyError
        As :func:`open_image`.
    """
    with open_source(path, axes=axes) as source:
        return Image(source.info, source.read())


def open_source(path: ImagePath, *, axes: str | None = None, indices: bool = False) -> ImageSource:
    """Return an opened image or label mask.

    Parameters
    ----------
    path, axes
        As of :func:`open_image`.
    indices
        Of label masks: palettes' numbers are kept, and pages of any meaning are planes.

    Raises
    ------
    InputError, MissingDependencyError
        As :func:`open_image`.
    """
    if axes is not None and (set(axes.upper()) - set(CANONICAL + "S") or not {"Y", "X"} <= set(axes.upper())):
        message = f"{path}: axes {axes}; expected letters of T, C, Z, Y, X (S for colour), with Y and X"
        raise InputError(message)
    if not isinstance(path, (str, Path)):
        return _open_files([Path(entry) for entry in path], axes)
    path = Path(path)
    kind = ""
    with reading(path, "file"):
        kind = image_format(path)
    with reading(path, kind):
        source = _open(path, kind, axes, indices=indices)
        try:
            check_info(source.info)
        except InputError:
            source.close()
            raise
    return source


def _open(path: Path, kind: str, axes: str | None, *, indices: bool) -> ImageSource:
    if kind in ("png", "jpeg", "bmp", "gif"):
        from bioconv.images.raster import open_raster

        return open_raster(path, kind, axes, indices=indices)
    if kind == "tiff":
        from bioconv.images.tiff import open_tiff

        return open_tiff(path, axes, indices=indices)
    if kind == "npy":
        from bioconv.images.npy import open_npy

        return open_npy(path, axes, indices=indices)
    if kind == "dicom":
        from bioconv.images.dicom import open_dicom

        return open_dicom(path, axes, indices=indices)
    if kind in ("nifti", "mgh"):
        from bioconv.images.nifti import open_nifti

        return open_nifti(path, axes)
    if kind == "zarr":
        from bioconv.images.zarr import open_zarr

        return open_zarr(path, axes)
    if kind == "series":
        return _open_files(_series_files(path), axes)
    message = f"format {kind} is not read"
    raise InputError(message)


def _open_files(paths: list[Path], axes: str | None) -> ImageSource:
    from bioconv.images.dicom import open_series

    if not paths:
        message = "no files given; expected those of one DICOM series"
        raise InputError(message)
    with reading(paths[0].parent, "dicom"):
        source = open_series(paths, axes)
        check_info(source.info)
    return source


def _series_files(folder: Path) -> list[Path]:
    """Return the DICOM files of a folder."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name.upper() != "DICOMDIR":
            with path.open("rb") as stream:
                head = stream.read(132)
            if head[128:] == b"DICM" or looks_like_dicom(head):
                found.append(path)
    if not found:
        message = "a folder without DICOM files; give the images themselves, or search it with bioconv segment FOLDER"
        raise InputError(message)
    return found
