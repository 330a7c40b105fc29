"""A mammogram's DICOM tags: Mammography Image module and its neighbours (PS3.3 C.8.11), and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bioconv.errors import InputError
from bioconv.images.dicom_file import DicomFile
from bioconv.images.dicom_geometry import pixel_spacing
from bioconv.images.dicom_values import frame_item
from bioconv.images.failures import listening, told
from bioconv.mammography.view_codes import SPECIMEN, Named, modifiers_of_codes, view_of_codes, view_of_text
from bioconv.mammography.views import BY_TABLE, Given, View

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_MAMMOGRAM = {f"{_STORAGE}1.2": "presentation", f"{_STORAGE}1.2.1": "processing"}
TOMOSYNTHESIS = {
    f"{_STORAGE}13.1.3": "a breast tomosynthesis volume",
    f"{_STORAGE}13.1.4": "breast projections of a tomosynthesis",
    f"{_STORAGE}13.1.5": "breast projections of a tomosynthesis",
}
_FLAT = {"CR", "DX", "OT"}
_ONE_SIDED = {
    "7771000": "L", "G-A101": "L", "80248007": "L", "T-04030": "L",
    "24028007": "R", "G-A100": "R", "73056007": "R", "T-04020": "R",
}  # fmt: skip
"""Left and right as modifiers, and the breasts as regions: SNOMED CT, SNOMED RT."""
_COMPUTED = {"GENERATED_2D", "TOMOSYNTHESIS", "RECOMBINED", "SUBTRACTION"}
_MAGNIFIED = 1.3  # a contact view has 1.0 to 1.2


def read_dicom_view(path: Path, *, name: str, given: Given, force: bool) -> View:
    """Read the tags of a mammogram; see :func:`bioconv.mammography.views.read_view`."""
    with listening("pydicom") as heard:
        file = DicomFile(path)
        ds = file.header
        warnings: list[str] = []
        _check_mammogram(file, warnings)
        intent = _intent(ds, warnings, force=force)
        laterality = _agreed("laterality", _laterality(ds, warnings), given.laterality)
        named = _view(ds, warnings)
        view = _agreed("view", named.view, given.view)
        modifiers = tuple(dict.fromkeys(named.modifiers + given.modifiers))
        _check_said(laterality, view, modifiers, str(ds.get("ViewPosition", "") or ""))
        study = given.study or _text(ds, "StudyInstanceUID")
        patient = _patient(ds, given, study, warnings)
        _odd(ds, modifiers, warnings)
        found = View(
            path, patient, study, laterality, view, modifiers, intent, name, _text(ds, "SOPInstanceUID"),
            _date(ds), _text(ds, "Manufacturer"), _age(ds), pixel_spacing(ds)[0], _chest_side(ds),
            given.label, given.group,
        )  # fmt: skip
    return replace(found, warnings=tuple(dict.fromkeys((*warnings, *told(heard)))))


def _check_mammogram(file: DicomFile, warnings: list[str]) -> None:
    """Refuse what is plainly no single mammogram."""
    ds = file.header
    storage, modality = _text(ds, "SOPClassUID"), _text(ds, "Modality")
    message = ""
    if storage in TOMOSYNTHESIS:
        message = f"{TOMOSYNTHESIS[storage]}; it is not scored: give the mammograms or synthetic 2D views of the exam"
    elif storage not in _MAMMOGRAM and modality != "MG":
        if modality in _FLAT and _text(ds, "BodyPartExamined").upper() == "BREAST":
            warnings.append(f"modality {modality} of the breast taken as a mammogram")
        else:
            message = f"no mammogram: modality {modality or 'not given'} where MG is expected"
    if not message and file.frames > 1:
        message = f"{file.frames} frames: a tomosynthesis or a series; it is not scored: give the exam's mammograms"
    if not message and file.samples != 1:
        message = f"a {file.photometric} picture (a screenshot or report?); expected grey values"
    if message:
        raise InputError(message)


def _intent(ds: Any, warnings: list[str], *, force: bool) -> str:
    told_intent = _text(ds, "PresentationIntentType").upper()
    intent = _MAMMOGRAM.get(_text(ds, "SOPClassUID"), "")
    if told_intent in ("FOR PRESENTATION", "FOR PROCESSING"):
        intent = told_intent.removeprefix("FOR ").lower()
    if intent != "processing":
        return intent
    if not force:
        message = (
            "raw data (For Processing), which models for looking-at images misjudge; give the For Presentation image "
            "of the same exposure, or force it"
        )
        raise InputError(message)
    warnings.append("raw data (For Processing), forced")
    return intent


def _laterality(ds: Any, warnings: list[str]) -> str:
    """Return L, R or empty: of the image, then of the frame, the series and the anatomic region."""
    frame = frame_item(ds, 0, "FrameAnatomySequence")
    said = {
        "ImageLaterality": _text(ds, "ImageLaterality").upper(),
        "FrameLaterality": _text(frame, "FrameLaterality").upper() if frame is not ds else "",
        "Laterality": _text(ds, "Laterality").upper(),
        "AnatomicRegionSequence": _region_side(ds),
    }
    first, side = next(((tag, side) for tag, side in said.items() if side not in ("", "U")), ("", ""))
    if side == "B":
        message = f"{first} is B, both breasts in one image; give one breast per image"
        raise InputError(message)
    if side not in ("", "L", "R"):
        message = f"{first} is {side!r}; expected L or R: mend the tag"
        raise InputError(message)
    for tag, other in said.items():
        if other in ("L", "R") and other != side:
            warnings.append(f"{first} {side} was taken; {tag} says {other}")
    return side


def _region_side(ds: Any) -> str:
    for region in ds.get("AnatomicRegionSequence") or ():
        for item in (*(region.get("AnatomicRegionModifierSequence") or ()), region):
            if side := _ONE_SIDED.get(_text(item, "CodeValue")):
                return side
    return ""


def _view(ds: Any, warnings: list[str]) -> Named:
    """Return what ViewCodeSequence says, then ViewPosition."""
    coded = view_of_codes(ds.get("ViewCodeSequence"))
    position = _text(ds, "ViewPosition")
    written = view_of_text(position) if position else None
    beside = modifiers_of_codes(ds.get("ViewModifierCodeSequence"))
    if coded is None and ds.get("ViewCodeSequence"):
        warnings.append("the code of ViewCodeSequence is none of CID 4014; ViewPosition was asked")
    if coded is not None and written is not None and written.view not in ("", coded.view):
        warnings.append(f"view {coded.view} by ViewCodeSequence was taken; ViewPosition says {position}")
    named = coded or written or Named("")
    extra = written.modifiers if written is not None else ()
    if named.view == SPECIMEN:
        message = "a radiograph of a tissue specimen, no mammogram"
        raise InputError(message)
    return Named(named.view, tuple(dict.fromkeys((*named.modifiers, *extra, *beside))))


def _agreed(what: str, tag: str, table: str) -> str:
    if tag and table and tag != table:
        message = (
            f"the table says {what} {table}, the file's tags {tag}; one of them is wrong: "
            "leave the table's cell empty to take the tag, or mend the file"
        )
        raise InputError(message)
    return tag or table


def _check_said(laterality: str, view: str, modifiers: tuple[str, ...], position: str) -> None:
    missing = [] if laterality else ["which breast it shows (ImageLaterality, Laterality)"]
    if not view and not modifiers:
        odd = f", ViewPosition is {position!r}" if position else ""
        missing.append(f"which view it is (ViewCodeSequence, ViewPosition{odd})")
    if missing:
        message = f"does not say {' nor '.join(missing)}; {BY_TABLE}"
        raise InputError(message)


def _patient(ds: Any, given: Given, study: str, warnings: list[str]) -> str:
    patient = given.patient or _text(ds, "PatientID")
    if not patient and study:
        warnings.append("no PatientID; the study stands for the patient")
        return study
    if not patient:
        message = f"neither PatientID nor StudyInstanceUID says whose it is; {BY_TABLE}"
        raise InputError(message)
    return patient


def _odd(ds: Any, modifiers: tuple[str, ...], warnings: list[str]) -> None:
    kinds = ds.get("ImageType") or ()
    kinds = {str(kind).upper() for kind in ((kinds,) if isinstance(kinds, str) else kinds)}
    if computed := sorted(kinds & _COMPUTED):
        warnings.append(f"a computed image (ImageType {', '.join(computed)}), no exposure of its own")
    if _text(ds, "PartialView").upper() == "YES":
        warnings.append("shows a part of the breast only (PartialView)")
    if _text(ds, "BreastImplantPresent").upper() == "YES":
        warnings.append("breast with an implant")
    factor = _number(ds.get("EstimatedRadiographicMagnificationFactor"))
    if factor is not None and factor > _MAGNIFIED and "magnification" not in modifiers:
        warnings.append(f"magnified {factor:g} times, though no modifier says so")


def _chest_side(ds: Any) -> str:
    """Return the side of the image on which PatientOrientation puts the back; rows run towards its first value."""
    value = ds.get("PatientOrientation")
    towards = str(value[0]).strip().upper()[:1] if value and not isinstance(value, str) else ""
    return {"A": "left", "P": "right"}.get(towards, "")


def _date(ds: Any) -> str:
    for tag in ("StudyDate", "AcquisitionDate", "ContentDate"):
        digits = _text(ds, tag)
        if len(digits) == 8 and digits.isdigit():
            return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    return ""


def _age(ds: Any) -> int | None:
    age = _text(ds, "PatientAge").upper()
    if age.endswith("Y") and age[:-1].isdigit():
        return int(age[:-1])
    born, date = _text(ds, "PatientBirthDate"), _date(ds).replace("-", "")
    if len(born) == 8 and born.isdigit() and date >= born:
        return int(date[:4]) - int(born[:4]) - (date[4:] < born[4:])
    return None


def _number(value: Any) -> float | None:
    try:
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return None


def _text(ds: Any, tag: str) -> str:
    value = ds.get(tag)
    return "" if value is None else str(value).strip()
