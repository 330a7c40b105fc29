"""What is read of files made for it, and what is refused: axes, windows, colours, spacing, DICOM."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pydicom.dataset import Dataset

from bioconv.errors import InputError
from bioconv.images.finding import find_images
from bioconv.images.image import image_from_array
from bioconv.images.masks import read_mask
from bioconv.images.reader import open_image, read_image
from bioconv.images.tiff_pixels import TiffPixels
from tests.images.samples import dicom, make_all, write_png

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (37, 53), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (37, 53, 3), dtype=np.uint8)


def refused(reason, path, **options):
    with pytest.raises(InputError, match=reason) as caught:
        read_image(path, **options)
    assert str(caught.value).startswith(str(path))


def test_sixteen_bit_colours(tmp_path):
    pixels = RNG.integers(0, 65536, (9, 11, 3))
    write_png(tmp_path / "c.png", pixels)
    found = read_image(tmp_path / "c.png")
    assert (found.info.dtype, found.info.rgb, found.info.bit_depth) == (np.uint16, True, 16)
    np.testing.assert_array_equal(found.pixels, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, orientation):
    image = Image.fromarray(COLOUR)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    found = read_image(tmp_path / "a.png")
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(found.pixels, expected.transpose(2, 0, 1))
    assert bool(found.info.warnings) == (orientation != 1)


def test_palette_alpha_and_bits(tmp_path):
    image = Image.fromarray(GREY % 3).convert("P")
    image.putpalette([200, 0, 0, 0, 90, 0, 0, 0, 7])
    image.save(tmp_path / "p.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "p.png").pixels, np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    )
    with open_image(tmp_path / "p.png") as source:
        np.testing.assert_array_equal(
            source.read((slice(1, 2), slice(4, 6), slice(2, 9)))[0, 0], source.read()[1, 4, 2:9]
        )
    np.testing.assert_array_equal(read_mask(tmp_path / "p.png"), GREY % 3)
    Image.fromarray(np.dstack([COLOUR, GREY * 0])).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, COLOUR.transpose(2, 0, 1))
    assert found.info.warnings == (f"{GREY.size} of its {GREY.size} pixels are fully transparent; "
                                   "the colours under them were read",)  # fmt: skip
    Image.fromarray(GREY > 9).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").info.bit_depth == 1
    np.testing.assert_array_equal(read_image(tmp_path / "b.png").pixels, GREY > 9)
    Image.new("CMYK", (4, 5)).save(tmp_path / "c.jpg")
    refused("CMYK", tmp_path / "c.jpg")


TIFFS = {
    "uncompressed": {}, "one row": {"rowsperstrip": 1, "compression": "zlib"},
    "strips": {"rowsperstrip": 8, "compression": "lzw", "predictor": True}, "tiles": {"tile": (16, 32)},
    "tiles deflate": {"tile": (16, 16), "compression": "zlib", "predictor": True}, "zstd": {"compression": "zstd"},
    "big-endian": {"byteorder": ">", "tile": (16, 16)}, "BigTIFF": {"bigtiff": True, "compression": "packbits"},
}  # fmt: skip


@pytest.mark.parametrize("options", TIFFS.values(), ids=TIFFS)
@pytest.mark.parametrize("kind", ["grey", "colour", "planar", "float", "stack"])
def test_tiff_windows(tmp_path, options, kind):
    pixels = {
        "grey": GREY.astype(np.uint16) * 100, "colour": COLOUR, "planar": COLOUR.transpose(2, 0, 1),
        "float": GREY.astype(np.float32) / 7, "stack": np.stack([GREY, GREY // 2, GREY // 3, GREY]),
    }[kind]  # fmt: skip
    more = {"photometric": "rgb"} if kind in ("colour", "planar") else {"photometric": "minisblack"}
    more |= {"planarconfig": "separate"} if kind == "planar" else {}
    if kind == "float" and options.get("predictor"):
        options = options | {"predictor": 3 if options["compression"] == "zlib" else 1}
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata=None, **more, **options)
    expected = pixels.transpose(2, 0, 1) if kind == "colour" else pixels
    with open_image(tmp_path / "a.tif", axes="ZYX" if kind == "stack" else None) as source:
        assert source.info.axes == {2: "YX", 3: "CYX" if source.info.rgb else "ZYX"}[expected.ndim]
        np.testing.assert_array_equal(source.read(), expected)
        for _ in range(8):
            window = []
            for size in expected.shape:
                first, last = sorted(RNG.choice(size + 1, 2, replace=False))
                window.append(slice(int(first), int(last)))
            np.testing.assert_array_equal(source.read(tuple(window)), expected[tuple(window)])


@pytest.mark.parametrize("options", [{"tile": (64, 64)}, {"rowsperstrip": 16}])
def test_only_touched_segments_are_decoded(tmp_path, monkeypatch, options):
    pixels = RNG.integers(0, 99, (512, 640), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="zlib", **options)
    decoded = []
    original = TiffPixels._decode
    monkeypatch.setattr(TiffPixels, "_decode", lambda *given: decoded.append(given[-1]) or original(*given))
    with open_image(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read((slice(100, 200), slice(70, 120))), pixels[100:200, 70:120])
        rows = {100 // 64, 128 // 64, 199 // 64} if "tile" in options else set(range(100 // 16, 199 // 16 + 1))
        assert decoded == [row * 10 + 1 for row in sorted(rows)] if "tile" in options else decoded == sorted(rows)
        source.read((slice(150, 160), slice(80, 90)))
        assert len(decoded) == len(rows)  # those were still held


def test_tiff_metadata(tmp_path):
    stack = np.stack([GREY] * 6).reshape(2, 3, 37, 53)
    tifffile.imwrite(
        tmp_path / "a.ome.tif", stack, photometric="minisblack",
        metadata={"axes": "ZCYX", "PhysicalSizeX": 65, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.065,
                  "PhysicalSizeZ": 0.001, "PhysicalSizeZUnit": "mm", "Channel": {"Name": ["DAPI", "GFP", "RFP"]}},
    )  # fmt: skip
    info = read_image(tmp_path / "a.ome.tif").info
    assert (info.axes, info.shape, info.channels) == ("CZYX", (3, 2, 37, 53), ("DAPI", "GFP", "RFP"))
    assert info.spacing == pytest.approx((1.0, 0.065, 0.065))
    assert info.unit == "um"
    tifffile.imwrite(
        tmp_path / "t.ome.tif", stack[:, 0], metadata={"axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeY": 2.0}
    )
    info = read_image(tmp_path / "t.ome.tif").info  # the distance of the planes is not known: not silently 1
    assert (info.spacing, info.facts["spacing_yx"]) == (None, (2.0, 2.0))
    for name, resolution, unit, spacing in (
        ("dpi", (300, 300), "INCH", None), ("screen", (28.35, 28.35), "CENTIMETER", None),
        ("none", (5, 5), "NONE", None),
        ("micro", (40_000, 20_000), "CENTIMETER", (0.5, 0.25)),
    ):  # fmt: skip
        tifffile.imwrite(tmp_path / f"{name}.tif", GREY, resolution=resolution, resolutionunit=unit)
        assert read_image(tmp_path / f"{name}.tif").info.spacing == spacing
    tifffile.imwrite(tmp_path / "w.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "w.tif").pixels, 255 - GREY)
    table = np.arange(768, dtype=np.uint16).reshape(3, 256) % 251 * 257
    tifffile.imwrite(tmp_path / "p.tif", GREY, photometric="palette", colormap=table)
    np.testing.assert_array_equal(read_image(tmp_path / "p.tif").pixels, (table >> 8)[:, GREY])
    np.testing.assert_array_equal(read_mask(tmp_path / "p.tif"), GREY)


def test_npy(tmp_path):
    np.save(tmp_path / "c.npy", COLOUR)
    found = read_image(tmp_path / "c.npy")
    assert (found.info.axes, found.info.rgb) == ("CYX", True)
    np.testing.assert_array_equal(found.pixels, COLOUR.transpose(2, 0, 1))
    np.save(tmp_path / "v.npy", np.asfortranarray(COLOUR.astype(float)))
    refused(r"shape \(37, 53, 3\): not clear .*--axes YXC", tmp_path / "v.npy")
    found = read_image(tmp_path / "v.npy", axes="yxc")
    np.testing.assert_array_equal(found.pixels, COLOUR.transpose(2, 0, 1).astype(np.float32))
    np.save(tmp_path / "z.npy", GREY * 1j)
    refused("complex", tmp_path / "z.npy")


@settings(max_examples=30)
@given(st.permutations(list("TCZYX")), st.data())
def test_arrays_in_any_order(axes, data):
    shape = [data.draw(st.integers(2, 4)) for _ in axes]
    pixels = np.arange(np.prod(shape)).reshape(shape)
    with image_from_array(pixels, axes="".join(axes), spacing=(3, 2, 1), unit="um") as image:
        assert image.info.axes == "TCZYX"
        np.testing.assert_array_equal(image.read(), np.einsum(f"{''.join(axes)}->TCZYX", pixels))


def test_refused_by_name(tmp_path):
    for name, reason in (
        ("a.czi", "Zeiss CZI file; convert to OME-TIFF .bfconvert a.czi"), ("a.nd2", "Nikon"), ("a.lif", "Leica"),
        ("a.txt", "not an image of a format that is read"), ("a.png", "named .png, but its content is none"),
        ("a.npz", "NPZ"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"some text that is no image at all")
        refused(reason, tmp_path / name)
    refused("no such file", tmp_path / "b.png")
    (tmp_path / "e.tif").touch()
    refused("an empty file", tmp_path / "e.tif")
    Image.fromarray(GREY).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.tif")  # the content counts
    assert read_image(tmp_path / "x.tif").info.format == "png"
    refused("expected letters of T, C, Z, Y, X", tmp_path / "x.tif", axes="QYX")


def test_dicom_stages(tmp_path):
    stored = np.array([[0, 100, 1000], [2000, 3000, 4095]], np.uint16)
    dicom(tmp_path / "ct.dcm", stored, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=0, WindowWidth=400)
    found = read_image(tmp_path / "ct.dcm")  # a measured quantity: no window
    np.testing.assert_array_equal(found.pixels, stored * 2.0 - 1000)
    assert found.info.dtype == np.int32
    assert found.info.spacing == (0.5, 0.25)
    options = {"Modality": "DX", "BitsStored": 12, "HighBit": 11, "WindowCenter": 2000, "WindowWidth": 2001}
    linear = np.clip((stored - 1999.5) / 2000 + 0.5, 0, 1) * 4095
    dicom(tmp_path / "dx.dcm", stored, **options)
    np.testing.assert_allclose(read_image(tmp_path / "dx.dcm").pixels, linear, rtol=1e-6)
    dicom(tmp_path / "m1.dcm", stored, **options, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(read_image(tmp_path / "m1.dcm").pixels, 4095 - linear, rtol=1e-4, atol=1e-3)
    dicom(tmp_path / "ex.dcm", stored, **options, VOILUTFunction="LINEAR_EXACT")
    exact = np.clip((stored - 2000.0) / 2001 + 0.5, 0, 1) * 4095
    np.testing.assert_allclose(read_image(tmp_path / "ex.dcm").pixels, exact, rtol=1e-6)
    dicom(tmp_path / "si.dcm", stored, **options, VOILUTFunction="SIGMOID")
    sigmoid = 4095 / (1 + np.exp(-4 * (stored - 2000.0) / 2001))
    np.testing.assert_allclose(read_image(tmp_path / "si.dcm").pixels, sigmoid, rtol=1e-6)
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [3, 1000, 8], [5, 90, 200]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    dicom(tmp_path / "lut.dcm", stored, **options, VOILUTSequence=[item])
    np.testing.assert_array_equal(read_image(tmp_path / "lut.dcm").pixels, [[5, 5, 5], [200, 200, 200]])
    dicom(tmp_path / "imager.dcm", stored, **options, PixelSpacing=None, ImagerPixelSpacing=[0.1, 0.1])
    assert "detector" in read_image(tmp_path / "imager.dcm").info.facts["spacing_source"]


def volume(folder, depths, **tags):
    folder.mkdir()
    for number, z in enumerate(depths):
        place = z if isinstance(z, tuple) else (10, 20, z)
        # the names run against the positions
        dicom(folder / f"{99 - number}.dcm", np.full((4, 6), number, np.int16), position=place, **tags)
    return folder


def test_dicom_series(tmp_path):
    folder = volume(tmp_path / "ct", [-5, 7, 1])
    found = read_image(folder)
    assert (found.info.axes, found.info.shape, found.info.spacing) == ("ZYX", (3, 4, 6), (6.0, 0.5, 0.25))
    assert found.pixels[:, 0, 0].tolist() == [0, 2, 1]
    np.testing.assert_allclose(found.info.affine @ [2, 3, 1, 1], [-10.5, -21.5, 1, 1])
    with open_image(folder) as source:
        np.testing.assert_array_equal(source.read((slice(1, 3), slice(0, 2), slice(5, 6))), found.pixels[1:, :2, 5:])
    for name, depths, reason, tags in (
        ("missing", [0, 2, 4, 8, 10], r"1 missing between .* 4 mm apart where 2 mm are usual", {}),
        ("doubled", [0, 2, 2, 4], "doubled", {}), ("uneven", [0, 2, 4.5, 6.5], "uneven distance", {}),
        ("tilted", [(0, 0, 0), (0, 1, 2), (0, 2, 4)], "tilted by 26.6 degrees", {}),
    ):  # fmt: skip
        refused(reason, volume(tmp_path / name, depths, **tags))
    mixed = volume(tmp_path / "mixed", [0, 1])
    dicom(mixed / "other.dcm", np.zeros((4, 6), np.int16), position=(0, 0, 9), series="9.9")
    refused("2 series in one folder", mixed)
    dicom(mixed / "other.dcm", np.zeros((5, 6), np.int16), position=(0, 0, 9))
    refused("slices of several sizes", mixed)
    refused("a folder without DICOM files", tmp_path)


def test_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    pixels = RNG.integers(0, 999, (2, 4, 30, 40)).astype(np.uint16)
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=pixels.shape, chunks=(1, 2, 16, 16), dtype="u2")[:] = pixels
    axes = [{"name": "c", "type": "channel"}] + [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [1, 2, 0.5, 0.25]}]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]
    group.attrs["omero"] = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    with open_image(tmp_path / "a.ome.zarr") as source:
        assert (source.info.axes, source.info.channels) == ("CZYX", ("DAPI", "GFP"))
        assert source.info.spacing == (2.0, 0.5, 0.25)
        window = (slice(1, 2), slice(1, 4), slice(10, 20), slice(0, 33))
        np.testing.assert_array_equal(source.read(window), pixels[window])
    zarr.save_array(str(tmp_path / "p.zarr"), pixels[0])
    refused("plain Zarr array of shape", tmp_path / "p.zarr")
    np.testing.assert_array_equal(read_image(tmp_path / "p.zarr", axes="ZYX").pixels, pixels[0])


def test_nifti_scaling_windows_and_axes(tmp_path):
    stored = RNG.integers(-99, 999, (5, 6, 7, 3)).astype(np.int16)
    image = nibabel.Nifti1Image(stored, np.diag([1, 2, 3, 1.0]))
    image.header.set_slope_inter(0.5, 3)
    for name in ("a.nii", "a.nii.gz"):
        nibabel.save(image, tmp_path / name)
        expected = nibabel.load(tmp_path / name).get_fdata().T
        with open_image(tmp_path / name, axes="CZYX") as source:
            assert (source.info.axes, source.info.dtype) == ("CZYX", np.float32)
            np.testing.assert_allclose(source.read(), expected, rtol=1e-6)
            window = (slice(1, 2), slice(2, 5), slice(0, 6), slice(3, 4))
            np.testing.assert_array_equal(source.read(window), source.read()[window])


def test_find_images(tmp_path):
    folder = tmp_path / "scans"
    (folder / "deep" / "er").mkdir(parents=True)
    files = make_all(folder / "deep")
    volume(folder / "ct", [0, 1, 2])
    for name in ("a.czi", "deep/notes.txt", ".hidden.png", "ct/DICOMDIR"):
        (folder / name).write_bytes(b"text")
    (folder / "out").mkdir()
    (folder / "out" / "manifest.jsonl").touch()
    Image.fromarray(GREY).save(folder / "out" / "mask.png")
    found = find_images([folder, folder / "deep" / "plain.tif"])
    names = {each.name: each for each in found}
    assert sorted(names) == sorted(["a.czi", "ct", *(f"deep/{path.name}" for path in files if path.is_file())])
    assert len(found) == len(names)
    assert names["a.czi"].reason.startswith("a Zeiss CZI file")
    assert len(names["ct"].files) == 3
    assert read_image(names["ct"].source).info.shape == (3, 4, 6)
    assert {each.root for each in found} == {folder}
    assert [each.name for each in find_images([folder], pattern="*.tif", exclude=["*stack*", "imagej*"])] == [
        "deep/big.tif", "deep/jpeg.tif", "deep/plain.tif", "deep/strips.tif", "deep/tiles.tif",
    ]  # fmt: skip
    for path, reason in ((folder / "out", "folder of results"), (folder / "gone.png", "no such file")):
        assert [reason in each.reason for each in find_images([path])] == [True]
    dicom(folder / "ct" / "other.dcm", np.zeros((4, 6), np.int16), position=(0, 0, 0), series="7", SeriesNumber=5)
    dicom(folder / "ct" / "other2.dcm", np.zeros((4, 6), np.int16), position=(0, 0, 1), series="7", SeriesNumber=5)
    assert [each.name for each in find_images([folder / "ct"])] == ["ct/series-4", "ct/series-5"]
