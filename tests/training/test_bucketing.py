"""Batches of similar lengths: all samples once, little padding, the same for every process and from any point on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioconv.training.bucketing import bucketed_order
from bioconv.training.config import TrainConfig
from bioconv.training.data import ArraySamples
from bioconv.training.distributed import Ranks
from bioconv.training.draws import epoch_order
from bioconv.training.feeding import Feeder

CONFIG = TrainConfig(epochs=2, batch_size=8, workers=0)


class Ragged(ArraySamples):
    def lengths(self):
        return self.inputs[:, 0].long().numpy()


def feeder(lengths, *, config=CONFIG, ranks=None, kind=Ragged):
    inputs = torch.tensor(np.asarray(lengths, np.float32))[:, None]
    return Feeder(kind(inputs, torch.zeros(len(inputs))), config, ranks=ranks or Ranks())


def drawn(size=203, seed=0):
    return np.random.default_rng(seed).integers(10, 2000, size)


def steps(own, epoch=0, batch=0):
    return [np.concatenate(load.plan.parts).tolist() for load in own.loads(epoch, batch) if not load.plan.idle]


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 9), st.integers(0, 3))
def test_every_sample_is_there_once(lengths, batch_size, seed, epoch):
    order = epoch_order(seed, epoch, len(lengths))
    found = bucketed_order(order, np.array(lengths), batch_size, seed=seed, epoch=epoch)
    assert sorted(found.tolist()) == list(range(len(lengths)))
    again = bucketed_order(order, np.array(lengths), batch_size, seed=seed, epoch=epoch)
    assert found.tolist() == again.tolist()


def test_samples_drawn_twice_stay_so():
    order = np.array([3, 3, 1, 0, 3])
    found = bucketed_order(order, np.array([5, 6, 7, 8]), 2, seed=0, epoch=0)
    assert sorted(found.tolist()) == sorted(order.tolist())


def test_little_is_padding():
    lengths = drawn(2000)
    padded = {}
    for name, kind in (("similar", Ragged), ("any", ArraySamples)):
        batches = steps(feeder(lengths, kind=kind, config=replace(CONFIG, epochs=1)))
        padded[name] = sum(len(batch) * max(lengths[batch]) for batch in batches) / lengths.sum()
    assert padded["similar"] < 1.15
    assert padded["any"] > 1.6


def test_company_changes_and_so_does_the_order_of_batches():
    lengths = drawn()
    first, second = (steps(feeder(lengths), epoch=epoch)[:25] for epoch in (0, 1))
    same = {frozenset(batch) for batch in first} & {frozenset(batch) for batch in second}
    assert len(same) <= 2  # the very shortest
    means = [lengths[batch].mean() for batch in first]
    assert abs(np.corrcoef(means, np.arange(25))[0, 1]) < 0.6  # neither shortest nor longest first


def test_equal_lengths_are_as_random_as_ever():
    """Every pair of neighbours of a batch is about as likely as any other."""
    together = np.zeros((12, 12))
    for epoch in range(600):
        order = bucketed_order(epoch_order(0, epoch, 12), np.full(12, 40), 4, seed=0, epoch=epoch)
        for batch in order.reshape(3, 4):
            together[np.ix_(batch, batch)] += 1
    apart = together[~np.eye(12, dtype=bool)] / 600
    np.testing.assert_allclose(apart, 3 / 11, atol=0.08)


def test_two_processes_share_the_batches_of_one():
    lengths = drawn(61)
    whole = steps(feeder(lengths))
    shares = [steps(feeder(lengths, ranks=Ranks(rank, 2))) for rank in (0, 1)]
    assert [a + b for a, b in zip(*shares, strict=True)] == whole


def test_a_training_goes_on_with_the_batch_it_stopped_before():
    lengths = drawn()
    whole = steps(feeder(lengths))
    assert steps(feeder(lengths), epoch=1, batch=3) == whole[26 + 3 :]


def test_accumulated_parts_are_the_batch():
    lengths = drawn()
    assert steps(feeder(lengths, config=replace(CONFIG, accumulate=3))) == steps(feeder(lengths))
