"""Small files of every format, made for tests."""

from __future__ import annotations

import struct
import zlib

import nibabel
import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid


def write_png(path, pixels):
    """Write 16-bit colours or grey with nothing but zlib."""
    pixels = np.asarray(pixels, np.uint16)
    colour = 2 if pixels.ndim == 3 else 0
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, colour, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )


def dicom(path, pixels, *, position=None, series="1.2.3", syntax=ExplicitVRLittleEndian, **tags):
    """Write one slice; tags by keyword overrule the rest."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = syntax if syntax != RLELossless else ExplicitVRLittleEndian
    ds = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.SeriesInstanceUID, ds.SeriesNumber = "CT", series, 4
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(pixels.dtype.kind == "i")
    ds.PixelSpacing = [0.5, 0.25]
    if position is not None:
        ds.ImagePositionPatient = [float(part) for part in position]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    for name, value in tags.items():
        setattr(ds, name, value)
    ds.PixelData = pixels.tobytes()
    if syntax == RLELossless:
        ds.compress(RLELossless, encoding_plugin="pydicom")
    pydicom.dcmwrite(path, ds, enforce_file_format=True)


def make_all(folder):
    """Write a file of every format and return their paths."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 200, (40, 50), dtype=np.uint8)
    deep = rng.integers(0, 3000, (3, 40, 50)).astype(np.uint16)
    colour = np.repeat(grey[..., None], 3, axis=2) // [1, 2, 3]
    colour = colour.astype(np.uint8)
    write_png(folder / "deep.png", deep[0])
    Image.fromarray(colour).save(folder / "colour.png")
    Image.fromarray(grey).convert("P").save(folder / "palette.png")
    Image.fromarray(colour).save(folder / "colour.jpg")
    Image.fromarray(colour).save(folder / "colour.bmp")
    Image.fromarray(grey).save(folder / "grey.gif")
    for name, options in {
        "plain.tif": {}, "strips.tif": {"compression": "zlib", "rowsperstrip": 7, "predictor": True},
        "tiles.tif": {"compression": "lzw", "tile": (16, 16)}, "big.tif": {"bigtiff": True, "byteorder": ">"},
        "jpeg.tif": {"compression": "jpeg", "tile": (16, 16)},
    }.items():  # fmt: skip
        tifffile.imwrite(folder / name, grey if name == "jpeg.tif" else deep[0], **options)
    tifffile.imwrite(folder / "stack.ome.tif", deep, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5}, compression="zlib")
    tifffile.imwrite(folder / "imagej.tif", deep, imagej=True, metadata={"axes": "CYX", "unit": "um"})
    np.save(folder / "grey.npy", grey)
    volume = nibabel.Nifti1Image(deep, np.diag([1, 2, 3, 1.0]))
    nibabel.save(volume, folder / "volume.nii")
    nibabel.save(volume, folder / "volume.nii.gz")
    nibabel.save(nibabel.MGHImage(deep.astype(np.float32), np.eye(4)), folder / "volume.mgz")
    dicom(folder / "slice.dcm", deep[0], position=(0, 0, 0), RescaleSlope=2, RescaleIntercept=-1024)
    dicom(folder / "packed.dcm", deep[0], syntax=RLELossless, WindowCenter=100, WindowWidth=300)
    return sorted(folder.iterdir())
