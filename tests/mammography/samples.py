"""Synthetic mammograms written as DICOM files, valid by the standard where nothing else is asked for."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    RLELossless,
)

from bioconv.mammography.view_codes import MODIFIERS, VIEWS

ROOT = "1.2.826.0.1.3680043.8.498."


def uid(text):
    """A UID that is the same for the same text."""
    return pydicom.uid.generate_uid(ROOT, [str(text)])


def code(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def view_item(view, modifiers=(), *, scheme="SCT"):
    """A View Code Sequence item, its modifiers nested, in SNOMED CT or RT."""
    place = {"SCT": 1, "SRT": 2}[scheme]
    item = code(VIEWS[view][place], scheme, VIEWS[view][0])
    names = [MODIFIERS[name] for name in modifiers]
    item.ViewModifierCodeSequence = Sequence([code(name[place], scheme, name[0]) for name in names])
    return item


def stored_values(pixels, bits, *, monochrome=2):
    """Pixels 0..1 as unsigned integers of some bits; MONOCHROME1 has bright air."""
    top = 2**bits - 1
    values = np.round(np.clip(pixels.astype(np.float64), 0, 1) * top).astype(np.uint16)
    return (top - values if monochrome == 1 else values).astype(np.uint16)


def write_mammogram(
    path, pixels, laterality="L", view="CC", *, patient="synthetic-1", study="study-1", bits=12, monochrome=2,
    modifiers=(), scheme="SCT", syntax=ExplicitVRLittleEndian, voi="window", without=(), **tags,
):  # fmt: skip
    """Write pixels 0..1 as a Digital Mammography X-Ray Image, For Presentation; tags by keyword overrule the rest.

    `voi` is "window", "lut" (the identity as a table) or None.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = uid(path)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    _identity(ds, meta, patient, study, path)
    _mammogram(ds, laterality, view, modifiers, scheme)
    stored = stored_values(pixels, bits, monochrome=monochrome)
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, f"MONOCHROME{monochrome}"
    ds.PresentationLUTShape = "INVERSE" if monochrome == 1 else "IDENTITY"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "US"
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = -1 if monochrome == 2 else 1
    ds.BurnedInAnnotation, ds.LossyImageCompression = "YES", "00"
    if voi == "window":
        ds.WindowCenter, ds.WindowWidth = 2 ** (bits - 1), 2**bits
    elif voi == "lut":
        table = Dataset()
        table.LUTDescriptor = [2**bits % 65536, 0, bits]
        table["LUTDescriptor"].VR = "US"
        table.add_new("LUTData", "OW", np.arange(2**bits, dtype="<u2").tobytes())
        ds.VOILUTSequence = Sequence([table])
    for name, value in tags.items():
        setattr(ds, name, value)
    for name in without:
        delattr(ds, name)
    ds.PixelData = stored.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    _compress(ds, stored, syntax)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def _compress(ds, stored, syntax):
    if syntax == RLELossless:
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    elif syntax == JPEGLosslessSV1:
        ds.PixelData = encapsulate([imagecodecs.ljpeg_encode(stored, bitspersample=ds.BitsStored)])
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def _identity(ds, meta, patient, study, path):
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Synthetic^Phantom", patient, "", "F"
    ds.PatientAge = "054Y"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(study), uid(f"{study} series")
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20240229", "101500", "1", ""
    ds.ReferringPhysicianName = ""
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "MG", 1, 1
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.Manufacturer, ds.ManufacturerModelName, ds.DeviceSerialNumber = "bioconv synthetic", "phantom", "0"
    ds.SoftwareVersions = "1"
    ds.ContentDate = ds.AcquisitionDate = "20240229"
    ds.ContentTime = ds.AcquisitionTime = "101500"
    ds.AcquisitionContextSequence = Sequence([])
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]


def _mammogram(ds, laterality, view, modifiers, scheme):
    ds.ImageLaterality = laterality
    ds.OrganExposed = "BREAST"
    ds.BodyPartExamined = "BREAST"
    region = code("76752008", "SCT", "Breast") if scheme == "SCT" else code("T-04000", "SRT", "Breast")
    ds.AnatomicRegionSequence = Sequence([region])
    ds.ViewCodeSequence = Sequence([view_item(view, modifiers, scheme=scheme)])
    ds.ViewPosition = view
    downwards = {"CC": {"L": "R", "R": "L"}[laterality]}.get(view, "F")
    ds.PatientOrientation = [{"L": "A", "R": "P"}[laterality], downwards]
    ds.PositionerType, ds.BreastImplantPresent = "MAMMOGRAPHIC", "NO"
    ds.PositionerPrimaryAngle = 0 if view == "CC" else 45
    ds.ImagerPixelSpacing = [0.1, 0.1]
    ds.FieldOfViewRotation, ds.FieldOfViewHorizontalFlip, ds.FieldOfViewOrigin = "0", "NO", [0, 0]
    ds.DetectorType, ds.DetectorID, ds.PartialView = "DIRECT", "1", "NO"
