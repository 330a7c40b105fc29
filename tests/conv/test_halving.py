"""Tiles that do not fit: whatever is cut where, the result is that of the whole, by a network of whole numbers."""

from __future__ import annotations

import itertools
import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv import runtime
from bioconv.conv.device_memory import DeviceFullError, TileRoom
from bioconv.conv.halving import halves, tile_within
from bioconv.conv.streaming import Streaming
from bioconv.conv.tiles import plan_tiles
from bioconv.conv.tiling import run_tiled
from tests.conv.neighbours import Neighbours, draw_tiling


@st.composite
def cases(draw):
    stride, shape, tile, must = draw_tiling(draw, (200, 60, 20), (200, 60, 20))
    return stride, shape, tile, must + draw(st.integers(0, 3 * must)), draw(st.booleans())


def run(network, image, tile, how):
    network.done.clear()
    out = np.full(image.shape, np.inf, np.float32)

    def write(window, values):
        assert values.size
        out[:, *window] = np.where(np.isinf(out[:, *window]), values, np.nan)

    done = []
    run_tiled(
        network, lambda w: image[:, *w], write, shape=image.shape[1:], geometry=network.geometry, tile=tile, how=how,
        progress=lambda *state: done.append(state),
    )  # fmt: skip
    assert [number for number, _ in done] == list(range(1, len(network.done) + 1))
    assert done[-1] == (len(network.done),) * 2
    return out


@given(cases())
@settings(max_examples=120, deadline=None)
def test_what_does_not_fit_gives_the_same_in_smaller_tiles(case):
    stride, shape, tile, most, overlapped = case
    image = np.random.default_rng(0).integers(0, 50, (2, *shape)).astype(np.float32)
    network, room = Neighbours(stride, most), TileRoom("this test")
    truth = network.whole(image)
    np.testing.assert_array_equal(run(network, image, tile, Streaming(overlapped, room)), truth)
    assert all(after < before for before, after in itertools.pairwise(network.failed))  # a size fails once
    assert len(network.failed) <= 3 * 8
    assert math.isinf(room.pixels) == (not network.failed)
    network.failed.clear()
    np.testing.assert_array_equal(run(network, image, tile, Streaming(overlapped, room)), truth)
    assert not network.failed  # it is known by now


@given(cases())
@settings(max_examples=120, deadline=None)
def test_halves_are_tiles_of_half_the_length(case):
    stride, shape, tile, _, _ = case
    geometry = Neighbours(stride).geometry
    for whole in plan_tiles(shape, geometry=geometry, tile=tile)[:3]:
        found = halves(whole, geometry)
        spare = [size - both for size, both in zip(whole.sizes, geometry.overlap, strict=True)]
        if found is None:
            assert all(rest < 2 * step for rest, step in zip(spare, stride, strict=True))
            continue
        (axis,) = (at for at in range(len(shape)) if found[0].keep[at] != whole.keep[at])
        cuttable = [size for size, rest, step in zip(whole.sizes, spare, stride, strict=True) if rest >= 2 * step]
        assert whole.sizes[axis] == max(cuttable)
        lengths = [half.sizes[axis] for half in found]
        assert sum(lengths) == whole.sizes[axis] + geometry.overlap[axis]
        assert abs(lengths[0] - lengths[1]) <= stride[axis]
        assert tile_within(whole.sizes, math.prod(whole.sizes) - 1, geometry)[axis] == max(lengths)


def test_smallest_tile_that_does_not_fit_is_an_error_that_says_what_to_do():
    network = Neighbours((2, 2), most=5)
    image = np.zeros((1, 40, 30), np.float32)
    said = r"--device cuda:1: out of memory with 6 x 6 pixels, the smallest tile of this network.*--device cpu"
    for overlapped in (False, True):
        with pytest.raises(DeviceFullError, match=said):
            run(network, image, (40, 30), Streaming(overlapped, TileRoom("cuda:1")))


def test_a_device_is_warned_of_once(caplog, monkeypatch):
    monkeypatch.setattr(runtime, "_warned", set())
    monkeypatch.setattr(runtime.logger, "propagate", True)
    image = np.zeros((1, 90), np.float32)
    with caplog.at_level(logging.WARNING, logger="bioconv"):
        for _ in range(2):
            run(Neighbours((2,), most=20), image, (90,), Streaming(room=TileRoom("cuda:0")))
    (message,) = caplog.messages
    assert message == "cuda:0 is out of memory: going on with less at once, results as before"
