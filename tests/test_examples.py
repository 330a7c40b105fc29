"""The examples, the README's tour and the docstrings' examples run, and say what they show."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EVALUATION = (ROOT / "docs/evaluation.md").read_text()
DIAGNOSTIC = (ROOT / "docs/diagnostic-evaluation.md").read_text()
NETWORKS = (ROOT / "docs/networks.md").read_text()
TRAINING = (ROOT / "docs/training.md").read_text()


def run(*command: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_scan_promoters_finds_the_known_sites():
    rows = [line.split("\t") for line in run("examples/scan_promoters.py").stdout.splitlines()]
    assert rows[0] == ["gene", "motif", "distance to gene", "strand", "p-value", "q-value", "site"]
    best = {(row[0], row[1]): row for row in rows[1:]}
    assert best["pst", "LexA"][6] == "TACTGTACATAAAAACAG"
    assert best["pla", "CRP"][6] == "TGTGAGAAAAGTCACATAA"
    assert rows[1][0] == "pst"


def test_segment_cells_segments_grey_and_colour(spot_model_path):
    model = spot_model_path(inputs=("red", "green", "blue"))
    head, *rows = run("examples/segment_cells.py", model).stdout.splitlines()
    found = {line.split("\t")[0]: dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in rows[:-1]}
    assert [(name, row["axes"], row["shape"]) for name, row in found.items()] == [
        ("cell", "YX", "660x550"), ("immunohistochemistry", "YX", "512x512")
    ]  # fmt: skip
    assert all(int(row["objects"]) > 0 for row in found.values())
    assert rows[-1].startswith("Otsu's threshold")


def console_blocks(text: str) -> list[tuple[str, list[str]]]:
    """Return each command of a text's console blocks with the output shown below it."""
    commands = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *output = part.splitlines()
            commands.append((command, output))
    return commands


def steady(lines: list[str]) -> list[str]:
    """Leave out what differs from run to run: the command line in the head, and the times."""
    return [re.sub(r", [\d.]+ s, .*", "", line) for line in lines if not line.startswith("#")]


SHOWN = console_blocks(README + EVALUATION + DIAGNOSTIC + NETWORKS)


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=lambda value: str(value)[:60])
def test_texts_show_real_output(command, shown, request, tmp_path_factory):
    environment = {}
    if "--model" in command or "models" in command:
        mirror = request.getfixturevalue("shared_data")("deepbind-models-2015").parent
        cache = tmp_path_factory.getbasetemp() / "readme-cache"
        environment = {"BIOCONV_DATA_MIRROR": str(mirror), "BIOCONV_CACHE": str(cache)}
        if " get " not in command:
            run("-m", "bioconv", "models", "get", "deepbind-models-2015", **environment)
    done = run("-m", *shlex.split(command), **environment)

    said = done.stdout.splitlines() + done.stderr.splitlines()
    assert steady(shown) == [line for line in steady(said) if line in steady(shown)]


def test_readme_python_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    lines = run("-c", code).stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("LexA 5950 5968 -")


def test_evaluation_python_runs():
    (code,) = re.findall(r"```python\n(.*?)```", EVALUATION, re.DOTALL)
    lines = run("-c", code).stdout.splitlines()
    assert len(lines) == 2
    assert f"# {lines[0]}\n" in code
    assert 0 < float(lines[1]) < 1


def test_training_example_runs(tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (code,) = re.findall(r"```python\n(.*?)```", TRAINING, re.DOTALL)
    run("-c", code, cwd=tmp_path)
    for command, shown in console_blocks(TRAINING):
        done = run("-m", *shlex.split(command), cwd=tmp_path)
        said = done.stdout.splitlines() + done.stderr.splitlines()
        assert steady(shown) == [line for line in steady(said) if line in steady(shown)]
    assert (tmp_path / "lexa.run/report.html").is_file()


DOCUMENTED = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "bioconv").rglob("*.py"))
    if re.search(r"^ +>>> ", path.read_text(), re.MULTILINE)
] + ["bioconv.datasets.synthetic"]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstring_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
