"""The fastest shape is taken, measured once, and what cannot run is left out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bioconv.conv import measurements, tuning
from bioconv.conv.tuning import tuned_launch


@dataclass(frozen=True)
class Shape:
    seconds: float
    warps: int = 4


SHAPES = (Shape(3.0), Shape(-1.0), Shape(1.0, warps=8), Shape(2.0))


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Which shapes were prepared; a shape takes as long as it says, one of less than nothing cannot run."""
    prepared, now = [], []
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path))
    monkeypatch.setattr(tuning, "timed", lambda run, device: run())
    measurements.measurements_at.cache_clear()

    def prepare(shape):
        prepared.append(shape)

        def run():
            if shape.seconds < 0:
                message = "out of resource: shared memory"
                raise RuntimeError(message)
            now.append(shape)
            return shape.seconds

        return run

    prepare.prepared, prepare.now = prepared, now
    yield prepare
    measurements.measurements_at.cache_clear()


def test_the_fastest_is_taken_and_kept(measured):
    assert tuned_launch("work", "cpu", SHAPES) == SHAPES[0]  # nothing measured: the first
    assert tuned_launch("work", "cpu", SHAPES, measured) == SHAPES[2]
    assert measured.prepared == list(SHAPES)
    assert measured.now.count(SHAPES[3]) == 1 + tuning.REPEATS
    measurements.measurements_at.cache_clear()  # another process
    assert tuned_launch("work", "cpu", SHAPES) == SHAPES[2]
    assert tuned_launch("work", "cpu", SHAPES, measured) == SHAPES[2]
    assert measured.prepared == list(SHAPES)
    assert tuned_launch("other work", "cpu", SHAPES) == SHAPES[0]


def test_where_none_can_run_or_what_is_kept_is_none_the_first_is_taken(measured):
    assert tuned_launch("work", "cpu", SHAPES[1:2], measured) == SHAPES[1]
    measurements.measurements("cpu").put("launch odd", {"rows": 7})
    assert tuned_launch("odd", "cpu", SHAPES) == SHAPES[0]
