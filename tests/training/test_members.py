"""Models stepped side by side move as each would alone under torch's own SGD."""

from __future__ import annotations

import torch

from bioconv.training.members import MemberAdamW, MemberSGD

RATES, MOMENTA, L1 = [0.1, 0.02, 0.5], [0.0, 0.9, 0.97], [0.0, 0.1, 0.01]


def test_each_member_moves_as_under_torch_s_sgd():
    start = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    target = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(1))
    together = torch.nn.Parameter(start.clone())
    groups = [{"params": [together], "l1": L1}]
    optimizer = MemberSGD(groups, rates=RATES, momenta=MOMENTA, l1_from=5)
    for _ in range(12):
        optimizer.zero_grad()
        (together - target).cosh().log().sum().backward()
        optimizer.step()
    for member in range(3):
        alone = torch.nn.Parameter(start[member].clone())
        own = torch.optim.SGD([alone], RATES[member], momentum=MOMENTA[member], nesterov=MOMENTA[member] > 0)
        for step in range(12):
            own.zero_grad()
            penalty = L1[member] * alone.abs().sum() if step >= 5 else 0
            ((alone - target[member]).cosh().log().sum() + penalty).backward()
            own.step()
        torch.testing.assert_close(together[member], alone, rtol=1e-5, atol=1e-6)


def test_each_member_moves_as_under_torch_s_adamw():
    start = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    target = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(1))
    together, decays = torch.nn.Parameter(start.clone()), [0.0, 0.1, 1.0]
    optimizer = MemberAdamW([{"params": [together], "decays": decays}], rates=RATES)
    for _ in range(12):
        optimizer.zero_grad()
        (together - target).cosh().log().sum().backward()
        optimizer.step()
    for member in range(3):
        alone = torch.nn.Parameter(start[member].clone())
        own = torch.optim.AdamW([alone], RATES[member], weight_decay=decays[member])
        for _ in range(12):
            own.zero_grad()
            (alone - target[member]).cosh().log().sum().backward()
            own.step()
        torch.testing.assert_close(together[member], alone, rtol=1e-5, atol=1e-6)
