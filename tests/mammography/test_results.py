"""Rows: the same columns whatever is in them, one per input, and empty rather than wrong."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from bioconv.mammography.classifier import Classifier, ImageScore
from bioconv.mammography.exams import group_exams
from bioconv.mammography.finding import Failure
from bioconv.mammography.identifiers import Identifiers
from bioconv.mammography.model import load_classification_model
from bioconv.mammography.results import BREAST_COLUMNS, EXAM_COLUMNS, IMAGE_COLUMNS, Inputs, make_tables, write_table
from bioconv.mammography.views import View

COLUMNS = (*IMAGE_COLUMNS, "density=a", "density=b")


@pytest.fixture(scope="module")
def classifier(mass_model):
    return Classifier([load_classification_model(mass_model)])


def view(name, patient="p", study="s", side="L", kind="CC", **more):
    return View(Path(f"/in/{name}"), patient, study, side, kind, name=name, **more)


def scored(one, score):
    return ImageScore(one, (score,), {"density": {"a": 0.25, "b": 0.75}}, ("a warning",))


VIEWS = [view("a.dcm"), view("b.dcm", kind="MLO"), view("c.dcm", side="R")]


def test_rows_say_what_scores_come_to(classifier):
    tables = make_tables(classifier, Inputs([scored(one, s) for one, s in zip(VIEWS, (1.0, 3.0, -1.0), strict=True)]))
    assert [row["score"] for row in tables.images] == [1.0, 3.0, -1.0]
    right, left = tables.breasts
    assert (left["laterality"], left["score"], left["views"], left["missing"]) == ("L", 2.0, "CC MLO", "")
    assert (right["laterality"], right["score"], right["views"], right["missing"]) == ("R", -1.0, "CC", "MLO")
    (exam,) = tables.exams
    assert (exam["score"], exam["views"], exam["missing"]) == (2.0, "R-CC L-CC L-MLO", "R-MLO")
    assert exam["rule"] == "mean of views, max of breasts"
    decisions = classifier.models[0].decisions["exam"]
    assert exam["probability"] == pytest.approx(float(decisions.probabilities([2.0])[0]))
    assert exam["positive"] == (decisions.thresholds[0].value <= 2.0)
    for row in (*tables.images, *tables.breasts, *tables.exams):
        assert row["domain_warning"] == classifier.domain_warning
    assert all(row["warnings"] == "a warning" and row["density=b"] == 0.75 for row in tables.images)


def test_every_input_has_a_row_and_every_row_the_columns(classifier):
    listed = view("spot.dcm", modifiers=("spot compression",))
    copied = view("copy.dcm", copy_of="a.dcm")
    inputs = Inputs(
        [scored(VIEWS[0], 0.5)], [listed, copied], [(VIEWS[1], "/in/b.dcm: cut short")],
        [Failure(Path("/in/doe.txt"), "doe.txt", "/in/doe.txt: no mammogram")],
    )  # fmt: skip
    tables = make_tables(classifier, inputs)
    assert [row["status"] for row in tables.images] == ["scored", "excluded", "excluded", "failed", "failed"]
    assert all(set(row) == set(COLUMNS) for row in tables.images)
    assert all(set(row) == set(BREAST_COLUMNS) for row in tables.breasts)
    assert all(set(row) == set(EXAM_COLUMNS) for row in tables.exams)
    (exam,) = tables.exams
    assert (exam["extra"], exam["failed"]) == ("L-CC L-CC", "L-MLO")
    assert "could not be read: L-MLO" in exam["warnings"]
    assert exam["missing"] == "R-CC R-MLO L-MLO"
    assert tables.breasts[0]["score"] is tables.breasts[0]["probability"] is None


def test_an_exam_of_which_nothing_could_be_read_is_there(classifier):
    tables = make_tables(classifier, Inputs([], unread=[(VIEWS[0], "cut short")]))
    (exam,) = tables.exams
    assert exam["score"] is exam["probability"] is exam["positive"] is None
    assert exam["failed"] == "L-CC"


def test_names_are_nowhere_once_hashed(classifier):
    one = view("doe/jane.dcm", "Doe^Jane", "1.2.840.99", sop_uid="1.2.840.99.1", warnings=("odd UID 1.2.840.99.1",))
    inputs = Inputs(
        [replace(scored(one, 0.5), warnings=("odd UID 1.2.840.99.1", "near /in/doe/jane.dcm"))],
        [view("doe/copy.dcm", "Doe^Jane", "1.2.840.99", copy_of="doe/jane.dcm")],
        [(view("doe/cut.dcm", "Doe^Jane", "1.2.840.99"), "/in/doe/cut.dcm: cut short")],
        [Failure(Path("/in/doe/x.txt"), "doe/x.txt", "/in/doe/x.txt: no mammogram")],
    )
    identifiers = Identifiers(bytes(16))
    tables = make_tables(classifier, inputs, identifiers=identifiers)
    text = repr((tables.images, tables.breasts, tables.exams))
    assert not any(word in text for word in ("doe", "Doe", "jane", "1.2.840", "/in"))
    assert tables.images[1]["reason"] == f"a copy of {tables.images[0]['image']}"
    assert tables.exams[0]["patient"] == identifiers.of("Doe^Jane")
    assert {row["patient"] for row in tables.images} == {identifiers.of("Doe^Jane"), ""}


def test_exams_without_a_study_are_told_apart_by_their_date(classifier):
    dated = [view(f"{day}.dcm", study="", study_date=f"2024-02-0{day}") for day in (1, 2)]
    tables = make_tables(classifier, Inputs([scored(one, 0.0) for one in dated]))
    assert len(group_exams(dated)) == len(tables.exams) == 2
    assert [row["study"] for row in tables.exams] == [row["study"] for row in tables.images]
    assert len({row["study"] for row in tables.exams}) == 2


def test_cells(tmp_path):
    row = {"a": None, "b": True, "c": False, "d": 0.123456789, "e": "x,y", "f": 3}
    write_table(tmp_path / "t.csv", list(row), [row])
    assert list(csv.reader((tmp_path / "t.csv").read_text().splitlines())) == [
        list(row),
        ["", "1", "0", "0.123457", "x,y", "3"],
    ]
