"""Heat maps as DICOM: on the mammogram's grid, in its study, naming nobody unless asked to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from bioconv.datasets.mammography_phantom import synthetic_mammograms

from bioconv.errors import InputError
from bioconv.images.reader import read_image
from bioconv.images.secondary_capture import Capture, secondary_capture
from bioconv.mammography.batch import Batch, Wanted
from bioconv.mammography.captures import named_uid
from bioconv.mammography.classifier import Classifier
from bioconv.mammography.finding import find_views
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.model import ClassificationModel
from bioconv.mammography.objective import Head, Objective
from bioconv.mammography.preparation import Preparation
from bioconv.training.normalisation import Normalisation
from tests.mammography import samples

SALT = Identifiers(bytes(range(16)))
SPOT = (60, 20)  # in the breast, off the middle of everything
SHAPE = (96, 81)  # an odd number of bytes
DCIODVFY = shutil.which("dciodvfy")


class Bright(torch.nn.Module):
    """What is bright raises the score: its Grad-CAM is the image itself, coarse."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def features(self, images):
        return torch.nn.functional.avg_pool2d(images, 4) ** 4

    def classify(self, features):
        return (features.mean(dim=(2, 3)) * self.weight).sum(1, keepdim=True)

    def forward(self, images):
        return self.classify(self.features(images))


def bright_model(name="bright", sign="0"):
    normalisation = Normalisation(np.zeros(1), np.ones(1))
    objective = Objective((Head("mass", ("no", "yes")),))
    preparation = Preparation(size=(64, 48), low=0, high=100)
    return ClassificationModel(name, sign * 64, Bright(), objective, preparation, normalisation, {}, "nothing", {})


@pytest.fixture(scope="module")
def pixels():
    view = next(one for one in synthetic_mammograms(3, shape=SHAPE) if (one.laterality, one.view) == ("L", "CC"))
    pixels = view.pixels * 0.5
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return np.where(np.hypot(y - SPOT[0], x - SPOT[1]) < 4, 1.0, pixels)


