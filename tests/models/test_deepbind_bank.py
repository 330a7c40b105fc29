"""Networks side by side score and learn as each does alone."""

from __future__ import annotations

import pytest
import torch

from bioconv.models.deepbind import DeepBind, DeepBindConfig
from bioconv.models.deepbind_bank import DeepBindBank

CONFIGS = [
    DeepBindConfig(detectors=5, length=7, hidden=hidden, average_pooling=average, strand_pooling=pooling)
    for hidden in (0, 6)
    for average in (False, True)
    for pooling in ("max", "mean")
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_scores_and_gradients_are_each_member_s_own(config):
    torch.manual_seed(0)
    networks = [DeepBind(config) for _ in range(3)]
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():
                parameter.normal_()
    codes = torch.randint(0, 5, (9, 30), dtype=torch.uint8)
    bank = DeepBindBank.of(networks)
    scores = bank(codes)
    targets = torch.arange(9) % 2.0
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    loss(scores, targets[:, None].expand(9, 3), reduction="sum").backward()
    for number, network in enumerate(networks):
        alone = network(codes)
        torch.testing.assert_close(scores[:, number], alone, rtol=1e-5, atol=1e-5)
        loss(alone, targets, reduction="sum").backward()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(getattr(bank, name).grad[number], parameter.grad, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(bank.member(number)(codes), alone)


def test_each_member_drops_its_own_share():
    config = DeepBindConfig(detectors=400, length=1)
    networks = [DeepBind(config) for _ in range(3)]
    for network in networks:
        with torch.no_grad():
            network.filters.fill_(1)
            network.weights1.fill_(1 / 400)
    bank = DeepBindBank.of(networks)
    bank.dropout.copy_(torch.tensor([0.0, 0.25, 0.5]))
    torch.manual_seed(0)
    scores = torch.stack([bank(torch.zeros((50, 8), dtype=torch.uint8)) for _ in range(20)]).flatten(0, 1)
    torch.testing.assert_close(scores.mean(0), torch.ones(3), rtol=0, atol=0.01)
    expected = torch.tensor([0.0, 0.25 / 0.75, 1.0]) / 400  # variance of a mean of 400 scaled Bernoulli draws
    torch.testing.assert_close(scores.var(0), expected, rtol=0.2, atol=1e-9)
    bank.eval()
    torch.testing.assert_close(bank(torch.zeros((2, 8), dtype=torch.uint8)), torch.ones(2, 3))
