"""Models run tile by tile: overlapped or not, and where the device's memory runs out, the maps are the same."""

from __future__ import annotations

import logging
import math
import threading

import numpy as np
import pytest
import torch

from bioconv import Failure, runtime, segment
from bioconv.conv.batching import BATCH_PIXELS
from bioconv.conv.device_memory import DeviceFullError
from bioconv.errors import InputError, ModelError
from bioconv.images.image import image_from_array
from bioconv.images.pictures import to_png
from bioconv.segmentation.inference import running
from bioconv.segmentation.inference.choices import Choices, Resources
from bioconv.segmentation.inference.pipeline import Segmenter
from bioconv.segmentation.inference.running import Runner
from bioconv.segmentation.model import from_model_file

SHAPE = (90, 131)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def warnings(caplog, monkeypatch):
    """Return a function from nothing to the warnings of memory so far."""
    monkeypatch.setattr(runtime, "_warned", set())
    monkeypatch.setattr(runtime.logger, "propagate", True)
    caplog.set_level(logging.WARNING, logger="bioconv")
    return lambda: [message for message in caplog.messages if "memory" in message]


def out_of_memory_above(runner, pixels):
    """Let a network run out of memory for batches of more pixels; return the pixels it was given."""
    seen = []

    def look(module, inputs):
        seen.append(inputs[0][:, 0].numel())
        if seen[-1] > pixels:
            raise torch.OutOfMemoryError

    runner.model.network.register_forward_pre_hook(look)
    return seen


def batches_of(runner):
    """Return the shapes of the batches that a network will be given."""
    shapes = []
    runner.model.network.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    return shapes


def refuse(*words, **named):
    message = "attention looks at the whole image"
    raise ModelError(message)


def maps_of(runner, image, tile, batch_pixels=0):
    found = np.full((len(runner.model.labels), *image.shape[1:]), np.nan, np.float32)

    def write(window, values):
        assert np.isnan(found[:, *window]).all()
        found[:, *window] = values

    runner.run(lambda window: image[:, *window], write, shape=image.shape[1:], tile=tile, batch_pixels=batch_pixels)
    return found


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("side", [32, 60, 500])
def test_overlap_changes_no_bit(spot_model, monkeypatch, exact, side):
    if not exact:
        monkeypatch.setattr(running, "network_geometry", refuse)
    image = np.random.default_rng(0).random((1, *SHAPE), np.float32)
    one, both = (Runner.of(from_model_file(spot_model()), overlapped=overlapped) for overlapped in (False, True))
    tile = one.tile(SHAPE, max_bytes=0, side=side)
    np.testing.assert_array_equal(maps_of(both, image, tile), maps_of(one, image, tile))


def test_overlap_changes_no_bit_of_a_volume(spot_model):
    image = np.random.default_rng(0).random((1, 20, 30, 25), np.float32)
    one, both = (Runner.of(from_model_file(spot_model(ndim=3)), overlapped=overlapped) for overlapped in (False, True))
    np.testing.assert_array_equal(maps_of(both, image, (20,) * 3), maps_of(one, image, (20,) * 3))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("shape", "side"), [(SHAPE, 33), ((20, 30, 25), 19)])
def test_tiles_in_batches_give_the_same_maps(spot_model, monkeypatch, exact, shape, side):
    """Blended windows are of an odd size too: they are filled up for the network."""
    if not exact:
        monkeypatch.setattr(running, "network_geometry", refuse)
    image = np.random.default_rng(0).random((2, *shape), np.float32)
    model = from_model_file(spot_model(ndim=len(shape), inputs=("a", "b")))
    runner, tile = Runner.of(model, overlapped=True), (side,) * len(shape)
    shapes = batches_of(runner)
    alone = maps_of(runner, image, tile)
    assert {shape[0] for shape in shapes} == {1}
    count = len(shapes)
    shapes.clear()
    bound = 3 * (side + 1) ** len(shape)
    together = maps_of(runner, image, tile, batch_pixels=bound)
    assert sum(shape[0] for shape in shapes) == count
    assert max(shape[0] for shape in shapes) >= 3
    assert max(shape[0] * math.prod(shape[2:]) for shape in shapes) <= bound
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    assert alone.std() > 0.01


