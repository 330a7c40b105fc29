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
    bank = DeepBindBank(config, [0.0, 0.25, 0.5])
    with torch.no_grad():
        bank.filters.fill_(1)
        bank.weights1.fill_(1 / 400)
    torch.manual_seed(0)
    scores = torch.stack([bank(torch.zeros((50, 8), dtype=torch.uint8)) for _ in range(20)]).flatten(0, 1)
    torch.testing.assert_close(scores.mean(0), torch.ones(3), rtol=0, atol=0.01)
    expected = torch.tensor([0.0, 0.25 / 0.75, 1.0]) / 400  # variance of a mean of 400 scaled Bernoulli draws
    torch.testing.assert_close(scores.var(0), expected, rtol=0.2, atol=1e-9)
    bank.eval()
    torch.testing.assert_close(bank(torch.zeros((2, 8), dtype=torch.uint8)), torch.ones(2, 3))


@pytest.mark.parametrize("hidden", [0, 6])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_groups_score_and_learn_as_each_group_alone(hidden, dropout):
    config = DeepBindConfig(detectors=5, length=7, hidden=hidden)
    torch.manual_seed(0)
    groups = [DeepBindBank(config, [dropout, 0.2]) for _ in range(3)]
    for parameter in (parameter for group in groups for parameter in group.parameters()):
        torch.nn.init.normal_(parameter)
    bank = DeepBindBank(config, [dropout, 0.2] * 3)
    joined = {name: torch.cat(parts) for name, *parts in named_parts(groups)}
    bank.load_state_dict(joined)
    codes = torch.randint(0, 5, (9, 3, 30), dtype=torch.uint8)
    torch.manual_seed(1)
    scores = bank(codes)
    (scores * torch.arange(1, 7)).square().sum().backward()
    for number, group in enumerate(groups):
        torch.manual_seed(1)
        alone = group(codes[:, number])
        torch.testing.assert_close(scores[:, 2 * number : 2 * number + 2], alone, rtol=1e-5, atol=1e-5)
        (alone * torch.arange(2 * number + 1, 2 * number + 3)).square().sum().backward()
    for name, *parts in named_parts(groups):
        grad = torch.cat([part.grad for part in parts])
        torch.testing.assert_close(getattr(bank, name).grad, grad, rtol=1e-4, atol=1e-4 * float(grad.abs().max()))


def named_parts(groups):
    """Name, and the parameter of that name of every group."""
    return [(name, *(getattr(group, name) for group in groups)) for name, _ in groups[0].named_parameters()]
