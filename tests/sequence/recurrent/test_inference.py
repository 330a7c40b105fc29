"""Logits of batches and of long sequences are those of the network over each sequence by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.models.recurrent import CELLS, POOLINGS, Recurrent, RecurrentConfig
from bioconv.sequence.recurrent import inference
from bioconv.sequence.recurrent.inference import LongSequence, logits_of, similar_lengths

FRONTS = [{}, {"kmer": 4, "embedding": 2}, {"kmer": 3, "embedding": 2, "filters": 4, "filter_length": 6}]


def build(**config):
    torch.manual_seed(3)
    network = Recurrent(RecurrentConfig(**{"hidden": 3, "outputs": 3, **config})).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.6)
    return network


def random_codes(length, seed=0):
    return np.random.default_rng(seed).integers(0, 5, length).astype(np.uint8)


def by_itself(network, codes):
    with torch.inference_mode():
        return network(torch.from_numpy(codes)[None], torch.tensor([len(codes)]))[0].numpy()


@settings(max_examples=60, deadline=None)
@given(
    front=st.sampled_from(FRONTS),
    pooling=st.sampled_from(POOLINGS),
    cell=st.sampled_from(sorted(CELLS)),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    pool=st.integers(1, 3),
    length=st.integers(1, 40),
    block=st.integers(1, 45),
)
def test_block_by_block_it_is_the_whole(front, pooling, cell, layers, bidirectional, pool, length, block):
    pool = pool if "filters" in front and pooling != "none" else 1
    config = {"pooling": pooling, "cell": cell, "layers": layers, "bidirectional": bidirectional, "pool": pool}
    network, codes = build(**front, **config).double(), random_codes(length)
    found = LongSequence(network, codes, block=block).logits()
    np.testing.assert_allclose(found, by_itself(network, codes), rtol=0, atol=1e-6)  # logits are given in float32


@pytest.mark.parametrize("side_by_side", [8, 64, 512])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_any_order_any_company(pooling, side_by_side, monkeypatch):
    monkeypatch.setattr(inference, "LONGEST", 300)
    monkeypatch.setattr(inference, "_rows", lambda _: side_by_side)
    network = build(pooling=pooling, kmer=2, embedding=3, layers=2)
    sequences = [random_codes(length, length) for length in (30, 1, 30, 500, 7, 299, 301, 30, 4)] * 9
    expected = [by_itself(network, codes) for codes in sequences]
    for found, wanted in zip(logits_of(network, sequences), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@given(lengths=st.lists(st.integers(1, 50), max_size=40), rows=st.integers(1, 9), letters=st.integers(1, 120))
def test_batches_hold_all_once_within_their_bounds(lengths, rows, letters):
    batches = list(similar_lengths(lengths, rows=rows, letters=letters))
    order = [row for batch in batches for row in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[row] for row in order] == sorted(lengths)
    for batch in batches:
        assert len(batch) == 1 or (len(batch) <= rows and len(batch) * max(lengths[row] for row in batch) <= letters)


def test_codes_may_lie_in_a_file(tmp_path):
    codes = random_codes(100)
    codes.tofile(tmp_path / "codes")
    network = build(pooling="none")
    found = LongSequence(network, np.memmap(tmp_path / "codes", np.uint8, "r"), block=16).logits()
    np.testing.assert_allclose(found, by_itself(network, codes), rtol=0, atol=1e-5)
