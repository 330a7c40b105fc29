"""The packages that are listed are those on disk, and a wheel holds nothing but `bioconv/`."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def settings() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_listed_packages_are_the_folders():
    folders = {"bioconv"}
    for path in (ROOT / "bioconv").rglob("*.py"):
        folders.add(".".join(path.parent.relative_to(ROOT).parts))
    folders |= {"bioconv.cli", "bioconv.datasets"}
    assert set(settings()["packages"]) == folders
    assert settings()["package-dir"] == {"bioconv": "bioconv", "bioconv.cli": "cli", "bioconv.datasets": "datasets"}


def test_cli_and_datasets_are_no_packages_of_their_own():
    """With an `__init__.py` anything run from the root would import ours instead of a global `datasets`."""
    assert not (ROOT / "cli/__init__.py").exists()
    assert not (ROOT / "datasets/__init__.py").exists()


def test_checkout_resolves_cli_and_datasets(tmp_path):
    code = "import bioconv.cli.main, bioconv.datasets.synthetic; print(bioconv.cli.main.__file__)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert Path(run.stdout.strip()) == ROOT / "cli" / "main.py"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> list[str]:
    """Names of the files in a wheel built from the checkout."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True, capture_output=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(source)], check=True, capture_output=True, timeout=300)
    (path,) = folder.glob("bioconv-*.whl")
    return zipfile.ZipFile(path).namelist()


def test_wheel_holds_only_bioconv(wheel):
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bioconv"}


@pytest.mark.parametrize(
    "name",
    [
        "cli/scan.py",
        "datasets/synthetic.py",
        "datasets/file_lists/drive.json",
        "py.typed",
        "conv/native/pwm.c",
        "zoo/deepbind_models_2015.json",
        "report/training_report.html.j2",
    ],
)
def test_wheel_has_what_the_package_needs(wheel, name):
    assert f"bioconv/{name}" in wheel
