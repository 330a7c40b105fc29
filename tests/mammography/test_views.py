"""What a mammogram's tags say: the standard's code tables, order of tags, refusals."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bioconv.datasets.mammography_phantom import synthetic_mammograms
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, RLELossless

from bioconv.errors import InputError
from bioconv.mammography.view_codes import MODIFIERS, VIEWS, view_of_codes, view_of_text
from bioconv.mammography.views import Given, View, read_pixels, read_view
from tests.mammography import samples

PIXELS = synthetic_mammograms(3, shape=(96, 80))[1].pixels


def written(tmp_path, name="a.dcm", **options):
    return samples.write_mammogram(tmp_path / name, PIXELS, **options)


@pytest.mark.parametrize(("cid", "table"), [(4014, VIEWS), (4015, MODIFIERS)])
def test_codes_are_those_of_the_standard(cid, table):
    """pydicom carries PS3.16's context groups and the SNOMED RT codes that went before."""
    names = cid_concepts[cid]["SCT"]
    theirs = {code: meaning for name in names for code, (meaning, _) in concepts["SCT"][name].items()}
    ours = {codes[0]: (meaning, codes[1]) for meaning, *codes in table.values()}
    assert set(ours) == set(theirs)
    for code, (meaning, old) in ours.items():
        assert old == mapping["SCT"][code]
        # Its words for exaggerated views differ in order only.
        for word in meaning.lower().replace("-", " ").replace("(from below)", "").split():
            if word not in {"medio", "latero", "caudo"}:
                assert word[:6] in theirs[code].lower().replace("-", " ")


@pytest.mark.parametrize("scheme", ["SCT", "SRT"])
@pytest.mark.parametrize("view", [name for name in VIEWS if name != "specimen"])
def test_views_by_code(tmp_path, view, scheme):
    path = written(tmp_path, view=view, scheme=scheme, without=["ViewPosition"])
    assert read_view(path).view == view


def test_codes_without_their_scheme_say_nothing():
    item = samples.view_item("CC")
    item.CodingSchemeDesignator = "99LOCAL"
    assert view_of_codes([item]) is None


@pytest.mark.parametrize(
    ("text", "view", "modifiers"),
    [
        ("CC", "CC", ()), ("mlo ", "MLO", ()), ("XCCL", "XCCL", ()), ("MCC", "CC", ("magnification",)),
        ("MLOID", "MLO", ("implant displaced",)), ("MLM", "LM", ("magnification",)),
        ("SCC", "CC", ("spot compression",)),
        ("AT", "", ("axillary tail",)), ("LMO", "LMO", ()), ("MMLO", "MLO", ("magnification",)),
    ],
)  # fmt: skip
def test_views_by_name(text, view, modifiers):
    found = view_of_text(text)
    assert (found.view, found.modifiers) == (view, modifiers)


@pytest.mark.parametrize("text", ["", "PA", "LCCX", "MLOO", "specime"])
def test_names_that_are_no_view(text):
    assert view_of_text(text) is None


def test_tags_of_a_plain_mammogram(tmp_path):
    view = read_view(written(tmp_path, laterality="R", view="MLO"), name="x/a.dcm")
    assert (view.patient, view.laterality, view.view, view.intent) == ("synthetic-1", "R", "MLO", "presentation")
    assert (view.study, view.study_date, view.age) == (samples.uid("study-1"), "2024-02-29", 54)
    assert (view.spacing, view.manufacturer, view.name) == ((0.1, 0.1), "bioconv synthetic", "x/a.dcm")
    assert (view.chest_side, view.excluded, view.warnings) == ("right", "", ())


@pytest.mark.parametrize("scheme", ["SCT", "SRT"])
def test_modifiers_are_listed_and_exclude(tmp_path, scheme):
    path = written(tmp_path, modifiers=("M", "S"), scheme=scheme)
    view = read_view(path)
    assert view.modifiers == ("magnification", "spot compression")
    assert view.excluded == "taken with magnification, spot compression"


def test_unknown_modifier_excludes_too(tmp_path):
    item = samples.view_item("CC")
    item.ViewModifierCodeSequence = Sequence([samples.code("99", "99X", "stereotactic")])
    view = read_view(written(tmp_path, ViewCodeSequence=Sequence([item])))
    assert view.modifiers == ("stereotactic",)


