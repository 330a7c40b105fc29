"""The choice of backend: measured once, kept, and never a kernel that fails, differs or is slower."""

from __future__ import annotations

import json
import logging

import pytest
import torch

from bioconv import runtime
from bioconv.conv import functional, measurements, native
from bioconv.conv.functional import NOT_MEASURED, Contest, choices, choose


@pytest.fixture
def device(monkeypatch, tmp_path):
    """A device that can run everything: results and seconds are what the contest says."""
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path))
    monkeypatch.setattr(functional, "no_triton", lambda device: "")
    monkeypatch.setattr(functional, "device_title", lambda device: "Some GPU 80GB")
    monkeypatch.setattr(functional, "timed", lambda run, device: run() and run.seconds)
    monkeypatch.setattr(runtime, "_warned", set())
    monkeypatch.setattr(runtime.logger, "propagate", True)
    measurements.measurements_at.cache_clear()
    yield "cuda"
    measurements.measurements_at.cache_clear()


def contest(torch_seconds, triton_seconds, *, results=("same", "same"), error=None, calls=None):
    def run(name, seconds, result):
        def work():
            if calls is not None:
                calls.append(name)
            if error and name == "triton":
                raise error
            return result

        work.seconds = seconds
        return work

    runs = {
        "torch": run("torch", torch_seconds, results[0]),
        "triton": run("triton", triton_seconds, results[1]),
    }
    return lambda: Contest(runs, lambda one, other: one == other)


def test_faster_backend_is_chosen_and_kept(device):
    calls = []
    chosen = choose("scan", device, shape="16x64", contest=contest(3.1, 1.0, calls=calls))
    assert (chosen.backend, chosen.reason) == ("triton", "triton 3.10x torch on Some GPU 80GB")
    assert calls.count("triton") == calls.count("torch") == 1 + functional.ROUNDS
    slower = choose("windows", device, shape="x", contest=contest(1.0, 2.0))
    assert (slower.backend, slower.reason) == ("torch", "triton 0.50x torch on Some GPU 80GB")
    measurements.measurements_at.cache_clear()  # as a new process reads it

    def never():
        raise AssertionError

    assert choose("scan", device, shape="16x64", contest=never) == chosen
    assert [(c.task, c.shape, c.backend) for c in choices(device)] == [
        ("scan", "16x64", "triton"), ("windows", "x", "torch"), ("pooling", "", "torch"),
    ]  # fmt: skip
    assert choose("scan", device, shape="16x64", contest=contest(1.0, 4.0), anew=True).backend == "torch"
    assert choose("scan", device, shape="16x64").backend == "torch"


def test_another_version_measures_anew(device, monkeypatch):
    choose("scan", device, shape="s", contest=contest(2.0, 1.0))
    assert choose("scan", device, shape="s").backend == "triton"
    monkeypatch.setattr(measurements, "installed", lambda package: "99")
    measurements.measurements_at.cache_clear()
    assert choose("scan", device, shape="s").reason == NOT_MEASURED


def test_nothing_measured_is_torch(device):
    assert [(c.backend, c.reason) for c in choices(device)] == [("torch", NOT_MEASURED)] * 3


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"results": ("one", "other")}, "gives other results"),
        ({"error": RuntimeError("no such instruction")}, "fails on Some GPU 80GB: RuntimeError"),
    ],
)
def test_kernel_that_differs_or_fails_is_not_used(device, facts, reason, caplog):
    with caplog.at_level(logging.WARNING, logger="bioconv"):
        chosen = choose("scan", device, shape="s", contest=contest(9.0, 1.0, **facts))
    assert chosen.backend == "torch"
    assert reason in chosen.reason
    assert "torch is used" in caplog.text


def test_too_little_memory_to_measure_is_not_kept(device):
    chosen = choose("scan", device, shape="s", contest=contest(2.0, 1.0, error=torch.OutOfMemoryError()))
    assert (chosen.backend, chosen.reason) == ("torch", "out of memory while measuring")
    assert choose("scan", device, shape="s", contest=contest(2.0, 1.0)).backend == "triton"


def test_damaged_file_is_said_and_measured_anew(device, caplog):
    choose("scan", device, shape="s", contest=contest(2.0, 1.0))
    path = measurements.measurements("Some GPU 80GB").path
    assert json.loads(path.read_text())["about"]["device"] == "Some GPU 80GB"
    path.write_text('{"entries": ')
    measurements.measurements_at.cache_clear()
    with caplog.at_level(logging.WARNING, logger="bioconv"):
        assert choose("scan", device, shape="s").reason == NOT_MEASURED
    assert "measured anew" in caplog.text


def test_folder_that_cannot_be_written_is_said_once(device, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "file"))
    measurements.measurements_at.cache_clear()
    with caplog.at_level(logging.WARNING, logger="bioconv"):
        for shape in ("a", "b"):
            assert choose("scan", device, shape=shape, contest=contest(2.0, 1.0)).backend == "triton"
    assert caplog.text.count("set BIOCONV_CACHE") == 1
    assert choose("scan", device, shape="a").backend == "triton"  # known in this process


def test_without_triton_torch_runs_and_says_why_once(monkeypatch, caplog):
    monkeypatch.setattr(runtime, "_warned", set())
    monkeypatch.setattr(runtime.logger, "propagate", True)
    monkeypatch.setattr(measurements, "installed", lambda package: "none")
    with caplog.at_level(logging.WARNING, logger="bioconv"):
        chosen = [choose("scan", "cuda"), choose("windows", "cuda")]
    assert [c.backend for c in chosen] == ["torch", "torch"]
    assert len({id(one) for one in caplog.records if "triton is not installed" in one.getMessage()}) == 1


def test_cpu_runs_the_compiled_kernels_where_there_are_any(monkeypatch):
    if native.kernels() is not None:
        assert [choose(task).backend for task in functional.TASKS] == ["native"] * 3
    monkeypatch.setattr(native, "kernels", lambda: None)
    assert [(c.backend, c.reason) for c in choices("cpu")] == [
        ("numpy", "no compiled kernels"), *[("torch", "no compiled kernels")] * 2,
    ]  # fmt: skip
