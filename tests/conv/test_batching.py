"""Tiles that go through a network together: which ones, in which order, and what is done where they do not fit."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bioconv.conv.arithmetic import round_up
from bioconv.conv.blending import run_blended
from bioconv.conv.device_memory import DeviceFullError, TileRoom
from bioconv.conv.streaming import ONE_BY_ONE, Steps, Streaming
from bioconv.conv.tiles import plan_tiles
from bioconv.conv.tiling import run_tiled
from bioconv.errors import ModelError
from tests.conv.neighbours import Neighbours, draw_tiling


class Device:
    """Runs a network on batches, (N, C, *window) at once; remembers what it was given and what did not fit."""

    def __init__(self, network, most=math.inf):
        self.network, self.most, self.tried = network, most, []
        self.steps = Steps(np.stack, self.compute, list)

    def compute(self, batch):
        count, _, *sizes = batch.shape
        fits = count * math.prod(sizes) <= self.most
        self.tried.append((count, tuple(sizes), fits))
        if not fits:
            raise torch.OutOfMemoryError
        made = self.network(batch.reshape(-1, *sizes))
        return made.reshape(count, -1, *sizes)


@st.composite
def cases(draw):
    stride, shape, tile, must = draw_tiling(draw, (200, 50, 16), (50, 12, 4))
    pixels = math.prod(map(min, tile, map(round_up, shape, stride)))
    bound = draw(st.integers(0, 8)) * pixels + draw(st.integers(-1, 1))
    return stride, shape, tile, max(0, bound), must + draw(st.integers(0, 3 * pixels)), draw(st.booleans())


def run(function, image, geometry, tile, how):
    """Return the result, with pixels written twice or never not a number, and what was written where."""
    out, written, done = np.full(image.shape, np.inf, np.float32), [], []

    def write(window, values):
        assert values.size
        written.append(window)
        out[:, *window] = np.where(np.isinf(out[:, *window]), values, np.nan)

    run_tiled(
        function, lambda w: image[:, *w], write, shape=image.shape[1:], geometry=geometry, tile=tile, how=how,
        progress=lambda *state: done.append(state),
    )  # fmt: skip
    assert [number for number, _ in done] == list(range(1, len(written) + 1))
    assert done[-1] == (len(written),) * 2
    return out, written


def image_of(shape):
    return np.random.default_rng(0).integers(0, 50, (2, *shape)).astype(np.float32)


@given(cases())
@example(((1, 1), (17, 17), (10, 10), 400, 0, False))  # one tile of 10 x 9 and the next of 9 x 10
@settings(max_examples=100, deadline=None)
def test_batches_are_runs_of_equal_tiles_and_change_nothing(case):
    stride, shape, tile, bound, _, overlapped = case
    network, image = Neighbours(stride), image_of(shape)
    plan = plan_tiles(shape, geometry=network.geometry, tile=tile)
    alone, _ = run(network, image, network.geometry, tile, ONE_BY_ONE)
    device = Device(network)
    together, written = run(device.steps, image, network.geometry, tile, Streaming(overlapped, None, bound))
    np.testing.assert_array_equal(together, alone)
    assert written == [part.keep for part in plan]
    expected = []
    for sizes, parts in itertools.groupby(part.sizes for part in plan):
        left, most = len(list(parts)), max(1, bound // math.prod(sizes))
        expected += [(most, sizes, True)] * (left // most) + [(left % most, sizes, True)] * (left % most > 0)
    assert device.tried == expected


@given(cases())
@settings(max_examples=100, deadline=None)
def test_a_batch_that_does_not_fit_is_halved_before_a_tile_is(case):
    stride, shape, tile, bound, most, overlapped = case
    network, image, room = Neighbours(stride), image_of(shape), TileRoom("this test")
    device, plan = Device(network, most), plan_tiles(shape, geometry=network.geometry, tile=tile)
    truth = network.whole(image)
    for attempt in range(2):
        out, written = run(device.steps, image, network.geometry, tile, Streaming(overlapped, room, bound))
        np.testing.assert_array_equal(out, truth)
        assert order(written, plan) == sorted(order(written, plan))
        assert all(count == 1 or count * math.prod(sizes) <= bound for count, sizes, _ in device.tried)
        for (count, sizes, fits), (count_after, sizes_after, _) in itertools.pairwise(device.tried):
            if not fits and count > 1:
                assert (count_after, sizes_after) == ((count + 1) // 2, sizes)
            elif not fits:
                assert math.prod(sizes_after) < math.prod(sizes)
        if attempt:
            assert all(fits for *_, fits in device.tried)  # it is known by now
        device.tried.clear()


def order(written, plan):
    """Return the number of the tile, as planned, that each window was cut from."""

    def holds(keep, window):
        return all(a.start <= b.start < b.stop <= a.stop for a, b in zip(keep, window, strict=True))

    return [next(number for number, part in enumerate(plan) if holds(part.keep, window)) for window in written]


def test_a_function_without_steps_sees_one_window_at_a_time():
    network, image = Neighbours((2, 2)), image_of((40, 30))
    whole = network.whole(image)
    for bound in (0, 10**6):
        out, written = run(network, image, network.geometry, (12, 10), Streaming(batch_pixels=bound))
        np.testing.assert_array_equal(out, whole)
        assert len(network.done) == len(written) > 10
        network.done.clear()


@pytest.mark.parametrize("overlapped", [False, True])
def test_windows_that_are_blended_go_together_too(overlapped):
    image, windows = np.random.default_rng(1).random((2, 33, 41), np.float32), []

    def blended(function, how):
        out = np.full(image.shape, np.inf, np.float32)

        def write(place, values):
            out[:, *place] = np.where(np.isinf(out[:, *place]), values, np.nan)

        run_blended(function, lambda w: image[:, *w], write, shape=(33, 41), window=(8, 10), how=how,
                    progress=lambda *state: windows.append(state))  # fmt: skip
        return out

    def less_its_mean(pixels):
        return pixels - pixels.mean((-2, -1), keepdims=True)

    alone = blended(less_its_mean, ONE_BY_ONE)
    counted, windows = windows, []
    device, room = Device(less_its_mean), TileRoom("this test")
    np.testing.assert_array_equal(blended(device.steps, Streaming(overlapped, room, 7 * 80 + 79)), alone)
    assert [count for count, *_ in device.tried] == [7] * (len(counted) // 7) + [len(counted) % 7]
    assert windows == counted
    device = Device(less_its_mean, most=250)
    np.testing.assert_array_equal(blended(device.steps, Streaming(overlapped, room, 700)), alone)
    assert [(count, fits) for count, _, fits in device.tried[:4]] == [(8, False), (4, False), (2, True), (2, True)]
    assert room.pixels == 160
    device = Device(less_its_mean, most=79)
    with pytest.raises(DeviceFullError, match=r"with 8 x 10 pixels, a window, whose size shows"):
        blended(device.steps, Streaming(overlapped, TileRoom("this test"), 700))
    assert [count for count, *_ in device.tried] == [8, 4, 2, 1]


def test_results_that_are_not_one_for_each_window_are_refused():
    steps = Steps(np.stack, lambda batch: batch[1:], list)
    geometry = Neighbours((2,)).geometry
    with pytest.raises(ModelError, match=r"gave 2 results for a batch of 3 windows"):
        run(steps, image_of((300,)), geometry, (20,), Streaming(batch_pixels=60))
