from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from bioconv.cli import info
from bioconv.cli.main import cli
from click.testing import CliRunner

from bioconv import runtime
from bioconv.conv import functional
from bioconv.conv.functional import Choice


@pytest.fixture(autouse=True)
def log():
    """Give the log back as it was: commands send it to stderr."""
    handlers, level = list(runtime.logger.handlers), runtime.logger.level
    runtime.logger.propagate = True
    yield
    runtime.logger.handlers[:], runtime.logger.level, runtime.logger.propagate = handlers, level, True


def test_json_holds_what_the_text_shows(monkeypatch, tmp_path):
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
    text = CliRunner().invoke(cli, ["info"])
    facts = json.loads(CliRunner().invoke(cli, ["info", "--json"]).output)
    assert text.exit_code == 0
    assert facts["cache"] == str(tmp_path / "cache")
    assert facts["threads"] >= 1
    shown = text.output
    for name in ("bioconv", "python", "torch", "triton", "cache"):
        assert facts[name] in shown
    for choice in facts["backends"]:
        assert choice["reason"] in shown
    assert {(c["task"], c["device"]) for c in facts["backends"]} >= {(task, "cpu") for task in functional.TASKS}
    assert ("no CUDA device" in shown) == (not facts["devices"])


def test_backends_of_a_device_with_their_reasons(monkeypatch):
    facts = info.collect() | {
        "devices": [{"device": "cuda:0", "name": "Some GPU", "memory_bytes": 80e9, "capability": "9.0"}],
        "backends": [
            {**vars(Choice("scan", "cuda:0", "triton", "triton 3.10x torch on Some GPU", "16x2048"))},
            {**vars(Choice("windows", "cuda:0", "torch", "not measured yet"))},
        ],
    }
    text = "\n".join(info._lines(facts))
    assert "cuda:0 Some GPU, 80 GB, capability 9.0" in text
    assert "scan 16x2048" in text
    assert "triton 3.10x torch on Some GPU" in text
    assert "not measured yet" in text
    assert "no CUDA device" not in text


def test_extras_are_those_of_the_project():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for ours in ("docs", "test"):  # of those who work on it
        extras.pop(ours)
    named = {name: set(" ".join(line.split(">")[0] for line in lines).split()) for name, lines in extras.items()}
    named["dask"] = set(re.findall(r"\w+", *named["dask"]))  # its own extra is a package too
    assert {name: set(packages) for name, packages in info.EXTRAS.items()} == named


def test_measuring_without_a_device_says_so(monkeypatch, caplog):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    facts = info.collect(measure=True)
    assert "no CUDA device" in caplog.text
    assert facts["devices"] == []


def test_help_imports_no_torch():
    program = (
        "import sys\nfrom bioconv.cli.main import cli\n"
        "try: cli(['info', '--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'numpy', 'triton'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--measure" in done.stdout
