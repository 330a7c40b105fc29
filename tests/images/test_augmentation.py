"""Draws: their distribution, their JSON, what is refused."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

from bioconv.errors import OptionError
from bioconv.images.augmentation import Augmentation, Draw, draw

EVERYTHING = Augmentation(
    flips=True, quarter_turns=True, rotation_degrees=30, tilt_degrees=10, zoom=(0.5, 2), shear=0.1, elastic_pixels=3,
    gain=0.2, channel_gain=0.1, offset=0.1, channel_offset=0.05, gamma=0.3, blur_pixels=1.5, noise=0.1, stain=0.05,
)  # fmt: skip


def draws(augmentation, count=2000, ndim=2, channels=3):
    rng = np.random.default_rng(3)
    return [draw(augmentation, rng, ndim=ndim, channels=channels) for _ in range(count)]


@pytest.mark.parametrize(("ndim", "channels"), [(2, 1), (2, 5), (3, 2)])
def test_the_defaults_draw_nothing(ndim, channels):
    drawn = draw(Augmentation(), np.random.default_rng(0), ndim=ndim, channels=channels)
    seeds = {"elastic_seed", "noise_seed"}
    assert {n: v for n, v in drawn.to_json().items() if n not in seeds} == {
        n: v for n, v in Draw().to_json().items() if n not in seeds
    }


def test_everything_is_drawn_in_3d():
    names = {field.name for field in fields(Draw)}
    found, none = [d.to_json() for d in draws(EVERYTHING, 10, ndim=3)], Draw().to_json()
    assert [name for name in names if all(drawn[name] == none[name] for drawn in found)] == ["elastic_scale"]


def test_distributions():
    found = draws(EVERYTHING)

    def column(name):
        return np.array([getattr(d, name) for d in found])

    np.testing.assert_allclose(column("flips").mean(0), 0.5, atol=0.05)
    np.testing.assert_allclose(np.bincount(column("quarter_turns")) / 2000, 0.25, atol=0.05)
    for name, low, high in [("rotation_degrees", -30, 30), ("shear", -0.1, 0.1), ("blur_pixels", 0, 1.5)]:
        np.testing.assert_allclose(
            np.quantile(column(name), [0, 0.5, 1]), [low, (low + high) / 2, high], atol=(high - low) / 20
        )
    np.testing.assert_allclose(np.quantile(np.log2(column("zoom")), [0, 0.25, 0.5, 1]), [-1, -0.5, 0, 1], atol=0.1)
    np.testing.assert_allclose(np.log(column("gamma")).std(), 0.3, rtol=0.1)
    gains = np.log(column("gains"))
    np.testing.assert_allclose(gains.std(), np.hypot(0.2, 0.1), rtol=0.1)
    np.testing.assert_allclose((gains - gains.mean(1, keepdims=True)).std(ddof=0), 0.1 * np.sqrt(2 / 3), rtol=0.1)
    np.testing.assert_allclose(column("offsets").std(), np.hypot(0.1, 0.05), rtol=0.1)
    np.testing.assert_allclose(np.log(column("stain_gains")).std(), 0.05, rtol=0.1)
    np.testing.assert_allclose(column("stain_shifts").std(), 0.05, rtol=0.1)
    assert len(set(column("noise_seed"))) > 1990


def test_probability_is_of_each_effect():
    augmentation = Augmentation(gain=0.1, gamma=0.1, blur_pixels=1, noise=0.1, probability=0.3)
    happened = np.array([[bool(d.gains), d.gamma != 1, d.blur_pixels > 0, d.noise > 0] for d in draws(augmentation)])
    np.testing.assert_allclose(happened.mean(0), 0.3, atol=0.04)
    np.testing.assert_allclose(np.corrcoef(happened.T), np.eye(4), atol=0.08)


def test_json_round_trips():
    text = json.dumps(EVERYTHING.to_json(), allow_nan=False)
    assert Augmentation.from_json(json.loads(text)) == EVERYTHING
    assert Augmentation.from_json({"zoom": [0.5, 2], "flips": True}) == Augmentation(flips=True, zoom=(0.5, 2))
    for drawn in draws(EVERYTHING, 5):
        assert Draw(**json.loads(json.dumps(drawn.to_json(), allow_nan=False))) == drawn
        assert hash(drawn) == hash(Draw(**drawn.to_json()))


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"gain": -1}, "gain is -1"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"zoom": (2, 1)}, r"zoom is \(2, 1\)"),
        ({"zoom": (0, 1)}, "zoom is"),
        ({"zoom": (1,)}, "zoom is"),
        ({"elastic_pixels": 12}, "folds the image"),
        ({"probability": 1.5}, "probability is 1.5"),
        ({"sheer": 1}, "sheer is not known; known are flips"),
        ({"gain": "much"}, "no number"),
        ({"zoom": 1}, "no number"),
    ],
)
def test_senseless_ranges(facts, match):
    with pytest.raises(OptionError, match=match):
        Augmentation.from_json(facts)


def test_senseless_draws():
    rng = np.random.default_rng(0)
    with pytest.raises(OptionError, match="red, green and blue; these images have 1"):
        draw(Augmentation(stain=0.1), rng, ndim=2, channels=1)
    with pytest.raises(OptionError, match="4 spatial axes"):
        draw(Augmentation(), rng, ndim=4, channels=1)
