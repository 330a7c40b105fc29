from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bioconv.zoo import sets

ROOT = Path(__file__).parent.parent.parent
SET = "deepbind-models-2015"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BIOCONV_DATA_MIRROR", raising=False)
    return tmp_path / "cache" / SET


@pytest.fixture
def mirror(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shared_data(f"{SET}/params.tar.gz").parent.parent
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(folder))


def bioconv(*words: str, status: int = 0) -> tuple[str, str]:
    """Run `bioconv models ...` as a user does; return stdout and stderr."""
    command = [sys.executable, "-W", "error", "-m", "bioconv", "models", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == status, run.stderr
    return run.stdout, run.stderr


def test_list_is_a_table() -> None:
    out, err = bioconv("list")
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == ["name", "protein", "type", "species", "family", "experiment", "details", "installed"]
    assert {len(row) for row in rows} == {8}
    assert {row[0] for row in rows} >= {model.name for model in sets()[SET].models}
    assert f"{len(rows)} of {len(rows)} models" in err


def test_list_filters() -> None:
    out, err = bioconv("list", "--json", "homeo", "--species", "homo", "--protein", "NKX*", "--experiment", "selex")
    rows = json.loads(out)
    assert rows
    for row in rows:
        assert (row["species"], row["experiment"], row["family"]) == ("Homo sapiens", "SELEX", "Homeodomain")
        assert row["protein"].upper().startswith("NKX")
        assert row["installed"] is False
    assert err.startswith(f"{len(rows)} of ")


def test_list_of_nothing_is_no_error() -> None:
    out, err = bioconv("list", "--json", "ctfc")
    assert json.loads(out) == []
    assert "near: " in err
    assert "deepbind:D00328.003 (CTCF)" in err
    assert bioconv("list", "ctfc", "--quiet")[1] == ""


def test_info_on_the_set() -> None:
    facts = json.loads(bioconv("info", SET, "--json")[0])
    assert (facts["models"], facts["licence"], facts["doi"]) == (927, "BSD-3-Clause", "10.1038/nbt.3300")
    assert facts["address_checked"] is False
    assert {file["name"] for file in facts["mirror_files"]} == {"params.tar.gz", "db.tsv.gz"}
    out, _ = bioconv("info", SET)
    assert "address_checked: no" in out
    assert "Copyright (c) 2014" in out


def test_info_on_a_model_before_and_after_get(mirror: None, cache: Path) -> None:
    before = json.loads(bioconv("info", "deepbind:D00328.003", "--json")[0])
    assert (before["protein"], before["installed"]) == ("CTCF", False)
    assert before["url"].endswith("/db/params/D00328.003.txt")
    assert "header" not in before
    out, err = bioconv("get", "deepbind:D00328.003")
    assert Path(out.strip()) == cache / "params" / "D00328.003.txt"
    assert "BSD-3-Clause" in err
    assert "10.1038/nbt.3300" in err
    after = json.loads(bioconv("info", "deepbind:D00328.003", "--json")[0])
    assert after["installed"] is True
    assert after["header"] == {
        "reverse_complement": 1, "num_detectors": 16, "detector_len": 20, "has_avg_pooling": 0,
        "num_hidden": 32,
    }  # fmt: skip
    of_file = json.loads(bioconv("info", out.strip(), "--json")[0])
    assert of_file.items() >= after["header"].items()
    rows = json.loads(bioconv("list", "ctcf", "--json")[0])
    assert {row["name"]: row["installed"] for row in rows if row["name"].startswith("deepbind:")} == {
        "deepbind:D00328.003": True, "deepbind:D00328.018": False, "deepbind:D00753.001": False,
    }  # fmt: skip


def test_get_the_set(mirror: None, cache: Path) -> None:
    out, err = bioconv("get", SET, "--json")
    facts = json.loads(out)
    assert (facts["path"], facts["models"]) == (str(cache), 927)
    assert len(list((cache / "params").iterdir())) == 927
    assert err.index("BSD-3-Clause") < err.index("Cite")
    again, err = bioconv("get", SET, "--quiet")
    assert (again.strip(), err) == (str(cache), "")


def test_the_licence_comes_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(tmp_path))
    out, err = bioconv("get", SET, status=1)
    assert out == ""
    assert err.index("Copyright (c) 2014") < err.index(f"error: cannot read {tmp_path}/{SET}/params.tar.gz")


@pytest.mark.parametrize("word", ["get", "info"])
def test_an_unknown_name(word: str) -> None:
    out, err = bioconv(word, "deepbind:D0328.003", status=1)
    assert out == ""
    assert err.startswith("error: no model file or known model is called 'deepbind:D0328.003'; near: ")
    assert "deepbind:D00328.003 (CTCF)" in err


def test_info_on_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("nothing of the sort\n")
    out, err = bioconv("info", str(tmp_path / "x.txt"), status=1)
    assert out == ""
    assert "x.txt" in err
    assert "Traceback" not in err


def test_usage() -> None:
    assert "Usage:" in bioconv("get", status=2)[1]


def test_help_is_light() -> None:
    heavy = {"torch", "numpy", "pooch", "requests", "tqdm", "scipy"}
    code = f"""
import sys
from bioconv.cli.main import cli
for word in ("", "list", "info", "get", "summary", "features", "import", "export"):
    try:
        cli(["models", *word.split(), "--help"])
    except SystemExit as stop:
        assert stop.code == 0
sys.exit(repr({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "--json" in run.stdout
