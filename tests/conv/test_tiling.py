"""Tiled results against whole ones: random networks, sizes, tiles; and what a plan of tiles promises."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv.arithmetic import Geometry, round_up
from bioconv.conv.geometry import network_geometry
from bioconv.conv.tiles import cut_axis, plan_tiles, smallest_tile, tile_for_memory
from bioconv.conv.tiling import run_tiled
from bioconv.errors import ModelError, OptionError
from tests.conv.random_networks import CHANNELS, networks


def applied(network, pixels):
    with torch.no_grad():
        return network(torch.from_numpy(pixels).double()[None])[0].numpy()


def whole_result(network, image, stride):
    """The definition: the edge repeated at the end of each axis up to the stride, run at once, cropped."""
    shape = image.shape[1:]
    beyond = [(0, round_up(size, step) - size) for size, step in zip(shape, stride, strict=True)]
    result = applied(network, np.pad(image, [(0, 0), *beyond], mode="edge"))
    return result[:, *(slice(size) for size in shape)]


def tiled_result(network, image, geometry, tile):
    """The tiled result, where pixels that are written twice or never give NaN."""
    out = np.full((CHANNELS, *image.shape[1:]), np.inf)

    def write(window, values):
        out[:, *window] = np.where(np.isinf(out[:, *window]), values, np.nan)

    run_tiled(
        lambda pixels: applied(network, pixels),
        lambda window: image[:, *window],
        write,
        shape=image.shape[1:],
        geometry=geometry,
        tile=tile,
    )
    return out


@st.composite
def cases(draw):
    ndim = draw(st.integers(1, 3))
    network = draw(networks(ndim))
    geometry = network_geometry(network, ndim=ndim, channels=CHANNELS)
    longest = (300, 60, 16)[ndim - 1]
    long_axis = draw(st.integers(0, ndim - 1))
    shape, tile = [], []
    for axis, smallest in enumerate(smallest_tile(geometry)):
        more = draw(st.integers(0, 3 * geometry.stride[axis]))
        tile.append(smallest + more)
        cut = smallest + more + draw(st.integers(0, 3 * smallest))  # an axis that needs several tiles
        shape.append(min(cut, longest) if axis == long_axis else draw(st.integers(1, min(12, longest))))
    return network, geometry, tuple(shape), tuple(tile), draw(st.integers(0, 2**16))


@given(cases())
@settings(max_examples=120)
def test_tiled_is_whole(case):
    network, geometry, shape, tile, seed = case
    image = np.random.default_rng(seed).normal(size=(CHANNELS, *shape)).astype(np.float32)
    whole = whole_result(network, image, geometry.stride)
    tiled = tiled_result(network, image, geometry, tile)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-11 * max(1, np.abs(whole).max()))


@pytest.mark.slow
@given(cases())
@settings(max_examples=1500)
def test_tiled_is_whole_more_often(case):
    test_tiled_is_whole.hypothesis.inner_test(case)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 5), (16, 208), (209, 130)])
def test_small_and_uneven_images_in_float32(shape):
    """A U-Net that halves twice, on images down to one pixel, as it ships: in float32, to rounding."""
    torch.manual_seed(0)
    down = torch.nn.Sequential(torch.nn.Conv2d(CHANNELS, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    deep = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, 2, 1), torch.nn.ReLU(), torch.nn.ConvTranspose2d(8, 8, 2, 2))
    up = torch.nn.Sequential(torch.nn.Upsample(scale_factor=2, mode="bilinear"), torch.nn.Conv2d(8, CHANNELS, 3, 1, 1))
    network = torch.nn.Sequential(down, deep, up).eval()
    geometry = network_geometry(network, ndim=2, channels=CHANNELS)
    image = np.random.default_rng(1).normal(size=(CHANNELS, *shape)).astype(np.float32)
    tiled = tiled_result(network.double(), image, geometry, (40, 44))
    whole = whole_result(network, image, geometry.stride)
    network.float()

    def single(pixels):
        with torch.no_grad():
            return network(torch.from_numpy(pixels)[None])[0].numpy()

    np.testing.assert_allclose(tiled, whole, atol=1e-12)
    out = np.zeros((CHANNELS, *shape), np.float32)

    def write(window, values):
        out[:, *window] = values

    run_tiled(single, lambda w: image[:, *w], write, shape=shape, geometry=geometry, tile=(40, 44))
    np.testing.assert_allclose(out, whole, atol=1e-5 * np.abs(whole).max())


axes = st.tuples(
    st.integers(1, 2000), st.integers(1, 32), st.tuples(st.integers(0, 100), st.integers(0, 100)), st.integers(0, 300)
)


@given(axes)
def test_a_cut_axis_keeps_every_pixel_once_and_only_what_is_known(axis):
    size, stride, (before, after), more = axis
    geometry = Geometry((stride,), (100,), ((before, after),))
    tile = smallest_tile(geometry)[0] + more
    cuts = cut_axis(size, stride=stride, margin=(before, after), tile=tile)
    padded = round_up(size, stride)
    assert [cut.first for cut in cuts] == [0, *(cut.last for cut in cuts[:-1])]
    assert cuts[-1].last == size
    for cut in cuts:
        assert cut.start % stride == cut.stop % stride == 0
        assert 0 <= cut.start < cut.stop <= padded
        assert cut.stop - cut.start <= tile
        assert cut.first < cut.last
        assert cut.start == 0 or cut.start + before <= cut.first
        assert cut.stop == padded or cut.last <= cut.stop - after


@given(axes)
def test_no_fewer_tiles_would_do(axis):
    """A tile longer than the first is kept for less than its length; so this many starts are needed."""
    size, stride, margin, more = axis
    tile = (sum(margin) + stride - 1) // stride * stride + stride + more
    count, reached, start = 1, tile // stride * stride, 0
    while reached < round_up(size, stride):  # the greedy walk: each tile as long as allowed
        start = (reached - sum(margin)) // stride * stride
        assert start > 0
        reached = start + tile // stride * stride
        count += 1
    assert len(cut_axis(size, stride=stride, margin=margin, tile=tile)) == count


def test_tiles_are_even_not_a_large_one_and_a_rest():
    cuts = cut_axis(4096, stride=16, margin=(80, 80), tile=4000)
    assert [cut.stop - cut.start for cut in cuts] == [2128, 2128]


def test_the_image_is_read_within_its_bounds_and_its_edge_repeated():
    windows, seen = [], []
    image = np.arange(10, dtype=np.uint16)[None]

    def read(window):
        windows.append(window)
        return image[:, *window]

    def function(pixels):
        seen.append(pixels)
        return pixels

    geometry, out = Geometry((4,), (0,)), np.zeros(10)

    def write(window, values):
        out[window] = values[0]

    done = []
    run_tiled(
        function, read, write, shape=(10,), geometry=geometry, tile=(8,), progress=lambda *state: done.append(state)
    )
    assert windows == [(slice(0, 8),), (slice(8, 10),)]
    assert seen[1].dtype == np.float32
    assert seen[1].tolist() == [[8, 9, 9, 9]]
    assert out.tolist() == list(range(10))
    assert done == [(1, 2), (2, 2)]


def test_an_output_of_another_size_is_refused():
    with pytest.raises(ModelError, match=r"\(1, 7\) for a window \(8,\)"):
        run_tiled(
            lambda x: x[:, 1:],
            lambda w: np.zeros((1, 8)),
            lambda *_: None,
            shape=(8,),
            geometry=Geometry((4,), (0,)),
            tile=(8,),
        )


@pytest.mark.parametrize(
    ("shape", "tile", "message"),
    [
        ((100,), (27,), r"tile of 27 pixels.*stride 4.*give 28 or more"),
        ((0,), (64,), "axis of 0 pixels"),
        ((100, 100), (64,), "do not go together"),
    ],
)
def test_tiles_that_cannot_be(shape, tile, message):
    with pytest.raises(OptionError, match=message):
        plan_tiles(shape, geometry=Geometry((4,), (12,)), tile=tile)


def test_a_geometry_that_makes_no_sense():
    for wrong in (((0,), (1,)), ((), ()), ((1, 1), (1,)), ((1,), (-1,))):
        with pytest.raises(OptionError, match="makes no sense"):
            Geometry(*wrong)


memories = st.integers(1, 3).flatmap(
    lambda ndim: st.tuples(
        st.lists(st.integers(1, 250), min_size=ndim, max_size=ndim),
        st.lists(st.integers(1, 9), min_size=ndim, max_size=ndim),
        st.lists(st.integers(0, 20), min_size=ndim, max_size=ndim),
        st.floats(1, 100),
        st.integers(10, 10**8),
    )
)


@given(memories)
@settings(max_examples=200)
def test_the_largest_tile_that_fits(case):
    shape, stride, reach, each, memory = case
    geometry = Geometry(tuple(stride), tuple(reach))
    most = [round_up(size, step) for size, step in zip(shape, stride, strict=True)]
    least = [min(*pair) for pair in zip(smallest_tile(geometry), most, strict=True)]
    if np.prod(least) * each > memory:
        with pytest.raises(OptionError, match=r"too few.*--max-memory"):
            tile_for_memory(memory, geometry, bytes_per_pixel=each, shape=tuple(shape))
        return
    tile = tile_for_memory(memory, geometry, bytes_per_pixel=each, shape=tuple(shape))
    assert plan_tiles(tuple(shape), geometry=geometry, tile=tile)
    assert np.prod(tile) * each <= memory
    assert all(side % step == 0 and side <= high for side, step, high in zip(tile, stride, most, strict=True))
    # It cannot grow: all shorter axes made one stride longer together are too much, or the image is whole.
    shortest = min((side for side, high in zip(tile, most, strict=True) if side < high), default=None)
    if shortest is not None:
        longer = [
            min(high, side + step) if side < high else side for side, step, high in zip(tile, stride, most, strict=True)
        ]
        assert np.prod(longer) * each > memory


def test_the_documented_example_gives_the_whole_result():
    page = (Path(__file__).parents[2] / "docs/tiling.md").read_text()
    names: dict[str, object] = {}
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code.replace("np.zeros((1, 500, 700)", "np.random.default_rng(0).random((1, 500, 700)"), names)
    assert np.prod(names["tile"]) < 500 * 700 / 1.5
    with torch.no_grad():
        whole = names["network"](torch.from_numpy(names["image"])[None])[0].numpy()
    np.testing.assert_allclose(names["logits"], whole, atol=1e-5)
