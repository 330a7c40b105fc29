"""`bioconv classify`: exit codes, plans, JSON, and the same from Python."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bioconv.cli.classify import command
from click.testing import CliRunner

import bioconv
from bioconv import runtime
from bioconv.errors import InputError, ModelError, OptionError
from tests.mammography import phantoms, samples

ROOT = Path(__file__).parent.parent.parent
TABLES = ("images", "breasts", "exams")


@pytest.fixture
def classify(monkeypatch):
    """Run the command in this process, which is left as it was found; returns click's result."""
    import torch

    threads, handlers, level = torch.get_num_threads(), list(runtime.logger.handlers), runtime.logger.level

    def run(*arguments, check=0):
        words = [str(word) for word in arguments]
        monkeypatch.setattr(sys, "argv", ["bioconv", "classify", *words])
        result = CliRunner().invoke(command, words)
        assert result.exit_code == check, result.stderr + repr(result.exception)
        return result

    yield run
    torch.set_num_threads(threads)
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


@pytest.fixture(scope="module")
def women(tmp_path_factory):
    """Two women as pictures with a table."""
    folder = tmp_path_factory.mktemp("women")
    return phantoms.write_pictures(folder, range(300, 302))


@pytest.fixture
def exams(tmp_path):
    """One woman as DICOM files, and a file that is none."""
    folder = tmp_path / "exams"
    folder.mkdir()
    for _, views, _ in phantoms.women(300, 1):
        for view in views:
            samples.write_mammogram(
                folder / f"{view.laterality}{view.view}.dcm", view.pixels, view.laterality, view.view
            )
    (folder / "text.dcm").write_text("nothing of the sort")
    return folder


