from __future__ import annotations

import json
import struct
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.draw import polygon2mask

from bioconv.errors import OutputError
from bioconv.segmentation.objects.outlines import outlines
from bioconv.segmentation.objects.rois import write_geojson, write_imagej_rois

LABELS = hnp.arrays(np.int32, st.sampled_from([(6, 7), (1, 4), (9, 9)]), elements=st.sampled_from([0, 1, 1, 4]))
RING = np.pad(np.zeros((2, 2), int), 2, constant_values=5)


def filled(rings: list, shape: tuple[int, ...]) -> np.ndarray:
    """Return the pixels whose centre lies inside an odd number of rings."""
    inside = np.zeros(shape, bool)
    for ring in rings:
        inside ^= polygon2mask(shape, np.array([(y - 0.5, x - 0.5) for x, y in ring]))
    return inside


@given(LABELS)
def test_filling_gives_the_object(labels):
    found = {one.label: one.polygons for one in outlines(labels)}
    assert list(found) == sorted(set(np.unique(labels)) - {0})
    for label, polygons in found.items():
        for polygon in polygons:
            for ring in polygon:
                assert max(Counter(ring).values()) == 1  # no ring meets itself
        np.testing.assert_array_equal(filled([ring for one in polygons for ring in one], labels.shape), labels == label)
        # Each hole lies in its own polygon: taken one by one, they add up.
        each = [filled(list(polygon), labels.shape).astype(int) for polygon in polygons]
        np.testing.assert_array_equal(sum(each), labels == label)


def read_roi(data: bytes) -> tuple[int, list[list[tuple[float, float]]], tuple[int, ...], int]:
    """Parse the documented layout: type, rings, box and position."""
    assert data[:4] == b"Iout"
    kind = data[6]
    top, left, bottom, right = struct.unpack(">4H", data[8:16])
    (count,) = struct.unpack(">H", data[16:18])
    size, position = struct.unpack(">i", data[36:40])[0], struct.unpack(">i", data[56:60])[0]
    if kind == 8:
        places = struct.unpack(f">{2 * count}H", data[64:])
        rings = [[(x + left, y + top) for x, y in zip(places[:count], places[count:], strict=True)]]
    else:
        assert kind == 1
        assert count == 0
        numbers, rings = list(struct.unpack(f">{size}f", data[64:])), []
        while numbers:
            step = numbers.pop(0)
            if step == 4:
                continue
            if step == 0:
                rings.append([])
            rings[-1].append((numbers.pop(0), numbers.pop(0)))
    return kind, rings, (top, left, bottom, right), position


@pytest.mark.parametrize("labels", [RING, np.eye(4, dtype=int), np.stack([RING, RING * 2 % 7, RING * 0])])
def test_imagej(tmp_path, labels):
    write_imagej_rois(labels, tmp_path / "r.zip")
    found = np.zeros_like(labels)
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            kind, rings, box, position = read_roi(archive.read(name))
            plane, label = (int(name[:4]) - 1, int(name[5:11])) if labels.ndim == 3 else (0, int(name[:6]))
            assert position == (plane + 1 if labels.ndim == 3 else 0)
            inside = filled(rings, labels.shape[-2:])
            rows, columns = np.nonzero(inside)
            assert box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            assert kind == (8 if len(rings) == 1 else 1)
            found.reshape(-1, *labels.shape[-2:])[plane][inside] = label
    np.testing.assert_array_equal(found, labels)
    write_imagej_rois(labels, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "r.zip").read_bytes()


def test_imagej_far_out(tmp_path):
    labels = np.zeros((2, 50_000), np.uint8)
    labels[0, 40_000:40_003] = 1
    write_imagej_rois(labels, tmp_path / "r.zip")
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        assert read_roi(archive.read("000001.roi"))[1] == [[(40_000, 0), (40_003, 0), (40_003, 1), (40_000, 1)]]
    with pytest.raises(OutputError, match=r"70000 x 1 pixels.*write GeoJSON"):
        write_imagej_rois(np.zeros((1, 70_000), np.uint8), tmp_path / "wide.zip")
    assert not (tmp_path / "wide.zip").exists()


@pytest.mark.parametrize("labels", [RING, np.eye(4, dtype=int), np.stack([RING, RING * 2 % 7]), RING * 0])
def test_geojson(tmp_path, labels):
    write_geojson(labels, tmp_path / "r.geojson", classification="nucleus")
    collection = json.loads((tmp_path / "r.geojson").read_text())
    assert collection["type"] == "FeatureCollection"
    found = np.zeros_like(labels)
    for feature in collection["features"]:
        assert feature["type"] == "Feature"
        assert feature["properties"]["objectType"] == "detection"
        assert feature["properties"]["classification"]["name"] == "nucleus"
        geometry = feature["geometry"]
        polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        for ring in (ring for polygon in polygons for ring in polygon):
            assert ring[0] == ring[-1]
        plane = geometry["plane"]["z"] if labels.ndim == 3 else 0
        inside = filled([ring for polygon in polygons for ring in polygon], labels.shape[-2:])
        found.reshape(-1, *labels.shape[-2:])[plane][inside] = int(feature["properties"]["name"])
    np.testing.assert_array_equal(found, labels)
