"""What a mammogram says about itself: patient, side, view, modifiers, and whether it can be scored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import BioconvError, InputError
from bioconv.images.failures import reading
from bioconv.images.formats import image_format
from bioconv.images.reader import read_image
from bioconv.mammography.view_codes import SCORED

LATERALITIES = ("L", "R")
BY_TABLE = "give a CSV with the columns path, patient, laterality, view instead of the file"


@dataclass(frozen=True)
class View:
    """One mammogram: what its tags or its line of a table say.

    Parameters
    ----------
    path
        The file.
    patient
        PatientID; where it is empty the study's UID.
    study
        StudyInstanceUID, or the table's name for the exam; empty where there is none.
    laterality
        The woman's breast, `L` or `R`. Pixels never change it.
    view
        `CC`, `MLO` or another name of CID 4014; empty where a maker gives a modifier alone.
    modifiers
        Meanings of CID 4015: magnification, spot compression, implant displaced, ...
    intent
        `presentation`, `processing`, or empty for pictures and digitised film.
    name
        The path below the folder that was searched, or as the table has it.
    sop_uid
        SOPInstanceUID.
    study_date
        YYYY-MM-DD.
    manufacturer
        Of the mammograph or the scanner.
    age
        Years.
    spacing
        Distance of rows and of columns, mm, in the plane that the file means.
    chest_side
        Side of the image, `left` or `right`, on which PatientOrientation puts the chest wall.
    label, group
        As the table has them.
    copy_of
        Name of the file of which this one is a copy (the same SOPInstanceUID).
    warnings
        What a reader of the results should know.

    Raises
    ------
    ValueError
        If `laterality` or `chest_side` is none of those above.
    """

    path: Path
    patient: str
    study: str
    laterality: str
    view: str
    modifiers: tuple[str, ...] = ()
    intent: str = ""
    name: str = ""
    sop_uid: str = ""
    study_date: str = ""
    manufacturer: str = ""
    age: int | None = None
    spacing: tuple[float, float] | None = None
    chest_side: str = ""
    label: str = ""
    group: str = ""
    copy_of: str = ""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.laterality not in LATERALITIES or self.chest_side not in ("", "left", "right"):
            message = f"laterality {self.laterality!r}, chest wall {self.chest_side!r}; expected L or R, left or right"
            raise ValueError(message)

    @property
    def excluded(self) -> str:
        """Why it is listed and not scored; empty where it is scored."""
        if self.copy_of:
            return f"a copy of {self.copy_of}"
        if self.modifiers:
            return f"taken with {', '.join(self.modifiers)}"
        return "" if self.view in SCORED else f"view {self.view or 'without a name'}; {' and '.join(SCORED)} are scored"

    @property
    def expected_side(self) -> str:
        """Side of the image on which the chest wall is to be expected.

        That of PatientOrientation; without one the custom of hanging breasts back to back: left breasts have it on
        the left of the image.
        """
        return self.chest_side or {"L": "left", "R": "right"}[self.laterality]


@dataclass(frozen=True)
class Given:
    """What a table says of a file; empty where it says nothing, and the file's tags are asked.

    Parameters
    ----------
    patient, study, laterality, view, modifiers, label, group
        As of `View`.
    """

    patient: str = ""
    study: str = ""
    laterality: str = ""
    view: str = ""
    modifiers: tuple[str, ...] = ()
    label: str = ""
    group: str = ""


def read_view(path: Path, *, name: str = "", given: Given | None = None, force: bool = False) -> View:
    """Return what a file says about itself; its pixels are not decoded.

    Parameters
    ----------
    path
        A DICOM file, or a picture (PNG, JPEG, TIFF, NPY, ...) of which a table tells the rest.
    name
        For results; default: the file's name.
    given
        What a table says of it. It fills what a DICOM file leaves out; where both speak of the same thing and
        disagree, the file is refused.
    force
        Take raw data (For Processing) too.

    Raises
    ------
    InputError
        If it is no mammogram, or does not say whose, which breast or which view. The message starts with the path
        and says what to do.
    """
    given = given or Given()
    kind = ""
    with reading(path, "file"):
        kind = image_format(path)
    with reading(path, kind):
        if kind == "dicom":
            from bioconv.mammography.dicom_views import read_dicom_view

            return read_dicom_view(path, name=name or path.name, given=given, force=force)
        if kind in ("series", "zarr", "nifti", "mgh"):
            message = "no mammogram: a volume or a folder of slices; give DICOM files of modality MG, or pictures"
            raise InputError(message)
        missing = [word for word in ("patient", "laterality", "view") if not getattr(given, word)]
        if given.modifiers and "view" in missing:
            missing.remove("view")
        if missing:
            message = f"a picture does not say its {', '.join(missing)}; {BY_TABLE}"
            raise InputError(message)
    return _view_of(path, name, given)


def view_of_line(path: Path, name: str, given: Given) -> View | None:
    """Return what a table says of a file that is not there or is no image; None where it says too little, or else.

    A file that is an image may contradict the table, and then nobody knows.

    Parameters
    ----------
    path, name
        Of the file, as the table names it.
    given
        What its line says.
    """
    if not (given.patient and given.laterality and given.view):
        return None
    try:
        image_format(path)
    except (BioconvError, OSError):
        return _view_of(path, name, given)
    return None


def _view_of(path: Path, name: str, given: Given) -> View:
    return View(
        path, given.patient, given.study, given.laterality, given.view, given.modifiers, name=name or path.name,
        label=given.label, group=given.group,
    )  # fmt: skip


def read_pixels(view: View) -> tuple[NDArray[np.float32], View]:
    """Read a mammogram's pixels for display: modality, VOI and presentation LUT applied, air dark.

    Parameters
    ----------
    view
        What `read_view` gave.

    Returns
    -------
    pixels : NDArray
        (Y, X) float32, the values as they are: 16 bits stay 16 bits.
    view : View
        With the warnings that came up.

    Raises
    ------
    InputError
        If they cannot be decoded or are a colour picture.
    MissingDependencyError
        If a package that decodes them is not installed.
    """
    image = read_image(view.path)
    pixels = image.pixels
    with reading(view.path, image.info.format):
        alike = image.info.axes == "CYX" and (
            len(pixels) == 1 or (image.info.rgb and bool((pixels == pixels[:1]).all()))
        )
        if image.info.axes != "YX" and not alike:
            message = f"axes {image.info.axes} {image.info.shape}: no plane of grey values; expected a mammogram"
            raise InputError(message)
        pixels = pixels[0] if alike else pixels
    heard = tuple(text for text in image.info.warnings if text not in view.warnings)
    return np.ascontiguousarray(pixels, np.float32), replace(view, warnings=view.warnings + heard)
