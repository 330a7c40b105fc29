"""A model of the package is trained again by one command; the recipe is that of the file in the package."""

from __future__ import annotations

import csv
import functools
import gzip
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bioconv.cli import models
from bioconv.datasets import recipes, registry
from click.testing import CliRunner, Result

from bioconv.download import RemoteFile
from bioconv.models.model_file import ModelFile, read_model
from bioconv.runtime import show_log
from bioconv.sequence.binding import fit
from bioconv.zoo import resolve
from bioconv.zoo.registry import packaged

ROOT = Path(__file__).parent.parent.parent
Tiny = Callable[[str], Path]


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    yield
    show_log()


@pytest.fixture
def tiny(shared_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Return a function that makes a mirror that holds a few real records of a set; the cache is empty."""
    mirror = tmp_path / "mirror"
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(mirror))
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    known = registry.listed_files

    def listed(folder: str) -> tuple[RemoteFile, ...]:
        if not (mirror / folder).is_dir():
            return known(folder)
        paths = sorted(path for path in (mirror / folder).rglob("*") if path.is_file())
        return tuple(
            RemoteFile(folder, name, "", path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in paths
            if any(one.name == (name := path.relative_to(mirror / folder).as_posix()) for one in known(folder))
        )

    def make(name: str) -> Path:
        _CUT[name](shared_data(name), mirror / name)
        return mirror

    monkeypatch.setattr(registry, "listed_files", listed)
    return make


def _copy(source: Path, target: Path, names: list[str]) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


def _rows(source: Path, target: Path, name: str, keep: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
    with (source / name).open(newline="") as stream:
        reader = csv.DictReader(stream)
        rows = [row for row in reader if keep(row)]
    target.mkdir(parents=True)
    with (target / name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, reader.fieldnames or ())
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _some_nuclei(source: Path, target: Path) -> None:
    """Eight small fluorescence images to train on (the seventh validates), one to test, two of stained tissue."""
    left = {("fluorescence", "train"): 8, ("fluorescence", "test"): 1, ("rgb_histology_or_brightfield", "train"): 2}

    def keep(row: dict[str, str]) -> bool:
        key = (row["modality_guess"], row["split"])
        small = int(row["height"]) * int(row["width"]) < 110_000
        left[key] = left.get(key, 0) - small
        return small and left[key] >= 0

    rows = _rows(source, target, "index.csv", keep)
    assert len(rows) == 11
    _copy(source, target, [f"{folder}/{row['id']}.png" for row in rows for folder in ("images", "labels")])


def _some_eyes(source: Path, target: Path) -> None:
    for child in ("01", "09", "11"):
        _copy(source, target, [f"images/Image_{child}L.jpg", f"vessels_1st/Image_{child}L.png"])


def _some_women(source: Path, target: Path) -> None:
    rows = _rows(source, target, "labels.csv", lambda row: row["patient"] < "case0030")
    assert len(rows) > 80
    _copy(source, target, [row["path"] for row in rows])


def _some_peaks(source: Path, target: Path) -> None:
    (path,) = source.glob("ELK1_GM12878_*_AC.seq.gz")
    target.mkdir(parents=True)
    with gzip.open(path, "rt") as full, gzip.open(target / path.name, "wt") as cut:
        cut.writelines(line for number, line in enumerate(full) if number <= 1200)


def _some_junctions(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    lines = (source / "splice.data").read_text().splitlines(keepends=True)
    (target / "splice.data").write_text("".join(lines[::6]))


_CUT: dict[str, Callable[[Path, Path], None]] = {
    "dsb2018-bbbc038": _some_nuclei,
    "chase-db1": _some_eyes,
    "ddsm-cancer-cases-192": _some_women,
    "deepbind-encode-chipseq": _some_peaks,
    "uci-splice-junction": _some_junctions,
}
SHORT = {
    "encode-elk1-gm12878": ("--epochs 1", "--per-epoch 64"),
    "mammo-ddsm": ("--epochs 1",),
    "nuclei": ("--epochs 1", "--per-epoch 8"),
    "splice-sites": ("--epochs 1",),
    "vessels": ("--epochs 1", "--per-epoch 6"),
}


def shorten(monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    """Cut down how long the recipes train; nothing else of them."""
    known = recipes._recipes()

    def cut(command: str) -> str:
        for option in options:
            flag = option.split()[0]
            command = f"{re.sub(rf' {flag} [0-9]+', '', command)} {option}"
        return command

    monkeypatch.setattr(recipes, "_recipes", lambda: {name: tuple(map(cut, one)) for name, one in known.items()})


def retrain(*words: object) -> Result:
    return CliRunner().invoke(models.command, ["retrain", *map(str, words), "--threads", "1"])


def recipe_of(file: ModelFile) -> dict[str, Any]:
    """Return what the recipe decides: not the weights, what they score, what was fitted to data, and what data."""
    facts = {
        "architecture": file.architecture,
        "config": {"fusion": "none", "top": 0} | dict(file.config),
        "labels": file.metadata["labels"],
    }
    training = dict(file.metadata["training"])
    config = dict(training["config"])
    config.pop("epochs")
    facts |= {"optimisation": config} | {key: file.metadata[key] for key in ("licence", "citation")}
    for key in ("augmentation", "matched", "negatives", "reverse_complement"):
        facts[key] = training.get(key)
    for key in ("recipe", "patches"):
        facts[key] = {one: value for one, value in training.get(key, {}).items() if one != "per_epoch"}
    facts["preprocessing"] = {"gamma": 1.0} | dict(file.metadata.get("preprocessing", {}))
    facts["preprocessing"].pop("normalisation", None)
    facts["domain"] = file.metadata.get("classification", {}).get("domain")
    facts["kind"] = file.metadata.get("segmentation", {}).get("kind")
    recurrent = {key: value for key, value in file.metadata.get("recurrent", {}).items() if key != "temperature"}
    return facts | {"recurrent": recurrent, "window": file.metadata.get("window")}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in {"mammo-ddsm", "vessels"})) for name in SHORT]
)
def test_the_recipe_is_that_of_the_model(
    name: str, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, SHORT[name])
    monkeypatch.setattr(fit, "null_distribution", functools.partial(fit.null_distribution, count=10_000))
    source = recipes.steps(name, "x.safetensors")[0].data.removeprefix("dataset:").partition("/")[0]
    tiny(source)
    output = tmp_path / "again.safetensors"
    run = retrain(name, "-o", output)
    assert run.exit_code == 0, run.output
    assert run.stdout == f"{output}\n"
    assert recipe_of(read_model(output)) == recipe_of(read_model(resolve(name)))
    assert {path.name for path in tmp_path.iterdir()} == {"again.safetensors", "again.run", "mirror", "cache"}


def test_one_recipe_speaks_for_all_models_of_peaks() -> None:
    """So that one of the twelve need be trained above: their files were made with the same settings."""
    files = [read_model(resolve(name)) for name in packaged() if name.startswith("encode-")]
    assert len(files) == 12
    assert all(recipe_of(file) == recipe_of(files[0]) for file in files)
    lengths = {file.metadata["training"]["config"]["epochs"] for file in files}
    assert lengths == {24}
    assert {file.metadata["training"]["recipe"]["per_epoch"] for file in files} == {8000}


def test_recipes_train_as_long_as_the_models_were() -> None:
    for name in ("mammo-ddsm", "nuclei", "splice-sites", "vessels"):
        training, words = read_model(resolve(name)).metadata["training"], recipes.steps(name, "x")[-1].words
        given = dict(pairwise(words))
        assert int(given["--epochs"]) == training["config"]["epochs"]
        if "patches" in training:
            assert int(given["--per-epoch"]) == training["patches"]["per_epoch"]


def test_every_model_of_the_package_has_a_recipe() -> None:
    assert set(recipes.recipe_names()) == set(packaged())
    for name in packaged():
        done = CliRunner().invoke(models.command, ["info", name])
        assert f"retrain: bioconv models retrain {name} -o {name}.safetensors\n" in done.stdout


def test_a_dry_run_prints_what_can_be_pasted(tmp_path: Path) -> None:
    """The words of each line are those of the step, also where the name has a blank."""
    output = tmp_path / "my nuclei.safetensors"
    run = retrain("nuclei", "-o", output, "--dry-run", "--device", "cpu")
    lines = [shlex.split(line) for line in run.stdout.splitlines()]
    assert [line[:3] for line in lines] == [["bioconv", "train", "segment"]] * 2
    assert all(line[-4:] == ["--device", "cpu", "--threads", "1"] for line in lines)
    first = str(tmp_path / "my nuclei-first.safetensors")
    assert [line[line.index("-o") + 1] for line in lines] == [first, str(output)]
    assert lines[1][lines[1].index("--from") + 1] == first
    assert not list(tmp_path.iterdir())


class TestRefusals:
    def test_a_model_without_recipe(self) -> None:
        run = retrain("deepbind:D00210.001", "-o", "x.safetensors")
        assert "no recipe to train 'deepbind:D00210.001' again; there is one for each of encode-" in str(run.exception)

    def test_no_data(self, tiny: Tiny, tmp_path: Path) -> None:
        run = retrain("splice-sites", "-o", tmp_path / "x.safetensors")
        assert "splice.data" in str(run.exception)
        assert not (tmp_path / "x.run").exists()

    def test_a_file_of_somebody_else(self, tmp_path: Path) -> None:
        first = tmp_path / "x-first.safetensors"
        first.write_text("mine")
        run = retrain("nuclei", "-o", tmp_path / "x.safetensors", "--resume")
        assert f"{first} is there, and nothing beside it says" in str(run.exception)
        assert first.read_text() == "mine"

    def test_several_processes(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert "one process" in str(retrain("nuclei", "-o", tmp_path / "x.safetensors").exception)


TWO_STEPS = tuple(
    f"train lstm dataset:uci-splice-junction -o {name} --classes N,EI,IE --hidden 4 --epochs {epochs} {more}"
    for name, epochs, more in (("first.safetensors", 4, ""), ("two.safetensors", 5, "--from first.safetensors"))
)


def test_a_killed_run_is_gone_on_with(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in each step; what is finished is not trained again; the file is that of a run nobody killed."""
    mirror = tiny("uci-splice-junction")
    monkeypatch.setattr(recipes, "_recipes", lambda: {"two": TWO_STEPS})
    whole = tmp_path / "whole" / "two.safetensors"
    whole.parent.mkdir()
    assert retrain("two", "-o", whole, "--keep").exit_code == 0
    names = {"two-first.safetensors", "two-first.run", "two.safetensors", "two.run"}
    assert {path.name for path in whole.parent.iterdir()} == names
    assert "holds an earlier training" in str(retrain("two", "-o", whole).exception)

    cut = tmp_path / "cut" / "two.safetensors"
    cut.parent.mkdir()
    code = f"""
import sys
from bioconv.datasets import recipes, registry
from bioconv.download import RemoteFile
recipes._recipes = lambda: {{"two": {TWO_STEPS!r}}}
registry.listed_files = lambda folder: {registry.listed_files("uci-splice-junction")!r}
from bioconv.cli.main import main
sys.argv = ["bioconv", "models", "retrain", "two", "-o", {str(cut)!r}, "--threads", "1", "--resume"]
main()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for state in ("two-first.run", "two.run"):
        running = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
        limit = time.monotonic() + 120
        while running.poll() is None and not (cut.parent / state / "last.safetensors").exists():
            assert time.monotonic() < limit
            time.sleep(0.005)
        running.send_signal(signal.SIGKILL)
        _, said = running.communicate(timeout=60)
        assert running.returncode == -signal.SIGKILL, said
    assert (cut.parent / "two-first.safetensors").exists()
    assert not cut.exists()
    last = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert "step 1 of 2 is done" in last.stderr
    assert cut.read_bytes() == whole.read_bytes()
    assert {path.name for path in cut.parent.iterdir()} == {"two.safetensors", "two.run"}
    assert mirror.exists()