def rows(folder, name):
    with (folder / f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_folder_with_a_bad_file(classify, exams, mass_model):
    done = classify(exams, "--model", mass_model, check=3)
    out = exams.parent / "exams-classified"
    assert f"results go to {out}" in done.stderr
    assert f"error: {exams}/text.dcm: " in done.stderr
    assert "Research use only, not a medical device." in done.stderr
    assert phantoms.DOMAIN in done.stderr
    assert "4 images scored, 0 listed only, 1 failed, 0 done before; 1 exam;" in done.stderr
    assert [row["status"] for row in rows(out, "images")] == ["scored"] * 4 + ["failed"]
    (exam,) = rows(out, "exams")
    assert exam["missing"] == ""
    assert 0 < float(exam["probability"]) < 1
    assert len(list((out / "heat_maps").iterdir())) == 4
    assert "synthetic-1" not in (out / "report.html").read_text() + (out / "exams" / "exam-0001.html").read_text()
    again = classify(exams, "--model", mass_model, "--max-failures", 1)
    assert "4 done before" in again.stderr


def test_the_command_and_the_function_say_the_same(classify, women, mass_model, other_model, tmp_path):
    choices = ["--threshold", "sensitivity=0.9", "--prevalence", "0.01"]
    out = tmp_path / "out"
    classify(women, "--model", mass_model, "--keep-ids", "--no-heat-maps", "-o", out, *choices)
    found = bioconv.classify(women, model=mass_model, threshold="sensitivity=0.9", prevalence=0.01)
    for name in TABLES:
        written = rows(out, name)
        assert len(written) == len(getattr(found, name))
        for row, own in zip(written, getattr(found, name), strict=True):
            assert set(row) == set(own)
            for column, cell in row.items():
                value = own[column]
                if isinstance(value, float):
                    assert float(cell) == pytest.approx(value, rel=1e-5)
                else:
                    assert cell == ("" if value is None else str(int(value)) if isinstance(value, bool) else value)
    frames = found.to_pandas()
    assert list(frames["exams"]["patient"]) == ["woman 300", "woman 301"]
    both = bioconv.classify([women], model=[bioconv.load_model(mass_model), other_model])
    assert both.exams[0]["spread"] > 0
    assert both.exams[0]["probability"] is None


def test_prevalence_and_threshold_change_statements_and_no_score(classify, women, mass_model, tmp_path):
    usual = bioconv.classify(women, model=mass_model)
    moved = bioconv.classify(women, model=mass_model, prevalence=0.005, threshold="specificity=0.9")
    for one, other in zip(usual.exams, moved.exams, strict=True):
        assert one["score"] == other["score"]
        assert one["probability"] > other["probability"]
        assert one["threshold"] != other["threshold"]


def test_json(classify, women, mass_model, tmp_path):
    done = classify(women, "--model", mass_model, "--json", "--no-heat-maps", "--no-report", "-o", tmp_path / "out")
    found = json.loads(done.stdout)
    assert (found["scored"], found["failed"], len(found["exams"]), len(found["breasts"])) == (8, 0, 2, 4)
    assert not (tmp_path / "out" / "report.html").exists()
    assert not (tmp_path / "out" / "heat_maps").exists()


def test_a_salt_joins_runs(classify, women, mass_model, tmp_path):
    (tmp_path / "salt").write_text("ab" * 20)
    words = ["--model", mass_model, "--no-heat-maps", "--no-report"]
    for name in ("a", "b"):
        classify(women, *words, "-o", tmp_path / name, "--salt", tmp_path / "salt")
    classify(women, *words, "-o", tmp_path / "c")
    first, second, other = ([row["patient"] for row in rows(tmp_path / name, "exams")] for name in "abc")
    assert first == second
    assert not set(first) & set(other)
    assert not (tmp_path / "a" / "identifiers.salt").exists()
    (tmp_path / "salt").write_text("short")
    result = classify(women, *words, "-o", tmp_path / "d", "--salt", tmp_path / "salt", check=1)
    assert isinstance(result.exception, InputError)


def test_a_table_and_what_it_names_stay_as_they_are(classify, women, mass_model, tmp_path):
    """Results have the names of tables: none is written over that is read, or is not known to be a result."""
    shutil.copytree(women.parent, tmp_path / "in")
    table = tmp_path / "in" / "exams.csv"
    words = [table, "--model", mass_model, "--no-heat-maps", "--no-report", "-o"]
    (tmp_path / "pictures").mkdir()
    for path in table.parent.glob("*.png"):
        path.rename(tmp_path / "pictures" / path.name)
    text = table.read_text().replace("\nw", "\n../pictures/w")
    table.write_text(text)
    refused = classify(*words, table.parent, check=1).exception
    assert isinstance(refused, OptionError)
    assert f"would write over {table}, which is to be read" in str(refused)
    out = tmp_path / "out"
    out.mkdir()
    (out / "images.csv").write_text("mine")
    refused = classify(*words, out, check=1).exception
    assert "holds images.csv and no manifest.jsonl" in str(refused)
    assert ((out / "images.csv").read_text(), table.read_text()) == ("mine", text)
    assert [path.name for path in out.iterdir()] == ["images.csv"]
    (out / "images.csv").rename(out / "notes.csv")
    classify(*words, out)
    classify(*words, out)
    table.rename(out / "breasts.csv")  # into the folder of results, under a name of theirs
    (out / "breasts.csv").write_text(text.replace("../pictures", str(tmp_path / "pictures")))
    refused = classify(out / "breasts.csv", *words[1:], out, check=1).exception
    assert "which is to be read" in str(refused)


def test_names_of_tables_are_not_told(classify, women, mass_model, tmp_path):
    """A table is called after a woman as files are: reasons say its line and not its name."""
    folder = tmp_path / "Doe-Jane"
    shutil.copytree(women.parent, folder)
    table = (folder / "exams.csv").rename(folder / "jane_doe.csv")
    with table.open("a") as stream:
        stream.write(",woman 9,L,CC,,,,\nw300-LCC.png,woman 9,L,CC,,,,\nthere-is-none.png,woman 9,X,CC,,,,\n")
    classify(table, "--model", mass_model, "--no-heat-maps", "-o", tmp_path / "out", check=3)
    said = [row["reason"] for row in rows(tmp_path / "out", "images") if row["status"] == "failed"]
    assert [text.partition(":")[0] for text in said] == [f"table, line {line}" for line in (10, 11, 12)]
    written = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.suffix in (".csv", ".html"))
    assert not {word for word in ("jane", "Doe", "woman", "w300", "there-is") if word in written}
    classify(table, "--model", mass_model, "--no-heat-maps", "-o", tmp_path / "kept", "--keep-ids", check=3)
    kept = [row["reason"] for row in rows(tmp_path / "kept", "images") if row["status"] == "failed"]
    assert kept[0] == f"{table}, line 10: no path; every row needs one"


def test_a_picture_that_is_not_there_is_missed_in_its_exam(classify, women, mass_model, tmp_path):
    """The table says whose it is: its exam names it, in every shard once, and its label is no longer nobody's."""
    shutil.copytree(women.parent, tmp_path / "in")
    table = tmp_path / "in" / "exams.csv"
    (tmp_path / "in" / "w300-LCC.png").unlink()
    (tmp_path / "in" / "w301-RMLO.png").write_bytes(b"")
    words = ["--model", mass_model, "--no-heat-maps", "--no-report", "--keep-ids", "--labels", "-o"]
    classify(table, *words, tmp_path / "out", check=3)
    failed = [row for row in rows(tmp_path / "out", "images") if row["status"] == "failed"]
    assert [(row["image"], row["patient"], row["laterality"], row["view"]) for row in failed] == [
        ("w300-LCC.png", "woman 300", "L", "CC"), ("w301-RMLO.png", "woman 301", "R", "MLO"),
    ]  # fmt: skip
    assert failed[0]["reason"].startswith(f"{table}, line 3: ")
    exams = [(row["patient"], row["failed"], row["missing"]) for row in rows(tmp_path / "out", "exams")]
    assert exams == [("woman 300", "L-CC", "L-CC"), ("woman 301", "R-MLO", "R-MLO")]
    counts = json.loads((tmp_path / "out" / "evaluation.json").read_text())["levels"]["image"]
    assert (counts["samples"], counts["unscored"], counts["unscored_positives"]) == (6, 2, 1)
    found = bioconv.classify(table, model=mass_model)
    assert [row["failed"] for row in found.exams] == ["L-CC", "R-MLO"]
    parts = []
    for number in (1, 2):
        out = tmp_path / f"shard{number}"
        classify(table, *words, out, "--shard", f"{number}/2", check=3)
        parts += [(row["patient"], row["failed"], row["missing"]) for row in rows(out, "exams")]
    assert parts == exams


