"""Measurements of films and stacks: against each plane, or the whole volume, measured by itself."""

from __future__ import annotations

import numpy as np
import pytest

from bioconv.images.image import image_from_array
from bioconv.segmentation.folders import measuring
from bioconv.segmentation.folders.measuring import Extent, measure_image
from bioconv.segmentation.objects.measurements import measure


@pytest.fixture
def film():
    """Pixels (T, C, Z, Y, X) and labels (T, Z, Y, X) of two times and three planes."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, (2, 3, 9, 7))
    labels[:, 1] += 5 * (labels[:, 1] > 0)
    return rng.integers(0, 255, (2, 2, 3, 9, 7)).astype(np.uint8), labels


def measured(film, extent):
    pixels, labels = film
    source = image_from_array(pixels, axes="TCZYX", channels=["a", "b"], spacing=(2.0, 0.5, 0.5), unit="um")
    frames = labels.reshape(-1, *labels.shape[-extent.ndim :])
    return measure_image(source, lambda number, rows: frames[number, rows], extent).columns


def same(columns, expected):
    assert list(columns) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(columns[name], values, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("strip", [1, 1 << 20])
def test_planes_are_measured_one_by_one(film, monkeypatch, strip):
    monkeypatch.setattr(measuring, "_STRIP", strip)
    columns = measured(film, Extent(2, False, (2.0, 0.5, 0.5), "um"))
    assert list(columns)[:4] == ["label", "t", "z", "area_px"]
    for t in range(2):
        for z in range(3):
            rows = (columns["t"] == t) & (columns["z"] == z)
            alone = measure(film[1][t, z], film[0][t, :, z], channels=["a", "b"], spacing=(0.5, 0.5), unit="um")
            same({name: values[rows] for name, values in columns.items() if name not in "tz"}, alone.columns)


@pytest.mark.parametrize("extent", [Extent(2, True, (2.0, 0.5, 0.5), "um"), Extent(3, False, (2.0, 0.5, 0.5), "um")])
def test_joined_planes_and_volumes_are_measured_as_wholes(film, extent):
    columns = measured(film, extent)
    assert list(columns)[:3] == ["label", "t", "volume_px"]
    for t in range(2):
        alone = measure(film[1][t], film[0][t], channels=["a", "b"], spacing=(2.0, 0.5, 0.5), unit="um")
        rows = columns["t"] == t
        same({name: values[rows] for name, values in columns.items() if name != "t"}, alone.columns)


def test_a_plane_has_no_number():
    source = image_from_array(np.ones((3, 4), np.uint8), axes="YX")
    columns = measure_image(source, lambda number, rows: np.eye(3, 4, dtype=int)[rows], Extent(2)).columns
    assert list(columns)[:2] == ["label", "area_px"]
    assert columns["area_px"].tolist() == [3]