def captured(tmp_path, pixels, identifiers=SALT, models=None, **tags):
    """The source as written, and the Secondary Capture of it."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir(exist_ok=True)
    source = samples.write_mammogram(folder / "a.dcm", pixels, "L", "CC", patient="Doe^Jane", study="s1", **tags)
    views, failures = find_views([folder])
    assert not failures
    wanted = Wanted(heat_maps=True, thumbnails=False, captures=True)
    batch = Batch(Classifier(models or [bright_model()]), out, wanted=wanted, identifiers=identifiers)
    (outcome,) = batch.run(views, [])
    assert not outcome.failed, outcome.record.reason
    (path,) = (out / "dicom").iterdir()
    return pydicom.dcmread(source), pydicom.dcmread(path), path


def test_the_overlay_is_where_the_image_is(tmp_path, pixels):
    source, made, path = captured(tmp_path, pixels)
    assert made.pixel_array.shape == (*SHAPE, 3)
    image = read_image(path)
    colours = image.pixels if image.pixels.shape[-1] == 3 else np.moveaxis(image.pixels, 0, -1)
    assert np.array_equal(colours, made.pixel_array)
    png = read_image(next((tmp_path / "out" / "heat_maps").iterdir()))
    assert np.array_equal(np.moveaxis(png.pixels, 0, -1) if png.pixels.shape[-1] != 3 else png.pixels, made.pixel_array)
    # Warm colours have more red than blue; greys have as much of each.
    warmth = made.pixel_array[..., 0].astype(int) - made.pixel_array[..., 2]
    hottest = np.argwhere(warmth == warmth.max()).mean(axis=0)
    assert np.abs(hottest - SPOT).max() < 3
    brightest = np.argwhere(source.pixel_array == source.pixel_array.max()).mean(axis=0)
    assert np.abs(brightest - SPOT).max() < 1


def test_names_are_replaced(tmp_path, pixels):
    tags = {"PatientBirthDate": "19700101", "AccessionNumber": "A4711", "StudyDescription": "screening of Doe",
            "ReferringPhysicianName": "Roe^Richard", "BurnedInAnnotation": "NO"}  # fmt: skip
    source, made, path = captured(tmp_path, pixels, **tags)
    content = path.read_bytes()
    for word in ("Doe", "Jane", "Roe", "19700101", "20240229", "A4711", source.SOPInstanceUID, source.StudyInstanceUID):
        assert word.encode() not in content
    assert (made.PatientID, made.PatientName, made.PatientBirthDate) == (SALT.of("Doe^Jane"), "", "")
    assert made.StudyInstanceUID == named_uid(SALT.of(source.StudyInstanceUID))
    (item,) = made.SourceImageSequence
    assert item.ReferencedSOPInstanceUID == named_uid(SALT.of(source.SOPInstanceUID))
    assert (made.PatientIdentityRemoved, made.BurnedInAnnotation) == ("YES", "NO")
    assert path.name == f"{SALT.of('a.dcm')}.dcm"
    assert all(uid.startswith("2.25.") for uid in (made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID))


def test_letters_in_the_picture_are_not_called_removed(tmp_path, pixels):
    _, made, _ = captured(tmp_path, pixels, BurnedInAnnotation="YES")
    assert (made.PatientIdentityRemoved, made.BurnedInAnnotation) == ("NO", "YES")


def test_names_that_are_kept(tmp_path, pixels):
    tags = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Änne", "AccessionNumber": "A4711"}
    source, made, _ = captured(tmp_path, pixels, Identifiers(), **tags)
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "AccessionNumber", "PatientAge"):
        assert made[keyword].value == source[keyword].value, keyword
    (item,) = made.SourceImageSequence
    assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert item.ReferencedSOPClassUID == source.SOPClassUID
    assert item.SpatialLocationsPreserved == "YES"
    assert "PatientIdentityRemoved" not in made
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.SOPInstanceUID != source.SOPInstanceUID


def test_what_it_says_of_itself(tmp_path, pixels):
    models = [bright_model("left\\right" + "x" * 90, "a"), bright_model("other", "b")]
    source, made, path = captured(tmp_path, pixels, models=models)
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert (made.ImageLaterality, made.ViewPosition, made.Modality) == ("L", "CC", "OT")
    assert made.ViewCodeSequence[0].CodeValue == source.ViewCodeSequence[0].CodeValue
    assert list(made.PatientOrientation) == list(source.PatientOrientation)
    assert list(made.ImagerPixelSpacing) == list(source.ImagerPixelSpacing)
    assert "a" * 64 in made.DerivationDescription
    assert "other (sha256 bbbbbbbbbbbbbbbb)" in made.DerivationDescription
    assert "Research use only" in made.ImageComments
    assert made.SeriesDescription.startswith("Research use only: heat map of left/right")
    assert made.SoftwareVersions
    # Nobody takes it for a mammogram
    views, failures = find_views([path])
    assert not views
    assert "RGB" in failures[0].reason


def test_the_same_picture_has_the_same_uid(tmp_path, pixels):
    def uids(name, pixels=pixels, **how):
        (tmp_path / name).mkdir(exist_ok=True)
        _, made, path = captured(tmp_path / name, pixels, **how)
        return made.SOPInstanceUID, made.SeriesInstanceUID, path.read_bytes()

    first = uids("a", SOPInstanceUID="1.2.3")
    assert uids("b", SOPInstanceUID="1.2.3") == first
    other = uids("c", SOPInstanceUID="1.2.4")
    assert (other[0] != first[0], other[1] == first[1]) == (True, True)
    other = uids("d", SOPInstanceUID="1.2.3", models=[bright_model(sign="1")])
    assert (other[0] != first[0], other[1] != first[1]) == (True, True)


def test_sources_that_break_the_standard(tmp_path, pixels):
    tags = {"PatientOrientation": "", "InstanceNumber": None}
    _, made, _ = captured(tmp_path, pixels, Identifiers(), without=("ViewPosition", "BurnedInAnnotation"), **tags)
    assert made.BurnedInAnnotation == "YES"
    source = pydicom.dcmread(tmp_path / "in" / "a.dcm")
    for keyword, value in (("StudyDate", b"yesterday"), ("ImagerPixelSpacing", b"wide\\x"), ("PatientAge", b"old ")):
        source.add(
            pydicom.dataelem.RawDataElement(source[keyword].tag, source[keyword].VR, len(value), value, 0, False, True)
        )
    source.save_as(tmp_path / "odd.dcm")
    about = Capture("2.25.1", "2.25.2", "p", "2.25.3", "2.25.4", kept=True)
    content = secondary_capture(tmp_path / "odd.dcm", np.zeros((*SHAPE, 3), np.uint8), about)
    assert content[128:132] == b"DICM"
    with pytest.raises(InputError, match="grids must be the same"):
        secondary_capture(tmp_path / "odd.dcm", np.zeros((8, 8, 3), np.uint8), about)
    with pytest.raises(InputError, match="no such file"):
        secondary_capture(tmp_path / "none.dcm", np.zeros((8, 8, 3), np.uint8), about)


def test_pictures_of_tables_have_none(tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((96, 80), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("path,patient,laterality,view\na.png,p,L,CC\n")
    views, _ = find_views([tmp_path / "t.csv"])
    wanted = Wanted(heat_maps=False, thumbnails=False, captures=True)
    for skipped in (False, True):
        (outcome,) = Batch(Classifier([bright_model()]), tmp_path / "out", wanted=wanted).run(views, [])
        assert (outcome.failed, outcome.skipped, outcome.record.outputs) == (
            False,
            skipped,
            () if not skipped else outcome.record.outputs,
        )
    assert not (tmp_path / "out" / "dicom").exists()


def test_a_second_run_writes_only_what_is_missing(tmp_path, pixels):
    _, _, path = captured(tmp_path, pixels)
    content = path.read_bytes()
    path.unlink()
    assert captured(tmp_path, pixels)[2].read_bytes() == content


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("identifiers", [SALT, Identifiers()], ids=["hashed", "kept"])
def test_valid_by_the_standard(tmp_path, pixels, identifiers):
    _, made, path = captured(tmp_path, pixels, identifiers)
    assert errors(path) == []
    del made.ConversionType  # the validator sees what is missing
    made.save_as(tmp_path / "bad.dcm")
    assert errors(tmp_path / "bad.dcm")


def errors(path: Path):
    done = subprocess.run([DCIODVFY, str(path)], capture_output=True, text=True, errors="replace", check=False)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]
