"""NIfTI 1 and 2, and FreeSurfer's MGH: voxels (i, j, k[, t[, c]]) become the axes T, C, Z=k, Y=j, X=i."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.axes import Layout, Window, layout, native
from bioconv.images.blocks import check_stored, read_stored
from bioconv.images.dicom_values import integers
from bioconv.images.failures import listening, told
from bioconv.images.image import ImageInfo, ImageSource, Pixels
from bioconv.images.limits import check_memory, check_ratio

_UNITS = {"mm": (1.0, "mm", 1.0), "unknown": (1.0, "mm", 1.0), "meter": (1000.0, "mm", 1000.0)}
_UNITS["micron"] = (1.0, "um", 0.001)
"""Unit of a NIfTI header: its factor and name as spacing, and its factor to millimetres."""
_CIFTI = range(3000, 3100)


def open_nifti(path: Path, axes: str | None) -> ImageSource:
    """Open a volume; `axes` overrules what the fourth and fifth dimension are (TZYX: times; CZYX: channels)."""
    import nibabel

    with listening("nibabel.global", "nibabel") as heard:
        image: Any = _load(path)
        header, proxy = image.header, image.dataobj
        if not isinstance(image, (nibabel.Nifti1Pair, nibabel.MGHImage)):
            message = f"a {type(image).__name__}, which is no volume of voxels"
            raise InputError(message)
        if "intent_code" in header and int(header["intent_code"]) in _CIFTI:
            message = "a CIFTI file (values on surfaces and grey ordinates), which is no image"
            raise InputError(message)
        file_shape = tuple(int(size) for size in image.shape)
        stored = np.dtype(proxy.dtype)
        slope, intercept = float(proxy.slope), float(proxy.inter)
        offset, data_path = int(proxy.offset), Path(str(image.file_map["image"].filename))
        units = header.get_xyzt_units()[0] if hasattr(header, "get_xyzt_units") else "mm"
        zooms = tuple(float(f"{zoom:.7g}") for zoom in header.get_zooms()[:3])
        matrix = np.asarray(image.affine, float)
    sizes, plan, colour = _layout(file_shape, stored, axes)
    data = _Voxels(data_path, offset, file_shape, stored)
    low, high = _stored_range(stored)
    whole = stored.fields is None and stored.kind in "iub" and slope == int(slope) and intercept == int(intercept)
    plain = slope == 1 and intercept == 0
    ends = sorted((low * slope + intercept, high * slope + intercept))
    dtype = np.dtype(np.uint8) if colour else native(stored)
    if not plain:
        dtype = integers(*ends) if whole and not colour else np.dtype(np.float32)

    def fetch(window: Window) -> Pixels:
        block = plan.arrange(data.read(plan.file_window(window), colour=colour))
        return block.astype(dtype) if plain else _scaled(block, slope, intercept, dtype)

    factor, unit, to_mm = _UNITS.get(str(units), _UNITS["unknown"])
    warnings = told(heard) + (("the header names no unit; millimetres were taken",) if units == "unknown" else ())
    steps = tuple(zoom * factor for zoom in zooms[::-1])[3 - len(sizes) :]
    known = all(0 < step < math.inf for step in steps) and len(steps) == sum(axis in "ZYX" for axis in plan.axes)
    good = bool(np.isfinite(matrix).all()) and abs(float(np.linalg.det(matrix[:3, :3]))) > 0
    count = plan.shape[plan.axes.index("C")] if "C" in plan.axes else 1
    mgh = isinstance(image, nibabel.MGHImage)
    info = ImageInfo(
        path=str(path), format="mgh" if mgh else "nifti", axes=plan.axes, shape=plan.shape, dtype=dtype,
        channels=("red", "green", "blue") if colour else ("",) * count, rgb=colour,
        spacing=steps if known else None, unit=unit if known else "",
        affine=np.diag([to_mm, to_mm, to_mm, 1.0]) @ matrix if good else None,
        bit_depth=8 if colour else stored.itemsize * 8,
        facts={
            "warnings": warnings, "shape": file_shape, "units": str(units), "raw_affine": matrix,
            "header": None if mgh else header.binaryblock, "endianness": getattr(header, "endianness", "<"),
            "version": 2 if isinstance(image, nibabel.Nifti2Image) else 1,
        },
    )  # fmt: skip
    return ImageSource(info, fetch, data.release)


def _load(path: Path) -> Any:
    import nibabel

    image: Any = nibabel.load(path)
    pixels = Path(str(image.file_map["image"].filename))
    if not pixels.is_file():
        message = f"a NIfTI header whose pixels ({pixels.name}) are missing; put them beside it"
        raise InputError(message)
    return image


def _layout(shape: tuple[int, ...], stored: np.dtype[Any], axes: str | None) -> tuple[tuple[int, ...], Layout, bool]:
    """Return the sizes of the spatial dimensions, the layout of the array in reverse order, and whether in colour."""
    colour = stored.fields is not None
    if colour and [str(name) for name in stored.names or ()][:3] != ["R", "G", "B"]:
        message = f"voxels of {stored.names}; expected numbers, or R, G, B"
        raise InputError(message)
    if not 2 <= len(shape) <= 7 or any(size != 1 for size in shape[5:]):
        message = f"{len(shape)} dimensions (sizes {shape}); expected 2 to 5: x, y, z, time, channel"
        raise InputError(message)
    sizes = shape[:3]
    extra = shape[3:5]
    letters = "CT"[2 - len(extra) :] + "ZYX"[3 - len(sizes) :]
    given = axes.upper() if axes else ""
    own = tuple(reversed(shape[:5]))
    if len(given) == len(own) and set(given) <= set("TCZYX") and given.endswith(letters[len(extra) :]):
        letters = given
    if colour:
        return sizes, layout(letters.replace("C", "V") + "S", (*own, 3), samples=3, keep_planes=True), True
    return sizes, layout(letters, own, keep_planes=True), False


class _Voxels:
    """The voxels of a file in reverse order (slowest first): cut from the file, or from its unpacked copy."""

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], stored: np.dtype[Any]) -> None:
        self._path, self._offset, self._shape, self._stored = path, offset, shape[:5][::-1], stored
        with path.open("rb") as stream:
            self._packed = stream.read(2) == b"\x1f\x8b"
        if self._packed:
            check_ratio(self._shape, stored, path.stat().st_size)
            check_memory(self._shape, stored)
        else:
            check_stored(path, offset, self._shape, stored)
        self._whole: NDArray[Any] | None = None

    def read(self, window: Window, *, colour: bool) -> NDArray[Any]:
        """Return a window; of colours with an axis of three at the end."""
        cut = window[: len(self._shape)]
        if self._packed:
            if self._whole is None:
                self._whole = self._unpack()
            block = self._whole[cut]
        else:
            block = read_stored(self._path, self._offset, self._shape, self._stored, cut)
        if not colour:
            return block
        return np.stack([block[name] for name in ("R", "G", "B")], axis=-1)[..., window[-1]]

    def _unpack(self) -> NDArray[Any]:
        """Return all voxels of a gzip file; its checksum is looked at too."""
        import gzip

        found = np.empty(self._shape, self._stored)
        view: Any = memoryview(found.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        with gzip.open(self._path, "rb") as stream:
            stream.seek(self._offset)
            filled = 0
            while filled < len(view) and (count := stream.readinto(view[filled : filled + (1 << 24)])):
                filled += count
            if filled < len(view):
                message = f"{filled} bytes of voxels where {len(view)} are declared: cut short; copy it again"
                raise InputError(message)
            stream.read(1)  # at the end, where gzip compares the checksum
        return found

    def release(self) -> None:
        """Forget the unpacked copy."""
        self._whole = None


def _scaled(block: NDArray[Any], slope: float, intercept: float, dtype: np.dtype[Any]) -> Pixels:
    """Return slope * block + intercept, computed in 64 bits a plane at a time."""
    found = np.empty(block.shape, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for place in np.ndindex(block.shape[:-2]):
            found[place] = block[place].astype(np.float64) * slope + intercept
    return found


def _stored_range(stored: np.dtype[Any]) -> tuple[float, float]:
    if stored.fields is None and stored.kind in "iu":
        return float(np.iinfo(stored).min), float(np.iinfo(stored).max)
    return -math.inf, math.inf
