"""Real files of readers' test sets: read as nibabel, pydicom, tifffile and Pillow read them, or refused by name."""

from __future__ import annotations

import csv
import re
import warnings

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from bioconv.errors import InputError
from bioconv.images.reader import read_image

AMBIGUOUS = "frames of which the file does not say"
NO_PIXELS = "without pixel data"
REFUSED_DICOM = {
    **dict.fromkeys(["ExplVR_BigEndNoMeta", "ExplVR_LitEndNoMeta"], r"without an image \(RT Ion Plan Storage\)"),
    **dict.fromkeys(
        [
            "OBXXXX1A_rle_2frame", "SC_rgb_16bit_2frame", "SC_rgb_2frame", "SC_rgb_rle_16bit_2frame",
            "SC_rgb_rle_2frame", "SC_rgb_rle_32bit_2frame", "emri_small", "emri_small_RLE", "emri_small_big_endian",
            "emri_small_jpeg_2k_lossless", "emri_small_jpeg_ls_lossless",
        ],
        AMBIGUOUS,
    ),
    **dict.fromkeys(
        ["UN_sequence", "emri_small_jpeg_2k_lossless_too_short", "meta_missing_tsyntax", "no_meta",
         "no_meta_group_length"],
        NO_PIXELS,
    ),
    "JPEG2000-embedded-sequence-delimiter": "cannot be decoded",
    "MR_truncated": "number of bytes of pixel data is less than expected",
    "badVR": "NumberOfFrames is '1A'",
    "liver_deflate": "transfer syntax 1.2.840.10008.1.2.8.1 is not read",
    "liver_rle": "cannot be decoded",
    "nonimage_rtplan": "RT Plan Storage", "nonimage_structured_report": "Comprehensive SR Storage",
    "nonimage_waveform_ecg": "12-lead ECG Waveform Storage", "reportsi": "Basic Text SR Storage",
}  # fmt: skip
NOT_BY_PYDICOM = {"JPGExtended", "JPEG-lossy", "JLSL_08_07_0_1F"}
"""Decoded by imagecodecs: the manifest's range is the truth, made with other decoders."""
REFUSED_TIFF = {
    "multipage.tif": r"not clear which axis is which in IYX .*--axes",
    "multipage_rgb.tif": r"not clear which axis is which in QSYX .*--axes",
    "pillow_multipage.tiff": r"holds 2 images \(IYX 2x10x10, YX 20x20\)",
    "pillow_crash-0c7e0e8e11ce787078f00b5b0ca409a167f070e0.tif": "damaged TIFF",
    "pillow_crash-2020-10-test.tif": "damaged TIFF",
}
SPACING_TIFF = {
    "xy_16bit_calibrated__nuclei_various_shapes.tif": (0.2, 0.2),
    "xy_16bit_labels__nuclei.tif": (0.35, 0.35),
    "xy_8bit__em_mitochondria_er.tif": (0.008, 0.008),
    "xy_8bit__mitocheck_incenp_t1.tif": (0.1, 0.1),
    "xy_8bit_labels__mitocheck_incenp_t1.tif": (0.1, 0.1),
    "xyc_16bit__nuclei_golgi.tif": (0.515752, 0.515752),
    "xyz_16bit__spots.tif": (0.4, 0.0941345, 0.0941345),
    "xyzc_16bit__spots.tif": (0.4, 0.0941345, 0.0941345),
    "xyzc_8bit_spheres.tif": (2.0, 1.0, 1.0),
}
REFUSED_NIFTI = {
    "analyze.hdr": "Analyze header, which does not say which side is left",
    "nifti1.hdr": r"whose pixels \(nifti1.img\) are missing",
    "row_major.dconn.nii": "Cifti2Image",
    "tiny.mnc": r"a MINC file; convert to NIfTI \(mnc2nii tiny.mnc",
    "minc2_1_scale.mnc": "a MINC file",
}


def rows(folder):
    with (folder / "manifest.csv").open() as stream:
        return [row for row in csv.DictReader(stream) if (folder / row["file"]).exists()]


def check_refused(path, reason):
    with pytest.raises(InputError) as caught:
        read_image(path)
    text = str(caught.value)
    assert text.startswith(str(path)), text
    assert re.search(reason, text), text
    assert "\n" not in text
    assert len(text) < len(str(path)) + 400


def canonical(pixels, axes):
    """Move the axes of an array (S is colour) into the order T, C, Z, Y, X."""
    axes = axes.replace("S", "C")
    return pixels.transpose([axes.index(axis) for axis in "TCZYX" if axis in axes])


