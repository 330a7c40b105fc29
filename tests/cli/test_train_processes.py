"""Training in two processes that `torchrun` starts, beside training in one."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from skimage.io import imsave

from bioconv.segmentation.model import load_segmentation_model

ROOT = Path(__file__).parent.parent.parent
_spec = importlib.util.spec_from_file_location("training_data", Path(__file__).parent / "training_data.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
LAUNCHER = ("-m", "torch.distributed.run")


def start(*words: object) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def done(*running: subprocess.Popen) -> None:
    said = [process.communicate(timeout=280)[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(said)


def furthest(one: Path, two: Path) -> float:
    """Return the largest difference of the weights of two model files."""
    a, b = load_file(one), load_file(two)
    assert a.keys() == b.keys()
    return max(float(np.abs(a[name].astype(np.float64) - b[name]).max(initial=0)) for name in a)


@pytest.mark.slow
def test_two_nodes_train_a_deepbind_model(tmp_path):
    """The documented command, with two launchers of one process each in place of two machines."""
    bound = made.write_fasta(tmp_path / "bound.fa", made.draw(120))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    command = ("bioconv", "train", "deepbind", bound, *made.SMALL, "--device", "cpu", "-o")
    nodes = ("--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint)
    two = [start(*LAUNCHER, *nodes, "--rdzv-id", "7", "-m", *command, tmp_path / "two.safetensors") for _ in range(2)]
    done(*two)
    done(start("-m", *command, tmp_path / "one.safetensors"))
    assert {path.name for path in tmp_path.iterdir()} == {
        "bound.fa", "one.run", "one.safetensors", "two.run", "two.safetensors"
    }  # fmt: skip
    assert 0 < furthest(tmp_path / "one.safetensors", tmp_path / "two.safetensors") < 1e-4


@pytest.mark.slow
def test_two_processes_train_a_segmenter(tmp_path, spots):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number in range(4):
        image = spots((48, 48), seed=number)
        imsave(tmp_path / "images" / f"{number}.png", image, check_contrast=False)
        imsave(tmp_path / "masks" / f"{number}.png", 255 * (image > 100).astype(np.uint8), check_contrast=False)
    command = (
        *("bioconv", "train", "segment", tmp_path / "images", tmp_path / "masks", "--kind", "binary"),
        *("--device", "cpu", "--widths", "4,8", "--patch", "16", "--per-epoch", "16", "--epochs", "2"),
        *("--batch-size", "4", "--quiet"), "-o", tmp_path / "m.safetensors",
    )  # fmt: skip
    done(start(*LAUNCHER, "--standalone", "--nproc-per-node", "2", "-m", *command))
    assert {path.name for path in tmp_path.iterdir()} == {"images", "masks", "m.run", "m.safetensors"}
    assert load_segmentation_model(tmp_path / "m.safetensors").kind == "binary"
    assert len((tmp_path / "m.run/history.csv").read_text().splitlines()) == 3
