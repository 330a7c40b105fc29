"""A file may import from lower floors only; neighbours on one floor do not import each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = [
    {"version", "errors", "wording"},
    {"runtime", "outputs", "tables", "part_files", "shards"},
    {"download", "manifest", "cluster"},
    {"unpack"},
    {"conv", "evaluation", "images"},
    {"models"},
    {"training", "zoo", "report"},
    {"sequence", "segmentation", "mammography"},
    {"families"},
    {"datasets"},
    {"cli"},
]
HEAVY = {
    "click": {"cli"},
    "Bio": {"sequence"},
    "pyfaidx": {"sequence"},
    "pooch": {"download"},
    "distributed": {"cluster"},
    "dask": {"cluster"},
    "tqdm": {"runtime"},
    "safetensors": {"models", "training", "sequence"},
    "jinja2": {"report"},
    "logomaker": {"report"},
    "matplotlib": {"report"},
    "PIL": {"images", "datasets"},
    "tifffile": {"images"},
    "pydicom": {"images"},
    "nibabel": {"images"},
    "zarr": {"images"},
    "skimage": {"images", "segmentation"},
    "monai": {"models"},
    "torch": {"runtime", "conv", "models", "training", "sequence", "segmentation", "mammography", "datasets"},
    "triton": {"conv"},
}
"""Heavy packages, and the rooms that may import them."""


def room(path: Path) -> str:
    """The first part of the path below the package: `conv`, `errors`, `cli`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "bioconv" else parts[0]


def floor(name: str) -> int:
    for number, rooms in enumerate(FLOORS):
        if name in rooms:
            return number
    message = f"no floor for {name}: add it to FLOORS"
    raise AssertionError(message)


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


SOURCES = [
    path
    for folder in ("bioconv", "cli", "datasets")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.relative_to(ROOT).as_posix() not in {"bioconv/__init__.py", "bioconv/__main__.py"}
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path):
    here = room(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "bioconv":
            assert here in HEAVY.get(parts[0], {here}), f"{path}: {parts[0]} is not used in {here}"
            continue
        there = parts[1] if len(parts) > 1 else "__init__"
        if there != here:
            assert floor(there) < floor(here), f"{path}: {here} imports {there}, which is not below it"
