"""One DICOM file: its header, its frames decoded, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.blocks import SegmentCache
from bioconv.images.dicom_codecs import decode_frame
from bioconv.images.failures import listening
from bioconv.images.limits import ANY_RATIO, DEFLATE_RATIO, check_memory, check_ratio

_SMALL = 64 << 20
_COMPRESSED_RATIO = {"1.2.840.10008.1.2.5": 130.0}
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
COLOURS = {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT"}


class DicomFile:
    """The header and frames of one file.

    Raises
    ------
    InputError
        If it holds no image, or one that is not read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header, self._place = _read_header(path)
        self._loaded: Any = None
        self._cache = SegmentCache(64 << 20)
        _check_kind(self.header, self._place)
        ds = self.header
        self.frames = _whole(ds, "NumberOfFrames", 1)
        self.rows, self.columns = int(ds.Rows), int(ds.Columns)
        self.samples = int(ds.get("SamplesPerPixel", 1) or 1)
        self.photometric = str(ds.get("PhotometricInterpretation", "") or "MONOCHROME2")
        self._check_size()

    @property
    def syntax(self) -> Any:
        """The transfer syntax."""
        return self.header.file_meta.TransferSyntaxUID

    def _check_size(self) -> None:
        if min(self.rows, self.columns, self.frames) < 1 or self.samples not in (1, 3):
            message = f"{self.frames} frames of {self.rows} x {self.columns} pixels with {self.samples} samples"
            raise InputError(message)
        if (self.samples == 3) != (self.photometric in COLOURS):
            message = f"{self.samples} samples per pixel in {self.photometric} colours; not read"
            raise InputError(message)
        bits = int(self.header.get("BitsAllocated", 32))
        kind = np.dtype(f"V{max(bits // 8, 1)}")
        shape = (self.frames, self.rows, self.columns, self.samples)
        stored = self.path.stat().st_size
        if bits == 1:
            stored *= 8
        check_ratio(shape, kind, stored, ratio=self._most_packed())
        check_memory(shape[1:], kind)

    def _most_packed(self) -> float:
        """Return how many times at most the pixels can be packed."""
        if not self.syntax.is_transfer_syntax:
            message = f"transfer syntax {self.syntax} is not read; decompress it first (gdcmconv --raw)"
            raise InputError(message)
        if self.syntax.is_deflated:
            return DEFLATE_RATIO
        if self.syntax.is_compressed:
            return _COMPRESSED_RATIO.get(self.syntax, ANY_RATIO)
        return 2.0 if self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420") else 1.0

    def frame(self, index: int) -> NDArray[Any]:
        """Return one frame as stored: (rows, columns), or (rows, columns, 3) in RGB."""
        return self._cache.get(index, lambda: self._decode(index))

    def _decode(self, index: int) -> NDArray[Any]:
        with listening("pydicom", "pylibjpeg"):
            found = decode_frame(self._data(), index, self.header)
        expected = (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, 3)
        if found.shape != expected:
            message = f"frame {index + 1} is {found.shape} where {expected} is declared: the pixel data is damaged"
            raise InputError(message)
        return found.astype(found.dtype.newbyteorder("="), copy=False)

    def _data(self) -> Any:
        """Return the data set with its pixels; the file itself where it is large."""
        if self._loaded is None:
            if self.path.stat().st_size > _SMALL and self._place == "pixels":
                return self.path
            import pydicom

            ds = pydicom.dcmread(self.path, force=True)
            ds.file_meta = self.header.file_meta
            self._loaded = ds
        return self._loaded

    def release(self) -> None:
        """Forget the data that was loaded."""
        self._loaded = None


def _read_header(path: Path) -> tuple[Any, str]:
    """Return the data set without its pixels, and "pixels", "forced" or "" for none."""
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with listening("pydicom"):
        ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        meta = getattr(ds, "file_meta", None) or pydicom.dataset.FileMetaDataset()
        ds.file_meta = meta
        # stop_before_pixels leaves out what follows the pixels too, and does not say whether there are any
        whole = pydicom.dcmread(path, force=True, defer_size=4096)
        present = any(name in whole for name in _PIXELS)
        for name in ("FloatPixelData", "DoubleFloatPixelData"):
            if name in whole:
                ds.add_new(name, "OF" if name[0] == "F" else "OD", b"")
        if "TransferSyntaxUID" not in meta:
            meta.TransferSyntaxUID = _guessed_syntax(whole)
            return ds, "forced" if present else ""
        plain = meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian
    return ds, ("pixels" if plain else "forced") if present else ""


def _guessed_syntax(ds: Any) -> Any:
    """Return the transfer syntax of a file that does not name it, from how its elements are written."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    element = ds.get_item("PixelData")
    if element is not None and getattr(element, "is_undefined_length", False):
        message = "compressed, but the file does not say how (no transfer syntax): it has lost its DICOM header"
        raise InputError(message)
    implicit, little = ds.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _check_kind(ds: Any, place: str) -> None:
    name = str(getattr(ds.get("SOPClassUID"), "name", "") or "")
    if not place or "Rows" not in ds or "Columns" not in ds:
        what = name or (f"modality {ds.Modality}" if ds.get("Modality") else "")
        if not len(ds):
            message = "not a DICOM file"
        elif what and "Image" not in what and what != "Segmentation Storage":
            message = f"a DICOM object without an image ({what})"
        else:
            message = f"DICOM without pixel data{f' ({what})' if what else ''}: cut short, or no image"
        raise InputError(message)
    if str(ds.get("SOPClassUID", "")) == _WHOLE_SLIDE:
        message = "a DICOM whole-slide image, which is stored in tiles; convert to OME-TIFF (bfconvert)"
        raise InputError(message)


def _whole(ds: Any, name: str, default: int) -> int:
    value = ds.get(name)
    try:
        return int(value or default)
    except (TypeError, ValueError) as error:
        message = f"{name} is {value!r}; expected a whole number"
        raise InputError(message) from error
