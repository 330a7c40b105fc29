"""Batches of sequences: padded to their longest, targets beside them, weights so that letters count alike."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioconv.sequence.alphabets import DNA
from bioconv.sequence.recurrent.data import SequenceData
from bioconv.sequence.recurrent.samples import SequenceSamples
from bioconv.training.config import TrainConfig
from bioconv.training.distributed import Ranks
from bioconv.training.feeding import Feeder
from bioconv.training.losses import build_loss


def drawn(size=40, *, per_position=False, seed=0, longest=30):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, size)
    codes = tuple(rng.integers(0, 5, length).astype(np.uint8) for length in lengths)
    if per_position:
        targets = tuple(rng.choice([-100, 0, 1, 2], length) for length in lengths)
    else:
        targets = tuple(rng.integers(0, 3, 1) for _ in lengths)
    names = tuple(f"s{n}" for n in range(size))
    return SequenceData(names, codes, targets, names, ("",) * size, ("a", "b", "c"), DNA, per_position)


@given(st.lists(st.integers(0, 79), min_size=1, max_size=9), st.booleans())
def test_a_batch_is_its_sequences(indices, per_position):
    data = drawn(per_position=per_position)
    batch = SequenceSamples(data, both_strands=True).batch(np.array(indices), 0)
    codes, lengths = (tensor.numpy() for tensor in batch.inputs)
    assert codes.shape == (len(indices), max(len(data.codes[index % 40]) for index in indices))
    for row, index in enumerate(indices):
        own, labels = data.codes[index % 40].tolist(), data.targets[index % 40].tolist()
        if index >= 40:
            own, labels = [4 if code == 4 else 3 - code for code in own[::-1]], labels[::-1]
        assert lengths[row] == len(own)
        assert codes[row].tolist() == own + [4] * (codes.shape[1] - len(own))
        if per_position:
            assert batch.targets[row].tolist() == labels + [-100] * (codes.shape[1] - len(own))
            assert batch.weights[row] == sum(label >= 0 for label in labels)
        else:
            assert batch.targets[row] == labels[0]
    assert (batch.weights is None) == (not per_position)


def test_every_known_letter_counts_alike():
    """The loss of a batch, however it is cut, is the mean over all known letters of all sequences."""
    data = drawn(12, per_position=True)
    samples = SequenceSamples(data)
    loss = build_loss(TrainConfig(loss="cross-entropy"))
    table = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    expected = [
        float(torch.nn.functional.cross_entropy(table[int(code)][None], torch.tensor([label])))
        for codes, labels in zip(data.codes, data.targets, strict=True)
        for code, label in zip(codes, labels.tolist(), strict=True)
        if label >= 0
    ]
    for parts in (1, 5):
        total = weight = 0.0
        for chosen in np.array_split(np.arange(12), parts):
            batch = samples.batch(chosen, 0)
            losses = loss(table[batch.inputs[0].long()].movedim(-1, 1), batch.targets)
            total += float((losses * batch.weights).sum())
            weight += float(batch.weights.sum())
        np.testing.assert_allclose(total / weight, np.mean(expected), rtol=1e-5)


def test_batches_are_of_similar_lengths():
    samples = SequenceSamples(drawn(400, longest=500))
    loads = Feeder(samples, TrainConfig(epochs=1, batch_size=16, workers=0), ranks=Ranks()).loads(0, 0)
    letters = padded = 0
    for load in loads:
        codes, lengths = load.batches[0].inputs
        padded, letters = padded + codes.numel(), letters + int(lengths.sum())
    assert letters == samples.lengths().sum()
    assert padded < 1.25 * letters


def test_classes_and_fingerprint():
    data = drawn()
    assert SequenceSamples(data).classes().tolist() == [int(own[0]) for own in data.targets]
    assert SequenceSamples(data, both_strands=True).classes().shape == (80,)
    assert SequenceSamples(drawn(per_position=True)).classes() is None
    prints = {SequenceSamples(own).fingerprint() for own in (data, drawn(seed=1), drawn(per_position=True))}
    assert len(prints) == 3
    assert SequenceSamples(drawn()).fingerprint() == SequenceSamples(data).fingerprint()
    assert SequenceSamples(data, both_strands=True).fingerprint() not in prints
