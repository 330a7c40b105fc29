"""An image: pixels with named axes, spacing, geometry and where they come from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.axes import CANONICAL, Window, advice, as_native, full_window, layout
from bioconv.images.failures import reading
from bioconv.images.limits import check_memory

Pixels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class ImageInfo:
    """What is known of an image before its pixels are read.

    Parameters
    ----------
    path
        The file or folder; empty for an array.
    format
        "png", "jpeg", "bmp", "gif", "tiff", "dicom", "nifti", "mgh", "npy", "zarr" or "array".
    axes
        A subset of "TCZYX" in this order that ends with "YX".
    shape
        The size along each axis.
    dtype
        Of the pixels that are read: integers as stored, in native byte order; float32.
    channels
        One name per channel, empty where unknown; one without C.
    rgb
        Whether C is red, green and blue of a colour picture.
    spacing
        Distance of pixels along each spatial axis, (Z,) Y, X; None where unknown.
    unit
        Of the spacing: "um", "mm", or empty without spacing.
    affine
        (4, 4), from voxel index (x, y, z) to RAS+ millimetres; None where the format has none.
    bit_depth
        Bits of a stored sample.
    facts
        What the writer needs to write a mask in the same family and geometry, and `warnings`.
    """

    path: str
    format: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    channels: tuple[str, ...] = ("",)
    rgb: bool = False
    spacing: tuple[float, ...] | None = None
    unit: str = ""
    affine: NDArray[np.float64] | None = None
    bit_depth: int = 8
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        """Size by axis."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def spatial(self) -> tuple[int, ...]:
        """Sizes of the spatial axes, (Z,) Y, X."""
        return tuple(size for axis, size in zip(self.axes, self.shape, strict=True) if axis in "ZYX")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd about the file."""
        return tuple(self.facts.get("warnings", ()))


@dataclass(frozen=True, eq=False)
class Image:
    """An image in memory: `pixels` has the axes, shape and dtype of `info`."""

    info: ImageInfo
    pixels: Pixels


class ImageSource:
    """An image whose pixels are read when asked for; a context manager; reads may come from several threads.

    Parameters
    ----------
    info
        What the image is.
    fetch
        From a window with whole bounds, one slice per axis of `info.axes`, to its pixels.
    close
        Called once at the end.
    """

    def __init__(
        self, info: ImageInfo, fetch: Callable[[Window], Pixels], close: Callable[[], object] | None = None
    ) -> None:
        self.info = info
        self._fetch = fetch
        self._close = close
        self._open = True
        self._lock = threading.RLock()

    def read(self, window: Window | None = None) -> Pixels:
        """Return the pixels of a window, one slice per axis, with all axes kept; of the whole image without one.

        Raises
        ------
        InputError
            If the file is broken or does not fit into memory.
        ValueError
            If the window is none of this image, or the source is closed.
        """
        info = self.info
        window = full_window(info.shape, window)
        shape = tuple(part.stop - part.start for part in window)
        with self._lock, reading(info.path or "array", info.format):
            if not self._open:
                message = f"{info.path}: read after it was closed"
                raise ValueError(message)
            check_memory(shape, info.dtype)
            pixels = np.ascontiguousarray(self._fetch(window))
            if pixels.shape != shape or pixels.dtype != info.dtype:
                message = f"read {pixels.dtype} {pixels.shape} where {info.dtype} {shape} was declared"
                raise InputError(message)
        return pixels

    def close(self) -> None:
        """Close the file; afterwards nothing can be read."""
        with self._lock:
            if self._open and self._close is not None:
                self._close()
            self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def image_from_array(
    pixels: Pixels,
    *,
    axes: str,
    channels: Sequence[str] | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "",
) -> ImageSource:
    """Return an array as an image.

    Parameters
    ----------
    pixels
        One axis per letter of `axes`; any real dtype: floats become float32, bool becomes uint8.
    axes
        One letter per axis of the array: T, C, Z, Y, X in any order; S for red, green, blue (and transparency).
    channels
        One name per channel.
    spacing
        One number per spatial axis, (Z,) Y, X, in `unit` ("um" or "mm").
    unit
        Of `spacing`; empty without it.

    Raises
    ------
    InputError
        If they do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> with image_from_array(np.zeros((40, 50, 2)), axes="YXC", spacing=(0.5, 0.5), unit="um") as image:
    ...     print(image.info.axes, image.info.shape, image.read((slice(0, 1), slice(3), slice(4))).shape)
    CYX (2, 40, 50) (1, 3, 4)
    """
    pixels = np.asarray(pixels)
    where = "array"
    with reading(where, "array"):
        if len(axes) != pixels.ndim:
            message = f"axes {axes} for an array of shape {pixels.shape}; {advice(pixels.shape)}"
            raise InputError(message)
        colour = "S" in axes.upper()
        plan = layout(axes, pixels.shape, samples=3 if colour else None, keep_planes=True)
        data = as_native(plan.arrange(pixels[plan.file_window(full_window(plan.shape, None))]))
    channel_count = plan.shape[plan.axes.index("C")] if "C" in plan.axes else 1
    info = ImageInfo(
        path="", format="array", axes=plan.axes, shape=plan.shape, dtype=data.dtype,
        channels=tuple(channels or ("",) * channel_count), rgb=colour and channel_count == 3,
        spacing=tuple(float(step) for step in spacing) if spacing is not None else None, unit=unit,
        bit_depth=data.dtype.itemsize * 8,
    )  # fmt: skip
    check_info(info)
    return ImageSource(info, lambda window: data[window])


def check_info(info: ImageInfo) -> None:
    """Check that the parts of a description (`info`) fit together.

    Raises
    ------
    InputError
        If they do not: what is given does not describe an image.
    """
    where = info.path or "array"
    channels = info.sizes.get("C", 1)
    order = [CANONICAL.find(axis) for axis in info.axes]
    if order != sorted(set(order)) or not info.axes.endswith("YX"):
        message = f"{where}: axes {info.axes}; expected a subset of TCZYX in this order that ends with YX"
        raise InputError(message)
    if len(info.channels) != channels:
        message = f"{where}: {len(info.channels)} channel names for {channels} channels"
        raise InputError(message)
    if info.spacing is not None and (
        len(info.spacing) != len(info.spatial) or not all(0 < step < np.inf for step in info.spacing)
    ):
        message = (
            f"{where}: spacing {info.spacing}; expected {len(info.spatial)} positive numbers, one per axis of "
            f"{''.join(axis for axis in info.axes if axis in 'ZYX')}"
        )
        raise InputError(message)
    if (info.unit in ("um", "mm")) != (info.spacing is not None):
        message = f"{where}: spacing {info.spacing} with unit {info.unit!r}; expected um or mm, or neither"
        raise InputError(message)