def test_on_the_cpu_nothing_is_overlapped_unless_asked(spot_model):
    model = from_model_file(spot_model())
    assert not Runner.of(model).overlapped
    assert Runner.of(model).streamed_bytes == 0
    assert Runner.of(model).batch_pixels(10**12) == 0
    assert Runner.of(model, overlapped=True).streamed_bytes > 0


def test_a_batch_takes_no_more_memory_than_the_largest_tile(spot_model):
    runner = Runner.of(from_model_file(spot_model()), overlapped=True)
    for max_bytes in (100_000, 10**6, 10**7):
        tile = runner.tile((10**4, 10**4), max_bytes=max_bytes)
        assert math.prod(tile) <= runner.batch_pixels(max_bytes) <= max_bytes / runner.bytes_per_pixel
    assert runner.batch_pixels(10**15) == BATCH_PIXELS


@pytest.mark.parametrize("uncertainty", [None, "mc-dropout"])
def test_small_tiles_of_an_image_go_together_where_a_device_computes(spot_model, spots, uncertainty):
    found, counts = [], []
    for overlapped in (False, True):
        runner = Runner.of(from_model_file(spot_model(dropout=0.3)), overlapped=overlapped)
        shapes = batches_of(runner)
        segmenter = Segmenter([runner], Choices(uncertainty=uncertainty), Resources(tile=32), keep_probabilities=True)
        made = segmenter.segment(image_from_array(spots(SHAPE), axes="YX"))
        found.append(made.all_maps(made.probabilities).astype(np.float32))
        made.close()
        counts.append({shape[0] for shape in shapes})
        assert max(math.prod(shape[2:]) for shape in shapes) <= 32**2
    assert counts[0] == {1}
    assert max(counts[1]) > 3
    assert np.abs(found[0] - found[1]).max() <= 1.01 / 255


def test_memory_of_tiles_on_the_way_is_counted(spot_model, spots):
    tiles = {}
    for overlapped in (False, True):
        runner = Runner.of(from_model_file(spot_model()), overlapped=overlapped)
        segmenter = Segmenter([runner], Choices(), Resources(max_memory=10**12))
        source = image_from_array(spots(), axes="YX")
        view, plan, (scale,), _ = segmenter.plan(source)
        plan = type(plan)(plan.budget, plan.frame_on_disk, plan.results_on_disk, 200_000)
        tile = segmenter._member(runner, view.sample(), view, scale, plan).tile
        # Pixels of the image as read, float32 twice; of a tile on the way there and back, float32 with a copy.
        each = runner.bytes_per_pixel + 8
        if overlapped:
            each += 8 + 8 * (1 + len(runner.model.labels))
        assert math.prod(tile) * each <= 200_000
        tiles[overlapped] = math.prod(tile)
    assert tiles[True] < tiles[False]


