"""The device's scanner in the place of the CPU's: same interface, same hits; which backend, and when it is measured."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from bioconv import runtime
from bioconv.conv import functional, measurements, pwm, pwm_device, tuning
from bioconv.conv.launches import bucket_shape, default_launch, scan_launches
from bioconv.conv.measuring import measure_backends, random_motifs
from bioconv.conv.prefilter import LETTERS, make_buckets
from bioconv.conv.pwm_device import DeviceMatrixScanner, matrix_scanner


@pytest.fixture
def as_gpu(monkeypatch, tmp_path):
    """The CPU in the place of a GPU that can run Triton (interpreted), with a cache of its own."""
    pytest.importorskip("triton")
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path))
    monkeypatch.setattr(functional, "no_triton", lambda device: "")
    monkeypatch.setattr(functional, "device_title", lambda device: "Some GPU")
    monkeypatch.setattr(tuning, "device_title", lambda device: "Some GPU")
    monkeypatch.setattr(tuning, "REPEATS", 1)
    monkeypatch.setattr(functional, "ROUNDS", 1)
    choose = functional.choose

    def not_the_cpu(task, device, **options):
        return choose(task, "some gpu", **options)

    for module in ("pwm_device", "device_windows", "pooling_device"):
        monkeypatch.setattr(f"bioconv.conv.{module}.choose", not_the_cpu)
    measurements.measurements_at.cache_clear()
    yield
    measurements.measurements_at.cache_clear()


def padded(codes, scanner):
    return np.concatenate([codes, np.full(scanner.padding, pwm.UNKNOWN, np.uint8)])


@pytest.mark.parametrize("strands", [1, 2, 3])
def test_hits_are_those_of_the_cpu(strands):
    rng = np.random.default_rng(strands)
    matrices, budgets = random_motifs(40)
    budgets[7] = -1
    codes = rng.integers(0, 4, 40_000).astype(np.uint8)
    codes[rng.random(len(codes)) < 0.01] = 4
    cpu = pwm.MatrixScanner(matrices, budgets, strands=strands)
    device = DeviceMatrixScanner(matrices, budgets, strands=strands, device="cpu", on_device="torch")
    expected = cpu.hits(padded(codes, cpu), start=11, limit=39_000)
    assert len(expected) > 30
    np.testing.assert_array_equal(device.hits(padded(codes, device), start=11, limit=39_000), expected)
    assert device.padding == cpu.padding


def test_motif_too_long_for_the_kernels_runs_on_the_cpu_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(runtime, "_warned", set())
    monkeypatch.setattr(runtime.logger, "propagate", True)
    long = np.zeros((LETTERS[-1] + 1, 4), np.int32)
    for _ in range(2):
        scanner = matrix_scanner([long], [0], device="cuda")
        assert type(scanner) is pwm.MatrixScanner
    assert len({id(one) for one in caplog.records if "a motif has 129 columns" in one.getMessage()}) == 1
    assert type(matrix_scanner([long[1:]], [0], device="cpu")) is pwm.MatrixScanner


def test_measured_on_the_real_work_once(as_gpu, monkeypatch):
    """The contest runs both backends on the first long piece, tunes the kernels' shapes, and is not run again."""
    monkeypatch.setattr(pwm_device, "WORK", 200)
    monkeypatch.setattr(pwm_device, "scan_launches", lambda bucket: scan_launches(bucket)[:2])
    rng = np.random.default_rng(3)
    matrices, budgets = random_motifs(1)
    codes = rng.integers(0, 4, 300).astype(np.uint8)
    scanner = DeviceMatrixScanner(matrices, [budget * 3 for budget in budgets], device="cpu")
    assert scanner.choose(codes).reason == functional.NOT_MEASURED  # too short to measure on
    monkeypatch.setattr(pwm_device, "ENOUGH", 250)
    chosen = scanner.choose(codes, work=200)
    assert chosen.backend in {"torch", "triton"}
    assert "x torch on Some GPU" in chosen.reason
    kept = measurements.measurements("Some GPU")
    shapes = {bucket_shape(bucket) for bucket in scanner.on_device.buckets}
    assert {key.removeprefix("launch ") for key in kept.names() if key.startswith("launch ")} == shapes
    assert all(launch in scan_launches(bucket) for launch, bucket in zip(
        scanner._launches(), scanner.on_device.buckets, strict=True
    ))  # fmt: skip
    monkeypatch.setattr(functional, "_measured", None)  # measuring again would fail
    assert scanner.choose(codes) == chosen
    cpu = pwm.MatrixScanner(matrices, [budget * 3 for budget in budgets])
    np.testing.assert_array_equal(scanner.hits(padded(codes, scanner)), cpu.hits(padded(codes, cpu)))


def test_info_measures_all_tasks(as_gpu, monkeypatch):
    monkeypatch.setattr("bioconv.conv.measuring.MOTIFS", (1, 3))
    monkeypatch.setattr(pwm_device, "scan_launches", lambda bucket: scan_launches(bucket)[:1])
    for module in ("device_windows", "pooling_device"):
        monkeypatch.setattr(
            f"bioconv.conv.{module}.LAUNCHES", importlib.import_module(f"bioconv.conv.{module}").LAUNCHES[:1]
        )
    monkeypatch.setattr("bioconv.conv.measuring.TRAINED", ((128,), (2, 3)))
    monkeypatch.setattr("bioconv.conv.measuring.BATCH", 1)
    found = measure_backends("cpu", work=128)
    assert [choice.task for choice in found] == ["scan", "scan", "windows", "pooling", "pooling"]
    assert "by 2 groups of 3x24 2 strands max" in found[-1].shape
    assert all("x torch on Some GPU" in choice.reason for choice in found)
    names = [name for name in measurements.measurements("Some GPU").names() if name.startswith("launch ")]
    for choice in found[2:]:
        assert f"launch {choice.task} {choice.shape}" in names


@pytest.mark.parametrize("letters", LETTERS)
@pytest.mark.parametrize("motifs", [1, 5, 8, 9, 400])
def test_every_shape_of_launch_is_one_that_triton_takes(letters, motifs):
    (bucket,) = make_buckets([(k, np.zeros((letters, 4), np.int32)) for k in range(2 * motifs)], [0] * motifs)
    for launch in scan_launches(bucket):
        sizes = (launch.rows, launch.columns, launch.warps)
        assert all(size & (size - 1) == 0 for size in sizes)
        assert launch.rows >= 16
        if launch.method == "lookup":
            assert 2 * motifs <= launch.columns <= 16
        else:
            assert launch.columns >= 16
    assert default_launch(bucket) in scan_launches(bucket)


def test_too_long_a_sequence_is_refused(monkeypatch):
    monkeypatch.setattr(pwm_device, "_MOST", 100)
    scanner = DeviceMatrixScanner([np.zeros((4, 4), np.int32)], [0], device="cpu", on_device="torch")
    assert len(scanner.hits(padded(np.zeros(99, np.uint8), scanner))) == 2 * 96
    with pytest.raises(ValueError, match=r"100 codes.*2\^31"):
        scanner.hits(padded(np.zeros(100, np.uint8), scanner))
