"""Pages of exams: everything said, nothing run, nothing fetched."""

from __future__ import annotations

import base64
import re

from bioconv.report.exam_report import NOTICE, ExamReport, ExamsReport, PicturedView, exam_report, exams_report
from bioconv.report.facts import Table

HOSTILE = "<script>alert('x')</script>"
BREASTS = Table(("laterality", "score", "probability", "positive"), [("R", -1.0, None, None), ("L", 1.5, 0.875, True)])


def written(path, write, facts):
    write(path, facts)
    text = path.read_text()
    assert NOTICE in text
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=\"(?:https?:|//)", text)
    return text


def test_an_exam(tmp_path):
    views = [
        PicturedView("R-CC", "score 1.500", b"\xff\xd8picture", (HOSTILE,)),
        PicturedView("L-CC", "missing"),
    ]
    facts = ExamReport(
        title=f"Patient {HOSTILE}", statements={"score": 1.5, "positive": True}, breasts=BREASTS, views=views,
        missing=("L-CC",), domain="the model was trained on films", warnings=("one warning",), settings={"rule": "max"},
    )  # fmt: skip
    text = written(tmp_path / "exam.html", exam_report, facts)
    for said in (
        "R-CC: score 1.500",
        "L-CC: missing",
        "missing views: L-CC",
        "trained on films",
        "one warning",
        "0.8750",
    ):
        assert said in text
    assert text.count("<img ") == 1
    assert base64.b64encode(b"\xff\xd8picture").decode() in text
    assert text.count("&lt;script&gt;") >= 2
    assert "do not mark lesions" in text


def test_a_list_of_exams(tmp_path):
    exams = Table(("exam", "score", "positive"), [("Patient 1", 0.25, True), ("Patient 2", None, None)])
    facts = ExamsReport(
        "Mammograms", {"exams": 2}, exams, ["exams/exam-0001.html", "exams/exam-0002.html"],
        [("a.dcm", HOSTILE)], "films",
    )  # fmt: skip
    text = written(tmp_path / "report.html", exams_report, facts)
    assert re.findall(r'href="(exams/[^"]+)">(Patient \d)<', text) == [
        ("exams/exam-0001.html", "Patient 1"), ("exams/exam-0002.html", "Patient 2"),
    ]  # fmt: skip
    assert "a.dcm: &lt;script&gt;" in text
    assert "0.2500" in text
