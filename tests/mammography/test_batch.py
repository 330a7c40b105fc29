"""Batches: bad files, what is done again and what is not, kills, names, and what else is in the batch."""

from __future__ import annotations

import csv
import re
import shutil

import numpy as np
import pytest
import torch

from bioconv.errors import OptionError, OutputError
from bioconv.images.reader import read_image
from bioconv.mammography.batch import Batch, Wanted
from bioconv.mammography.classifier import Choices, Classifier
from bioconv.mammography.exams import Rule
from bioconv.mammography.finding import find_views
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.model import load_classification_model
from bioconv.mammography.pages import write_pages
from bioconv.manifest import NAME, Manifest, refuse_among_inputs
from tests.mammography import phantoms, samples

SALT = Identifiers(bytes(range(16)))
TABLES = ("images.csv", "breasts.csv", "exams.csv")


@pytest.fixture(scope="module")
def model(mass_model):
    return load_classification_model(mass_model)


@pytest.fixture
def classifier(model):
    return Classifier([model])


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    return phantoms.write_pictures(folder, range(300, 302))


def classify(classifier, output, *paths, until=None, wanted=None, identifiers=SALT, overwrite=False):
    """Run a batch as the command does; `until` ends it after that many images, as a kill would."""
    views, failures = find_views(list(paths))
    batch = Batch(classifier, output, wanted=wanted, identifiers=identifiers, overwrite=overwrite)
    outcomes = []
    for outcome in batch.run(views, failures):
        outcomes.append(outcome)
        if until is not None and len(outcomes) == until:
            return outcomes
    tables = batch.tables(outcomes)
    batch.write(tables)
    write_pages(batch, outcomes, tables)
    return outcomes


