from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from bioconv.errors import OptionError
from bioconv.training.distributed import Ranks, is_first, process_group, share_of

ROOT = Path(__file__).parent.parent.parent


def train(folder: Path, world: int) -> list[dict[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).parent / "two_processes.py"), str(folder), str(world), str(port)]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    with (folder / "history.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_two_processes_have_the_curve_of_one(tmp_path: Path) -> None:
    one, two = train(tmp_path / "one", 1), train(tmp_path / "two", 2)
    assert len(one) == len(two) == 15
    for name in ("train_loss", "loss", "learning_rate"):
        curves = [np.array([float(row[name]) for row in rows]) for rows in (one, two)]
        np.testing.assert_allclose(*curves, atol=1e-5, rtol=0)
    curve = [float(row["loss"]) for row in one]
    assert curve[0] - curve[-1] > 0.1  # it is a curve, not a line
    weights = [safetensors.torch.load_file(tmp_path / name / "best.safetensors") for name in ("one", "two")]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], atol=1e-5, rtol=0)


def test_shares_are_the_whole() -> None:
    for size in range(9):
        for world in range(1, 5):
            batch = list(range(size))
            shares = [batch[share_of(size, rank, world)] for rank in range(world)]
            assert [item for share in shares for item in share] == batch
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_communicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with process_group(torch.device("cpu")) as ranks:
        assert (ranks.rank, ranks.world, ranks.first) == (0, 1, True)
        assert ranks.totals(1.5, 2) == [1.5, 2]
        assert ranks.from_first({"loss": 0.5}) == {"loss": 0.5}
    model = torch.nn.Linear(1, 1)
    assert Ranks().wrap(model) is model


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    refused = pytest.raises(OptionError, match="RANK, MASTER_PORT is not set; start the command with torchrun")
    with refused, process_group(torch.device("cpu")):
        pass


def test_first_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert is_first()
    monkeypatch.setenv("RANK", "1")
    assert not is_first()
