"""`bioconv classify --dicomweb`: exit codes, and what is and is not written down."""

from __future__ import annotations

import csv

import pydicom
import pytest
from bioconv.cli.main import cli
from click.testing import CliRunner

from bioconv import runtime
from bioconv.errors import DownloadError
from bioconv.mammography.dicomweb import server as serving
from bioconv.mammography.identifiers import Identifiers, read_salt
from bioconv.manifest import Manifest
from tests.mammography import samples
from tests.mammography.archives import Archive, answer, tiny_model, write_exam

STUDY = samples.uid("s1")


@pytest.fixture(autouse=True)
def log_as_it_was(monkeypatch):
    """The command sets the log up for its own process."""
    for name in ("handlers", "propagate", "level"):
        value = getattr(runtime.logger, name)
        monkeypatch.setattr(runtime.logger, name, list(value) if name == "handlers" else value)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "exam").mkdir()
    with Archive(write_exam(tmp_path / "exam")) as archive:
        yield archive


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def run(*arguments):
    return CliRunner().invoke(cli, ["classify", *map(str, arguments)])


def everything(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def images(folder):
    with (folder / "images.csv").open(newline="") as stream:
        return {row["image"]: row for row in csv.DictReader(stream)}


def test_hashes_stand_for_everything(archive, model, out, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("opensesame")
    arguments = [
        "--dicomweb",
        archive.url,
        "--study",
        STUDY,
        "--token-file",
        token,
        "--model",
        model,
        "-o",
        out,
        "--dicom-out",
    ]
    monkeypatch.setattr("sys.argv", ["bioconv", "classify", *map(str, arguments)])
    bad = min(archive.instances)
    archive.odd[bad] = lambda handler: answer(handler, 403)
    found = run(*arguments)
    assert found.exit_code == 3, found.output
    assert archive.url in found.output
    assert "opensesame" not in found.output
    identifiers = Identifiers(read_salt(out / "identifiers.salt"))
    assert set(images(out)) == {identifiers.of(uid) for uid in archive.instances}
    assert images(out)[identifiers.of(bad)]["status"] == "failed"
    assert set(Manifest(out).records) == set(images(out))
    assert "opensesame" not in str(Manifest(out).records)
    assert identifiers.of(STUDY) in Manifest(out).records[identifiers.of(bad)].facts["command"]
    for name, content in everything(out).items():
        for word in ("opensesame", "Doe", "Jane", STUDY, *archive.instances):
            assert word.encode() not in content, name
            assert word not in name
    assert len(list((out / "dicom").iterdir())) == 3
    # The one that failed is tried again, the others are known by their bytes
    del archive.odd[bad]
    before = (out / "manifest.jsonl").read_bytes()
    again = run(*arguments)
    assert again.exit_code == 0
    assert (out / "manifest.jsonl").read_bytes().startswith(before)
    assert len((out / "manifest.jsonl").read_bytes().splitlines()) == 5


def test_names_that_are_kept(archive, model, out):
    found = run("--dicomweb", archive.url, "--study", STUDY, "--model", model, "-o", out, "--keep-ids", "--no-report")
    assert found.exit_code == 0, found.output
    assert set(images(out)) == set(archive.instances)
    assert set(Manifest(out).records) == set(archive.instances)


def test_a_plan_writes_nothing(archive, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    found = run("--dicomweb", archive.url, "--study", STUDY, "--model", model, "--dry-run")
    assert found.exit_code == 0
    assert all(uid in found.stdout for uid in archive.instances)
    assert set(tmp_path.rglob("*")) == before


def test_nothing_to_classify(archive, model, out, monkeypatch):
    asked = ["--dicomweb", archive.url, "--study"]
    assert run(*asked, samples.uid("none"), "--model", model, "-o", out).exit_code == 4
    archive.odd["/series"] = lambda handler: answer(handler, 401)
    assert isinstance(run(*asked, STUDY, "--model", model, "-o", out).exception, DownloadError)
    monkeypatch.setattr(serving.time, "sleep", lambda seconds: None)
    archive.odd = {uid: lambda handler: answer(handler, 503) for uid in archive.instances}
    assert run(*asked, STUDY, "--model", model, "-o", out).exit_code == 4
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to classify"),
        (("in", "--dicomweb", "https://a.org", "--study", "1.2"), "not both"),
        (("--dicomweb", "https://a.org", "-o", "out"), "both are needed"),
        (("--study", "1.2", "-o", "out"), "both are needed"),
        (("--token-file", "t", "-o", "out"), "--token-file goes with"),
        (("in", "--token-file", "t"), "not both"),
        (("--dicomweb", "https://a.org", "--study", "1.2"), "-o FOLDER is needed"),
    ],
)
def test_options_that_do_not_go_together(arguments, said, model):
    found = run(*arguments, "--model", model)
    assert found.exit_code == 2
    assert said in found.output


def test_pictures_that_cannot_be_written_are_named(model, tmp_path):
    (tmp_path / "in").mkdir()
    files = write_exam(tmp_path / "in")
    source = pydicom.dcmread(files[min(files)])
    del source.SOPInstanceUID
    source.save_as(files[min(files)])
    without = ("--no-report", "--no-heat-maps")
    found = run(tmp_path / "in", "--model", model, "-o", tmp_path / "out", "--dicom-out", *without)
    assert "nothing is written of 1 image that has no SOPInstanceUID" in found.output
    assert len(list((tmp_path / "out" / "dicom").iterdir())) == 3
