"""Where DICOM slices lie: spacing, order along the normal, and the affine to RAS+ millimetres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.dicom_values import frame_item

UNEVEN = 0.05
"""Slices count as evenly spaced where each distance is this near to the usual one, as a fraction of it."""
TILT_DEGREES = 1.0
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def pixel_spacing(ds: Any, frame: int = 0) -> tuple[tuple[float, float] | None, str]:
    """Return (row distance, column distance) in mm, and the attribute they come from."""
    item = frame_item(ds, frame, "PixelMeasuresSequence")
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = item.get(name) if name == "PixelSpacing" else ds.get(name)
        if value is not None and not isinstance(value, (str, float)) and len(value) == 2:
            steps = float(value[0]), float(value[1])
            if all(0 < step < math.inf for step in steps):
                return steps, f"{name} (in the plane of the detector)" if name == "ImagerPixelSpacing" else name
    return _ultrasound_spacing(ds)


def _ultrasound_spacing(ds: Any) -> tuple[tuple[float, float] | None, str]:
    found = set()
    for region in ds.get("SequenceOfUltrasoundRegions") or ():
        if region.get("PhysicalUnitsXDirection") == 3 and region.get("PhysicalUnitsYDirection") == 3:
            found.add((abs(float(region.PhysicalDeltaY)) * 10, abs(float(region.PhysicalDeltaX)) * 10))
    steps = found.pop() if len(found) == 1 else (0.0, 0.0)
    return (steps, "SequenceOfUltrasoundRegions") if all(0 < step < math.inf for step in steps) else (None, "")


def position(ds: Any, frame: int = 0) -> NDArray[np.float64] | None:
    """Return ImagePositionPatient of a frame, LPS mm."""
    value = frame_item(ds, frame, "PlanePositionSequence").get("ImagePositionPatient")
    if value is None or value == "" or len(value) != 3:
        return None
    found: NDArray[np.float64] = np.array([float(part) for part in value])
    return found if np.isfinite(found).all() else None


def orientation(ds: Any, frame: int = 0) -> NDArray[np.float64] | None:
    """Return the directions of a row and of a column, (2, 3), unit vectors.

    Raises
    ------
    InputError
        If they are no right angle.
    """
    value = frame_item(ds, frame, "PlaneOrientationSequence").get("ImageOrientationPatient")
    if value is None or value == "" or len(value) != 6:
        return None
    found = np.array([float(part) for part in value]).reshape(2, 3)
    lengths = np.linalg.norm(found, axis=1)
    if not np.isfinite(found).all() or (abs(lengths - 1) > 0.01).any() or abs(found[0] @ found[1]) > 0.01:
        message = f"ImageOrientationPatient {[round(float(part), 4) for part in found.ravel()]} is no right angle"
        raise InputError(message)
    unit: NDArray[np.float64] = found / lengths[:, None]
    return unit


def slice_order(positions: Sequence[NDArray[np.float64]], axes: NDArray[np.float64]) -> list[int]:
    """Return the numbers of the slices along the normal (row x column)."""
    depth = np.asarray(positions) @ np.cross(axes[0], axes[1])
    return [int(number) for number in np.argsort(depth, kind="stable")]


def slice_step(
    positions: Sequence[NDArray[np.float64]], axes: NDArray[np.float64], names: Sequence[str]
) -> NDArray[np.float64]:
    """Return the vector from one slice to the next, mm LPS, of slices in order.

    Raises
    ------
    InputError
        If slices are doubled, missing, uneven, or shifted against each other (a tilted gantry).
    """
    places = np.asarray(positions)
    normal = np.cross(axes[0], axes[1])
    gaps = np.diff(places @ normal)
    usual = float(np.median(gaps))
    for number, gap in enumerate(gaps):
        pair = f"{names[number]} and {names[number + 1]}"
        if gap < 0.01 or gap < 0.1 * usual:
            message = f"slices doubled: {pair} lie at the same place; several series, times or echoes in one? Part them"
            raise InputError(message)
        if abs(gap - usual) > max(UNEVEN * usual, 0.01):
            missing = round(gap / usual) - 1
            even = missing >= 1 and abs(gap / usual - missing - 1) < UNEVEN * (missing + 1)
            what = f"{missing} missing" if even else "at an uneven distance"
            message = f"slices {what} between {pair}: {gap:.4g} mm apart where {usual:.4g} mm are usual"
            raise InputError(message)
    step: NDArray[np.float64] = (places[-1] - places[0]) / (len(places) - 1)
    angle = math.degrees(math.acos(min(1.0, abs(float(step @ normal)) / float(np.linalg.norm(step)))))
    if angle > TILT_DEGREES:
        message = f"slices tilted by {angle:.1f} degrees (gantry tilt): resample to a right-angled volume first"
        raise InputError(message)
    return step


def affine(
    origin: NDArray[np.float64], axes: NDArray[np.float64], spacing: tuple[float, float], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (4, 4) matrix from voxel (x, y, z) to RAS+ mm; DICOM's own axes are LPS."""
    matrix = np.eye(4)
    matrix[:3, 0] = axes[0] * spacing[1]
    matrix[:3, 1] = axes[1] * spacing[0]
    matrix[:3, 2] = step
    matrix[:3, 3] = origin
    return _TO_RAS @ matrix


def plane_affine(ds: Any, frame: int = 0) -> NDArray[np.float64] | None:
    """Return the affine of a single plane, if it is known; its third column is the normal, as thick as the slice."""
    place, axes, (spacing, _) = position(ds, frame), orientation(ds, frame), pixel_spacing(ds, frame)
    if place is None or axes is None or spacing is None:
        return None
    item = frame_item(ds, frame, "PixelMeasuresSequence")
    thickness = item.get("SpacingBetweenSlices") or item.get("SliceThickness") or 1.0
    normal = np.cross(axes[0], axes[1]) * (abs(float(thickness)) or 1.0)
    return affine(place, axes, spacing, normal)
