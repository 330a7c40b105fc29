"""DeepBind as a trainable network.

Alipanahi, Delong, Weirauch & Frey, Nat Biotechnol 33:831-838 (2015), doi 10.1038/nbt.3300.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bioconv.conv.detectors import STRAND_POOLING, Detectors
from bioconv.conv.pooling import pool_detectors


@dataclass(frozen=True)
class DeepBindConfig:
    """Hyper-parameters; the defaults are the published ones for ChIP-seq with a linear head.

    Parameters
    ----------
    detectors
        Number of motif detectors.
    length
        Letters a detector spans.
    hidden
        Hidden units; 0 for a linear head.
    average_pooling
        Whether the mean over positions is a feature beside the maximum.
    reverse_complement
        Whether both strands are read.
    strand_pooling
        Of both strands' scores the output is the `max` (published) or the `mean`.
    dropout
        Share of pooled features dropped in training; both strands drop the same ones.
    """

    detectors: int = 16
    length: int = 24
    hidden: int = 0
    average_pooling: bool = False
    reverse_complement: bool = True
    strand_pooling: str = "max"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.detectors < 1 or self.length < 1 or self.hidden < 0 or not 0 <= self.dropout < 1:
            message = f"{self} makes no sense: detectors and length >= 1, hidden >= 0, dropout in [0, 1)"
            raise ValueError(message)
        if self.strand_pooling not in STRAND_POOLING:
            message = f"strand_pooling is {self.strand_pooling!r}; expected one of {', '.join(STRAND_POOLING)}"
            raise ValueError(message)


class DeepBind(nn.Module):
    """Detectors, rectifier, pooling over positions, a head of one or two layers; the output is a logit."""

    head_names = ("weights1", "biases1", "weights2", "bias2")

    def __init__(self, config: DeepBindConfig) -> None:
        super().__init__()
        self.config = config
        features = config.detectors * (2 if config.average_pooling else 1)
        self.filters = nn.Parameter(torch.empty(config.detectors, 4, config.length))
        self.thresholds = nn.Parameter(torch.zeros(config.detectors))
        self.weights1 = nn.Parameter(torch.empty(features, config.hidden or 1))
        self.biases1 = nn.Parameter(torch.zeros(config.hidden or 1))
        self.weights2 = nn.Parameter(torch.empty(config.hidden)) if config.hidden else None
        self.bias2 = nn.Parameter(torch.zeros(())) if config.hidden else None
        self.reset_parameters()

    def reset_parameters(self, deviation: float = 1e-2) -> None:
        """Draw the weights from N(0, deviation^2), zero the biases, as published."""
        for name, parameter in self.named_parameters():
            if name.startswith(("filters", "weights")):
                nn.init.normal_(parameter, std=deviation)
            else:
                nn.init.zeros_(parameter)

    def forward(self, codes: Tensor) -> Tensor:
        """Score sequences.

        Parameters
        ----------
        codes
            (N, L) uint8: 0 to 3 are A, C, G, T; an unknown letter is 0.25 of each.

        Returns
        -------
        Tensor
            (N,) scores before the logistic function; with `max` pooling of strands only the better one gets a
            gradient.
        """
        pooled = pool_detectors(
            codes,
            self.filters,
            self.thresholds,
            reverse_complement=self.config.reverse_complement,
            average=self.config.average_pooling,
        )  # (S, N, P)
        # One mask for both strands; dropping nothing must not draw random numbers.
        if self.training and self.config.dropout > 0:
            pooled = pooled * functional.dropout(torch.ones_like(pooled[0]), self.config.dropout)
        hidden = pooled @ self.weights1 + self.biases1
        if self.weights2 is None or self.bias2 is None:
            scores = hidden[..., 0]
        else:
            scores = hidden.relu() @ self.weights2 + self.bias2
        return scores.amax(0) if self.config.strand_pooling == "max" else scores.mean(0)

    def detectors(self) -> Detectors:
        """Return a copy of the weights, for scanning."""

        def array(parameter: Tensor) -> NDArray[np.float32]:
            return np.array(parameter.detach().float().cpu().numpy())

        return Detectors(
            filters=array(self.filters),
            thresholds=array(self.thresholds),
            average_pooling=self.config.average_pooling,
            weights1=array(self.weights1),
            biases1=array(self.biases1),
            weights2=None if self.weights2 is None else array(self.weights2),
            bias2=0.0 if self.bias2 is None else float(self.bias2.detach()),
            reverse_complement=self.config.reverse_complement,
            strand_pooling=self.config.strand_pooling,
        )

    @classmethod
    def from_detectors(cls, detectors: Detectors, *, dropout: float = 0.0) -> DeepBind:
        """Build a network that scores whole sequences as the detectors do."""
        linear = detectors.weights2 is None
        config = DeepBindConfig(
            detectors=detectors.count,
            length=detectors.length,
            hidden=0 if linear else len(detectors.biases1),
            average_pooling=detectors.average_pooling,
            reverse_complement=detectors.reverse_complement,
            strand_pooling=detectors.strand_pooling,
            dropout=dropout,
        )
        network = cls(config)
        with torch.no_grad():
            network.filters.copy_(torch.from_numpy(detectors.filters))
            network.thresholds.copy_(torch.from_numpy(detectors.thresholds))
            network.weights1.copy_(torch.from_numpy(detectors.weights1))
            # A linear head has one bias here, Detectors may keep it in two parts.
            biases = torch.from_numpy(detectors.biases1)
            network.biases1.copy_(biases + detectors.bias2 if linear else biases)
            if network.weights2 is not None and network.bias2 is not None and detectors.weights2 is not None:
                network.weights2.copy_(torch.from_numpy(detectors.weights2))
                network.bias2.fill_(detectors.bias2)
        return network