def test_tiff(shared_data):
    folder = shared_data("tiff-readers/manifest.csv").parent
    read = 0
    for row in rows(folder):
        path = folder / row["file"]
        if row["file"] in REFUSED_TIFF:
            check_refused(path, REFUSED_TIFF[row["file"]])
            continue
        found = read_image(path)
        if path.suffix == ".png":
            expected = np.asarray(Image.open(path))
            axes = "YXS"[: expected.ndim]
        else:
            expected, axes = tifffile.imread(path, series=0), re.search(r"axes=(\w+)", row["tifffile"])[1]
        expected = canonical(expected, axes)
        if "C" in found.info.axes and found.info.rgb:
            expected = expected[..., :3, :, :]
        if found.pixels.dtype == np.uint16 and expected.dtype == np.uint8:  # 16-bit colours, of which Pillow keeps 8
            np.testing.assert_array_equal(found.pixels >> 8, expected, err_msg=row["file"])
        else:
            np.testing.assert_array_equal(found.pixels, expected, err_msg=row["file"])
            assert found.pixels.dtype == expected.dtype.newbyteorder("=")
        assert found.info.axes == "".join(axis for axis in "TCZYX" if axis in axes.replace("S", "C"))
        assert found.info.spacing == SPACING_TIFF.get(row["file"])
        assert found.info.warnings == ()
        read += 1
    assert read == len(rows(folder)) - len(REFUSED_TIFF)


def test_tiff_pixels_as_pillow_reads_them(shared_data):
    folder = shared_data("tiff-readers/manifest.csv").parent
    for row in rows(folder):
        if row["file"] in REFUSED_TIFF or not row["pillow"].endswith("frames=1") or "OJPEG" in row["tifffile"]:
            continue
        with Image.open(folder / row["file"]) as image:
            expected = np.asarray(image)
        found = read_image(folder / row["file"])
        np.testing.assert_array_equal(found.pixels, canonical(expected, "YXS"[: expected.ndim]), err_msg=row["file"])


def test_axes_given(shared_data):
    pages = shared_data("tiff-readers/multipage.tif")
    assert read_image(pages, axes="ZYX").info.axes == "ZYX"
    found = read_image(pages, axes="CYX")
    assert (found.info.axes, found.info.channels) == ("CYX", ("", ""))
    np.testing.assert_array_equal(found.pixels, tifffile.imread(pages))
    found = read_image(shared_data("tiff-readers/multipage_rgb.tif"), axes="ZSYX")
    assert (found.info.axes, found.info.shape, found.info.rgb) == ("CZYX", (3, 2, 10, 10), True)
    expected = tifffile.imread(shared_data("tiff-readers/multipage_rgb.tif")).transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(found.pixels, expected.astype(np.float32))
    with pytest.raises(InputError, match="axis 2 is the colour"):
        read_image(shared_data("tiff-readers/multipage_rgb.tif"), axes="CZYX")
    sizes = shared_data("tiff-readers/pillow_multipage.tiff")
    assert read_image(sizes, axes="TYX").info.warnings == ("the first of its 2 images was read",)
    moved = read_image(shared_data("tiff-readers/xyz_8bit__nucleus.tif"), axes="TYX")  # overrules what the file says
    assert (moved.info.axes, moved.info.shape) == ("TYX", (7, 207, 207))


def test_nifti(shared_data):
    folder = shared_data("nifti-readers/manifest.csv").parent
    read = 0
    for row in rows(folder):
        path = folder / row["file"]
        if row["file"] in REFUSED_NIFTI:
            check_refused(path, REFUSED_NIFTI[row["file"]])
            continue
        found, image = read_image(path), nibabel.load(path)
        if found.info.rgb:
            stored = np.asarray(image.dataobj)
            expected = np.stack([stored[name] for name in "RGB"]).transpose(0, 3, 2, 1)
        else:
            expected = np.asarray(image.dataobj).T
        assert found.pixels.shape == expected.shape
        assert abs(found.pixels - expected).max() <= 1e-6 * abs(expected).max(), row["file"]
        np.testing.assert_allclose(found.info.affine, image.affine, err_msg=row["file"])
        zooms = [float(zoom) for zoom in row["zooms"].strip("()").split(",")][:3]
        np.testing.assert_allclose(found.info.spacing, zooms[::-1], atol=6e-4, err_msg=row["file"])
        assert found.info.unit == "mm"
        assert found.info.axes == ("CZYX" if found.info.rgb else "TZYX"[4 - len(image.shape) :])
        assert "".join(nibabel.aff2axcodes(found.info.affine)) == row["axcodes"]
        read += 1
    assert read == len(rows(folder)) - len([name for name in REFUSED_NIFTI if (folder / name).exists()])


