"""OME-Zarr (NGFF 0.4 and 0.5), finest level; plain Zarr arrays where their axes are given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from bioconv.errors import InputError
from bioconv.images.axes import Window, advice, as_native, layout, native
from bioconv.images.failures import listening, told
from bioconv.images.image import ImageInfo, ImageSource, Pixels
from bioconv.images.limits import check_memory

_MICROMETRES = {
    "micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6, "angstrom": 1e-4,
    "picometer": 1e-6,
}  # fmt: skip


def open_zarr(path: Path, axes: str | None) -> ImageSource:
    """Open a Zarr folder; only the chunks that a window touches are read."""
    try:
        import zarr
    except ImportError as error:
        message = "OME-Zarr needs the package zarr: pip install 'bioconv[zarr]'"
        raise InputError(message) from error
    with listening("zarr") as heard:
        node = zarr.open(str(path), mode="r")
        array, letters, spacing, channels = _array(node)
        shape, dtype = tuple(int(size) for size in array.shape), np.dtype(array.dtype)
        check_memory([int(size) for size in array.chunks], dtype)
    given = axes.upper() if axes and len(axes) == len(shape) else letters
    if given is None:
        message = f"a plain Zarr array of shape {shape}: not clear which axis is which; {advice(shape)}"
        raise InputError(message)
    plan = layout(given, shape)
    steps = tuple(spacing.get(axis, 0.0) for axis in plan.axes if axis in "ZYX")
    known = all(0 < step < math.inf for step in steps)
    count = plan.shape[plan.axes.index("C")] if "C" in plan.axes else 1

    def fetch(window: Window) -> Pixels:
        with listening("zarr"):
            return as_native(plan.arrange(np.asarray(array[plan.file_window(window)])))

    info = ImageInfo(
        path=str(path), format="zarr", axes=plan.axes, shape=plan.shape, dtype=native(dtype),
        channels=channels if len(channels) == count else ("",) * count, spacing=steps if known else None,
        unit="um" if known else "", bit_depth=1 if dtype.kind == "b" else native(dtype).itemsize * 8,
        facts={"warnings": told(heard), "spacing_source": "OME-Zarr scale" if known else ""},
    )  # fmt: skip
    return ImageSource(info, fetch)


def _array(node: Any) -> tuple[Any, str | None, dict[str, float], tuple[str, ...]]:
    """Return the array, its axes, micrometres per pixel by axis, and the names of channels."""
    import zarr

    if isinstance(node, zarr.Array):
        return node, None, {}, ()
    attributes = dict(node.attrs)
    attributes = attributes.get("ome", attributes)
    scales = attributes.get("multiscales")
    if not scales:
        what = "a plate of many images" if "plate" in attributes else "a Zarr group that says nothing of multiscales"
        message = f"{what}; give the folder of one image in it"
        raise InputError(message)
    axes = scales[0].get("axes") or []
    names = [axis["name"] if isinstance(axis, dict) else str(axis) for axis in axes]
    array = node[scales[0]["datasets"][0]["path"]]
    if len(names) != len(array.shape):
        message = f"names {len(names)} axes for an array of shape {tuple(array.shape)} (NGFF before 0.4?)"
        raise InputError(message)
    scale = _scale(scales[0], len(names))
    spacing = {}
    for axis, step in zip(axes, scale, strict=True):
        unit = axis.get("unit") if isinstance(axis, dict) else None
        if unit in _MICROMETRES:
            spacing[str(axis["name"]).upper()] = step * _MICROMETRES[str(unit)]
    channels = (attributes.get("omero") or {}).get("channels") or []
    labels = tuple(str(channel.get("label") or "") for channel in channels)
    return array, "".join(name[:1].upper() for name in names), spacing, labels


def _scale(multiscale: dict[str, Any], count: int) -> list[float]:
    """Return the scale of the finest level: its own transformation, and that of all levels."""
    found = [1.0] * count
    for holder in (multiscale["datasets"][0], multiscale):
        for step in holder.get("coordinateTransformations") or []:
            if step.get("type") == "scale" and len(step.get("scale", [])) == count:
                found = [a * float(b) for a, b in zip(found, step["scale"], strict=True)]
    return found
