"""Streamed mean and deviation against NumPy's over everything at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.training.normalisation import Normalisation, fit_normalisation
from bioconv.training.splits import Split

TRAIN = Split({f"s{number}": "train" for number in range(20)} | {"held": "dev"}, {})


def samples(seed: int, widths: list[int], offset: float = 0.0) -> list[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    scale = np.array([1.0, 5.0, 0.1])[:, None, None]
    return [(f"s{place}", offset + scale * rng.normal(size=(3, width, 2))) for place, width in enumerate(widths)]


@given(
    seed=st.integers(0, 100),
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    offset=st.sampled_from([0.0, -7.0, 1e6]),
)
def test_as_numpy_at_once(seed, widths, offset):
    given_samples = samples(seed, widths, offset)
    fitted = fit_normalisation(TRAIN, given_samples)
    everything = np.concatenate([values for _, values in given_samples], axis=1).reshape(3, -1)
    np.testing.assert_allclose(fitted.mean, everything.mean(1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fitted.deviation, everything.std(1), rtol=1e-8)
    alike = fit_normalisation(TRAIN, given_samples, channel_axis=None)
    np.testing.assert_allclose([alike.mean[0], alike.deviation[0]], [everything.mean(), everything.std()], rtol=1e-8,
                               atol=1e-12)  # fmt: skip


def test_applied_values_are_standard():
    given_samples = samples(1, [400, 300])
    for axis in (0, 2):
        moved = [(name, np.moveaxis(values, 0, axis)) for name, values in given_samples]
        fitted = fit_normalisation(TRAIN, moved, channel_axis=axis)
        done = np.concatenate([np.moveaxis(fitted.apply(values, axis), axis, 0) for _, values in moved], axis=1)
        assert done.dtype == np.float32
        np.testing.assert_allclose(done.mean((1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(done.std((1, 2)), 1, atol=1e-5)


def test_constant_channels_become_zero():
    """0.1 has no exact mean: its rounding must not be blown up to a signal."""
    fitted = fit_normalisation(TRAIN, [("s0", np.full((2, 1001), 0.1)), ("s1", np.full((2, 7), 0.1))])
    np.testing.assert_allclose(fitted.apply(np.full((2, 5), 0.1)), 0, atol=1e-6)


def test_only_the_training_part():
    values = np.ones((3, 4, 2))
    for name, part in (("held", "dev"), ("stranger", "no part")):
        with pytest.raises(InputError, match=rf"{name}, which is in {part} of the split; only train"):
            fit_normalisation(TRAIN, [("s0", values), (name, values)])


@pytest.mark.parametrize(
    ("given_samples", "words"),
    [
        ([], "no values"),
        ([("s0", np.ones((3, 0)))], r"s0 \(3, 0\) holds no values"),
        ([("s0", np.array([[1.0, np.nan]]))], "s0 .* not finite"),
        ([("s0", np.ones((3, 2))), ("s1", np.ones((4, 2)))], "s1 has 4 channels, the samples before it 3"),
    ],
)
def test_refuses(given_samples, words):
    with pytest.raises(InputError, match=words):
        fit_normalisation(TRAIN, given_samples)


def test_json_and_other_channels():
    fitted = fit_normalisation(TRAIN, samples(2, [5]))
    again = Normalisation.from_json(json.loads(json.dumps(fitted.to_json())))
    assert np.array_equal(again.mean, fitted.mean)
    assert np.array_equal(again.deviation, fitted.deviation)
    with pytest.raises(InputError, match=r"2 channels on axis 0; the model was trained on 3"):
        fitted.apply(np.ones((2, 5)))


@pytest.mark.parametrize(
    "values",
    [{}, {"mean": [1.0]}, {"mean": [1.0], "deviation": [1.0, 2.0]}, {"mean": [1.0], "deviation": [-1.0]},
     {"mean": [float("nan")], "deviation": [1.0]}, {"mean": [], "deviation": []}, {"mean": "x", "deviation": [1.0]},
     {"mean": [[1.0]], "deviation": [[1.0]]}],
)  # fmt: skip
def test_bad_json(values):
    with pytest.raises(InputError, match="normalisation"):
        Normalisation.from_json(values)
