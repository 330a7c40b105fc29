"""Mammograms of folders and tables: one bad file never takes the rest down."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from bioconv.datasets.mammography_phantom import synthetic_mammograms
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bioconv.errors import InputError
from bioconv.mammography.finding import find_views
from bioconv.mammography.tables import read_view_table
from tests.mammography import samples

PIXELS = synthetic_mammograms(3, shape=(96, 80))[1].pixels
HEADER = "path,patient,laterality,view\n"


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((PIXELS * 255).astype(np.uint8)).save(path)
    return path


def table(folder, text, name="exams.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_folder_with_good_and_bad_files(tmp_path):
    (tmp_path / "b").mkdir()
    samples.write_mammogram(tmp_path / "a.dcm", PIXELS, "L", "CC")
    samples.write_mammogram(tmp_path / "b" / "no-suffix", PIXELS, "R", "MLO")
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:900])
    (tmp_path / "text.dcm").write_text("no DICOM")
    (tmp_path / "notes.txt").write_text("left alone")
    picture(tmp_path / "c.png")
    views, failures = find_views([tmp_path])
    assert [(view.name, view.laterality, view.view) for view in views] == [
        ("a.dcm", "L", "CC"), ("b/no-suffix", "R", "MLO"),
    ]  # fmt: skip
    assert [failure.name for failure in failures] == ["c.png", "cut.dcm", "text.dcm"]
    for failure in failures:
        assert failure.reason.startswith(str(failure.path))
        assert "\n" not in failure.reason


def test_our_results_are_never_read(tmp_path):
    samples.write_mammogram(tmp_path / "a.dcm", PIXELS)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.jsonl").write_text("")
    picture(tmp_path / "out" / "heat.png")
    samples.write_mammogram(tmp_path / "out" / "b.dcm", PIXELS)
    views, failures = find_views([tmp_path])
    assert [view.name for view in views] == ["a.dcm"]
    assert not failures
    views, failures = find_views([tmp_path / "out"])
    assert not views
    assert "a folder of results" in failures[0].reason


def test_copies_count_once(tmp_path):
    samples.write_mammogram(tmp_path / "a.dcm", PIXELS)
    (tmp_path / "b.dcm").write_bytes((tmp_path / "a.dcm").read_bytes())
    views, failures = find_views([tmp_path, tmp_path / "a.dcm"])
    assert not failures
    assert [(view.name, view.excluded) for view in views] == [("a.dcm", ""), ("b.dcm", "a copy of a.dcm")]


def test_a_volume_is_no_mammogram(tmp_path):
    for number in range(3):
        samples.write_mammogram(
            tmp_path / f"{number}.dcm", PIXELS, Modality="CT", ImagePositionPatient=[0, 0, number],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )  # fmt: skip
    views, failures = find_views([tmp_path])
    assert not views
    assert "3 slices of a volume, no mammogram" in failures[0].reason


def test_what_is_not_there(tmp_path):
    views, failures = find_views([tmp_path / "no.dcm", tmp_path / "no.csv"])
    assert not views
    assert len(failures) == 2
    assert all("no such file" in failure.reason.lower() for failure in failures)


def test_a_table_of_pictures(tmp_path):
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png")
    path = table(
        tmp_path,
        "file,Patient_ID,Side,VIEW,exam,label,group,site\n"
        "in/a.png,p1,LEFT,mlo,e1,1,A,x\n"
        f"{tmp_path / 'in' / 'b.png'},p2,r,CC,,0,,x\n",
    )
    views, failures = find_views([path])
    assert not failures
    assert [(v.patient, v.laterality, v.view, v.study, v.label, v.group) for v in views] == [
        ("p1", "L", "MLO", "e1", "1", "A"), ("p2", "R", "CC", "", "0", ""),
    ]  # fmt: skip
    assert views[0].path == tmp_path / "in" / "a.png"
    assert views[0].name == "in/a.png"


def test_lines_that_make_no_sense_are_named(tmp_path):
    for name in "abcdefg":
        picture(tmp_path / f"{name}.png")
    path = table(
        tmp_path,
        HEADER.strip() + ",modifiers\n"
        "a.png,p1,X,CC,\nb.png,p1,L,PA,\nc.png,,L,CC,\nd.png,p1,L,CC,Q\n,p1,L,CC,\ne.png,p1,R,CC,M S\ne.png,p1,L,CC,\n"
        "missing.png,p1,L,CC,\nf.png,p1,,CC,\ng.png,p1,R,MLO,\n",
    )
    views, failures = find_views([path])
    assert [(view.name, view.modifiers) for view in views] == [
        ("e.png", ("magnification", "spot compression")), ("g.png", ()),
    ]  # fmt: skip
    expected = {
        2: "laterality 'X'; expected L, R, left or right", 3: "view 'PA'; expected one of CC, MLO",
        4: "does not say its patient", 5: "modifier 'Q'", 6: "no path", 8: "e.png is in line 7 too",
        9: "no such file", 10: "does not say its laterality",
    }  # fmt: skip
    assert len(failures) == len(expected)
    for failure, (line, reason) in zip(failures, expected.items(), strict=True):
        assert failure.reason.startswith(f"{path}, line {line}: ")
        assert reason in failure.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [("path,patient,view\na,b,CC\n", "no column laterality; the header has path, patient, view"), ("", "empty"),
     (HEADER + "a.png,p1\n", "line 2: 2 cells where the header has 4")],
)  # fmt: skip
def test_tables_that_cannot_be_read(tmp_path, text, reason):
    path = table(tmp_path, text)
    with pytest.raises(InputError, match=reason):
        read_view_table(path)
    views, failures = find_views([path])
    assert not views
    assert failures[0].path == path


def test_a_table_fills_what_a_dicom_file_leaves_out(tmp_path):
    samples.write_mammogram(tmp_path / "a.dcm", PIXELS, without=["ImageLaterality"])
    samples.write_mammogram(tmp_path / "b.dcm", PIXELS, "R", "MLO", study="other")
    path = table(tmp_path, HEADER + "a.dcm,,R,\nb.dcm,,,\n")
    views, failures = find_views([path])
    assert not failures
    assert [(v.patient, v.laterality, v.view) for v in views] == [
        ("synthetic-1", "R", "CC"),
        ("synthetic-1", "R", "MLO"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"), [("a.dcm,,R,", "laterality R, the file's tags L"), ("a.dcm,,,MLO", "view MLO")]
)
def test_a_table_never_overrules_a_tag(tmp_path, line, reason):
    samples.write_mammogram(tmp_path / "a.dcm", PIXELS, "L", "CC")
    views, failures = find_views([table(tmp_path, HEADER + line + "\n")])
    assert not views
    assert reason in failures[0].reason
    assert "one of them is wrong" in failures[0].reason


@pytest.fixture(scope="module")
def table_path(tmp_path_factory):
    return tmp_path_factory.mktemp("table") / "x.csv"


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=("Cs", "Cc")), max_size=8)


@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=5))
def test_any_table_gives_one_row_per_line_or_an_error_that_names_it(table_path, rows):
    path = table_path
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerow(["path", "patient", "laterality", "view"])
        writer.writerows(rows)
    found = read_view_table(path)
    assert len(found) == len(rows)
    for row, (name, _, side, view) in zip(found, rows, strict=True):
        good = side.strip().upper() in ("", "L", "R", "LEFT", "RIGHT") and bool(name.strip())
        assert good or row.reason
        assert row.given.laterality in ("", "L", "R")
        assert row.given.view == "" or row.given.view in view.upper()


def test_real_dicom_files_are_refused_by_name(shared_data):
    """None of the readers' test files is a mammogram: each is refused, by its modality or as the reader says."""
    folder = shared_data("dicom-readers")
    by_modality = 0
    for row in csv.DictReader((folder / "manifest.csv").read_text().splitlines()):
        path = folder / row["file"]
        if not path.exists():
            continue
        views, failures = find_views([path])
        assert not views, path.name
        (failure,) = failures
        assert failure.reason.startswith(str(path))
        assert len(failure.reason.splitlines()) == 1
        if "no mammogram: modality" in failure.reason:
            by_modality += 1
            assert f"modality {row['Modality'] or 'not given'} where MG is expected" in failure.reason
    assert by_modality > 60


def test_a_whole_folder_of_real_files_gives_no_mammogram(shared_data):
    views, failures = find_views([shared_data("dicom-readers")])
    assert not views
    assert len({Path(failure.path) for failure in failures}) > 60
