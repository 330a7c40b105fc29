"""Colour pictures made of a DICOM image, as Secondary Captures (PS3.3, A.8.1) beside it in its study."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.failures import listening, reading
from bioconv.version import __version__

STORAGE = "1.2.840.10008.5.1.4.1.1.7"
Code = tuple[str, str, str]
"""Value, coding scheme, meaning."""
_WHOSE = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyInstanceUID",
    "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "PatientOrientation",
)  # fmt: skip
"""Must be there, may be empty."""
_GRID = (
    "PatientOrientation", "PixelSpacing", "PixelSpacingCalibrationType", "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor", "PixelAspectRatio", "LossyImageCompression",
    "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
_LONGEST = {"LO": 64, "SH": 16, "ST": 1024, "LT": 10240, "CS": 16}
_SOURCE = ("121322", "DCM", "Source image for image processing operation")


@dataclass(frozen=True)
class Capture:
    """What a Secondary Capture says beside its pixels.

    Parameters
    ----------
    series, instance
        Its own UIDs.
    patient
        Stands for the PatientID, where identifiers are not kept or the source has none.
    study, source
        Stand for the UIDs of study and source image likewise.
    kept
        Whether it carries the source's own identifiers: patient, study, dates, the source's UID.
    texts
        Keyword to value; texts are cut to the length that their kind may have.
    codes
        Keyword of a code sequence to its one code.
    """

    series: str
    instance: str
    patient: str
    study: str
    source: str
    kept: bool = False
    texts: Mapping[str, str | int] = field(default_factory=dict)
    codes: Mapping[str, Code] = field(default_factory=dict)


def secondary_capture(source: Path, picture: NDArray[np.uint8], about: Capture) -> bytes:
    """Return a picture on the grid of a DICOM image as the bytes of a Secondary Capture file, not compressed.

    Parameters
    ----------
    source
        The DICOM file; its pixels are not read.
    picture
        (Y, X, 3) uint8, red, green, blue, pixel by pixel where the source's are.

    Raises
    ------
    InputError
        If the source cannot be read, or its grid is another.
    """
    import pydicom

    with reading(source, "dicom"), listening("pydicom"):
        header = pydicom.dcmread(source, force=True, stop_before_pixels=True)
        shape = (int(header.get("Rows", 0)), int(header.get("Columns", 0)))
        if picture.shape != (*shape, 3):
            message = f"a picture of {picture.shape} of an image of {shape[0]} x {shape[1]}; the grids must be the same"
            raise InputError(message)
        made = pydicom.Dataset()
        made.SpecificCharacterSet = "ISO_IR 192"
        _whose(made, header, about)
        _what(made, about)
        _reference(made, header, about)
        _pixels(made, picture)
        return _to_bytes(made)


def _whose(made: Any, header: Any, about: Capture) -> None:
    """Say whose it is: the source's own words, or what stands for them."""
    for keyword in _EMPTY:
        setattr(made, keyword, "")
    _copy(made, header, _GRID)
    if about.kept:
        _copy(made, header, _WHOSE)
    made.PatientID = made.PatientID or about.patient
    made.StudyInstanceUID = made.get("StudyInstanceUID") or about.study
    # Letters in the picture are the source's; only what it says of itself is known of them.
    burned = str(header.get("BurnedInAnnotation", "") or "YES").strip().upper() != "NO"
    made.BurnedInAnnotation = "YES" if burned else "NO"
    if not about.kept:
        made.PatientIdentityRemoved = "NO" if burned else "YES"
        made.DeidentificationMethod = "made anew: hashes with a secret salt stand for identifiers"


def _copy(made: Any, header: Any, keywords: tuple[str, ...]) -> None:
    for keyword in keywords:
        try:
            if keyword in header:
                made.add(header[keyword])
        except Exception:  # a value that breaks the standard is left out, whatever pydicom makes of it
            continue


def _what(made: Any, about: Capture) -> None:
    """Say what it is: a derived picture, of which software."""
    made.SOPClassUID, made.SOPInstanceUID, made.SeriesInstanceUID = STORAGE, about.instance, about.series
    # Not MG: it is no exposure, and must not be hung, counted or scored as one.
    made.Modality, made.ConversionType = "OT", "WSD"
    made.SeriesNumber = made.InstanceNumber = None
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.Manufacturer = made.SecondaryCaptureDeviceManufacturer = "bioconv"
    made.SoftwareVersions = made.SecondaryCaptureDeviceSoftwareVersions = __version__
    for keyword, value in about.texts.items():
        setattr(made, keyword, _fitted(keyword, value))
    for keyword, code in about.codes.items():
        setattr(made, keyword, [_item(code)])


def _fitted(keyword: str, value: str | int) -> str | int:
    """Return a value as its kind may hold it: no control characters, no second value, not too long."""
    from pydicom.datadict import dictionary_VR

    if isinstance(value, int):
        return value
    kind = dictionary_VR(keyword)
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    text = text if kind in ("ST", "LT") else text.replace("\\", "/")
    return text[: _LONGEST.get(kind, len(text))].strip()


def _item(code: Code) -> Any:
    import pydicom

    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def _reference(made: Any, header: Any, about: Capture) -> None:
    """Name the image it was made of."""
    import pydicom

    item = pydicom.Dataset()
    item.ReferencedSOPClassUID = str(header.get("SOPClassUID", "") or STORAGE)
    own = str(header.get("SOPInstanceUID", "") or "")
    item.ReferencedSOPInstanceUID = own if about.kept and own else about.source
    item.PurposeOfReferenceCodeSequence = [_item(_SOURCE)]
    item.SpatialLocationsPreserved = "YES"
    made.SourceImageSequence = [item]


def _pixels(made: Any, picture: NDArray[np.uint8]) -> None:
    made.Rows, made.Columns = picture.shape[:2]
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = picture.tobytes() + b"\0" * (picture.size % 2)
    made["PixelData"].VR = "OW"


def _to_bytes(made: Any) -> bytes:
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian

    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()
