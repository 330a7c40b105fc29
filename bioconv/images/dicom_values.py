"""DICOM values: stored -> modality -> VOI -> presentation, as PS3.3 C.11 says.

Scans that measure something (CT, MR, PET, NM, dose) give modality values, the same for a slice and a volume;
pictures meant for looking at go through the whole chain, and MONOCHROME1 is inverted last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError

MEASURED = {"CT", "MR", "PT", "NM", "RTDOSE", "SEG", "RWV"}
"""Modalities whose values mean a quantity, not a brightness."""
Range = tuple[float, float]


@dataclass(frozen=True)
class Window:
    """A VOI window: `function` is LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"

    def apply(self, values: NDArray[Any], top: float) -> NDArray[np.float32]:
        """Return the values in 0..top (PS3.3 C.11.2.1.2 and C.11.2.1.3).

        Examples
        --------
        >>> Window(128, 256).apply(np.array([-5, 0, 255, 300]), 255.0)
        array([  0.,   0., 255., 255.], dtype=float32)
        """
        x = values.astype(np.float64)
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                return (top / (1 + np.exp(-4 * (x - self.center) / self.width))).astype(np.float32)
        exact = self.function == "LINEAR_EXACT"
        center = self.center if exact else self.center - 0.5
        width = self.width if exact else self.width - 1
        if width == 0:  # a step: LINEAR with width 1
            return np.where(x > center, top, 0.0).astype(np.float32)
        return (np.clip((x - center) / width + 0.5, 0, 1) * top).astype(np.float32)


