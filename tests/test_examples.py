"""The examples and the docstrings' examples run, and say what they show; the pages are in test_docs_commands.py."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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


def test_gallery_makes_its_pictures(tmp_path):
    run("examples/gallery.py", "-o", tmp_path, "--only", "hits,mutation-map")
    for name in ("hits.svg", "mutation-map.svg"):
        kept, made = (ROOT / "docs/gallery" / name).read_text(), (tmp_path / name).read_text()
        # The same drawing, to the rounding of another processor: as many shapes, as many letters.
        assert [made.count(shape) for shape in ("<path", "<use", "<g ")] == [
            kept.count(shape) for shape in ("<path", "<use", "<g ")
        ]


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
