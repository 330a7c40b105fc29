"""Many DeepBind networks of one shape side by side: one pass over shared sequences trains them all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bioconv.conv.pooling import pool_detectors
from bioconv.models.deepbind import DeepBind, DeepBindConfig


class DeepBindBank(nn.Module):
    """B networks whose detectors are slid together; every parameter has the member as its first axis.

    No member sees another: with the same draws, each learns what it would learn alone. Members may be of several
    groups, equally many of each, one group after the other, that are each given sequences of their own.

    Parameters
    ----------
    config
        Shape of every member; its `dropout` is not used.
    dropout
        (B,) share of pooled features dropped in training, a member each; what is drawn for it is the same in every
        group.
    """

    def __init__(self, config: DeepBindConfig, dropout: Sequence[float]) -> None:
        super().__init__()
        members, features = len(dropout), config.detectors * (2 if config.average_pooling else 1)
        self.config = config
        self.dropout: Tensor
        self._drops = any(dropout)  # asking the device would wait for it
        self.register_buffer("dropout", torch.tensor(dropout, dtype=torch.float32), persistent=False)
        self.filters = nn.Parameter(torch.zeros(members, config.detectors, 4, config.length))
        self.thresholds = nn.Parameter(torch.zeros(members, config.detectors))
        self.weights1 = nn.Parameter(torch.zeros(members, features, config.hidden or 1))
        self.biases1 = nn.Parameter(torch.zeros(members, config.hidden or 1))
        self.weights2 = nn.Parameter(torch.zeros(members, config.hidden)) if config.hidden else None
        self.bias2 = nn.Parameter(torch.zeros(members)) if config.hidden else None

    @classmethod
    def of(cls, networks: Sequence[DeepBind]) -> DeepBindBank:
        """Put networks of one shape side by side (their weights are copied)."""
        bank = cls(networks[0].config, [network.config.dropout for network in networks])
        with torch.no_grad():
            for name, parameter in bank.named_parameters():
                parameter.copy_(torch.stack([getattr(network, name) for network in networks]))
        return bank

    def forward(self, codes: Tensor) -> Tensor:
        """Return (N, B) scores of (N, L) uint8 codes, as `DeepBind.forward` does; of G groups' codes, (N, G, L)."""
        config, members, groups = self.config, len(self.filters), codes.shape[1:-1]
        pooled = pool_detectors(
            codes,
            self.filters.reshape(*groups, -1, 4, config.length),
            self.thresholds.reshape(*groups, -1),
            reverse_complement=config.reverse_complement,
            average=config.average_pooling,
        )
        pooled = pooled.reshape(*pooled.shape[:2], members, -1)  # (S, N, B, P)
        if self.training and self._drops:
            each, keep = members // math.prod(groups), 1 - self.dropout[:, None]
            draws = torch.rand((len(codes), each, pooled.shape[-1]), device=pooled.device)
            pooled = pooled * ((draws.repeat(1, members // each, 1) < keep) / keep)
        if self.weights2 is None or self.bias2 is None:
            scores = (pooled * self.weights1[..., 0]).sum(3) + self.biases1[:, 0]
        else:
            hidden = torch.einsum("snbp,bph->snbh", pooled, self.weights1) + self.biases1
            scores = (hidden.relu() * self.weights2).sum(3) + self.bias2
        combined: Tensor = scores.amax(0) if config.strand_pooling == "max" else scores.mean(0)
        return combined

    def member(self, number: int) -> DeepBind:
        """Return a copy of one member as a network of its own."""
        network = DeepBind(self.config)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(getattr(self, name)[number])
        return network