def expected_dicom(path):
    """Return what pydicom's own functions make of a file, (..., Y, X[, 3])."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in ds.file_meta:
            ds.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
            if not ds.original_encoding[0]:
                ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        stored = ds.pixel_array
        if ds.get("PhotometricInterpretation") == "PALETTE COLOR":
            return apply_color_lut(stored, ds) >> 8
        if stored.shape[-1] == 3 and ds.get("SamplesPerPixel") == 3:
            return stored
        if ds.get("Modality") == "RTDOSE":
            return stored * float(ds.DoseGridScaling)
        if "SharedFunctionalGroupsSequence" in ds:
            for groups in (ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence):
                if "PixelValueTransformationSequence" in groups[0]:
                    ds.update(groups[0].PixelValueTransformationSequence[0])
        values = apply_modality_lut(stored, ds)
        if ds.get("Modality") in ("CT", "MR", "NM", "SEG") or not {"WindowWidth", "VOILUTSequence"} & set(ds.dir()):
            return values
        values = apply_voi_lut(values, ds)
        return 2**ds.BitsStored - 1 - values if ds.PhotometricInterpretation == "MONOCHROME1" else values


def test_dicom(shared_data):
    folder = shared_data("dicom-readers/manifest.csv").parent
    read = 0
    for row in rows(folder):
        path = folder / row["file"]
        if path.stem in REFUSED_DICOM:
            check_refused(path, REFUSED_DICOM[path.stem])
            continue
        found = read_image(path)
        if path.stem in NOT_BY_PYDICOM:
            limits = {"JPEG-lossy": (0, 264), "JPGExtended": (0, 264), "JLSL_08_07_0_1F": (0, 127)}[path.stem]
            assert (found.pixels.min(), found.pixels.max()) == limits
            continue
        expected = expected_dicom(path)
        if found.info.rgb:
            expected = np.moveaxis(expected, -1, -3)
        if path.stem.startswith("CT0012"):  # its first frame is the upper one
            expected = expected[::-1]
        np.testing.assert_allclose(found.pixels, expected, rtol=1e-5, atol=1e-3, err_msg=row["file"])
        shape = re.match(r'"?\(([\d, ]+)\)', row["pixel_array"])
        if shape and row["PhotometricInterpretation"] != "PALETTE COLOR":
            sizes = [int(size) for size in shape[1].split(",")]
            assert sorted(found.info.shape) == sorted(sizes), row["file"]
        read += 1
    assert read == len(rows(folder)) - len(REFUSED_DICOM) - len(NOT_BY_PYDICOM)


def test_dicom_frames_with_axes(shared_data):
    path = shared_data("dicom-readers/emri_small.dcm")
    found = read_image(path, axes="ZYX")
    assert (found.info.axes, found.info.shape, found.info.spacing) == ("ZYX", (10, 64, 64), None)
    np.testing.assert_array_equal(found.pixels, pydicom.dcmread(path).pixel_array)
    found = read_image(shared_data("dicom-readers/SC_rgb_2frame.dcm"), axes="TYXC")
    assert (found.info.axes, found.info.shape, found.info.rgb) == ("TCYX", (2, 3, 100, 100), True)


def test_dicom_geometry(shared_data):
    found = read_image(shared_data("dicom-readers/CT_small.dcm"))
    ds = pydicom.dcmread(shared_data("dicom-readers/CT_small.dcm"))
    origin = [float(part) for part in ds.ImagePositionPatient]
    np.testing.assert_allclose(found.info.affine @ [0, 0, 0, 1], [-origin[0], -origin[1], origin[2], 1])
    row = np.array([float(part) for part in ds.ImageOrientationPatient[:3]]) * float(ds.PixelSpacing[1])
    np.testing.assert_allclose(found.info.affine[:3, 0], row * [-1, -1, 1])
    frames = read_image(shared_data("dicom-readers/CT0012.not_fragmented_bot_rle.dcm"))
    assert frames.info.axes == "ZYX"
    assert frames.info.spacing == pytest.approx((10.0, 0.388672, 0.388672))


def test_label_masks(shared_data):
    from bioconv.images.masks import read_mask

    for name, count in (("tiff-readers/stardist_mask2d.tif", 125), ("tiff-readers/xy_16bit_labels__nuclei.tif", 10)):
        path = shared_data(name)
        np.testing.assert_array_equal(read_mask(path), tifffile.imread(path))
        assert len(np.unique(read_mask(path))) - 1 == count
    path = shared_data("nifti-readers/spine-ivadomed/sub-unf01_T2w_seg-manual.nii.gz")
    mask = read_mask(path)
    assert mask.dtype == np.int64
    np.testing.assert_array_equal(mask, nibabel.load(path).get_fdata().T)
    assert read_mask(shared_data("dicom-readers/liver.dcm")).shape == (3, 512, 512)