def test_plan(classify, exams, tmp_path):
    done = classify(exams, "--model", "none-such", "--dry-run", check=3)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["file", "patient", "study", "laterality", "view", "status"]
    assert {line[0] for line in lines[1:]} == {"LCC.dcm", "RCC.dcm", "LMLO.dcm", "RMLO.dcm"}
    assert not (exams.parent / "exams-classified").exists()


def test_without_a_model(classify, women):
    done = classify(women, check=2)
    assert "--model is needed: no classifier is chosen by itself" in done.stderr


def test_nothing_to_read(classify, tmp_path, mass_model):
    (tmp_path / "empty").mkdir()
    assert "no mammograms in" in classify(tmp_path / "empty", "--model", mass_model, check=4).stderr
    (tmp_path / "empty" / "a.dcm").write_text("x")
    assert "a.dcm: not a DICOM file" in classify(tmp_path / "empty", "--model", mass_model, check=4).stderr
    assert "no such file; check the path" in classify(tmp_path / "none", "--model", mass_model, check=4).stderr
    assert not (tmp_path / "empty-classified").exists()
    with pytest.raises(InputError, match="no mammogram could be read"):
        bioconv.classify(tmp_path / "none", model=mass_model)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["--threshold", "sensitivity=0.5"], OptionError, "it has youden, sensitivity=0.9, specificity=0.9"),
        (["--model", "{mass}"], OptionError, "one is given twice"),
        (["--model", "{spots}"], ModelError, "'unet' that does not classify mammograms"),
        (["--model", "no-such-model"], ModelError, "no-such-model"),
        (["-o", "{folder}"], OptionError, "holds images that are read"),
    ],
)
def test_what_is_refused(classify, women, mass_model, spot_model_path, words, error, said):
    names = {"{mass}": mass_model, "{folder}": women.parent}
    if "{spots}" in words:
        names["{spots}"] = spot_model_path()
    result = classify(women, "--model", mass_model, *[names.get(word, word) for word in words], check=1)
    assert isinstance(result.exception, error)
    assert said in str(result.exception)


def test_another_rule_says_no_probability_of_exams(classify, women, mass_model, tmp_path):
    done = classify(women, "--model", mass_model, "--views-rule", "max", "--no-heat-maps", "-o", tmp_path / "out")
    assert "calibration and threshold hold for mean of views, max of breasts" in done.stderr
    for row in rows(tmp_path / "out", "exams"):
        assert (row["probability"], row["threshold"], row["positive"]) == ("", "", "")
        assert "none are given for max of views" in row["warnings"]
    assert all(row["probability"] for row in rows(tmp_path / "out", "images"))


def test_a_killed_run_goes_on(women, mass_model, tmp_path, classify):
    out = tmp_path / "out"
    line = [sys.executable, "-m", "bioconv", "classify", women, "--model", mass_model, "-o", out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(list(map(str, line)), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        while not (out / "manifest.jsonl").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    classify(women, "--model", mass_model, "-o", out)
    classify(women, "--model", mass_model, "-o", tmp_path / "whole", "--salt", out / "identifiers.salt")
    for name in TABLES:
        assert (out / f"{name}.csv").read_bytes() == (tmp_path / "whole" / f"{name}.csv").read_bytes()
    assert not list(out.rglob("*.part"))


def test_help_is_light():
    heavy = {"torch", "pydicom", "pandas", "skimage", "jinja2", "safetensors"}
    code = f"""
import sys
from bioconv.cli.main import cli
for words in ([], ["classify"], ["train"]):
    try:
        cli([*words, "--help"])
    except SystemExit as stop:
        assert stop.code == 0
    assert not {{"numpy", "scipy"}} & set(sys.modules), words
for words in (["train", "classify"], ["classify"]):
    try:
        cli([*words, "--help"])
    except SystemExit as stop:
        assert stop.code == 0
sys.exit(repr({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "3 some images failed, 4 none could be" in run.stdout


def test_an_image_that_does_not_fit_the_memory(classify, exams, mass_model, monkeypatch):
    import torch

    from bioconv.mammography.model import ClassificationModel

    (exams / "text.dcm").unlink()
    logits, asked = ClassificationModel.logits, []

    def second(*given):
        asked.append(given)
        if len(asked) == 2:
            raise torch.OutOfMemoryError
        return logits(*given)

    monkeypatch.setattr(ClassificationModel, "logits", second)
    done = classify(exams, "--model", mass_model, "--device", "cpu", check=3)
    assert ".dcm: out of memory on --device cpu; end what else uses the device, or give --device cpu" in done.stderr
    assert "3 images scored, 0 listed only, 1 failed, 0 done before; 1 exam;" in done.stderr
