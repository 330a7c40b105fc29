"""NumPy's NPY files; never anything pickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bioconv.errors import InputError
from bioconv.images.axes import Layout, Window, advice, as_native, layout, native
from bioconv.images.blocks import check_stored, read_stored
from bioconv.images.failures import listening
from bioconv.images.image import ImageInfo, ImageSource, Pixels


def open_npy(path: Path, axes: str | None, *, indices: bool = False) -> ImageSource:
    """Open an array; see :func:`bioconv.images.reader.open_image`. `indices`: three axes are planes of a mask."""
    with listening(), path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            message = f"NPY version {version}; expected 1.0 or 2.0 (plain numbers)"
            raise InputError(message)
        offset = stream.tell()
    if dtype.hasobject:
        message = "not a readable NPY file: it holds Python objects (pickled), which are never loaded; save numbers"
        raise InputError(message)
    kind = native(dtype)
    check_stored(path, offset, shape, dtype)
    plan, colour = _layout(shape, dtype, axes, indices=indices)
    order = "F" if fortran else "C"

    def fetch(window: Window) -> Pixels:
        block = read_stored(path, offset, shape, dtype, plan.file_window(window), order=order)
        return as_native(plan.arrange(block))

    count = plan.shape[plan.axes.index("C")] if "C" in plan.axes else 1
    info = ImageInfo(
        path=str(path), format="npy", axes=plan.axes, shape=plan.shape, dtype=kind,
        channels=("red", "green", "blue") if colour else ("",) * count, rgb=colour,
        bit_depth=1 if dtype.kind == "b" else kind.itemsize * 8,
        facts={"warnings": (), "order": plan.order, "shape": shape},
    )  # fmt: skip
    return ImageSource(info, fetch)


def _layout(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], axes: str | None, *, indices: bool
) -> tuple[Layout, bool]:
    colour = len(shape) == 3 and shape[-1] == 3 and dtype == np.uint8
    own = "YX" if len(shape) == 2 else "YXS" if colour else "ZYX" if indices and len(shape) == 3 else None
    given = axes.upper() if axes and len(axes) == len(shape) else own
    if given is None:
        message = f"an array of shape {shape}: not clear which axis is which; {advice(shape)}"
        raise InputError(message)
    if colour and given[2] == "C":
        given = given[:2] + "S"
    plan = layout(given, shape, samples=3 if "S" in given else None)
    return plan, "S" in given and dict(zip(given, shape, strict=True))["S"] in (3, 4)
