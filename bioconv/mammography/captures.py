"""Heat maps as DICOM Secondary Captures: in the study of their mammogram, and saying what made them."""

from __future__ import annotations

import hashlib
import uuid

from bioconv.images.secondary_capture import Capture, secondary_capture
from bioconv.mammography.classifier import Classifier, ImageScore
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.pictures import Picture
from bioconv.mammography.view_codes import VIEWS
from bioconv.mammography.views import View
from bioconv.version import __version__

SERIES_NUMBER = 999
CAUTION = "Research use only, not a medical device."
_HUNG = ("R-CC", "L-CC", "R-MLO", "L-MLO")


def can_be_captured(view: View) -> bool:
    """Say whether a view is of a DICOM file that can be referred to: one with a SOPInstanceUID."""
    return bool(view.sop_uid)


def named_uid(text: str) -> str:
    """Return the UID that stands for a text, always the same: `2.25.` and the number of a UUID (PS3.5, B.2).

    The UUID is that of a name (RFC 9562, version 5) in the namespace of object identifiers.

    Examples
    --------
    >>> named_uid("0123456789abcdef")
    '2.25.230499534126455969851518860588749739525'
    """
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, text).int}"


def heat_map_capture(scored: ImageScore, picture: Picture, classifier: Classifier, identifiers: Identifiers) -> bytes:
    """Return the picture of a heat map as a Secondary Capture, on the grid of its mammogram.

    The same picture by the same models gets the same UIDs, so that sending it twice leaves one. All pictures of a
    study and the same models make one series.

    Parameters
    ----------
    scored
        What the models say of the image; its view has a SOPInstanceUID.
    picture
        (Y, X, 3), as of `draw_heat`.
    identifiers
        Where names are hashed, hashes stand for the patient, and UIDs made of hashes for study and image.

    Raises
    ------
    InputError
        If the mammogram's file cannot be read any more.
    """
    view = scored.view
    study = identifiers.of(view.study or f"{view.patient} {view.study_date}")
    source = identifiers.of(view.sop_uid)
    models = [model.hash for model in classifier.models]
    pixels = hashlib.sha256(picture.tobytes()).hexdigest()
    name = classifier.models[0].name
    place = f"{view.laterality}-{view.view}"
    texts: dict[str, str | int] = {
        "SeriesDescription": f"Research use only: heat map of {name}",
        "SeriesNumber": SERIES_NUMBER,
        "InstanceNumber": _HUNG.index(place) + 1 if place in _HUNG else len(_HUNG) + 1,
        "ManufacturerModelName": "bioconv classify",
        "SecondaryCaptureDeviceManufacturerModelName": "bioconv classify",
        "BodyPartExamined": "BREAST",
        "ImageLaterality": view.laterality,
        "ViewPosition": view.view,
        "ImageComments": f"{CAUTION} {classifier.domain_warning}.",
        "DerivationDescription": _derivation(scored, classifier),
    }
    codes = {"AnatomicRegionSequence": ("76752008", "SCT", "Breast")}
    if view.view in VIEWS:
        meaning, code, *_ = VIEWS[view.view]
        codes["ViewCodeSequence"] = (code, "SCT", meaning)
    about = Capture(
        series=named_uid("\n".join(["series", study, *models])),
        instance=named_uid("\n".join(["image", source, pixels, __version__, *models])),
        patient=identifiers.of(view.patient),
        study=named_uid(study),
        source=named_uid(source),
        kept=identifiers.kept,
        texts=texts,
        codes=codes,
    )
    return secondary_capture(view.path, picture, about)


def _derivation(scored: ImageScore, classifier: Classifier) -> str:
    """Return in words how it was made; hashes of many models do not fit."""
    first, *others = classifier.models
    score = sum(scored.scores) / len(scored.scores)
    text = (
        f"Grad-CAM heat map of what raises the score of model {first.name[:80]} (sha256 {first.hash}), laid over the "
    )
    text += f"image. Score of the image {score:.6g} (logit"
    if others:
        text += f", mean of {len(others) + 1} models; the others: "
        text += ", ".join(f"{model.name[:40]} (sha256 {model.hash[:16]})" for model in others)
    return f"{text}). bioconv {__version__}. {CAUTION}"
