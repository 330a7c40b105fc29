"""The examples for workflow engines and the commands of docs/clusters.md run, and give what one process gives."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

import bioconv
from tests.mammography import phantoms

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
SHOWN = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/clusters.md").read_text(), re.DOTALL)
# What the scheduler of a cluster does with `sbatch --array=1-N --wait SCRIPT ...`.
SBATCH = """#!/bin/bash
set -eu
number=${1#--array=1-}; shift 2
for task in $(seq "$number"); do
    SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=$number SLURM_CPUS_PER_TASK=1 bash "$@"
done
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> dict[str, str]:
    """An environment in which the commands are those of this Python."""
    folder = tmp_path_factory.mktemp("bin")
    texts = {name: f'#!/bin/sh\nexec "{sys.executable}" -m {name} "$@"\n' for name in ("bioconv", "dask", "snakemake")}
    for name, text in {**texts, "sbatch": SBATCH}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


@pytest.fixture
def bash(programs, place):
    """Run a script in the folder of the data, and end what it leaves running."""

    def run(script: str, *, check: int = 0, **more: str) -> str:
        with (place / "stdout").open("w") as said:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script], cwd=place, env={**programs, **more}, text=True,
                stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            status = process.wait(timeout=280)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        text = (place / "stdout").read_text()
        assert status == check, text
        return text

    return run


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder with sequences, motifs and the examples."""
    rng = random.Random(1)
    letters = ["".join(rng.choices("ACGT", k=rng.randint(20, 2000))) for _ in range(40)]
    text = "".join(f">s{number}\n{sequence}\n" for number, sequence in enumerate(letters))
    (tmp_path / "genome.fa").write_text(text)
    (tmp_path / "more.fa.gz").write_bytes(gzip.compress(text[: text.index(">s9\n")].encode()))
    shutil.copy(EXAMPLES / "data/crp_lexa.meme", tmp_path / "motifs.meme")
    (tmp_path / "examples").symlink_to(EXAMPLES)
    return tmp_path


@pytest.fixture
def scans(place, spots, spot_model_path) -> Path:
    """A folder of images beside a model."""
    (place / "scans").mkdir()
    for number in range(3):
        Image.fromarray(spots((40, 60), seed=number)).save(place / f"scans/a{number}.png")
    shutil.copy(spot_model_path(), place / "spots.safetensors")
    return place / "scans"


def below_head(path: Path) -> bytes:
    data = path.read_bytes().split(b"\n", 1)[1]
    assert data.count(b"\n") > 3
    return data


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as stream:
        return list(csv.DictReader(line for line in stream if not line.startswith("#")))


def test_documented_commands(bash, place, scans, model_path, mass_model):
    shards, folders, slurm, snakemake, dask = SHOWN
    shutil.copy(model_path(), place / "model.safetensors")
    shutil.copy(mass_model, place / "mammo.safetensors")
    phantoms.write_pictures(place, range(300, 302))
    one = "bioconv scan genome.fa more.fa.gz --motifs motifs.meme"
    bash(
        f"{one} -o whole-q.tsv; {one} --stream -o whole.tsv\n"
        "bioconv predict genome.fa --model model.safetensors -o p.tsv"
    )
    bash(shards)
    assert below_head(place / "hits.tsv") == below_head(place / "whole.tsv")
    assert below_head(place / "scores.tsv") == below_head(place / "p.tsv")
    bash(slurm)
    assert (place / "slurm-hits.tsv").read_bytes() == below_head(place / "whole.tsv")
    (place / "hits/shard-00002-of-00004.tsv").unlink()
    assert "3 of 4 shards" in bash(slurm.splitlines()[1], check=1)
    bash(folders)
    bash("bioconv classify exams.csv --model mammo.safetensors --salt classified/identifiers.salt -o alone")
    for name in ("images.csv", "breasts.csv", "exams.csv"):
        assert (place / "classified" / name).read_bytes() == (place / "alone" / name).read_bytes()
    if importlib.util.find_spec("distributed"):
        bash(dask)
        assert below_head(place / "dask-hits.tsv") == below_head(place / "whole-q.tsv")
        for path in (place / "masks").rglob("a*.*"):
            assert path.read_bytes() == (place / "dask-masks" / path.relative_to(place / "masks")).read_bytes()
        assert len(rows(place / "dask-classified", "exams.csv")) == 2
    assert "snakemake" in snakemake  # below


def test_snakemake(bash, place, scans):
    pytest.importorskip("snakemake", reason="snakemake is not installed")
    (place / "config.yaml").write_text(
        "sequences: [genome.fa, more.fa.gz]\nmotifs: motifs.meme\nshards: 3\nimages: scans\nimage_shards: 2\n"
        "model: spots.safetensors\n"
    )
    # Images of one folder go to one folder of masks: the rules may run side by side.
    bash(SHOWN[3])
    bash("bioconv scan genome.fa more.fa.gz -m motifs.meme --stream -o one.tsv")
    bash("bioconv segment scans --model spots.safetensors --measure -o one")
    assert below_head(place / "hits.tsv") == below_head(place / "one.tsv")
    tables = sorted((place / "one/measurements").iterdir())
    wanted = [{"image": f"{path.stem}.png"} | row for path in tables for row in rows(path.parent, path.name)]
    assert rows(place, "objects.csv") == wanted
    assert {row["image"] for row in wanted} == {f"a{number}.png" for number in range(3)}


def test_nextflow_module(bash, place):
    """Its shell blocks, with the variables that Nextflow would fill in."""
    text = (EXAMPLES / "nextflow/bioconv_scan/main.nf").read_text()
    script, stub = re.findall(r'"""\n(.*?)"""', text, re.DOTALL)
    values = {"fasta": "genome.fa more.fa.gz", "motifs": "motifs.meme", "task.cpus": "1", "prefix": "sample",
              "args": "--sort p", "task.process": "BIOCONV_SCAN"}  # fmt: skip
    version = f'"BIOCONV_SCAN":\n    bioconv: {bioconv.__version__}\n'
    for block in (script, stub):
        for name, value in values.items():
            block = block.replace(f"${{{name}}}", value)
        filled = block.replace("\\\\", "\\").replace("\\$", "$")
        # Nextflow strips the indent of the block.
        bash(re.sub(r"^    ", "", filled, flags=re.MULTILINE).replace("<<-END", "<<END").replace("\n    END", "\nEND"))
        assert (place / "versions.yml").read_text().split() == version.split()
        assert (place / "sample.tsv.gz").exists()
        if block is script or "--motifs" in filled:
            bash("bioconv scan genome.fa more.fa.gz -m motifs.meme --sort p -o one.tsv")
            found = gzip.decompress((place / "sample.tsv.gz").read_bytes()).split(b"\n", 1)[1]
            assert found == below_head(place / "one.tsv")
            (place / "sample.tsv.gz").unlink()
