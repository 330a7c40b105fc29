"""`bioconv evaluate --marks`: detectors against lesions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bioconv.cli.evaluate import command
from click.testing import CliRunner

from bioconv.errors import BioconvError

MARKS = "image,x,y,score\na,1,1,0.9\na,9,9,0.8\nb,5,5,0.7\nb,0,0,0.7\nc,3,3,0.2\n"
LESIONS = "image,x,y,radius\na,1,2,1\nb,5,5,2\nb,9,9,1\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text(MARKS)
    (tmp_path / "l.csv").write_text(LESIONS)
    return tmp_path


def evaluate(*words, status=0):
    done = CliRunner().invoke(command, [*map(str, words), "--resamples", "50"])
    if isinstance(done.exception, BioconvError):
        raise done.exception
    assert done.exit_code == status, done.output
    return done


GIVEN = ["--marks", "m.csv", "--lesions", "l.csv", "--images"]


def test_by_hand(folder):
    """Four images: two of three lesions found, three false marks (one in an image without lesions)."""
    found = json.loads(evaluate(*GIVEN, 4, "--threshold", 0.5, "--json").stdout)
    assert (found["samples"], found["lesions"], found["images_with_lesions"], found["false_positives"]) == (4, 3, 2, 3)
    entries = found["models"]["marks"]
    # Nothing false above 0.8: one lesion. At 1/4 a mark in four images: 0.8; the next come in two at 0.7.
    expected = {0.125: 1 / 3, 0.25: 1 / 3, 0.5: 2 / 3, 1: 2 / 3, 8: 2 / 3}
    for rate, share in expected.items():
        assert entries[f"sensitivity_at_{rate:g}"]["value"] == pytest.approx(share)
    assert (entries["sensitivity"]["value"], entries["false_positives_per_image"]["value"]) == pytest.approx(
        (2 / 3, 0.5)
    )
    assert entries["jafroc"]["value"] == pytest.approx((2 + 2 + 0.5 + 0) / 6)
    assert found["curve"] == [pytest.approx(row) for row in (
        [0.9, 0, 1 / 3], [0.8, 0.25, 1 / 3], [0.7, 0.5, 2 / 3], [0.2, 0.75, 2 / 3]
    )]  # fmt: skip


def test_a_list_of_images_and_boxes(folder):
    (folder / "i.csv").write_text("image,patient\na,p\nb,p\nc,q\nd,r\n")
    (folder / "l.csv").write_text("image,xmin,ymin,xmax,ymax\na,0,1,2,3\nb,3,3,7,7\nb,8,8,10,10\n")
    found = json.loads(evaluate(*GIVEN, "i.csv", "--json").stdout)
    assert found["groups"] == 3
    assert found["models"]["marks"]["mean_sensitivity"]["method"] == "bootstrap of groups"
    assert found["models"]["marks"]["sensitivity_at_8"]["value"] == pytest.approx(2 / 3)
    shown = evaluate(*GIVEN, "i.csv").stdout
    assert "4 samples, 3 groups, 3 lesions, 2 images with lesions, 3 false positives" in shown


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_plot(folder, suffix):
    for name in "xy":
        evaluate(*GIVEN, 4, "--threshold", 0.5, "--plot", f"{name}.{suffix}")
    assert (folder / f"x.{suffix}").read_bytes() == (folder / f"y.{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("marks", "lesions", "images", "message"),
    [
        (MARKS, LESIONS, "2", "2 images are given, but l.csv and m.csv name 3"),
        (MARKS, "image,x,y,radius\n", "4", "l.csv lists no lesion"),
        (MARKS, "image,x,y,radius\na,1,1,0\n", "4", "l.csv, line 2: the radius is not above 0"),
        (MARKS, "image,x0,y0,x1,y1\na,5,1,2,3\n", "4", "l.csv, line 2: x1 must be above x0"),
        (MARKS, "image,x,y\na,1,1\n", "4", "l.csv: no column x0 or xmin or left"),
        ("image,x,y,score\na,1,1,high\n", LESIONS, "4", "m.csv, line 2, column score: 'high'"),
        ("image,x,y\na,1,1\n", LESIONS, "4", "m.csv: no column score"),
        (MARKS, LESIONS, "i.csv", r"m.csv: 1 row is in no listed image: 'c' (line 6)"),
        (MARKS, LESIONS, "missing.csv", "missing.csv: no such file; check the path"),
    ],
)
def test_bad_tables(folder, marks, lesions, images, message):
    (folder / "m.csv").write_text(marks)
    (folder / "l.csv").write_text(lesions)
    (folder / "i.csv").write_text("image\na\nb\n")
    done = evaluate(*GIVEN, images, status=4)
    assert message in done.stderr
    assert done.stdout == ""


def test_usage(folder):
    assert "go together" in evaluate("--marks", "m.csv", "--lesions", "l.csv", status=2).stderr
    assert "--by does not go with this form" in evaluate(*GIVEN, 4, "--by", "x", status=2).stderr


def test_no_mark_at_all(folder):
    (folder / "m.csv").write_text("image,x,y,score\n")
    found = json.loads(evaluate(*GIVEN, 4, "--json").stdout)
    assert found["models"]["marks"]["sensitivity_at_8"]["value"] == 0
    assert np.isclose(found["models"]["marks"]["jafroc"]["value"], 0.5)
