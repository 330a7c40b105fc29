"""The manifest: what it proves, and what a killed run leaves of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bioconv.errors import OutputError
from bioconv.manifest import DONE, FAILED, Manifest, Record, file_hash, input_hash

ROOT = Path(__file__).parent.parent


@pytest.fixture
def done(tmp_path):
    (tmp_path / "a.png").write_bytes(b"mask")
    manifest = Manifest(tmp_path)
    record = Record(
        "a.tif", "/x/a.tif", DONE, "12", {"m": "34"}, {"channel": None, "diameter": 20.0},
        outputs=(manifest.output(tmp_path / "a.png", "mask"),), warnings=("odd",), facts={"shape": [1, 2]},
    )  # fmt: skip
    manifest.append(record)
    return record


def test_records_come_back(tmp_path, done):
    assert Manifest(tmp_path).records == {"a.tif": done}
    assert done.outputs[0].sha256 == hashlib.sha256(b"mask").hexdigest()


def test_proof_needs_input_model_settings_and_intact_outputs(tmp_path, done):
    manifest = Manifest(tmp_path)
    assert manifest.proves(done, ["mask"]) == done
    assert manifest.proves(done, ["mask", "overlay"]) is None
    for changed in (
        replace(done, input="b.tif"),
        replace(done, sha256="13"),
        replace(done, models={"m": "35"}),
        replace(done, settings={"channel": "0", "diameter": 20.0}),
    ):
        assert manifest.proves(changed, ["mask"]) is None
    (tmp_path / "a.png").write_bytes(b"mark")
    assert manifest.proves(done, ["mask"]) is None
    (tmp_path / "a.png").unlink()
    assert manifest.proves(done, ["mask"]) is None


def test_the_last_word_counts(tmp_path, done):
    Manifest(tmp_path).append(replace(done, status=FAILED, outputs=()))
    assert Manifest(tmp_path).proves(done, ["mask"]) is None


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_cut_short_costs_nothing_else(tmp_path, done, cut):
    manifest = Manifest(tmp_path)
    manifest.append(replace(done, input="b.tif"))
    data = manifest.path.read_bytes()
    manifest.path.write_bytes(data[:-cut])
    again = Manifest(tmp_path)
    assert ("b.tif" in again.records) == (cut == 1)  # the line break alone may be missing
    again.append(replace(done, input="c.tif"))
    after = Manifest(tmp_path)
    assert {"a.tif", "c.tif"} <= set(after.records)
    assert after.damaged == (cut > 1)


def test_a_first_record_cut_short_is_no_foreign_file(tmp_path):
    (tmp_path / "manifest.jsonl").write_bytes(b'{"bioconv": "0.1", "for')
    assert Manifest(tmp_path).records == {}


def test_a_file_of_other_people_is_refused(tmp_path):
    (tmp_path / "manifest.jsonl").write_text('{"file": "a.png"}\n')
    with pytest.raises(OutputError, match="no manifest of bioconv"):
        Manifest(tmp_path)


def test_processes_may_append_together(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bioconv.manifest import *\n"
        "m = Manifest(Path(sys.argv[1]))\n"
        "for n in range(40): m.append(Record(f'{sys.argv[2]}-{n}', 'x' * 3000, 'done'))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=ROOT) for name in "ab"]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    assert {json.loads(line)["input"] for line in lines} == {f"{name}-{n}" for name in "ab" for n in range(40)}


def test_hash_of_an_input(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    assert input_hash([tmp_path / "a"]) == file_hash(tmp_path / "a") == hashlib.sha256(b"a").hexdigest()
    assert input_hash([tmp_path / "b", tmp_path / "a"]) == input_hash([tmp_path]) != input_hash([tmp_path / "a"])
