"""Writing NIfTI row by row, in the geometry of the image that a mask belongs to."""

from __future__ import annotations

import gzip
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bioconv.images.image import ImageInfo

_LONGEST_NIFTI1 = 32767


class NiftiRows:
    """A volume; rows come in the order channel, time, plane, so that x is the fastest in the file, as it must be.

    Parameters
    ----------
    info
        The image: its affine and, where it was NIfTI, its whole header are kept.
    axes, shape
        Of the array, in the order "CTZYX".
    """

    def __init__(
        self, stream: BinaryIO, info: ImageInfo, axes: str, shape: tuple[int, ...], dtype: np.dtype[Any], *,
        packed: bool,
    ) -> None:  # fmt: skip
        self._dtype = dtype.newbyteorder("<")
        self._packer = gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0) if packed else None
        self._target: Any = self._packer or stream
        header = mask_header(info, axes, shape, self._dtype)
        self._target.write(header.binaryblock + b"\0" * (int(header["vox_offset"]) - len(header.binaryblock)))

    def write(self, rows: NDArray[Any]) -> None:
        """Write rows, (n, columns)."""
        self._target.write(rows.astype(self._dtype).tobytes())

    def finish(self) -> None:
        """Write the end of the gzip stream."""
        if self._packer is not None:
            self._packer.close()


def mask_header(info: ImageInfo, axes: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Return the header of a mask: that of the image with another type of voxels, or a new one from its affine."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    sizes = {"C": 1, "T": 1, "Z": 1} | dict(zip(axes, shape, strict=True))
    file_shape = tuple(sizes[axis] for axis in "XYZTC")
    file_shape = _as_image(file_shape, info) if sizes["C"] == 1 else file_shape
    stored = info.facts.get("header") if info.format == "nifti" else None
    kind: Any = Nifti2Header if info.facts.get("version") == 2 or max(file_shape) > _LONGEST_NIFTI1 else Nifti1Header
    if stored is not None:
        origin: Any = Nifti2Header if info.facts["version"] == 2 else Nifti1Header
        header = kind.from_header(origin(stored, info.facts["endianness"], check=False), check=False)
        header = header.as_byteswapped("<") if header.endianness != "<" else header.copy()
        header.extensions.clear()
    else:
        header = kind(endianness="<")
    header.set_data_dtype(dtype)
    zooms, affine = header.get_zooms()[: len(file_shape)], info.affine
    header.set_data_shape(file_shape)
    if stored is not None:
        header.set_zooms((*zooms, *([1.0] * (len(file_shape) - len(zooms)))))
    else:
        _new_geometry(header, info, affine)
    header.set_slope_inter(1, 0)
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    header["cal_max"] = header["cal_min"] = 0
    header.set_intent("label" if dtype.kind == "u" else "none")
    return header


def _new_geometry(header: Any, info: ImageInfo, affine: NDArray[np.float64] | None) -> None:
    """Set spacing and affine, both in millimetres."""
    factor = 1.0 if info.unit != "um" else 1e-3
    steps = [step * factor for step in reversed(info.spacing or ())]
    count = len(header.get_zooms())
    header.set_zooms([*steps, *([1.0] * count)][:count])
    if info.spacing is not None or affine is not None:
        header.set_xyzt_units("mm", "sec")
    if affine is not None:
        header.set_qform(affine, code=1, strip_shears=True)
        header.set_sform(affine, code=1)


def _as_image(file_shape: tuple[int, ...], info: ImageInfo) -> tuple[int, ...]:
    """Return a shape without the trailing ones that the image's own does not have."""
    own = info.facts.get("shape", ()) if info.format in ("nifti", "mgh") else ()
    length = max(3, max((number + 1 for number, size in enumerate(file_shape) if size > 1), default=0))
    if own and info.axes[:1] in ("Z", "T", "Y") and "C" not in info.axes:
        length = max(len(own), 2)
        file_shape = file_shape + (1,) * max(0, length - len(file_shape))
    return file_shape[:length]