@dataclass(frozen=True)
class Table:
    """A lookup table whose first entry belongs to `first`; values outside take the nearest entry."""

    first: int
    entries: NDArray[Any]
    bits: int

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the entries of whole values (PS3.3 C.11.1.1.1)."""
        index = np.clip(np.floor(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        found: NDArray[Any] = self.entries[index]
        return found


@dataclass(frozen=True)
class Chain:
    """The stages of one frame's grey values, and the dtype and range they give."""

    stages: tuple[Callable[[NDArray[Any]], NDArray[Any]], ...]
    range: Range | None
    what: str
    warnings: tuple[str, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest integers that hold the range; float32 where values are not whole."""
        return np.dtype(np.float32) if self.range is None else integers(*self.range)

    def apply(self, stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the values of stored pixels."""
        for stage in self.stages:
            stored = stage(stored)
        return stored.astype(dtype)


def integers(low: float, high: float) -> np.dtype[Any]:
    """Return the smallest integer dtype that holds a range; float32 past 32 bits."""
    for kind in (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.float32)


def value_chain(ds: Any, frame: int, *, display: bool | None = None) -> Chain:
    """Return the chain of one frame of grey values.

    Parameters
    ----------
    ds
        A pydicom data set.
    frame
        From 0; its functional groups come before those that are shared.
    display
        Go on to VOI and presentation; if not given, what the modality calls for.
    """
    modality = str(ds.get("Modality", "") or "")
    # RT Image, SEG and the like have no VOI; scans that measure keep their numbers
    display = modality not in MEASURED and "FloatPixelData" not in ds if display is None else display
    warnings: list[str] = []
    low, high, whole, stages = _stored(ds)
    low, high, whole, what = _modality(ds, frame, stages, (low, high, whole), warnings)
    if not display:
        return Chain(tuple(stages), (low, high) if whole else None, what, tuple(warnings))
    voi = _voi(frame_item(ds, frame, "FrameVOILUTSequence"), low, warnings)
    if isinstance(voi, Table):
        stages.append(voi.apply)
        low, high, whole, what = 0.0, float(2**voi.bits - 1), True, "display (VOI LUT)"
    elif isinstance(voi, Window):
        low, high, whole = 0.0, float(2 ** int(ds.BitsStored) - 1), False
        window, top = voi, high
        stages.append(lambda values: window.apply(values, top))
        what = f"display (window {voi.center:g}/{voi.width:g} {voi.function})"
    if _inverted(ds, warnings):
        stages.append(lambda values: (low + high) - values.astype(np.float64))
        what = f"{what}, inverted"
    return Chain(tuple(stages), (low, high) if whole else None, what, tuple(warnings))


def _stored(ds: Any) -> tuple[float, float, bool, list[Callable[[NDArray[Any]], NDArray[Any]]]]:
    """Return the range of stored values, whether they are whole, and the stage that frees them of unused bits."""
    if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
        return -math.inf, math.inf, False, []
    bits, allocated, signed = int(ds.BitsStored), int(ds.BitsAllocated), bool(ds.PixelRepresentation)
    if not 1 <= bits <= allocated <= 64:
        message = f"{bits} bits stored in {allocated}; the header is damaged"
        raise InputError(message)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def mask(values: NDArray[Any]) -> NDArray[Any]:
        if bits == allocated or (values.min() >= low and values.max() <= high):
            return values
        values = values.astype(np.int64) & (2**bits - 1)  # above them may lie an overlay
        return np.where(values > high, values - 2**bits, values)

    return float(low), float(high), True, [mask]


def _modality(
    ds: Any, frame: int, stages: list[Callable[[NDArray[Any]], NDArray[Any]]], stored: tuple[float, float, bool],
    warnings: list[str],
) -> tuple[float, float, bool, str]:  # fmt: skip
    low, high, whole = stored
    if ds.get("ModalityLUTSequence"):
        table = read_table(ds.ModalityLUTSequence[0], low)
        stages.append(table.apply)
        return 0.0, float(2**table.bits - 1), True, "modality (LUT)"
    item = frame_item(ds, frame, "PixelValueTransformationSequence")
    slope, intercept = _number(item.get("RescaleSlope"), 1.0), _number(item.get("RescaleIntercept"), 0.0)
    unit = str(item.get("RescaleType", "") or "")
    if str(ds.get("Modality", "")) == "RTDOSE" and "DoseGridScaling" in ds:
        slope, intercept, unit = _number(ds.DoseGridScaling, 1.0), 0.0, str(ds.get("DoseUnits", ""))
    if slope == 0 or not math.isfinite(slope) or not math.isfinite(intercept):
        warnings.append(f"rescale slope {slope} and intercept {intercept} make no sense and were left out")
        slope, intercept = 1.0, 0.0
    what = f"modality ({unit})" if unit else "modality"
    if slope == 1 and intercept == 0:
        return low, high, whole, "stored" if not unit else what
    whole = whole and slope == int(slope) and intercept == int(intercept) and high < 2**31
    stages.append(lambda values: values.astype(np.float64) * slope + intercept)
    ends = sorted((low * slope + intercept, high * slope + intercept))
    return ends[0], ends[1], whole, what


def _voi(item: Any, low: float, warnings: list[str]) -> Table | Window | None:
    """Return what the VOI module asks for: its table before its window, the first of several."""
    tables = item.get("VOILUTSequence")
    if tables and "LUTData" in tables[0]:
        return read_table(tables[0], low)
    center, width = _first(item.get("WindowCenter")), _first(item.get("WindowWidth"))
    if center is None or width is None:
        return None
    function = str(item.get("VOILUTFunction", "") or "LINEAR").upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        warnings.append(f"VOI LUT function {function} is unknown; LINEAR was taken")
        function = "LINEAR"
    if not math.isfinite(center) or not width > 0 or (function == "LINEAR" and width < 1):
        warnings.append(f"window {center:g}/{width:g} makes no sense and was left out")
        return None
    return Window(center, width, function)


def _inverted(ds: Any, warnings: list[str]) -> bool:
    first = str(ds.get("PhotometricInterpretation", "")) == "MONOCHROME1"
    shape = str(ds.get("PresentationLUTShape", "") or "")
    if shape and (shape == "INVERSE") != first:
        warnings.append(f"PresentationLUTShape {shape} contradicts {ds.PhotometricInterpretation}")
    return first or shape == "INVERSE"


def read_table(item: Any, low: float) -> Table:
    """Return a lookup table of a modality or VOI LUT sequence; `low` below 0 makes its first value signed."""
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        little = item.is_little_endian if item.is_little_endian is not None else True
        kind = np.uint8 if len(data) <= count + 1 and bits <= 8 else np.dtype("<u2" if little else ">u2")
        data = np.frombuffer(data, kind)
    entries = np.asarray(data)[:count]
    if len(entries) < count or not 1 <= bits <= 16:
        message = f"a lookup table of {len(entries)} entries where {count} of {bits} bits are declared"
        raise InputError(message)
    if low < 0 and first > 32767:
        first -= 65536
    return Table(first, entries.astype(np.uint8 if bits <= 8 else np.uint16), bits)


def frame_item(ds: Any, frame: int, name: str) -> Any:
    """Return the data set that holds a frame's tags of a functional group: its own, the shared, or the whole."""
    for groups, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        items = ds.get(groups)
        if items and index < len(items) and items[index].get(name):
            return items[index][name].value[0]
    return ds


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, (str, float, int)):
        return float(value)
    return float(value[0]) if len(value) else None


def _number(value: Any, default: float) -> float:
    found = _first(value)
    return default if found is None else found
