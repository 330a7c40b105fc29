"""The GPU benchmarks run from end to end, on any machine, with next to nothing to measure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        (
            "gpu_scan.py",
            ["| 3 motifs | torch conv1d | 200 |", "| DeepBind network, 16 x 24 | ours, from the host | 400 |"],
        ),
        ("gpu_scan_end_to_end.py", ["| 3 | 1e-06 | bioconv --device cpu |"]),
        ("gpu_segment.py", ["| MONAI | ", "| MONAI, 192, overlap 0.25 | ", "| tiles of 192, in batches | "]),
        (
            "gpu_training.py",
            ["| 2 networks of 3 detectors | ours, from codes |", "| 2 groups of one | ours", "| letters | 40 |"],
        ),
    ],
)
def test_tiny_run_says_that_it_means_nothing(script, rows, tmp_path):
    path = ROOT / "benchmarks" / script
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BIOCONV_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, path, "--tiny"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for row in rows:
        assert row in done.stdout
    assert "these figures mean nothing" in done.stdout
    assert not path.with_suffix(".md").exists() or "self-check" not in path.with_suffix(".md").read_text()
