"""Which format a file has, by its first bytes; its name only where those say nothing."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from bioconv.errors import InputError

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".btf", ".tf8", ".tf2", ".svs", ".dcm", ".dicom", ".ima",
    ".nii", ".nii.gz", ".hdr", ".mgh", ".mgz", ".npy", ".zarr",
)  # fmt: skip
"""Of the files that a folder is searched for; DICOM files are found without one too."""

_TO_OME = "convert to OME-TIFF (bfconvert {name} out.ome.tiff, or Fiji: Bio-Formats Importer, then Exporter)"
_MICROSCOPES = {
    ".czi": "Zeiss CZI", ".nd2": "Nikon ND2", ".lif": "Leica LIF", ".lof": "Leica LOF", ".xlef": "Leica XLEF",
    ".oib": "Olympus OIB", ".oif": "Olympus OIF", ".vsi": "Olympus VSI", ".oir": "Olympus OIR", ".ims": "Imaris IMS",
    ".zvi": "Zeiss ZVI", ".ndpi": "Hamamatsu NDPI", ".mrxs": "3DHistech MRXS", ".scn": "Leica SCN", ".bif": "Roche BIF",
    ".dv": "DeltaVision DV", ".sld": "SlideBook SLD", ".ipl": "IPLab IPL", ".qptiff": "Akoya QPTIFF",
}  # fmt: skip
REFUSED = {
    **{suffix: f"a {name} file; {_TO_OME}" for suffix, name in _MICROSCOPES.items()},
    ".mnc": "a MINC file; convert to NIfTI (mnc2nii {name} out.nii)",
    ".mha": "a MetaImage file; convert to NIfTI (ITK-SNAP, 3D Slicer, SimpleITK)",
    ".mhd": "a MetaImage header; convert to NIfTI (ITK-SNAP, 3D Slicer, SimpleITK)",
    ".nrrd": "an NRRD file; convert to NIfTI (3D Slicer, SimpleITK)",
    ".webp": "a WebP picture; convert to PNG",
    ".jp2": "a JPEG 2000 picture; convert to TIFF or PNG",
    ".npz": "an NPZ archive; save its array with numpy.save",
}
"""Formats that are known and not read, and what to do."""
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"), (b"BM", "bmp"),
    (b"II*\0", "tiff"), (b"MM\0*", "tiff"), (b"II+\0", "tiff"), (b"MM\0+", "tiff"), (b"\x93NUMPY", "npy"),
)  # fmt: skip
_REFUSED_MAGIC = (
    (b"CDF\x01", ".mnc"), (b"CDF\x02", ".mnc"), (b"\x89HDF", "hdf"), (b"PK\x03\x04", "zip"), (b"ZISRAWFILE", ".czi"),
    (b"\xda\xce\xbe\n", ".nd2"), (b"\x70\0\0\0", ".lif"), (b"NRRD", ".nrrd"), (b"RIFF", ".webp"),
    (b"\0\0\0\x0cjP  ", ".jp2"),
)  # fmt: skip


FORMATS = "PNG, JPEG, BMP, GIF, TIFF, DICOM, NIfTI, MGH, NPY, OME-Zarr"
"""What is read, for messages."""


def image_suffix(path: Path) -> str:
    """Return the suffix of a name in lower case; ".nii.gz" is one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def image_stem(path: Path) -> str:
    """Return a name without its suffix; ".nii.gz" and ".ome.tif" are one."""
    stem = path.name[: len(path.name) - len(image_suffix(path))]
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def refusal(path: Path) -> str | None:
    """Return why a file of a known format that is not read is refused, by its name."""
    reason = REFUSED.get(image_suffix(path))
    return reason.format(name=path.name) if reason else None


def image_format(path: Path) -> str:
    """Return the format of a file or folder: one of those that are read, "series" for a folder.

    Raises
    ------
    InputError
        If it is none of them; the message says what to do.
    """
    if path.is_dir():
        return "zarr" if is_zarr(path) else "series"
    head = _head(path)
    if not head:
        message = "an empty file"
        raise InputError(message)
    if (reason := refusal(path)) is not None:
        raise InputError(reason)
    packed = head[:2] == b"\x1f\x8b"
    if packed:
        head = _unpacked_head(path)
    else:
        if head[128:132] == b"DICM":  # first: its preamble may hold a TIFF header
            return "dicom"
        for magic, name in _MAGIC:
            if head.startswith(magic):
                return name
    return _by_content(path, head, packed=packed)


def _by_content(path: Path, head: bytes, *, packed: bool) -> str:
    if is_nifti(head):
        return "nifti"
    suffix = image_suffix(path)
    if suffix in (".mgh", ".mgz") and head[:4] == b"\0\0\0\x01":
        return "mgh"
    for magic, name in _REFUSED_MAGIC:
        if head.startswith(magic):
            raise InputError(_foreign(path, name))
    if not packed and (suffix in (".dcm", ".dicom", ".ima") or looks_like_dicom(head)):
        return "dicom"
    if head[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c"):
        message = "an Analyze header, which does not say which side is left; convert to NIfTI (.nii)"
        raise InputError(message)
    what = f"named {suffix}, but its content is none" if suffix in SUFFIXES else "not an image of a format that is read"
    message = f"{what} ({FORMATS})"
    raise InputError(message)


def _foreign(path: Path, name: str) -> str:
    if name == "hdf":
        return "an HDF5 file (MINC 2, Imaris, BigDataViewer); convert to NIfTI or OME-TIFF"
    if name == "zip":
        return "a ZIP or NPZ archive; unpack it first"
    return REFUSED[name].format(name=path.name)


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a Zarr store."""
    return any((path / name).is_file() for name in (".zgroup", ".zarray", "zarr.json"))


def is_nifti(head: bytes) -> bool:
    """Say whether a file that starts so is NIfTI 1 or 2, in one file or as a header beside its pixels."""
    if head[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c"):
        return head[344:348] in (b"n+1\0", b"ni1\0")
    return head[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") and head[4:7] in (b"n+2", b"ni2")


def looks_like_dicom(head: bytes) -> bool:
    """Say whether a file without the preamble starts with an element of group 2 or 8."""
    tag = head[:4]
    known = tag[:2] in (b"\x08\0", b"\x02\0") or tag[:2] in (b"\0\x08", b"\0\x02")
    return known and ((head[4:6].isalpha() and head[4:6].isupper()) or head[6:8] == b"\0\0" or head[4:6] == b"\0\0")


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(600)


def _unpacked_head(path: Path) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(600)
    except (OSError, EOFError, zlib.error) as error:
        message = f"a gzip file that cannot be unpacked ({error}); copy it again"
        raise InputError(message) from error
