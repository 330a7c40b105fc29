"""Masks are read back by nibabel, tifffile, Pillow and our own reader with the shape and geometry of their image."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bioconv.errors import OutputError
from bioconv.images.image import ImageInfo
from bioconv.images.reader import open_image, read_image
from bioconv.images.writer import map_suffix, mask_suffix, open_mask_writer, write_map, write_mask

TOPS = {np.uint8: 255, np.uint16: 65_535, np.uint32: 4_000_000_000}


def described(axes, shape, *, kind="tiff", spacing=None, unit="", affine=None, path="", facts=None):
    return ImageInfo(
        path, kind, axes, shape, np.dtype(np.uint8), ("",) * (shape[axes.index("C")] if "C" in axes else 1),
        spacing=spacing, unit=unit, affine=affine, facts=facts or {},
    )  # fmt: skip


def labels_of(shape, top, seed=0):
    found = np.random.default_rng(seed).integers(0, min(top, 2**31), shape).astype(np.uint32)
    found.flat[-1] = top
    return found


@st.composite
def masks(draw):
    axes = draw(st.sampled_from(["YX", "ZYX", "TYX", "TZYX", "CYX", "CZYX", "TCZYX"]))
    sizes = {"T": (2, 3), "C": (2, 4), "Z": (1, 4), "Y": (1, 40), "X": (1, 40)}
    shape = tuple(draw(st.integers(*sizes[axis])) for axis in axes)
    top = draw(st.sampled_from(list(TOPS.values())))
    step = st.floats(1e-3, 1e3)
    spacing = draw(st.none() | st.tuples(*[step for axis in axes if axis in "ZYX"]))
    return axes, shape, top, spacing, draw(st.sampled_from(["um", "mm"])), draw(st.integers(0, 9))


@settings(max_examples=20)
@given(masks())
def test_tiff_round_trip(tmp_path_factory, case):
    axes, shape, top, spacing, unit, seed = case
    info = described(axes, shape, spacing=spacing, unit=unit if spacing else "")
    path = tmp_path_factory.mktemp("mask") / "m.tif"
    kept = axes.replace("C", "")
    labels = labels_of([size for axis, size in zip(axes, shape, strict=True) if axis != "C"], top, seed)
    write_mask(path, labels, info)
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == "".join(
            axis for axis, size in zip(kept, labels.shape, strict=True) if size > 1 or axis in "YX"
        )
        np.testing.assert_array_equal(file.asarray().reshape(labels.shape), labels)
        assert TOPS[file.series[0].dtype.type] == top
    found = read_image(path)
    np.testing.assert_array_equal(found.pixels.reshape(labels.shape), labels)
    if spacing is None:
        assert found.info.spacing is None
    else:
        scale = 1000 if unit == "mm" else 1
        expected = spacing[-len(found.info.spacing) :]
        np.testing.assert_allclose(found.info.spacing, np.multiply(expected, scale), rtol=1e-8)


@settings(max_examples=20)
@given(masks(), st.booleans())
def test_nifti_and_npy_round_trip(tmp_path_factory, case, packed):
    axes, shape, top, spacing, unit, seed = case
    axes, shape = axes.replace("C", ""), tuple(n for a, n in zip(axes, shape, strict=True) if a != "C")
    info = described(axes, shape, kind="array", spacing=spacing, unit=unit if spacing else "")
    folder = tmp_path_factory.mktemp("mask")
    labels = labels_of(shape, top, seed)
    path = folder / ("m.nii.gz" if packed else "m.nii")
    write_mask(path, labels, info)
    volume = nibabel.load(path)
    sizes = {"Z": 1, "T": 1} | dict(zip(axes, shape, strict=True))
    stored = np.asarray(volume.dataobj)
    assert stored.shape == tuple(sizes[axis] for axis in ("XYZT" if "T" in axes else "XYZ"))
    np.testing.assert_array_equal(stored.T.reshape(labels.shape), labels)
    if spacing is not None:
        scale = 1 if unit == "mm" else 1e-3
        np.testing.assert_allclose(volume.header.get_zooms()[: len(spacing)], np.multiply(spacing[::-1], scale), 1e-6)
    write_mask(folder / "m.npy", labels, info)
    np.testing.assert_array_equal(np.load(folder / "m.npy"), labels)


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 300), st.sampled_from([255, 65_535]), st.lists(st.integers(1, 9), min_size=3))
def test_strips_are_the_whole(tmp_path_factory, rows, columns, top, cuts):
    folder = tmp_path_factory.mktemp("strips")
    labels = labels_of((rows, columns), top)
    info = described("YX", (rows, columns), kind="png")
    for name in ("m.png", "m.tif"):
        write_mask(folder / f"whole-{name}", labels, info)
        with open_mask_writer(folder / name, info, top) as writer:
            start, turn = 0, 0
            while start < rows:
                stop = min(rows, start + cuts[turn % len(cuts)])
                writer.write(slice(start, stop), labels[start:stop])
                start, turn = stop, turn + 1
        np.testing.assert_array_equal(np.asarray(Image.open(folder / name)), labels)
    assert (folder / "m.tif").read_bytes() == (folder / "whole-m.tif").read_bytes()


def test_strips_through_planes(tmp_path, monkeypatch):
    monkeypatch.setattr("bioconv.images.tiff_rows.STRIP_BYTES", 40)
    labels = labels_of((3, 7, 10), 200)
    info = described("ZYX", (3, 7, 10))
    with open_mask_writer(tmp_path / "m.tif", info, 255) as writer:
        flat = labels.reshape(21, 10)
        for start in range(0, 21, 5):  # strips of the caller cross planes, those of the file do not
            writer.write(slice(start, min(21, start + 5)), flat[start : start + 5])
    with tifffile.TiffFile(tmp_path / "m.tif") as file:
        assert [page.rowsperstrip for page in file.pages] == [4, 4, 4]
        np.testing.assert_array_equal(file.asarray(), labels)


def test_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr("bioconv.images.tiff_rows.CLASSIC_BYTES", 100)
    labels = labels_of((2, 30, 40), 70_000)
    info = described("ZYX", (2, 30, 40), spacing=(2.0, 0.5, 0.5), unit="um")
    write_mask(tmp_path / "m.tif", labels, info)
    with tifffile.TiffFile(tmp_path / "m.tif") as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.asarray(), labels)
        assert file.pages[0].get_resolution("CENTIMETER") == (20_000, 20_000)
    assert read_image(tmp_path / "m.tif").info.spacing == (2.0, 0.5, 0.5)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("units", ["mm", "micron", "unknown"])
def test_nifti_header_is_kept(tmp_path, version, units):
    affine = np.array([[-2, 0.1, 0, 5], [0.1, 2, 0.3, -7], [0, -0.3, 3, 9], [0, 0, 0, 1]])
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6), affine)
    image.header.set_xyzt_units(units)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=4)
    nibabel.save(image, tmp_path / "a.nii.gz")
    with open_image(tmp_path / "a.nii.gz") as source:
        assert mask_suffix(source.info) == ".nii.gz"
        write_mask(tmp_path / "m.nii.gz", labels_of((6, 5, 4), 9), source.info)
        write_map(tmp_path / "p.nii.gz", np.ones((2, 6, 5, 4), np.float32) / 4, source.info)
    mask = nibabel.load(tmp_path / "m.nii.gz")
    assert type(mask) is kind
    assert mask.shape == (4, 5, 6)
    np.testing.assert_array_equal(mask.affine, image.affine)
    np.testing.assert_array_equal(mask.header.get_zooms(), image.header.get_zooms())
    assert (mask.header["sform_code"], mask.header["qform_code"]) == (4, 1)
    assert mask.header.get_xyzt_units()[0] == units
    probabilities = nibabel.load(tmp_path / "p.nii.gz")
    assert probabilities.shape == (4, 5, 6, 1, 2)
    assert probabilities.get_data_dtype() == np.float32
    np.testing.assert_array_equal(probabilities.affine, image.affine)
    assert read_image(tmp_path / "p.nii.gz").info.axes == "CZYX"


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 6), (4, 5, 6, 1), (4, 5, 6, 3), (4, 5, 1, 3)])
def test_nifti_shape_is_kept(tmp_path, shape):
    image = nibabel.Nifti1Image(np.zeros(shape, np.int16), np.diag([2, 3, 4, 1.0]))
    nibabel.save(image, tmp_path / "a.nii")
    with open_image(tmp_path / "a.nii") as source:
        kept = tuple(source.info.sizes[axis] for axis in source.info.axes.replace("C", ""))
        write_mask(tmp_path / "m.nii", np.ones(kept, np.uint8), source.info)
    mask = nibabel.load(tmp_path / "m.nii")
    assert mask.shape == shape
    assert mask.header.get_zooms() == image.header.get_zooms()


def test_big_endian_nifti(shared_data, tmp_path):
    path = shared_data("nifti-readers/anatomical.nii")
    with open_image(path) as source:
        pixels = source.read()
        write_mask(tmp_path / "m.nii", (pixels > 9000).astype(int), source.info)
    image, mask = nibabel.load(path), nibabel.load(tmp_path / "m.nii")
    np.testing.assert_array_equal(mask.affine, image.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), np.asarray(image.dataobj) > 9000)


def test_affine_of_other_formats(tmp_path):
    affine = np.array([[0, 0, 2.0, -5], [0.7, 0, 0, 3], [0, 0.5, 0, 8], [0, 0, 0, 1]])
    info = described("ZYX", (3, 4, 5), kind="dicom", spacing=(2.0, 0.5, 0.7), unit="mm", affine=affine)
    assert mask_suffix(info) == ".nii.gz"
    write_mask(tmp_path / "m.nii.gz", np.ones((3, 4, 5), int), info)
    mask = nibabel.load(tmp_path / "m.nii.gz")
    np.testing.assert_allclose(mask.affine, affine, atol=1e-6)
    np.testing.assert_allclose(mask.header.get_qform(), affine, atol=1e-5)
    assert mask.header.get_xyzt_units()[0] == "mm"


def test_suffixes():
    def suffix(kind, axes="YX", **more):
        shape = tuple({"C": 3, "Z": 4, "T": 5}.get(axis, 9) for axis in axes)
        top = more.pop("max_label", 0)
        return mask_suffix(described(axes, shape, kind=kind, **more), max_label=top)

    assert [suffix(kind) for kind in ("png", "jpeg", "bmp", "gif", "dicom")] == [".png"] * 5
    assert [suffix(kind) for kind in ("tiff", "zarr", "array", "npy", "nifti", "mgh")] == [
        ".tif", ".tif", ".tif", ".npy", ".nii.gz", ".nii.gz",
    ]  # fmt: skip
    assert suffix("png", "CYX", max_label=70_000) == ".tif"
    assert suffix("gif", "TYX") == ".tif"
    assert suffix("dicom", spacing=(1.0, 1.0), unit="mm") == ".tif"
    assert suffix("dicom", "ZYX") == ".nii.gz"
    assert suffix("nifti", "ZYX", path="a.NII") == ".nii"
    assert map_suffix(described("YX", (3, 4), kind="png")) == ".tif"


def test_maps(tmp_path):
    values = np.random.default_rng(0).random((3, 7, 9)).astype(np.float32)
    info = described("CYX", (2, 7, 9), spacing=(0.25, 0.25), unit="um")
    write_map(tmp_path / "p.tif", values, info, channels=("a", "<b>", "\u03bc"))
    found = read_image(tmp_path / "p.tif")
    assert (found.info.axes, found.info.channels, found.info.spacing) == ("CYX", ("a", "<b>", "\u03bc"), (0.25, 0.25))
    np.testing.assert_array_equal(found.pixels, values)
    with pytest.raises(OutputError, match=r"map of shape \(3, 7, 9\); expected \(channels, 7, 8\)"):
        write_map(tmp_path / "q.tif", values, described("YX", (7, 8)))


def test_refusals_leave_nothing(tmp_path):
    info = described("YX", (4, 5), kind="png")
    with pytest.raises(OutputError, match=r"labels -1 to 0 do not fit"):
        write_mask(tmp_path / "m.tif", np.array([[-1] * 5] + [[0] * 5] * 3), info)
    with pytest.raises(OutputError, match=r"uint32 of shape \(4, 5\) cannot be written"):
        write_mask(tmp_path / "m.png", np.full((4, 5), 70_000), info)
    with pytest.raises(OutputError, match="expected whole numbers of shape"):
        write_mask(tmp_path / "m.tif", np.zeros((5, 4), int), info)
    with (
        pytest.raises(OutputError, match=r"2 of 4 rows were written"),
        open_mask_writer(tmp_path / "m.tif", info, 1) as m,
    ):
        m.write(slice(0, 2), np.zeros((2, 5), int))
    with pytest.raises(OutputError, match="expected rows from 0"), open_mask_writer(tmp_path / "m.tif", info, 1) as m:
        m.write(slice(1, 2), np.zeros((1, 5), int))
    large = np.arange(20).reshape(4, 5) // 19 * 256
    with pytest.raises(OutputError, match="to 256 do not fit"), open_mask_writer(tmp_path / "m.tif", info, 1) as m:
        m.write(slice(0, 4), large)
    with pytest.raises(ZeroDivisionError), open_mask_writer(tmp_path / "m.tif", info, 1):
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []
