"""A study of a real archive is scored as its files are."""

from __future__ import annotations

import csv
import json

import pydicom
import pytest
from bioconv.cli.main import cli
from click.testing import CliRunner

from bioconv import runtime
from tests.mammography import samples
from tests.mammography.archives import ORTHANC, PLUGIN, orthanc, tiny_model, write_exam

pytestmark = pytest.mark.skipif(not ORTHANC or not PLUGIN, reason="Orthanc and its DICOMweb plugin are not installed")


@pytest.fixture(autouse=True)
def log_as_it_was(monkeypatch):
    """The command sets the log up for its own process."""
    for name in ("handlers", "propagate", "level"):
        value = getattr(runtime.logger, name)
        monkeypatch.setattr(runtime.logger, name, list(value) if name == "handlers" else value)


def rows(folder, name="images"):
    with (folder / f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def run(*arguments):
    return CliRunner().invoke(cli, ["classify", "--no-report", *map(str, arguments)])


def test_scores_of_an_archive_are_those_of_files(tmp_path):
    model = tiny_model(tmp_path / "tiny.safetensors")
    (tmp_path / "in").mkdir()
    (tmp_path / "orthanc").mkdir()
    files = write_exam(tmp_path / "in")
    last = max(files)
    other = samples.write_mammogram(tmp_path / "other.dcm", pydicom.dcmread(files[last]).pixel_array / 4095, study="s2")
    report = samples.write_mammogram(
        tmp_path / "report.dcm", pydicom.dcmread(files[last]).pixel_array / 4095, study="s1", Modality="OT",
        SeriesInstanceUID=samples.uid("report"), SOPInstanceUID=samples.uid("a report"),
    )  # fmt: skip
    by_files = run(tmp_path / "in", "--model", model, "-o", tmp_path / "a", "--keep-ids", "--dicom-out")
    assert by_files.exit_code == 0, by_files.output
    with orthanc(tmp_path / "orthanc") as (url, upload, store):
        for path in (*files.values(), other, report):
            assert json.loads(upload(path))["Status"] == "Success"
        asked = ["--dicomweb", url, "--study", samples.uid("s1"), "--token-file", tmp_path / "orthanc" / "token"]
        fetched = run(*asked, "--model", model, "-o", tmp_path / "b", "--keep-ids", "--dicom-out")
        assert fetched.exit_code == 0, fetched.output
        # What was made goes back into the archive, and is not scored when the study is fetched again
        for path in (tmp_path / "b" / "dicom").iterdir():
            assert pydicom.dcmread(path).SOPInstanceUID in store(path).decode()
        again = run(*asked, "--model", model, "-o", tmp_path / "b", "--keep-ids", "--dicom-out", "--json")
        refused = run(*asked[:4], "--model", model, "-o", tmp_path / "c")
        unknown = run(*asked[:3], "1.2.3", *asked[4:], "--model", model, "-o", tmp_path / "c")
    uids = {path.name: uid for uid, path in files.items()}
    of_files = {uids[row["image"]]: row["score"] for row in rows(tmp_path / "a")}
    assert {row["image"]: row["score"] for row in rows(tmp_path / "b")} == of_files
    assert len(of_files) == 4
    assert rows(tmp_path / "b", "exams") == rows(tmp_path / "a", "exams")
    captures = [{path.read_bytes() for path in (tmp_path / name / "dicom").iterdir()} for name in "ab"]
    assert captures[0] == captures[1]
    assert json.loads(again.stdout)["done_before"] == 4
    assert again.exit_code == 0
    assert "401; give a token" in str(refused.exception)
    assert unknown.exit_code == 4
