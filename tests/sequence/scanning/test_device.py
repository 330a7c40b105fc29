"""Scans on a device: asked for by name, the same rows as on the CPU, and a clear word where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import bioconv
from bioconv import runtime
from bioconv.conv import device_windows, functional
from bioconv.conv.pwm_device import DeviceMatrixScanner
from bioconv.errors import OptionError
from bioconv.sequence.motifs import Motif
from bioconv.sequence.scanning import engines
from bioconv.sequence.scanning.options import ScanOptions


def motifs(count):
    rng = np.random.default_rng(count)
    return [
        Motif(f"m{k}", "", rng.dirichlet(np.full(4, 0.3), int(length)), 40.0, "here")
        for k, length in enumerate(rng.integers(6, 18, count))
    ]


@pytest.fixture
def fasta(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "x.fa"
    with path.open("w") as stream:
        for name, length in (("a", 30_000), ("b", 0), ("c", 9), ("d", 5_000)):
            letters = rng.choice(list("ACGTN"), length, p=[0.245] * 4 + [0.02])
            stream.write(f">{name}\n{''.join(letters)}\n")
    return path


@pytest.fixture
def as_device(monkeypatch):
    """A device called `cuda` that is the CPU with torch."""
    asked = []

    def scanner(losses, budgets, strands, device):
        asked.append(device)
        return DeviceMatrixScanner(losses, budgets, strands=strands, device="cpu", on_device="torch")

    monkeypatch.setattr(engines, "_scanner", scanner)
    monkeypatch.setattr(runtime, "device_name", lambda name: "cuda")
    on_cpu = {name: getattr(device_windows, name) for name in ("qualifying", "scores")}

    def moved(name):
        def call(*given, device, backend=None):
            asked.append(f"{device} {name}")
            return on_cpu[name](*given, device="cpu", backend="torch")

        return call

    for name in on_cpu:
        monkeypatch.setattr(device_windows, name, moved(name))
    return asked


@pytest.mark.parametrize("threads", [1, 3])
def test_motif_hits_are_those_of_the_cpu(fasta, as_device, threads, monkeypatch):
    found = list(bioconv.scan(fasta, motifs=motifs(30), options=ScanOptions(device="cuda", threads=threads)))
    assert as_device == ["cuda"]
    monkeypatch.undo()
    expected = list(bioconv.scan(fasta, motifs=motifs(30), options=ScanOptions(device="cpu")))
    assert len(expected) > 50
    assert found == expected


def test_model_hits_are_those_of_the_cpu(fasta, as_device, model_path, monkeypatch):
    model = model_path(0, length=6, window=30)
    found = list(bioconv.scan(fasta, model=model, options=ScanOptions(p=0.02, device="cuda")))
    assert {"cuda qualifying", "cuda scores"} <= set(as_device)
    monkeypatch.undo()
    expected = list(bioconv.scan(fasta, model=model, options=ScanOptions(p=0.02, device="cpu")))
    assert len(expected) > 20
    for one, other in zip(found, expected, strict=True):
        assert (one.start, one.end, one.strand, one.matched_sequence) == (
            other.start, other.end, other.strand, other.matched_sequence,
        )  # fmt: skip
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_motifs_run_on_the_cpu_unless_a_device_is_asked_for(monkeypatch):
    monkeypatch.setattr(runtime, "device_name", lambda name: f"device of {name}")
    assert engines.motif_device("auto") == "cpu"
    assert engines.motif_device("cuda") == "device of cuda"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_no_device_is_said_clearly(fasta):
    with pytest.raises(OptionError, match="--device cuda: this machine has 0 CUDA devices; use --device cpu"):
        list(bioconv.scan(fasta, motifs=motifs(1), options=ScanOptions(device="cuda")))


def test_device_is_in_the_head_only_where_it_is_one(as_device):
    uniform = np.full(4, 0.25)
    engine = engines.MotifEngine(motifs(2), uniform, ScanOptions(device="cuda"))
    assert engine.facts()["device"] == "cuda"
    assert engine.block == engines.DEVICE_BLOCK
    assert engines.MotifEngine(motifs(2), uniform, ScanOptions()).facts()["device"] is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_rows_on_a_real_device_are_those_of_the_cpu(fasta, model_path):
    for given in ({"motifs": motifs(30)}, {"model": model_path(0, length=6, window=30)}):
        found, expected = (
            list(bioconv.scan(fasta, options=ScanOptions(p=1e-3, device=device), **given)) for device in ("cuda", "cpu")
        )
        assert [(h.motif_id, h.start, h.strand, h.matched_sequence) for h in found] == [
            (h.motif_id, h.start, h.strand, h.matched_sequence) for h in expected
        ]
        assert functional.choices("cuda")
