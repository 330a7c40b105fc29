"""Outlines of objects for other programs: ROIs for ImageJ and Fiji, GeoJSON for QuPath."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import OutputError
from bioconv.outputs import open_output
from bioconv.segmentation.objects.outlines import Outline, outlines

# ImageJ takes 16-bit places from 60536 on for negative ones.
_LARGEST = 60_535
_TRACED, _COMPOSITE = 8, 1
_MOVE, _LINE, _CLOSE = 0, 1, 4


def write_imagej_rois(labels: NDArray[Any], path: str | Path) -> None:
    """Write the outlines of objects as a zip of ImageJ ROIs, which its ROI Manager opens.

    Parameters
    ----------
    labels
        (Y, X) or (Z, Y, X) whole numbers from 0. In a stack an object has a ROI per plane, set to its slice.
    path
        Ends with .zip. The same labels give the same bytes.

    Raises
    ------
    OutputError
        If it cannot be written, or the image is wider or higher than ImageJ's ROIs reach.
    """
    if max(labels.shape[-2:], default=0) > _LARGEST:
        message = f"{path}: an image of {labels.shape[-1]} x {labels.shape[-2]} pixels; ImageJ's ROIs reach to "
        message += f"{_LARGEST}; write GeoJSON"
        raise OutputError(message)
    with open_output(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for one in outlines(labels):
            name = f"{one.plane + 1:04d}-{one.label:06d}.roi" if labels.ndim == 3 else f"{one.label:06d}.roi"
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, imagej_roi(one, position=one.plane + 1 if labels.ndim == 3 else 0))


def imagej_roi(outline: Outline, *, position: int = 0) -> bytes:
    """Return an outline as the bytes of an ImageJ ROI: traced if it is one ring, else composite.

    Parameters
    ----------
    position
        Slice it belongs to, from 1; 0: all.
    """
    rings = [ring for polygon in outline.polygons for ring in polygon]
    x, y = (np.array([corner[axis] for ring in rings for corner in ring]) for axis in (0, 1))
    simple = len(rings) == 1
    head = struct.pack(">4shBBhhhhH", b"Iout", 228, _TRACED if simple else _COMPOSITE, 0, *(0,) * 4, len(x) * simple)
    box: bytes = np.array([y.min(), x.min(), y.max(), x.max()]).astype(">u2").tobytes()
    head = head[:8] + box + head[16:18] + bytes(18)
    path = [] if simple else list(_path(rings))
    head += struct.pack(">i", len(path)) + bytes(16) + struct.pack(">ii", position, 0)
    if simple:
        body: bytes = (x - x.min()).astype(">u2").tobytes() + (y - y.min()).astype(">u2").tobytes()
    else:
        body = np.array(path, dtype=">f4").tobytes()
    return head + body


def _path(rings: list[list[tuple[int, int]]]) -> Iterator[float]:
    """Yield the numbers of a composite ROI's path."""
    for ring in rings:
        for number, (x, y) in enumerate(ring):
            yield from (_LINE if number else _MOVE, x, y)
        yield _CLOSE


def write_geojson(labels: NDArray[Any], path: str | Path, *, classification: str | None = None) -> None:
    """Write the outlines of objects as GeoJSON, which QuPath imports as detections.

    Parameters
    ----------
    labels
        (Y, X) or (Z, Y, X) whole numbers from 0. In a stack an object has a feature per plane.
    path
        Ends with .geojson. Places are in pixels, (0, 0) being the corner of the first.
    classification
        Class of the detections.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with open_output(path) as stream:
        stream.write(b'{"type": "FeatureCollection", "features": [')
        for number, one in enumerate(outlines(labels)):
            feature = _feature(one, classification, stack=labels.ndim == 3)
            stream.write((",\n" if number else "\n").encode() + json.dumps(feature).encode())
        stream.write(b"\n]}\n")


def _feature(outline: Outline, classification: str | None, *, stack: bool) -> dict[str, Any]:
    polygons = [[[*ring, ring[0]] for ring in polygon] for polygon in outline.polygons]
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": polygons[0]}
    if len(polygons) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": polygons}
    if stack:
        geometry["plane"] = {"c": -1, "z": outline.plane, "t": 0}
    properties: dict[str, Any] = {"objectType": "detection", "name": str(outline.label)}
    if classification is not None:
        properties["classification"] = {"name": classification}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
