"""What a TIFF says of its pixels: spacing and names of channels, from OME-XML, ImageJ, or the resolution tags."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    import tifffile

MICROMETRES = {
    "m": 1e6, "meter": 1e6, "dm": 1e5, "cm": 1e4, "centimeter": 1e4, "mm": 1e3, "millimeter": 1e3, "um": 1.0,
    "\u00b5m": 1.0, "\u03bcm": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometers": 1.0,
    "micrometre": 1.0, "nm": 1e-3, "nanometer": 1e-3, "pm": 1e-6, "\u00c5": 1e-4, "angstrom": 1e-4, "in": 25400.0,
    "inch": 25400.0, "inches": 25400.0,
}  # fmt: skip
"""One of a unit of length in micrometres."""
FINEST_PRINT_UM = 5.0
"""Resolution tags of a coarser grid than this come from screens, printers and scanners, not microscopes."""


def spacing_of(series: tifffile.TiffPageSeries, file: tifffile.TiffFile) -> tuple[dict[str, float], str]:
    """Return micrometres per pixel by axis, as far as they are known, and where that comes from."""
    page = series.keyframe
    if file.is_ome:
        return _ome_spacing(pixels_element(file)), "OME PhysicalSize"
    if file.is_imagej:
        return _imagej_spacing(page, file.imagej_metadata or {}), "ImageJ unit and resolution"
    if match := re.search(r"\bMPP\s*=\s*([\d.]+)", str(page.description)) if file.is_svs else None:
        return _positive({"Y": float(match[1]), "X": float(match[1])}), "Aperio MPP"
    found = _resolution(page)
    unit = {2: 25400.0, 3: 10000.0}.get(int(page.resolutionunit or 0))
    if unit is None or found is None:
        return {}, ""
    spacing = _positive({"Y": unit / found[1], "X": unit / found[0]})
    if len(spacing) < 2 or max(spacing.values()) > FINEST_PRINT_UM:
        return {}, ""
    return spacing, "resolution tags"


def channel_names(series: tifffile.TiffPageSeries, file: tifffile.TiffFile, count: int) -> tuple[str, ...]:
    """Return one name per channel, empty where unknown."""
    names: list[str] = []
    if file.is_ome and (pixels := pixels_element(file)) is not None:
        names = [channel.get("Name") or "" for channel in pixels if _local(channel.tag) == "Channel"]
    elif file.is_imagej and (labels := (file.imagej_metadata or {}).get("Labels")):
        names = _imagej_names([str(label) for label in labels], series, count)
    return tuple(names) if len(names) == count else ("",) * count


def pixels_element(file: tifffile.TiffFile) -> ElementTree.Element | None:
    """Return the Pixels element of the first image of the OME-XML."""
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return None
    return next((element for element in root.iter() if _local(element.tag) == "Pixels"), None)


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _ome_spacing(pixels: ElementTree.Element | None) -> dict[str, float]:
    found = {}
    for axis in "ZYX":
        value = pixels.get(f"PhysicalSize{axis}") if pixels is not None else None
        unit = pixels.get(f"PhysicalSize{axis}Unit", "\u00b5m") if pixels is not None else ""
        if value and unit.strip() in MICROMETRES:
            found[axis] = _number(value) * MICROMETRES[unit.strip()]
    return _positive(found)


def _imagej_spacing(page: Any, metadata: dict[str, Any]) -> dict[str, float]:
    units = {axis: _unit(metadata.get(key, metadata.get("unit", ""))) for axis, key in _IMAGEJ_UNITS.items()}
    found = {}
    resolution = _resolution(page)
    if resolution is not None:
        found = {axis: units[axis] / value for axis, value in zip("XY", resolution, strict=True) if units[axis]}
    if units["Z"] and "spacing" in metadata:
        found["Z"] = abs(_number(metadata["spacing"])) * units["Z"]
    # ImageJ keeps six digits: 2857142 / 1000000 is 0.35 um per pixel
    return {axis: float(f"{value:.6g}") for axis, value in _positive(found).items()}


_IMAGEJ_UNITS = {"X": "unit", "Y": "yunit", "Z": "zunit"}


def _unit(text: Any) -> float:
    name = str(text).replace("\\u00B5", "\u00b5").replace("\\u00b5", "\u00b5").strip()
    return MICROMETRES.get(name, MICROMETRES.get(name.lower(), 0.0))


def _resolution(page: Any) -> tuple[float, float] | None:
    """Return pixels per unit along X and Y."""
    values = []
    for code in (282, 283):
        tag = page.tags.get(code)
        if tag is None:
            return None
        numerator, denominator = (*tag.value, 1)[:2] if isinstance(tag.value, tuple) else (tag.value, 1)
        if not numerator or not denominator:
            return None
        values.append(float(numerator) / float(denominator))
    return values[0], values[1]


def _imagej_names(labels: list[str], series: tifffile.TiffPageSeries, count: int) -> list[str]:
    """Return the labels of the planes where each channel has one label of its own."""
    stack = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if axis in "TZC"]
    if count < 2 or len(labels) != math.prod(size for _, size in stack):
        return []
    names: list[set[str]] = [set() for _ in range(count)]
    stride = math.prod(size for _, size in stack[[axis for axis, _ in stack].index("C") + 1 :])
    for number, label in enumerate(labels):
        names[number // stride % count].add(label.splitlines()[0].strip() if label.strip() else "")
    return [next(iter(found)) if len(found) == 1 else "" for found in names]


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _positive(spacing: dict[str, float]) -> dict[str, float]:
    return {axis: value for axis, value in spacing.items() if 0 < value < math.inf}
