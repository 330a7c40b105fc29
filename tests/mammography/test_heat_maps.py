"""Grad-CAM beside its closed form and finite differences; the map's place on the original grid."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from bioconv.datasets.mammography_phantom import synthetic_mammograms
from torch import nn
from torch.nn import functional

from bioconv.mammography.heat_maps import HeatMap, grad_cam, heat_map
from bioconv.mammography.model import load_classification_model
from bioconv.mammography.pictures import draw_heat, shrunk
from bioconv.mammography.preparation import Preparation, prepare
from bioconv.mammography.views import View
from bioconv.training.normalisation import Normalisation


class Pooled(nn.Module):
    """Convolutions, mean over the map, then a linear layer or a small network."""

    def __init__(self, head):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 5, 3, 2, 1), nn.Tanh(), nn.Conv2d(5, 4, 3, 2, 1), nn.Tanh())
        self.head = head

    def features(self, images):
        return self.body(images)

    def classify(self, maps):
        return self.head(maps.mean((2, 3)))

    def forward(self, images):
        return self.classify(self.features(images))


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return make().eval(), torch.rand(1, 1, 24, 20)


@pytest.mark.parametrize("output", [0, 2])
def test_mean_and_linear_have_a_closed_form(output):
    network, images = seeded(lambda: Pooled(nn.Linear(4, 3)))
    found = grad_cam(network, images, output=output)
    with torch.no_grad():
        maps = network.features(images)[0].numpy()
        weights = network.head.weight[output].numpy()
    area = maps.shape[1] * maps.shape[2]
    expected = np.clip(sum(weight * own for weight, own in zip(weights, maps, strict=True)) / area, 0, None)
    assert found.shape == (6, 5)
    assert 0 < (expected > 0).mean() < 1
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_a_hidden_layer_by_finite_differences():
    network, images = seeded(lambda: Pooled(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))))
    found = grad_cam(network, images, output=1)
    network = network.double()
    with torch.no_grad():
        maps = network.features(images.double())
        weights, step = torch.zeros(4, dtype=torch.float64), 1e-4
        for channel in range(4):
            for y in range(maps.shape[2]):
                for x in range(maps.shape[3]):
                    moved = torch.zeros_like(maps)
                    moved[0, channel, y, x] = step
                    rise = network.classify(maps + moved)[0, 1] - network.classify(maps - moved)[0, 1]
                    weights[channel] += rise / (2 * step) / maps[0, 0].numel()
        expected = (weights[:, None, None] * maps[0]).sum(0).clamp(min=0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_network_is_left_as_it_was(mass_model):
    model = load_classification_model(mass_model)
    image = np.random.default_rng(0).random((1, 64, 48), np.float32)
    before = model.logits(image[None])
    heat = heat_map(model, image)
    np.testing.assert_array_equal(model.logits(image[None]), before)
    assert all(parameter.grad is None for parameter in model.network.parameters())
    assert heat.values.shape == (64, 48)
    assert heat.values.dtype == np.float32
    assert heat.values.min() >= 0
    assert heat.values.max() <= 1


def test_what_lowers_the_score_is_not_shown():
    network, images = seeded(lambda: Pooled(nn.Linear(4, 1)))
    with torch.no_grad():
        network.head.weight.zero_()
    assert not grad_cam(network, images, output=0).any()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("number", [0, 1])
def test_the_map_lies_where_the_mass_is(number, mirrored):
    """With a detector of bright spots: on the original grid, whichever way the image was flipped."""
    phantom = synthetic_mammograms(21, shape=(256, 200), masses={"L": 0.7, "R": 0.7})[number]
    pixels = phantom.pixels[:, ::-1] if mirrored else phantom.pixels
    network = Pooled(nn.Linear(1, 1, bias=False))
    network.body = nn.Sequential(nn.AvgPool2d(5, 2, 2), nn.Threshold(0.9, 0.0))
    with torch.no_grad():
        network.head.weight.fill_(1.0)
    view = View(None, "p", "", phantom.laterality, phantom.view)
    prepared = prepare(pixels, view, Preparation(size=(128, 96)))
    model = SimpleNamespace(network=network, normalisation=Normalisation(np.zeros(1), np.ones(1)))
    heat = heat_map(model, prepared.pixels)
    assert heat.coarse == (64, 48)
    warm = prepared.placement.restore(heat.values)
    assert warm.shape == pixels.shape
    middle = np.argwhere(warm > 0.5).mean(0)
    column = 199 - phantom.mass[1] if mirrored else phantom.mass[1]
    assert np.hypot(*(middle - [phantom.mass[0], column])) < 6  # the brighter side of the mass is what is seen


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("spot", [(90, 60), (190, 31)])
def test_a_coarse_map_is_not_displaced(spot, mirrored):
    """Four halvings whose values lie on pixels 16 j: taken for the middles of 16 pixels they would be 7.5 too far."""
    y, x = np.indices((300, 220))
    pixels = np.where(((y - 150) / 120) ** 2 + (x / 150) ** 2 < 1, 0.3 - x / 2000, 0.0)
    pixels[np.hypot(y - spot[0], x - spot[1]) < 12] = 1
    pixels = pixels[:, ::-1] if mirrored else pixels
    prepared = prepare(pixels, View(None, "p", "", "L", "CC"), Preparation(size=(256, 192)))
    assert prepared.flipped == mirrored
    network = Pooled(nn.Linear(1, 1, bias=False))
    network.body = nn.Sequential(nn.Threshold(0.9, 0.0), *(nn.AvgPool2d(3, 2, 1) for _ in range(4)))
    with torch.no_grad():
        network.head.weight.fill_(1.0)
    model = SimpleNamespace(network=network, normalisation=Normalisation(np.zeros(1), np.ones(1)))
    heat = heat_map(model, prepared.pixels)
    assert heat.coarse == (16, 12)
    found = centre(prepared.placement.restore(heat.values))
    np.testing.assert_allclose(found, [spot[0], 219 - spot[1] if mirrored else spot[1]], atol=2)


def centre(plane):
    return np.array([(np.indices(plane.shape)[axis] * plane).sum() / plane.sum() for axis in (0, 1)])


def test_without_padding_it_is_the_even_spread_of_torch():
    """2x2 poolings put each value in the middle of its square, as bilinear growth does."""
    network, images = seeded(lambda: Pooled(nn.Linear(1, 1, bias=False)))
    network.body = nn.Sequential(nn.AvgPool2d(2), nn.AvgPool2d(2))
    with torch.no_grad():
        network.head.weight.fill_(1.0)
        coarse = network.body(images)
        expected = functional.interpolate(coarse / coarse.max(), size=[24, 20], mode="bilinear", align_corners=False)
    heat = heat_map(
        SimpleNamespace(network=network, normalisation=Normalisation(np.zeros(1), np.ones(1))), images[0].numpy()
    )
    np.testing.assert_allclose(heat.values, expected[0, 0].numpy(), atol=1e-6)


def drawn(background):
    phantom = synthetic_mammograms(4, shape=(200, 160))[1]
    view = View(None, "p", "", "L", "CC")
    prepared = prepare(phantom.pixels, view, Preparation(size=(100, 80), crop=False, background=background))
    heat = heat_map_of(np.zeros((100, 80), np.float32))
    return phantom, draw_heat(phantom.pixels, prepared, heat), prepared


def heat_map_of(values):
    return HeatMap(values, 1.0, values.shape)


def test_letters_that_the_network_did_not_read_are_not_drawn():
    phantom, picture, _ = drawn("zero")
    _, whole, _ = drawn("keep")
    letters = (phantom.pixels > 0.9) & ~phantom.breast
    assert letters.sum() > 20
    assert whole[letters].min() > 200
    assert picture[letters].max() == 0
    np.testing.assert_array_equal(picture[phantom.breast], whole[phantom.breast])


def test_heat_is_laid_over_greys():
    phantom, cold, prepared = drawn("keep")
    assert (cold == cold[..., :1]).all()  # grey where nothing is hot
    low, high = prepared.window
    expected = np.clip((phantom.pixels - low) / (high - low), 0, 1) * 255
    assert np.abs(cold[..., 0] - expected).max() <= 1
    hot = draw_heat(phantom.pixels, prepared, heat_map_of(np.ones((100, 80), np.float32)))
    share = 0.45 * expected[..., None] + 0.55 * np.array([255, 235, 90])
    assert np.abs(hot - share).max() <= 1


@pytest.mark.parametrize("shape", [(64, 48), (641, 100), (1300, 900)])
def test_small_pictures_keep_the_mean(shape):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    small = shrunk(picture, 640)
    assert max(small.shape[:2]) <= 640
    factor = shape[0] // small.shape[0]
    block = picture[:factor, :factor].reshape(-1, 3).mean(0)
    assert np.abs(small[0, 0] - block).max() <= 0.5 + 1e-9
