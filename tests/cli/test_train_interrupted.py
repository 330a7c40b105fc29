"""A training that is killed goes on where it was, bit for bit; several processes write one model."""

from __future__ import annotations

import csv
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bioconv.cli import train
from click.testing import CliRunner

from bioconv.models.model_file import read_model

ROOT = Path(__file__).parent.parent.parent
_spec = importlib.util.spec_from_file_location("training_data", Path(__file__).parent / "training_data.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
LONG = [*made.SMALL, "--epochs", "60", "--per-epoch", "64"]


def start(*words: object, before: tuple[str, ...] = ("-m",)) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *before, "bioconv", "train", "deepbind", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def epochs(model: Path) -> int:
    with (model.with_suffix(".run") / "held-out/history.csv").open() as stream:
        return len(list(csv.DictReader(stream)))


def send(number: signal.Signals, model: Path, *words: object) -> tuple[int, str]:
    """Start a training, send it a signal once it has finished two more epochs, and wait for it to end."""
    history = model.with_suffix(".run") / "held-out/history.csv"
    done = epochs(model) if history.exists() else 0
    running = start(*words, "-o", model)
    limit = time.monotonic() + 100
    while running.poll() is None and not (history.exists() and epochs(model) >= done + 2):
        assert time.monotonic() < limit
        time.sleep(0.005)
    running.send_signal(number)
    _, said = running.communicate(timeout=100)
    return running.returncode, said


@pytest.mark.slow
def test_interrupted_killed_and_resumed_gives_the_same_file(tmp_path):
    bound = made.write_fasta(tmp_path / "bound.fa", made.draw(100))
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole, cut = (tmp_path / name / "m.safetensors" for name in ("whole", "cut"))
    status, said = send(signal.SIGTERM, cut, bound, *LONG)
    assert status == 130, said
    assert "interrupted after step" in said
    assert "resume with --resume" in said
    assert not cut.exists()
    first = epochs(cut)
    assert 2 <= first < 60
    status, said = send(signal.SIGKILL, cut, bound, *LONG, "--resume")
    assert status == -signal.SIGKILL, said
    assert not cut.exists()
    assert first < epochs(cut) < 60
    for words in (["-o", whole], ["-o", cut, "--resume"]):
        done = CliRunner().invoke(train.command, ["deepbind", str(bound), *LONG, *map(str, words)])
        assert done.exit_code == 0, done.output
    assert epochs(whole) == epochs(cut) == 60
    assert cut.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in cut.parent.iterdir()) == ["m.run", "m.safetensors"]


@pytest.mark.slow
def test_two_processes_write_one_model(tmp_path):
    bound = made.write_fasta(tmp_path / "bound.fa", made.draw(200))
    model = tmp_path / "m.safetensors"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
    # Two trainings, one after the other, in the same two processes.
    running = start(bound, *made.SMALL, "-o", model, "--search", "2", before=launcher)
    _, said = running.communicate(timeout=110)
    assert running.returncode == 0, said
    assert said.count(f"wrote {model}") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"bound.fa", "m.run", "m.safetensors"}
    assert epochs(model) == 3
    assert read_model(model).metadata["metrics"]["auroc"][0] > 0.6
    again = start(bound, *made.SMALL, "-o", model, before=launcher)
    _, said = again.communicate(timeout=110)
    assert again.returncode == 1
    assert "holds an earlier training" in said
