"""One image from pixels to labels: against the network run by hand, and whatever the tile, the memory and the turn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from bioconv.conv.tiles import cut_axis
from bioconv.errors import InputError, ModelError, OptionError
from bioconv.images.image import image_from_array
from bioconv.segmentation.inference import pipeline, running
from bioconv.segmentation.inference.choices import Choices, Resources
from bioconv.segmentation.inference.pipeline import Segmenter
from bioconv.segmentation.inference.running import Runner
from bioconv.segmentation.model import from_model_file


@pytest.fixture
def run(spot_model, tmp_path):
    """Return a function that segments an array; the result is closed after the test."""
    opened = []

    def segment(image, *, axes="YX", models=None, resources=None, keep=False, spacing=None, **choices):
        runners = [Runner.of(from_model_file(file)) for file in models or [spot_model()]]
        resources = resources or Resources(folder=tmp_path)
        segmenter = Segmenter(runners, Choices(**choices), resources, keep_probabilities=keep)
        source = image_from_array(image, axes=axes, spacing=spacing, unit="um" if spacing else "")
        opened.append(segmenter.segment(source))
        return opened[-1]

    yield segment
    for one in opened:
        one.close()


def by_hand(file, image):
    """Probabilities of a gray image (Y, X) of even sizes, straight from the network that training would use."""
    model = from_model_file(file)
    scaled = (image.astype(np.float32) - image.min()) / (image.max() - image.min())
    with torch.no_grad():
        logits = model.network(torch.from_numpy(scaled)[None, None])
    return model.objective.probabilities(logits)[0].numpy()


def test_objects_are_the_bright_spots(run, spots, spot_model):
    image = spots()
    result = run(image, keep=True)
    truth, count = ndimage.label(np.rint(by_hand(spot_model(), image)[0] * 255) >= 128)
    assert (result.objects, count) == (12, 12)
    np.testing.assert_array_equal(result.all_labels(), truth)
    np.testing.assert_allclose(
        result.all_maps(result.probabilities), by_hand(spot_model(), image), atol=0.5 / 255 + 1e-5
    )
    assert result.covered == [int((truth > 0).sum())]


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_classes_are_those_of_the_largest_map(run, spots, spot_model, kind):
    image = spots()
    maps = by_hand(spot_model(kind), image)
    truth = maps[0] >= 0.5 if kind == "binary" else maps.argmax(0)
    result = run(image, models=[spot_model(kind)])
    assert set(np.unique(truth)) == ({0, 1} if kind == "binary" else {0, 1, 2})
    unclear = np.abs(np.diff(np.sort(maps, axis=0)[-2:], axis=0)[0]) < 0.01 if kind == "classes" else False
    np.testing.assert_array_equal(result.all_labels() * ~np.asarray(unclear), truth * ~np.asarray(unclear))
    assert result.objects is None


@pytest.mark.parametrize("kind", ["instances", "binary"])
def test_tiles_and_memory_change_nothing(run, spots, spot_model, tmp_path, kind, monkeypatch):
    image = spots((700, 660))
    whole = run(image, models=[spot_model(kind)], keep=True, uncertainty="entropy")
    monkeypatch.setattr(pipeline, "resident_bytes", lambda: 0)
    resources = Resources(max_memory=70_000_000, tile=200, folder=tmp_path)
    strips = run(image, models=[spot_model(kind)], resources=resources, keep=True, uncertainty="entropy")
    assert (whole.facts["on_disk"], strips.facts["on_disk"]) == (False, True)
    assert whole.facts["tile"] == [700, 660]
    np.testing.assert_array_equal(strips.all_labels(), whole.all_labels())
    difference = strips.all_maps(strips.probabilities) - whole.all_maps(whole.probabilities)
    assert np.abs(difference).max() <= 1.01 / 255  # a level, where a sum rounds the other way
    assert strips.review["score"] == pytest.approx(whole.review["score"], rel=1e-3)
    assert whole.all_labels().max() == (35 * 33 if kind == "instances" else 1)


def test_the_mask_is_on_the_original_grid(run, spots):
    small = run(spots(dtype=np.float32))
    large = run(np.kron(spots(dtype=np.float32), np.ones((2, 2), np.float32)), diameter=24.0)
    assert large.facts["scale"] == [0.5]
    assert large.all_labels().shape == (120, 160)
    assert large.objects == small.objects == 12
    ratio = np.bincount(large.all_labels().ravel())[1:] / np.bincount(small.all_labels().ravel())[1:]
    np.testing.assert_allclose(ratio, 4, rtol=0.12)  # the outline moves by a fraction of a pixel


def test_spacing_scales_to_the_models(run, spots, spot_model):
    image = np.kron(spots(dtype=np.float32), np.ones((2, 2), np.float32))
    model = spot_model(spacing=0.5)
    assert run(image, models=[model], spacing=(0.25, 0.25)).facts["scale"] == [0.5]
    assert run(image, models=[model], pixel_size=0.25).facts["scale"] == [0.5]
    assert run(image, models=[model], pixel_size=0.25, spacing=(0.5, 0.5)).facts["scale"] == [1.0]
    unknown = run(image, models=[model])
    assert unknown.facts["scale"] == [1.0]
    assert any("--pixel-size" in warning for warning in unknown.warnings)
    assert run(image, models=[model], pixel_size=0.25).info.spacing == (0.25, 0.25)


def test_planes_are_gone_through_and_joined(run, spots):
    plane = spots()
    other = np.roll(plane, 3, axis=1)
    stack = np.stack([plane, other, np.zeros_like(plane) + 20, plane])
    apart = run(stack, axes="ZYX")
    assert apart.label_shape == (4, 60, 80)
    labels = apart.all_labels()
    assert apart.objects == 36
    assert not set(np.unique(labels[0])[1:]) & set(np.unique(labels[1])[1:])
    joined = run(stack, axes="ZYX", stitch_z=0.3)
    assert joined.objects == 24
    assert set(np.unique(joined.all_labels()[0])) == set(np.unique(joined.all_labels()[1]))
    assert run(stack[None], axes="TZYX", stitch_z=0.3).objects == 24
    assert run(plane, stitch_z=0.3).objects == 12  # nothing to join


def test_volumes(run, spots, spot_model):
    volume = np.zeros((8, 60, 80), np.uint8) + spots()[None] // 8
    volume[2:6] = spots()
    result = run(volume, axes="ZYX", models=[spot_model(ndim=3)], uncertainty="entropy")
    assert result.objects == 12
    assert result.all_labels()[3].any()
    assert not result.all_labels()[0].any()
    with pytest.raises(InputError, match="reads volumes"):
        run(spots(), models=[spot_model(ndim=3)])


def test_one_channel_is_chosen_never_guessed(run, spots):
    image = np.stack([np.zeros((60, 80), np.uint8), spots()])
    with pytest.raises(InputError, match=r"2 channels .*--channel"):
        run(image, axes="CYX")
    assert run(image, axes="CYX", channel="1").objects == 12
    assert run(image, axes="CYX", channel="0").objects == 0


def test_a_turned_image_gives_a_turned_mask(run, spots):
    image = spots((60, 84))
    image[10:30, 5:12] = 180
    plain = run(image, uncertainty="tta")
    turned = run(np.rot90(image).copy(), uncertainty="tta")
    np.testing.assert_array_equal(turned.all_labels() > 0, np.rot90(plain.all_labels() > 0))
    np.testing.assert_array_equal(turned.uncertainty.read()[0], np.rot90(plain.uncertainty.read()[0]))
    assert plain.review["mutual_information"] >= 0


def test_an_ensemble_averages_maps(run, spots, spot_model):
    image, files = spots(), [spot_model(level=0.3, name="a"), spot_model(level=0.6, name="b")]
    both = run(image, models=files, keep=True)
    mean = (by_hand(files[0], image) + by_hand(files[1], image)) / 2
    np.testing.assert_allclose(both.all_maps(both.probabilities), mean, atol=1.1 / 255)
    with pytest.raises(OptionError, match="cannot be averaged"):
        run(image, models=[files[0], spot_model("binary")])


def test_dropout_is_the_same_whatever_the_tile_and_another_by_seed(run, spots, spot_model, tmp_path):
    files = [spot_model(dropout=0.5)]
    first, tiled = (
        run(spots(), models=files, uncertainty="mc-dropout", resources=Resources(tile=tile, folder=tmp_path))
        for tile in (None, 32)
    )
    np.testing.assert_array_equal(tiled.uncertainty.read(), first.uncertainty.read())
    other = run(spots(), models=files, uncertainty="mc-dropout", seed=1)
    assert (other.uncertainty.read() != first.uncertainty.read()).any()
    with pytest.raises(ModelError, match="no dropout"):
        run(spots(), uncertainty="mc-dropout")


def test_small_objects_and_those_at_the_border_are_left_out(run, spots, spot_model):
    image = np.roll(spots(), -10, axis=0)
    image[48:52, 36:42] = 220
    full = run(image)
    sizes = np.bincount(full.all_labels().ravel())[1:]
    least = int(np.sort(sizes)[1])
    assert run(image, min_size=least + 1).objects < full.objects
    inner = run(image, drop_border=True)
    edge = set(np.unique(full.all_labels()[[0, -1]])) | set(np.unique(full.all_labels()[:, [0, -1]]))
    assert len(edge) > 1
    assert inner.objects == full.objects - len(edge - {0})
    assert not inner.all_labels()[[0, -1]].any()
    assert set(np.unique(inner.all_labels())) == set(range(inner.objects + 1))
    binary = run(image, models=[spot_model("binary")], drop_border=True, min_size=40)
    assert ndimage.label(binary.all_labels())[1] == (np.bincount(inner.all_labels().ravel())[1:] >= 40).sum()


def test_what_is_no_number_is_refused(run, spots):
    image = spots(dtype=np.float32)
    image[3, 4] = np.nan
    with pytest.raises(InputError, match="1 of 4800 pixels are not finite"):
        run(image)


def test_an_empty_image_is_said_to_be_empty(run):
    result = run(np.full((40, 40), 7, np.uint16))
    assert result.objects == 0
    assert result.warnings == ["nothing was found in it"]


@pytest.mark.parametrize(
    ("choices", "said"),
    [({"threshold": 1.5}, "--threshold"), ({"diameter": -1.0}, "--diameter"), ({"stitch_z": 0.0}, "--stitch-z")],
)
def test_choices_that_make_no_sense(run, spots, choices, said):
    with pytest.raises(OptionError, match=said):
        run(spots(), **choices)


def test_a_tile_of_which_nothing_is_kept_is_refused_at_once(run, spot_model, tmp_path):
    """Whatever the size of the image: the next one may be larger. The least that will do cuts a long axis."""
    runner = Runner.of(from_model_file(spot_model()))
    stride, margin = runner.geometry.stride[0], runner.geometry.margin[0]

    def cuts(tile):
        try:
            return bool(cut_axis(10_000, stride=stride, margin=margin, tile=tile))
        except OptionError:
            return False

    least = next(tile for tile in range(1, 10_000) if cuts(tile))
    with pytest.raises(OptionError, match=rf"a tile of 1 pixels is too small for .*; give {least} or more"):
        run(np.zeros((1, 1), np.uint8), resources=Resources(tile=1, folder=tmp_path))
    runner.check_tile(least)
    with pytest.raises(OptionError):
        runner.check_tile(least - 1)


def test_a_network_that_cannot_be_tiled_exactly_is_blended(run, spots, monkeypatch, tmp_path):
    def refuse(*words, **named):
        message = "attention looks at the whole image"
        raise ModelError(message)

    whole = run(spots((80, 120)))
    monkeypatch.setattr(running, "network_geometry", refuse)
    blended = run(spots((80, 120)), resources=Resources(tile=64, folder=tmp_path))
    assert blended.objects == whole.objects == 24
    assert blended.facts["tile"] == [64, 64]
    assert (blended.all_labels() == whole.all_labels()).mean() > 0.99


def test_memory_of_a_network_is_that_of_its_largest_tensors():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 1, 1)).eval()
    # The image is still held (4 bytes), eight maps before and eight after the rectifier.
    expected = 4 * (1 + 8 + 8)
    assert running.bytes_per_pixel(network, 1, 2, 1) / running._WORKSPACE == pytest.approx(expected, abs=5)


def test_too_little_memory_is_said(run, spots):
    with pytest.raises(OptionError, match=r"leaves too little.*give [\d.]+GB"):
        run(spots(), resources=Resources(max_memory=10**6))
