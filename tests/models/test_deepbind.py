"""The trainable network scores as the scanner does, and learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioconv.conv.detectors import record_scores
from bioconv.errors import ModelError
from bioconv.models import ARCHITECTURES, model_class
from bioconv.models.deepbind import DeepBind, DeepBindConfig

CONFIGS = [
    DeepBindConfig(detectors=5, length=7, hidden=hidden, average_pooling=average, reverse_complement=strands)
    for hidden in (0, 6)
    for average in (False, True)
    for strands in (False, True)
] + [DeepBindConfig(detectors=5, length=7, hidden=6, strand_pooling="mean")]


def random_network(config):
    torch.manual_seed(0)
    network = DeepBind(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    return network


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_network_and_detectors_score_alike(config):
    network = random_network(config)
    codes = np.random.default_rng(1).integers(0, 5, (8, 40)).astype(np.uint8)
    sequences = torch.from_numpy(codes)
    found = network(sequences).detach().numpy()
    pool = np.mean if config.strand_pooling == "mean" else np.max
    expected = [pool(record_scores(row, network.detectors(), backend="reference")) for row in codes]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    again = DeepBind.from_detectors(network.detectors())
    assert again.config == config
    torch.testing.assert_close(again(sequences), network(sequences))


def test_only_the_better_strand_gets_a_gradient():
    network = random_network(CONFIGS[1])
    sequence = torch.tensor([[0, 0, 1, 2, 0, 3, 0, 1, 1]])
    network(sequence).sum().backward()
    both = [network.filters.grad.clone()]
    strands = torch.cat([sequence, 3 - sequence.flip(1)])
    single = DeepBind.from_detectors(network.detectors())
    object.__setattr__(single.config, "reverse_complement", False)
    scores = single(strands)
    scores[scores.argmax()].backward()
    torch.testing.assert_close(both[0], single.filters.grad)


def test_dropout_only_in_training():
    network = DeepBind.from_detectors(random_network(CONFIGS[0]).detectors(), dropout=0.5)
    sequences = torch.arange(80).reshape(4, 20) % 7 % 4
    network.eval()
    torch.testing.assert_close(network(sequences), network(sequences))
    network.train()
    assert not torch.equal(network(sequences), network(sequences))


def test_learns_a_planted_motif():
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, (256, 30))
    codes[::2, 10:16] = [0, 1, 2, 2, 1, 3]
    sequences = torch.from_numpy(codes)
    labels = torch.tensor([1.0, 0.0]).repeat(128)
    network = DeepBind(DeepBindConfig(detectors=4, length=6))
    network.reset_parameters(0.1)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.05)
    for _ in range(80):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(sequences), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert ((network(sequences) > 0) == (labels > 0)).float().mean() > 0.95


def test_table_of_architectures():
    assert model_class("deepbind") is DeepBind
    for name in ARCHITECTURES:
        assert issubclass(model_class(name), torch.nn.Module)
    with pytest.raises(ModelError, match=r"'resnet' is not known; known are .*deepbind"):
        model_class("resnet")


def test_config_is_checked():
    with pytest.raises(ValueError, match="makes no sense"):
        DeepBindConfig(dropout=1.0)