def test_modifiers_beside_the_view_code(tmp_path):
    name = MODIFIERS["ID"]
    beside = Sequence([samples.code(name[1], "SCT", name[0])])
    assert read_view(written(tmp_path, ViewModifierCodeSequence=beside)).modifiers == ("implant displaced",)


def test_other_views_are_listed_and_not_scored(tmp_path):
    assert "view ML;" in read_view(written(tmp_path, view="ML")).excluded


def test_image_laterality_comes_before_laterality(tmp_path):
    view = read_view(written(tmp_path, laterality="R", Laterality="L"))
    assert view.laterality == "R"
    assert any("Laterality says L" in text for text in view.warnings)


def frame_laterality(side):
    anatomy, group = Dataset(), Dataset()
    anatomy.FrameLaterality = side
    group.FrameAnatomySequence = Sequence([anatomy])
    return Sequence([group])


def breast_region(code):
    return Sequence([samples.code(code, "SCT", "breast")])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"Laterality": "R"}, "R"), ({"SharedFunctionalGroupsSequence": frame_laterality("R")}, "R"),
        ({"SharedFunctionalGroupsSequence": frame_laterality("R"), "Laterality": "L"}, "R"),
        ({"AnatomicRegionSequence": breast_region("73056007")}, "R"),
        ({"AnatomicRegionSequence": breast_region("80248007")}, "L"),
    ],
)  # fmt: skip
def test_laterality_where_the_image_has_none(tmp_path, tags, expected):
    assert read_view(written(tmp_path, without=["ImageLaterality"], **tags)).laterality == expected


def test_view_code_comes_before_view_position(tmp_path):
    view = read_view(written(tmp_path, view="MLO", ViewPosition="CC"))
    assert view.view == "MLO"
    assert any("ViewPosition says CC" in text for text in view.warnings)


def test_view_position_where_there_is_no_code(tmp_path):
    assert read_view(written(tmp_path, view="MLO", without=["ViewCodeSequence"])).view == "MLO"


@pytest.mark.parametrize(
    ("tags", "without", "reason"),
    [
        ({}, ["ImageLaterality"], "does not say which breast it shows .*CSV with the columns path, patient"),
        ({}, ["ViewCodeSequence", "ViewPosition"], "does not say which view it is .*CSV"),
        ({"ViewPosition": "PA"}, ["ViewCodeSequence"], "ViewPosition is 'PA'.*CSV"),
        ({"ImageLaterality": "B"}, [], "both breasts in one image"),
        ({"ImageLaterality": "X"}, [], "ImageLaterality is 'X'; expected L or R"),
        ({"PresentationIntentType": "FOR PROCESSING"}, [], "raw data .For Processing.*force"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1"}, ["PresentationIntentType"], "For Processing"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3"}, [], "tomosynthesis volume; it is not scored"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.4"}, [], "projections of a tomosynthesis"),
        ({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, [], "no mammogram: modality CT where MG"),
        ({"ViewCodeSequence": Sequence([samples.view_item("specimen")])}, [], "tissue specimen"),
        ({}, ["PatientID", "StudyInstanceUID"], "says whose it is"),
    ],
)  # fmt: skip
def test_refused_by_name(tmp_path, tags, without, reason):
    path = written(tmp_path, without=without, **tags)
    with pytest.raises(InputError, match=reason) as caught:
        read_view(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_several_frames_are_refused(tmp_path):
    stack = np.zeros((3 * 96, 80), np.uint16)
    path = written(tmp_path, NumberOfFrames=3)
    import pydicom

    ds = pydicom.dcmread(path)
    ds.PixelData = stack.tobytes()
    ds.save_as(path)
    with pytest.raises(InputError, match="3 frames: a tomosynthesis"):
        read_view(path)


def test_raw_data_when_forced(tmp_path):
    view = read_view(written(tmp_path, PresentationIntentType="FOR PROCESSING"), force=True)
    assert view.intent == "processing"
    assert any("forced" in text for text in view.warnings)


@pytest.mark.parametrize(
    ("tags", "warning"),
    [
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}, "computed image"),
        ({"PartialView": "YES"}, "part of the breast"), ({"BreastImplantPresent": "YES"}, "implant"),
        ({"EstimatedRadiographicMagnificationFactor": 1.8}, "magnified 1.8 times"),
    ],
)  # fmt: skip
def test_odd_images_are_warned_of(tmp_path, tags, warning):
    assert any(warning in text for text in read_view(written(tmp_path, **tags)).warnings)


