"""`bioconv classify --labels`: what is written, what goes on, and what is said when labels will not do."""

from __future__ import annotations

import csv
import json
import sys

import pytest
from bioconv.cli.classify import command
from click.testing import CliRunner

from bioconv import runtime
from bioconv.errors import InputError
from bioconv.tables import read_table
from tests.mammography import phantoms

FILES = ("evaluation.json", "evaluation.csv")


@pytest.fixture
def classify(monkeypatch, mass_model):
    """Run the command in this process, without pictures of views, and leave it as it was found."""
    import torch

    threads, handlers, level = torch.get_num_threads(), list(runtime.logger.handlers), runtime.logger.level

    def run(*arguments, check=0):
        words = [*map(str, arguments), "--model", str(mass_model), "--no-heat-maps"]
        monkeypatch.setattr(sys, "argv", ["bioconv", "classify", *words])
        result = CliRunner().invoke(command, words)
        assert result.exit_code == check, result.stderr + repr(result.exception)
        return result

    yield run
    torch.set_num_threads(threads)
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Sixteen women, eight of them with a mass."""
    return phantoms.write_pictures(tmp_path_factory.mktemp("women"), range(400, 416))


def changed(table, name, edit):
    """Write the table with its lines edited, beside the pictures."""
    head, *lines = table.read_text().splitlines()
    path = table.with_name(name)
    path.write_text("\n".join([head, *edit(lines)]) + "\n")
    return path


def relabelled(table, name, label):
    """The same with another cell for each label: (number of the line, cell) to cell."""

    def edit(lines):
        cells = [line.split(",") for line in lines]
        return [",".join([*one[:5], label(n, one[5]), *one[6:]]) for n, one in enumerate(cells)]

    return changed(table, name, edit)


def test_an_evaluation_beside_the_tables(classify, table, tmp_path):
    out = tmp_path / "out"
    done = classify(table, "--labels", "--prevalence", 0.01, "--no-report", "--json", "-o", out)
    found = json.loads((out / "evaluation.json").read_text())
    assert json.loads(done.stdout)["evaluation"] == found
    assert found["notice"].startswith("Research use only")
    sizes = {name: (own["samples"], own["positives"], own["women"]) for name, own in found["levels"].items()}
    assert sizes == {"image": (64, 16, 16), "breast": (32, 8, 16), "exam": (16, 8, 16)}
    exam = found["levels"]["exam"]["figures"]
    wanted = {"auroc", "partial_auroc", "sensitivity", "specificity", "recall_rate", "ppv_at_prevalence"}
    assert wanted | {"calibration_slope"} <= set(found["levels"]["image"]["figures"])
    assert wanted <= set(exam)
    assert found["levels"]["exam"]["reliability"]
    with (out / "exams.csv").open(newline="") as stream:
        called = sum(row["positive"] == "1" for row in csv.DictReader(stream))
    assert exam["recall_rate"]["value"] == pytest.approx(called / 16)
    lines = read_table(out / "evaluation.csv")  # its first line is a remark
    assert (out / "evaluation.csv").read_text().startswith("# Research use only")
    rows = dict(
        zip(zip(lines.column("level"), lines.column("figure"), strict=True), lines.column("value"), strict=True)
    )
    assert float(rows["exam", "auroc"]) == pytest.approx(exam["auroc"]["value"], rel=1e-5)
    assert rows["breast", "positives"] == "8"
    assert "exams: auroc " in done.stderr
    assert not any(b"woman 4" in (out / name).read_bytes() or b"w40" in (out / name).read_bytes() for name in FILES)


def test_a_run_that_goes_on_judges_all_of_it(classify, table, tmp_path):
    few = changed(table, "few.csv", lambda lines: lines[:24])
    classify(table, "--labels", "-o", tmp_path / "whole")
    page = (tmp_path / "whole" / "report.html").read_text()
    assert "<h2>Evaluation</h2>" in page
    assert page.count('<div class="pictures curves">') == 3
    assert "nothing was chosen or fitted" in page
    classify(few, "--labels", "--no-report", "-o", tmp_path / "parts")
    assert json.loads((tmp_path / "parts" / "evaluation.json").read_text())["levels"]["exam"]["samples"] == 6
    again = classify(table, "--labels", "--no-report", "-o", tmp_path / "parts")
    assert "24 done before" in again.stderr
    for name in FILES:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # Without labels the tables may be of other women: an old evaluation does not stay beside them
    classify(few, "--no-report", "-o", tmp_path / "parts")
    assert not any((tmp_path / "parts" / name).exists() for name in FILES)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (lambda n, cell: "perhaps" if n == 3 else cell, "1 of 64 labels are no answers of the model: 'perhaps' of w400-"),
        (lambda n, cell: "", "none of 64 images has a label; give a table with a column `label`"),
    ],
)  # fmt: skip
def test_labels_that_will_not_do_leave_the_results(classify, table, tmp_path, label, said):
    result = classify(relabelled(table, "odd.csv", label), "--labels", "-o", tmp_path / "out", check=1)
    assert isinstance(result.exception, InputError)
    assert said in str(result.exception)
    assert result.stderr.index("there will be results and no evaluation") < result.stderr.index("64 images scored")
    assert (tmp_path / "out" / "exams.csv").exists()
    assert (tmp_path / "out" / "report.html").exists()
    assert not (tmp_path / "out" / "evaluation.json").exists()


def test_one_class_alone_is_said(classify, table, tmp_path):
    none = relabelled(table, "none.csv", lambda n, cell: "0")
    done = classify(none, "--labels", "--no-report", "-o", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())["levels"]["exam"]
    assert (found["figures"], found["notes"]) == (
        {},
        ["0 positive and 16 negative: no figures with fewer than 5 of either"],
    )
    assert "exams: 0 positive and 16 negative" in done.stderr


def test_labels_of_an_archive_are_refused(classify, tmp_path):
    words = ["--dicomweb", "https://pacs.example.org", "--study", "1.2", "-o", tmp_path / "out", "--labels"]
    assert "--labels goes with a table" in classify(*words, check=2).stderr