def rows(output, name):
    with (output / f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def files(folder):
    """Everything but the manifest, as bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != NAME
    }


def test_a_second_run_does_nothing_again(tmp_path, classifier, pictures):
    out = tmp_path / "out"
    first = classify(classifier, out, pictures)
    manifest, results = (out / NAME).read_bytes(), files(out)
    second = classify(classifier, out, pictures)
    assert not any(one.skipped for one in first)
    assert all(one.skipped for one in second)
    assert (out / NAME).read_bytes() == manifest
    assert files(out) == results
    third = classify(classifier, out, pictures, overwrite=True)
    assert not any(one.skipped for one in third)
    assert files(out) == results


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, classifier, pictures):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    classify(classifier, whole, pictures)
    classify(classifier, killed, pictures, until=3)
    with (killed / NAME).open("ab") as stream:
        stream.write(b'{"input": "torn')
    again = classify(classifier, killed, pictures)
    assert [one.skipped for one in again] == [True] * 3 + [False] * 5
    assert files(killed) == files(whole)


def test_what_is_new_is_done_again(tmp_path, classifier, model, other_model, pictures):
    out = tmp_path / "out"
    classify(classifier, out, pictures)

    def again(used=classifier, **how):
        return sum(not one.skipped for one in classify(used, out, pictures, **how))

    assert again(Classifier([model], Choices(threshold="sensitivity=0.9", rule=Rule("max", "max")))) == 0
    next((out / "heat_maps").iterdir()).unlink()
    assert again() == 1
    shutil.copy(pictures.parent / "w300-LCC.png", pictures.parent / "w300-RCC.png")
    assert again() == 1
    # The side of a table's line turns images of no clear side
    pictures.write_text(pictures.read_text().replace("w301-LCC.png,woman 301,L", "w301-LCC.png,woman 301,R"))
    assert again() == 1
    assert again(identifiers=Identifiers(bytes(16))) == 8
    other = load_classification_model(other_model)
    assert again(Classifier([model, other])) == 8
    # The other way round the scores belong to other models, and another one draws the heat maps
    assert again(Classifier([other, model])) == 8


def test_the_order_of_models_stays_that_of_their_scores(tmp_path, model, other_model, pictures):
    other = load_classification_model(other_model)
    both, turned = Classifier([model, other]), Classifier([other, model])
    first = classify(both, tmp_path / "out", pictures)
    second = classify(turned, tmp_path / "out", pictures)
    for one, two in zip(first, second, strict=True):
        assert one.scored.scores == two.scored.scores[::-1]
        assert one.scored.scores[0] != one.scored.scores[1]


def test_pictures_off_and_on(tmp_path, classifier, pictures):
    out, whole = tmp_path / "out", tmp_path / "whole"
    classify(classifier, whole, pictures)
    classify(classifier, out, pictures, wanted=Wanted(heat_maps=False, thumbnails=False))
    assert not (out / "heat_maps").exists()
    assert {row["heat_map"] for row in rows(out, "images")} == {""}
    classify(classifier, out, pictures, wanted=Wanted(heat_maps=True, thumbnails=False))
    classify(classifier, out, pictures)
    assert files(out) == files(whole)
    assert all(one.skipped for one in classify(classifier, out, pictures, wanted=Wanted(False, False)))


def test_what_else_is_in_the_batch_changes_nothing(tmp_path, classifier, pictures):
    lines = pictures.read_text().splitlines()
    few = pictures.parent / "few.csv"
    few.write_text("\n".join([lines[0], lines[8], lines[2], lines[1]]) + "\n")
    classify(classifier, tmp_path / "all", pictures)
    classify(classifier, tmp_path / "few", few)
    whole = {row["image"]: row for row in rows(tmp_path / "all", "images")}
    part = rows(tmp_path / "few", "images")
    assert len(part) == 3
    assert all(row == whole[row["image"]] for row in part)
    # One view of four: its breast and exam say what is missing
    exam = rows(tmp_path / "few", "exams")[-1]
    assert len(exam["missing"].split()) == 3
    assert float(exam["score"]) == pytest.approx(float(part[0]["score"]), abs=1e-5)


def test_dicom_with_bad_files(tmp_path, classifier):
    folder = tmp_path / "Doe_Jane"
    folder.mkdir()
    for number, views, _ in phantoms.women(300, 2):
        for view in views:
            samples.write_mammogram(
                folder / f"w{number}-{view.laterality}{view.view}.dcm", view.pixels, view.laterality, view.view,
                patient=f"Doe^Jane{number}", study=f"s{number}",
            )  # fmt: skip
    good = (folder / "w301-LCC.dcm").read_bytes()
    (folder / "w301-LCC.dcm").write_bytes(good[: len(good) - 4000])  # half of the pixels are gone
    pixels = views[0].pixels
    samples.write_mammogram(folder / "raw.dcm", pixels, PresentationIntentType="FOR PROCESSING")
    samples.write_mammogram(folder / "ct.dcm", pixels, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    samples.write_mammogram(folder / "nobody.dcm", pixels, without=("ImageLaterality",))
    samples.write_mammogram(folder / "spot.dcm", pixels, "R", patient="Doe^Jane300", study="s300", modifiers=("S",))
    (folder / "text.dcm").write_text("nothing of the sort")
    out = tmp_path / "out"
    outcomes = classify(classifier, out, folder)
    failed = {one.name: one.record.reason for one in outcomes if one.failed}
    assert set(failed) == {"w301-LCC.dcm", "raw.dcm", "ct.dcm", "nobody.dcm", "text.dcm"}
    assert all(reason.startswith(str(folder / name)) for name, reason in failed.items())
    assert "For Processing" in failed["raw.dcm"]
    images = rows(out, "images")
    assert [row["status"] for row in images].count("scored") == 7
    assert next(row for row in images if row["status"] == "excluded")["reason"] == "taken with Spot Compression".lower()
    exams = {row["patient"]: row for row in rows(out, "exams")}
    assert len(exams) == 2
    assert exams[SALT.of("Doe^Jane301")]["missing"] == "L-CC"
    assert exams[SALT.of("Doe^Jane300")]["extra"] == "R-CC"
    # Names are in the manifest and nowhere else: not in tables, pages, file names
    for name, content in files(out).items():
        for word in (b"Doe", b"Jane", b"w301", b"raw.dcm", str(tmp_path).encode(), str(samples.uid("s300")).encode()):
            assert word not in content, name
            assert word.decode() not in name
    assert b"Jane301" in (out / NAME).read_bytes() or b"w301" in (out / NAME).read_bytes()


def test_pictures_and_dicom_give_the_same_scores(tmp_path, classifier, pictures):
    folder = tmp_path / "dicom"
    folder.mkdir()
    for number, views, _ in phantoms.women(300, 2):
        for view in views:
            name = f"w{number}-{view.laterality}{view.view}.dcm"
            samples.write_mammogram(folder / name, view.pixels, view.laterality, view.view, study=str(number))
    of_pictures = {
        one.name.partition(".")[0]: one.scored.scores[0] for one in classify(classifier, tmp_path / "a", pictures)
    }
    of_dicom = {
        one.name.partition(".")[0]: one.scored.scores[0] for one in classify(classifier, tmp_path / "b", folder)
    }
    assert len(of_dicom) == 8
    assert of_dicom == pytest.approx(of_pictures, abs=1e-3)
    assert np.std(list(of_dicom.values())) > 0.1


def test_heat_maps_are_on_the_original_grid(tmp_path, classifier, pictures):
    classify(classifier, tmp_path / "out", pictures)
    for row in rows(tmp_path / "out", "images"):
        image = read_image(tmp_path / "out" / row["heat_map"])
        assert image.info.shape in ((3, *phantoms.SHAPE), (*phantoms.SHAPE, 3))


def test_names_that_are_kept(tmp_path, classifier, pictures):
    (pictures.parent / "sub").mkdir()
    lines = pictures.read_text().splitlines()[:4]
    shutil.copy(pictures.parent / "w300-RCC.png", pictures.parent / "sub" / "a.png")
    shutil.copy(pictures.parent / "w300-RCC.png", pictures.parent / "sub_a.png")
    shutil.copy(pictures.parent / "w300-RCC.png", tmp_path / "a.png")
    lines += [f"{name},x,R,CC,,,,".rstrip() for name in ("sub/a.png", "sub_a.png", "../a.png")]
    pictures.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    classify(classifier, out, pictures, identifiers=Identifiers())
    maps = [row["heat_map"] for row in rows(out, "images")]
    assert len(set(maps)) == 6
    assert "heat_maps/sub/a.png.png" in maps
    assert all((out / name).resolve().is_relative_to(out.resolve()) for name in maps)
    assert rows(out, "exams")[0]["patient"] == "woman 300"
    # A run with hashes takes the pictures with names away
    classify(classifier, out, pictures)
    assert not [name for name in files(out) if "w300" in name or "sub" in name]
    assert not any(b"woman" in content for content in files(out).values())


def test_the_same_name_in_two_folders(tmp_path, classifier):
    for number, views, _ in phantoms.women(300, 2):
        (tmp_path / f"{number}").mkdir()
        samples.write_mammogram(tmp_path / f"{number}/1.dcm", views[0].pixels, "R", "CC", patient=f"p{number}")
    for _ in range(2):
        outcomes = classify(classifier, tmp_path / "out", tmp_path / "300", tmp_path / "301")
    assert all(one.skipped for one in outcomes)
    assert len({row["image"] for row in rows(tmp_path / "out", "images")}) == 2
    assert len({row["score"] for row in rows(tmp_path / "out", "images")}) == 2


def test_a_line_given_twice_does_not_undo_the_first(tmp_path, classifier, pictures):
    lines = pictures.read_text().splitlines()
    pictures.write_text("\n".join([*lines, lines[1], ",x,L,CC,,,,", ",y,L,CC,,,,"]) + "\n")
    for _ in range(2):
        outcomes = classify(classifier, tmp_path / "out", pictures)
    assert sum(one.skipped for one in outcomes) == 8
    assert sum(one.failed for one in outcomes) == 3
    assert len({row["image"] for row in rows(tmp_path / "out", "images")}) == 11


def test_an_image_that_got_lost_leaves_no_picture(tmp_path, classifier, pictures):
    out = tmp_path / "out"
    classify(classifier, out, pictures)
    before = len(list((out / "heat_maps").iterdir()))
    picture = pictures.parent / "w300-RCC.png"
    picture.write_bytes(picture.read_bytes()[:2000])
    outcomes = classify(classifier, out, pictures)
    assert sum(one.failed for one in outcomes) == 1
    assert len(list((out / "heat_maps").iterdir())) == before - 1
    assert len(list((out / "exams").iterdir())) == 2
    exam = next(row for row in rows(out, "exams") if row["patient"] == SALT.of("woman 300"))
    assert (exam["failed"], exam["missing"]) == ("R-CC", "R-CC")
    page = (out / "exams" / "exam-0001.html").read_text() + (out / "exams" / "exam-0002.html").read_text()
    # Where a right breast's CC hangs, before the left one's: never in a column of the other breast.
    page = next(text for text in page.split("<!DOCTYPE html>") if "could not be read: " in text)
    hung = re.findall(r"<figcaption>(\w-\w+): ([a-z ]+)", page)
    assert [name for name, _ in hung] == ["R-CC", "L-CC", "R-MLO", "L-MLO"]
    assert [text.strip() for _, text in hung] == ["could not be read", "score", "score", "score"]


def test_folders_that_cannot_be_used(tmp_path, classifier, pictures):
    views, _ = find_views([pictures])
    with pytest.raises(OptionError, match="holds images that are read"):
        refuse_among_inputs(pictures.parent, [pictures], [view.path for view in views])
    refuse_among_inputs(tmp_path / "out", [pictures], [view.path for view in views])
    with pytest.raises(OutputError, match=r"exams\.csv is a file; give a folder"):
        Batch(classifier, pictures)
    with pytest.raises(OutputError, match=r"exams\.csv is a file; give a folder"):
        refuse_among_inputs(pictures, [pictures.parent], ())
    assert Manifest(tmp_path).records == {}


def test_an_image_that_does_not_fit_the_memory(tmp_path, model, pictures, monkeypatch):
    """Its reason says what to do, and the others are as without it; a heat map may be what does not fit."""
    whole = classify(Classifier([model]), tmp_path / "whole", pictures)
    logits, features, asked = type(model).logits, model.network.features, []

    def third(*given):
        asked.append("logits")
        if asked.count("logits") == 3:
            raise torch.OutOfMemoryError
        return logits(*given)

    def fifth(*given):
        if torch.is_inference_mode_enabled():
            return features(*given)
        asked.append("map")
        if asked.count("map") == 4:  # the third image has none
            raise torch.OutOfMemoryError
        return features(*given)

    monkeypatch.setattr(type(model), "logits", third)
    monkeypatch.setattr(model.network, "features", fifth)
    found = classify(Classifier([model]), tmp_path / "small", pictures)
    assert [number for number, one in enumerate(found) if one.failed] == [2, 4]
    for number, what in ((2, ""), (4, " (heat map)")):
        told = f"{found[number].view.path}{what}: out of memory on --device cpu; end what else uses the device, or "
        assert found[number].record.reason == told + "give --device cpu"
    for one, other in zip(found, whole, strict=True):
        assert one.failed or one.scored.scores == other.scored.scores
    again = classify(Classifier([model]), tmp_path / "small", pictures)
    assert [number for number, one in enumerate(again) if not one.skipped] == [2, 4]
    assert files(tmp_path / "small") == files(tmp_path / "whole")
