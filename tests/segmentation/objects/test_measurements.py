from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import regionprops

from bioconv.errors import InputError
from bioconv.segmentation.objects.measurements import Measurer, measure, write_measurements

LABELS = st.sampled_from([(7, 9), (1, 5), (4, 5, 6)]).flatmap(
    lambda shape: hnp.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 1, 2, 5]))
)


def image_of(labels: np.ndarray, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65_536, (channels, *labels.shape)).astype(np.uint16)


@given(LABELS)
def test_equals_scikit_image(labels):
    image = image_of(labels)
    spacing = (2.0, 0.5, 0.25)[-labels.ndim :]
    rows = measure(labels, image, spacing=spacing, unit="um").rows()
    objects = regionprops(labels, np.moveaxis(image, 0, -1))
    assert [row["label"] for row in rows] == [one.label for one in objects]
    size, names = ("area", "yx") if labels.ndim == 2 else ("volume", "zyx")
    for row, one in zip(rows, objects, strict=True):
        assert row[f"{size}_px"] == one.area
        assert row[f"{size}_um{labels.ndim}"] == pytest.approx(one.area * np.prod(spacing))
        assert [row[f"centroid_{name}_px"] for name in names] == pytest.approx(one.centroid)
        physical = [row[f"centroid_{name}_um"] for name in names]
        assert physical == pytest.approx(np.multiply(one.centroid, spacing))
        box = [row[f"min_{name}"] for name in names] + [row[f"max_{name}"] + 1 for name in names]
        assert tuple(box) == one.bbox
        edge = any(
            low == 0 or high == size for low, high, size in zip(box, box[labels.ndim :], labels.shape, strict=False)
        )
        assert row["touches_border"] == edge
        for channel in range(2):
            inside = image[channel][labels == one.label].astype(float)
            for what, value in (
                ("mean", one.intensity_mean[channel]), ("std", inside.std()), ("min", one.intensity_min[channel]),
                ("max", one.intensity_max[channel]), ("sum", inside.sum()),
            ):  # fmt: skip
                assert row[f"{what}_c{channel}"] == pytest.approx(value, rel=1e-6, abs=1e-2)
        if labels.ndim == 2:
            assert row["major_axis_px"] == pytest.approx(one.axis_major_length, abs=1e-6)
            assert row["minor_axis_px"] == pytest.approx(one.axis_minor_length, abs=1e-6)
            assert row["eccentricity"] == pytest.approx(one.eccentricity, abs=1e-6)


@given(LABELS, st.lists(st.integers(0, 9), max_size=4))
def test_strips_do_not_matter(labels, cuts):
    image = image_of(labels)
    whole = measure(labels, image, spacing=[0.3] * labels.ndim, unit="mm")
    measurer = Measurer(labels.shape, channels=["", ""], spacing=[0.3] * labels.ndim, unit="mm")
    for start, stop in zip(
        ends := sorted({0, *(min(cut, len(labels)) for cut in cuts)}), [*ends[1:], len(labels)], strict=True
    ):
        measurer.add(labels[start:stop], image[:, start:stop])
    strips = measurer.table()
    assert list(strips.columns) == list(whole.columns)
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(strips.columns[name], column)


def test_far_from_the_corner():
    """The shape of an object does not depend on where it lies."""
    near, far = Measurer((4, 4)), Measurer((1_000_004, 4))
    blob = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
    near.add(blob)
    far._row = 1_000_000
    far.add(blob)
    for name in ("major_axis_px", "minor_axis_px", "eccentricity"):
        np.testing.assert_array_equal(near.table().columns[name], far.table().columns[name])


def test_without_spacing_or_image():
    columns = list(measure(np.array([[1, 2]])).columns)
    assert columns == [
        "label", "area_px", "centroid_y_px", "centroid_x_px", "min_y", "min_x", "max_y", "max_x", "major_axis_px",
        "minor_axis_px", "eccentricity", "touches_border",
    ]  # fmt: skip
    assert len(measure(np.zeros((3, 3), int))) == 0
    assert len(measure(np.zeros((0, 3), int))) == 0


def test_csv(tmp_path):
    labels = np.array([[1, 1, 0], [0, 0, 3]])
    table = measure(labels, image_of(labels), channels=["DAPI", "my dye"], spacing=(0.5, 0.25), unit="um")
    write_measurements(tmp_path / "m.csv", table, source="a.tif")
    head, *lines = (tmp_path / "m.csv").read_text().splitlines()
    assert head.startswith("# bioconv ")
    assert head.endswith("source=a.tif spacing=0.5x0.25 um")
    rows = list(csv.DictReader(lines))
    assert [row["label"] for row in rows] == ["1", "3"]
    assert rows[0]["area_um2"] == "0.25"
    assert {"mean_DAPI", "sum_my_dye", "touches_border"} <= set(rows[0])
    assert rows[0]["touches_border"] == "1"
    assert "spacing=unknown" in measure(labels).to_csv()
    assert table.to_pandas()["label"].tolist() == [1, 3]


def test_same_names_of_channels():
    labels = np.ones((1, 1), int)
    names = list(measure(labels, image_of(labels, 3), channels=["a", "a", ""]).columns)
    assert [name for name in names if name.startswith("mean")] == ["mean_a_c0", "mean_a_c1", "mean_c2"]


def test_refuses():
    with pytest.raises(InputError, match="one size per axis"):
        measure(np.zeros((3, 3), int), spacing=(1.0,))
    with pytest.raises(InputError, match=r"pixels of shape \(1, 2, 3\)"):
        measure(np.zeros((3, 3), int), np.zeros((1, 2, 3)))
    measurer = Measurer((2, 3))
    measurer.add(np.zeros((2, 3), int))
    with pytest.raises(InputError, match="from row 2 on"):
        measurer.add(np.zeros((1, 3), int))
