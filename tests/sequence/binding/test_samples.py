"""What is drawn depends on seed, epoch and index alone, and has the stated composition."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.sequence.binding.samples import (
    BindingSamples,
    FixedSamples,
    GroupedSamples,
    rank_weights,
    with_shuffles,
)

POSITIVES = np.random.default_rng(0).integers(0, 4, (7, 20)).astype(np.uint8)


def pairs(codes):
    return Counter(itertools.pairwise(codes.tolist()))


@given(st.lists(st.integers(0, 41), min_size=1, max_size=60), st.integers(0, 3))
def test_a_sample_is_the_same_in_any_company(indices, epoch):
    samples = BindingSamples(POSITIVES, seed=5, size=14, weights=rank_weights(7, 3), per_positive=2)
    together = samples.batch(np.array(indices), epoch)
    for place, index in enumerate(indices):
        alone = samples.batch(np.array([index]), epoch)
        assert (alone.inputs[0] == together.inputs[place]).all()
        assert alone.targets[0] == together.targets[place]


@pytest.mark.parametrize("per_positive", [1, 3])
def test_each_positive_has_its_own_shuffles_beside_it(per_positive):
    samples = BindingSamples(POSITIVES, seed=1, size=21, per_positive=per_positive)
    assert len(samples) == 21 * (1 + per_positive)
    batch = samples.batch(np.arange(len(samples)), 0)
    rows = batch.inputs.numpy().reshape(21, 1 + per_positive, 20)
    np.testing.assert_array_equal(rows[:, 0], np.tile(POSITIVES, (3, 1)))
    assert all(pairs(negative) == pairs(group[0]) for group in rows for negative in group[1:])
    assert batch.targets.reshape(21, -1)[:, 0].all()
    assert not batch.targets.reshape(21, -1)[:, 1:].any()
    np.testing.assert_allclose(batch.weights.reshape(21, -1)[:, 1:].sum(1), 1, rtol=1e-6)
    again = samples.batch(np.arange(len(samples)), 1).inputs.numpy().reshape(rows.shape)
    assert (again[:, 1] != rows[:, 1]).any(axis=1).mean() > 0.9  # drawn afresh
    assert (rows[:7, 1] != rows[7:14, 1]).any(axis=1).mean() > 0.9


def test_weights_say_how_often_a_positive_is_drawn():
    samples = BindingSamples(POSITIVES, seed=1, size=70_000, weights=np.arange(7.0))
    rows = samples.batch(np.arange(0, len(samples), 2), 0).inputs.numpy()
    counts = np.array([(rows == positive).all(axis=1).sum() for positive in POSITIVES])
    np.testing.assert_allclose(counts / 70_000, np.arange(7) / 21, atol=0.006)


def test_given_negatives_are_drawn_evenly():
    negatives = np.arange(5, dtype=np.uint8)[:, None].repeat(20, axis=1)
    samples = BindingSamples(POSITIVES, seed=1, size=50_000, negatives=negatives)
    rows = samples.batch(np.arange(1, len(samples), 2), 0).inputs.numpy()
    np.testing.assert_allclose(np.bincount(rows[:, 0]) / 50_000, 0.2, atol=0.007)


def test_fixed_shuffles():
    samples = with_shuffles(POSITIVES, seed=3, count=2)
    assert samples.targets.tolist() == [1.0] * 7 + [0.0] * 14
    assert all(pairs(samples.codes[7 + i]) == pairs(POSITIVES[i % 7]) for i in range(14))
    assert samples.classes().sum() == 7
    assert FixedSamples(POSITIVES, np.linspace(0, 2, 7, dtype=np.float32)).classes() is None


def test_each_group_sees_what_it_would_see_alone():
    rng = np.random.default_rng(0)
    positives, seeds = [rng.integers(0, 5, (count, 20)).astype(np.uint8) for count in (7, 30, 11)], [5, 0, 10**12]
    together = GroupedSamples(positives, seeds, 30)
    indices = rng.permutation(len(together))[:40]
    batch = together.batch(indices, 3)
    assert len(together) == 60
    assert batch.inputs.is_contiguous()
    for number, (own, seed) in enumerate(zip(positives, seeds, strict=True)):
        alone = BindingSamples(own, seed, size=30).batch(indices, 3)
        np.testing.assert_array_equal(batch.inputs[:, number], alone.inputs)
        np.testing.assert_array_equal(batch.targets[:, number], alone.targets)
        assert (alone.weights == 1).all()
    assert together.fingerprint() != GroupedSamples(positives[::-1], seeds, 30).fingerprint()
