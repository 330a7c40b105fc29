"""`bioconv classify --labels`: what is written, what goes on, and what is said when labels will not do."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys

import pytest
from bioconv.cli.classify import command
from click.testing import CliRunner

from bioconv import runtime
from bioconv.errors import InputError
from bioconv.tables import read_table
from tests.mammography import phantoms

FILES = ("evaluation.json", "evaluation.csv")


def run(model, *arguments, check=0):
    """Run the command in this process, without heat maps, and leave it as it was found; returns click's result."""
    import torch

    threads, handlers, level = torch.get_num_threads(), list(runtime.logger.handlers), runtime.logger.level
    words = [*map(str, arguments), "--model", str(model), "--no-heat-maps", "--prevalence", "0.01"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bioconv", "classify", *words])
        result = CliRunner().invoke(command, words)
    torch.set_num_threads(threads)
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True
    assert result.exit_code == check, result.stderr + repr(result.exception)
    return result


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twelve women, six of them with a mass."""
    return phantoms.write_pictures(tmp_path_factory.mktemp("women"), range(400, 412))


@pytest.fixture(scope="module")
def first(table, mass_model, tmp_path_factory):
    """What a run said, and its results."""
    out = tmp_path_factory.mktemp("first") / "out"
    return run(mass_model, table, "--labels", "--json", "-o", out), out


@pytest.fixture
def again(first, mass_model, tmp_path):
    """Run once more on a copy of the results, where everything is done already."""
    shutil.copytree(first[1], tmp_path / "out")
    return lambda *words, check=0: run(mass_model, *words, "-o", tmp_path / "out", check=check)


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


def test_an_evaluation_beside_the_tables(first):
    done, out = first
    found = json.loads((out / "evaluation.json").read_text())
    assert json.loads(done.stdout)["evaluation"] == found
    assert found["notice"].startswith("Research use only")
    sizes = {name: (own["samples"], own["positives"], own["women"]) for name, own in found["levels"].items()}
    assert sizes == {"image": (48, 12, 12), "breast": (24, 6, 12), "exam": (12, 6, 12)}
    exam = found["levels"]["exam"]["figures"]
    wanted = {"auroc", "partial_auroc", "sensitivity", "specificity", "recall_rate", "ppv_at_prevalence"}
    assert wanted <= set(exam)
    assert found["levels"]["exam"]["reliability"]
    with (out / "exams.csv").open(newline="") as stream:
        called = sum(row["positive"] == "1" for row in csv.DictReader(stream))
    assert exam["recall_rate"]["value"] == pytest.approx(called / 12)
    assert (out / "evaluation.csv").read_text().startswith("# Research use only")
    lines = read_table(out / "evaluation.csv")  # leaves the remark out
    values = {
        (level, figure): value
        for level, figure, value in zip(*(lines.column(n) for n in lines.columns[:3]), strict=True)
    }
    assert float(values["exam", "auroc"]) == pytest.approx(exam["auroc"]["value"], rel=1e-5)
    assert values["breast", "positives"] == "6"
    assert "exams: auroc " in done.stderr
    for name in FILES:
        assert not re.search(rb"woman 4|w4\d\d", (out / name).read_bytes())


def test_the_page_says_it(first):
    page = (first[1] / "report.html").read_text()
    assert "<h2>Evaluation</h2>" in page
    assert page.count('<div class="pictures curves">') == 3
    assert "nothing was chosen or fitted on these exams" in page
    assert "ppv_at_prevalence" in page
    assert "<script" not in page


def test_a_run_that_goes_on_judges_all_of_it(again, first, table, tmp_path):
    again(changed(table, "few.csv", lambda lines: lines[:24]), "--labels")
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["levels"]["exam"]["samples"] == 6
    for picture in list((tmp_path / "out" / "thumbnails").iterdir())[:5]:
        picture.unlink()
    assert "43 done before" in again(table, "--labels").stderr
    for name in (*FILES, "report.html"):
        assert (tmp_path / "out" / name).read_bytes() == (first[1] / name).read_bytes()


def test_an_old_evaluation_does_not_stay_beside_new_tables(again, table, tmp_path):
    again(table)
    assert not any((tmp_path / "out" / name).exists() for name in FILES)
    assert "<h2>Evaluation</h2>" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (
            lambda n, cell: "perhaps" if n == 3 else cell,
            "labels that are no answers of the model, 1 of 48: 'perhaps' of w400",
        ),
        (lambda n, cell: "", "none of 48 images has a label; give a table with a filled column `label`"),
    ],
)
def test_labels_that_will_not_do_leave_the_results(again, table, tmp_path, label, said):
    result = again(relabelled(table, "odd.csv", label), "--labels", check=1)
    assert isinstance(result.exception, InputError)
    assert said in str(result.exception)
    assert result.stderr.index("there will be results and no evaluation") < result.stderr.index("48 images scored")
    assert (tmp_path / "out" / "exams.csv").exists()
    assert (tmp_path / "out" / "report.html").exists()
    assert not any((tmp_path / "out" / name).exists() for name in FILES)


def test_one_class_alone_is_said(again, table, tmp_path):
    done = again(relabelled(table, "none.csv", lambda n, cell: "0"), "--labels")
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())["levels"]["exam"]
    said = "0 positive and 12 negative: no figures with fewer than 5 of either"
    assert (found["figures"], found["notes"]) == ({}, [said])
    assert f"exams: {said}" in done.stderr


def test_labels_of_an_archive_are_refused(mass_model, tmp_path):
    words = ["--dicomweb", "https://pacs.example.org", "--study", "1.2", "-o", tmp_path / "out", "--labels"]
    assert "--labels goes with a table" in run(mass_model, *words, check=2).stderr