@pytest.mark.parametrize("overlapped", [False, True])
@pytest.mark.parametrize("uncertainty", ["entropy", "tta"])
def test_where_memory_runs_out_the_labels_are_the_same(spot_model, spots, warnings, overlapped, uncertainty):
    """Of several passes sums are kept: a tile that was written twice would show."""

    def segmented(most):
        runner = Runner.of(from_model_file(spot_model()), overlapped=overlapped)
        seen = out_of_memory_above(runner, most)
        segmenter = Segmenter([runner], Choices(uncertainty=uncertainty), Resources(), keep_probabilities=True)
        results = [segmenter.segment(image_from_array(spots(SHAPE), axes="YX")) for _ in range(2)]
        return results, seen

    whole, _ = segmented(math.inf)
    assert not warnings()
    small, seen = segmented(2500)
    assert warnings() == ["cpu is out of memory: going on with less at once, results as before"]
    assert 0 < sum(size > 2500 for size in seen) <= 4
    assert max(seen[len(seen) // 2 :]) <= 2500  # the second image began with what the first had found
    assert max(seen) > 4 * 2500
    for one, other in zip(small, whole, strict=True):
        np.testing.assert_array_equal(one.all_labels(), other.all_labels())
        difference = one.all_maps(one.probabilities) - other.all_maps(other.probabilities)
        assert np.abs(difference).max() <= 1.01 / 255
        assert one.review["score"] == pytest.approx(other.review["score"], rel=1e-3)
        assert math.prod(one.facts["tile"]) <= 2500 < math.prod(other.facts["tile"])
        one.close()
        other.close()


@pytest.mark.parametrize("overlapped", [False, True])
def test_smallest_tile_that_does_not_fit_fails_the_image_by_name(spot_model, spots, overlapped):
    runner = Runner.of(from_model_file(spot_model()), overlapped=overlapped)
    out_of_memory_above(runner, 10)
    segmenter = Segmenter([runner], Choices(), Resources())
    source = image_from_array(spots(), axes="YX")
    with pytest.raises(InputError, match=r"^array: --device cpu: out of memory with .* the smallest tile.*--device"):
        segmenter.segment(source)


def test_a_folder_goes_on_after_an_image_that_does_not_fit(spot_model, spots, tmp_path, monkeypatch):
    for name, shape in (("a", (60, 80)), ("b", (10, 12))):
        (tmp_path / f"{name}.png").write_bytes(to_png(spots(shape)))
    prepare = Runner.of.__func__

    def of(cls, model):
        runner = prepare(cls, model)
        out_of_memory_above(runner, 150)
        return runner

    monkeypatch.setattr(Runner, "of", classmethod(of))
    large, small = segment(tmp_path, model=from_model_file(spot_model()))
    assert isinstance(large, Failure)
    assert large.reason.startswith(f"{tmp_path / 'a.png'}: --device cpu: out of memory")
    assert small.labels.shape == (10, 12)


def test_a_window_that_is_blended_is_never_made_smaller(spot_model, monkeypatch):
    monkeypatch.setattr(running, "network_geometry", lambda *_, **__: (_ for _ in ()).throw(ModelError("no")))
    image = np.zeros((1, *SHAPE), np.float32)
    for overlapped in (False, True):
        runner = Runner.of(from_model_file(spot_model()), overlapped=overlapped)
        out_of_memory_above(runner, 1500)
        said = r"with 64 x 64 pixels, a window, whose size shows in the result.*a smaller --tile or --device cpu"
        with pytest.raises(DeviceFullError, match=said):
            maps_of(runner, image, (64, 64))
        assert not np.isnan(maps_of(runner, image, (32, 32))).any()


def test_errors_of_the_image_come_out_of_an_overlapped_run(spot_model, spots):
    segmenter = Segmenter([Runner.of(from_model_file(spot_model()), overlapped=True)], Choices(), Resources(tile=32))
    source = image_from_array(spots(SHAPE), axes="YX")
    plain = source.read
    count = iter(range(100))

    def read(window):
        if next(count) == 6:
            message = "strip 7 is damaged"
            raise InputError(message)
        return plain(window)

    source.read = read
    with pytest.raises(InputError, match=r"^strip 7 is damaged$"):
        segmenter.segment(source)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_copies_on_other_streams_change_nothing(spot_model):
    image = np.random.default_rng(0).random((1, *SHAPE), np.float32)
    runner = Runner.of(from_model_file(spot_model(), device="cuda:0"))
    assert runner.overlapped
    plain = maps_of(Runner.of(from_model_file(spot_model(), device="cuda:0"), overlapped=False), image, (40, 40))
    for _ in range(20):
        np.testing.assert_array_equal(maps_of(runner, image, (40, 40)), plain)
    on_cpu = maps_of(Runner.of(from_model_file(spot_model())), image, (40, 40))
    np.testing.assert_allclose(plain, on_cpu, atol=2e-3)
    together = maps_of(runner, image, (40, 40), batch_pixels=4 * 40**2)
    np.testing.assert_allclose(together, plain, atol=2e-3)
    seen = out_of_memory_above(runner, 1000)
    np.testing.assert_allclose(maps_of(runner, image, (40, 40)), plain, atol=2e-3)
    assert max(seen) > 1000 > min(seen)
