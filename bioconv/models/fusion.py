"""Several views of one breast made one: what the network found in each is joined before the head answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FUSIONS = ("none", "views")
"""`none`: every image is answered for by itself; `views`: the views of a breast are joined."""

MISSING = -1
"""The kind of a view that is not there."""

_HIDDEN = 64


class ViewFusion(nn.Module):
    """Join the vectors of a breast's views.

    Repeats of one kind of view are averaged first. Of the kinds that are there the mean is taken, and a small network
    of that mean and of how far the largest value of each feature lies above it adds what it finds:

        joined = mean + W2 relu(W1 [mean, max - mean] + b1) + b2

    W2 and b2 begin at 0, so that a network begins as the mean of its views' logits (where its head is linear), which is
    what the usual rule of scores says. Views may come in any order and kinds may change places; the same vector as two
    kinds is that vector alone, and so is a view whose counterpart is missing. Pooling views of one object by a function
    without order: Su et al. 2015, doi 10.1109/ICCV.2015.114; a residual branch that begins at 0: Goyal et al. 2017,
    arXiv 1706.02677.

    Parameters
    ----------
    channels
        Length of the vectors.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * channels, min(channels, _HIDDEN))
        self.relu = nn.ReLU()
        self.out = nn.Linear(min(channels, _HIDDEN), channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return what vectors (N, channels) become, each the only view of its breast."""
        return self._added(vectors, torch.zeros_like(vectors))

    def join(self, vectors: Tensor, kinds: Tensor) -> Tensor:
        """Return one vector (N, channels) of each breast.

        Parameters
        ----------
        vectors
            (N, V, channels); what stands where no view is counts nowhere.
        kinds
            (N, V) int64: which view each is, from 0 on; -1 where there is none. Every breast has one at least.
        """
        places = torch.arange(int(kinds.max()) + 1, device=kinds.device)
        of_kind = (kinds[:, None, :] == places[:, None]).to(vectors.dtype)  # (N, K, V)
        count = of_kind.sum(2, keepdim=True)
        there = vectors.masked_fill((kinds == MISSING)[..., None], 0)
        by_kind = (of_kind @ there) / count.clamp(min=1)
        known = count > 0
        mean = by_kind.sum(1) / known.sum(1)
        most = by_kind.masked_fill(~known, -torch.inf).amax(1)
        return self._added(mean, most - mean)

    def _added(self, mean: Tensor, above: Tensor) -> Tensor:
        found: Tensor = mean + self.out(self.relu(self.hidden(torch.cat([mean, above], 1))))
        return found