def test_study_stands_for_a_nameless_patient(tmp_path):
    view = read_view(written(tmp_path, PatientID=""))
    assert view.patient == view.study == samples.uid("study-1")
    assert view.warnings == ("no PatientID; the study stands for the patient",)


@pytest.mark.parametrize(
    ("tags", "age"),
    [({"PatientAge": "061Y"}, 61), ({"PatientAge": "", "PatientBirthDate": "19640301"}, 59),
     ({"PatientAge": "", "PatientBirthDate": "19640229"}, 60), ({"PatientAge": "", "PatientBirthDate": ""}, None)],
)  # fmt: skip
def test_age(tmp_path, tags, age):
    assert read_view(written(tmp_path, **tags)).age == age


@pytest.mark.parametrize("voi", ["window", "lut"])
@pytest.mark.parametrize("monochrome", [1, 2])
@pytest.mark.parametrize("bits", [12, 16])
def test_pixels_are_those_that_were_written(tmp_path, bits, monochrome, voi):
    """Air is dark and every one of the bits is there, whatever the polarity and however the values are stored."""
    if voi == "lut" and bits == 16:
        voi = None
    path = written(tmp_path, bits=bits, monochrome=monochrome, voi=voi)
    pixels, view = read_pixels(read_view(path))
    expected = np.round(PIXELS.astype(np.float64) * (2**bits - 1))
    # A window of the full width maps 0..top to itself: LINEAR takes c - 0.5 and w - 1.
    assert np.abs(pixels - expected).max() <= (0.01 if voi == "window" else 0)
    assert pixels.dtype == np.float32
    assert view.warnings == ()


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLosslessSV1])
def test_compressed_files_hold_the_same_pixels(tmp_path, syntax):
    plain = read_pixels(read_view(written(tmp_path, "plain.dcm", syntax=ExplicitVRLittleEndian)))[0]
    packed = read_pixels(read_view(written(tmp_path, "packed.dcm", syntax=syntax)))[0]
    np.testing.assert_array_equal(plain, packed)


def test_pictures_need_a_table(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(path)
    with pytest.raises(InputError, match="does not say its patient, laterality, view; give a CSV"):
        read_view(path)
    assert read_view(path, given=Given("p1", "", "L", "CC")).laterality == "L"


def test_colour_pictures_are_refused_and_grey_ones_in_colour_are_not(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)
    colours = np.stack([grey] * 3, axis=-1)
    Image.fromarray(colours).save(tmp_path / "grey.png")
    colours[0, 0] = [1, 2, 3]
    Image.fromarray(colours).save(tmp_path / "colour.png")
    pixels, _ = read_pixels(View(tmp_path / "grey.png", "p1", "", "L", "CC"))
    np.testing.assert_array_equal(pixels, grey)
    with pytest.raises(InputError, match="no plane of grey values"):
        read_pixels(View(tmp_path / "colour.png", "p1", "", "L", "CC"))


@pytest.mark.parametrize("laterality", ["", "left", "B"])
def test_a_view_has_a_side(laterality):
    with pytest.raises(ValueError, match="expected L or R"):
        View(Path("a.png"), "p1", "", laterality, "CC")


@pytest.mark.parametrize(
    "options",
    [{}, {"laterality": "R", "view": "MLO"}, {"monochrome": 1, "bits": 16}, {"voi": "lut"}, {"syntax": RLELossless},
     {"syntax": JPEGLosslessSV1}, {"modifiers": ("M", "S")}],
)  # fmt: skip
def test_written_files_are_valid(tmp_path, options):
    """David Clunie's dciodvfy knows the module tables."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (apt-get install dicom3tools)")
    done = subprocess.run(
        ["dciodvfy", str(written(tmp_path, **options))], capture_output=True, text=True, check=False, timeout=60
    )
    said = done.stdout + done.stderr
    assert "MammographyImageForPresentation" in said
    assert "Error" not in said
