"""Little W-Net: two very small U-Nets, of which the second sees the image and what the first made of it.

Galdran et al., Sci Rep 12:6174 (2022), doi 10.1038/s41598-022-09675-y; arXiv 2009.01907. Here batch
normalisation stands between convolution and rectifier, not behind both, so that it folds into the convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from bioconv.models.layers import CONVOLUTIONS, DROPOUTS, NORMALISATIONS, POOLS, TRANSPOSED


@dataclass(frozen=True)
class WNetConfig:
    """Hyper-parameters; the defaults are the published ones.

    Parameters
    ----------
    channels_in
        Channels of the image.
    outputs
        Logits per pixel.
    ndim
        2 or 3.
    widths
        Channels of each level, the full resolution first; a level halves the size of the one before.
    stages
        Networks in a row: 2 is the W-Net, 1 the published minimal U-Net.
    dropout
        Share of each network's deepest channels dropped in training, and by MC dropout.
    deep_supervision
        In training the logits of the earlier networks are outputs too.
    """

    channels_in: int = 3
    outputs: int = 1
    ndim: int = 2
    widths: tuple[int, ...] = (8, 16, 32)
    stages: int = 2
    dropout: float = 0.0
    deep_supervision: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        counts = (self.channels_in, self.outputs, *self.widths, self.stages)
        if self.ndim not in (2, 3) or not self.widths or min(counts) < 1 or not 0 <= self.dropout < 1:
            message = f"{self} makes no sense: ndim 2 or 3, dropout in [0, 1), all else 1 or more"
            raise ValueError(message)


class WNet(nn.Module):
    """Small residual U-Nets in a row; each reads the image and the logits of the one before."""

    config_class = WNetConfig
    # A network's logits are inputs of the next: new labels need new first layers there too.
    head_names = ("heads", "networks.1.encoder.0", "networks.2.encoder.0")

    def __init__(self, config: WNetConfig) -> None:
        super().__init__()
        self.config = config
        inputs = [config.channels_in + (config.outputs if stage else 0) for stage in range(config.stages)]
        self.networks = nn.ModuleList(_SmallUNet(config, channels) for channels in inputs)
        self.heads = nn.ModuleList(CONVOLUTIONS[config.ndim](config.widths[0], config.outputs, 1) for _ in inputs)

    @property
    def stride(self) -> int:
        """What every size of the input must be a multiple of."""
        return int(2 ** (len(self.config.widths) - 1))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the logits of each pixel.

        Parameters
        ----------
        images
            (N, channels_in, *spatial) float; sizes are multiples of `stride`.

        Returns
        -------
        Tensor
            (N, outputs, *spatial) of the last network; in training with deep supervision a tuple, the last
            network first.
        """
        found: list[Tensor] = []
        for network, head in zip(self.networks, self.heads, strict=True):
            seen = torch.cat([images, found[0]], 1) if found else images
            found.insert(0, head(network(seen)))
        return tuple(found) if self.training and self.config.deep_supervision and len(found) > 1 else found[0]


class _SmallUNet(nn.Module):
    def __init__(self, config: WNetConfig, channels: int) -> None:
        super().__init__()
        widths, ndim = config.widths, config.ndim
        pairs = list(pairwise(widths))
        self.encoder = nn.ModuleList(
            _Residual(before, width, ndim) for before, width in zip((channels, *widths), widths, strict=False)
        )
        self.pool = POOLS[ndim](2)
        self.drop = DROPOUTS[ndim](config.dropout)
        self.bridges = nn.ModuleList(nn.Sequential(*_convolution(width, width, ndim)) for width in widths[:-1])
        self.up = nn.ModuleList(TRANSPOSED[ndim](below, width, 2, stride=2) for width, below in pairs)
        self.decoder = nn.ModuleList(_Residual(2 * width, width, ndim) for width in widths[:-1])

    def forward(self, images: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for number, level in enumerate(self.encoder):
            skips.append(level(self.pool(skips[-1]) if number else images))
        features: Tensor = self.drop(skips.pop())
        for number in reversed(range(len(skips))):
            features = torch.cat([self.up[number](features), self.bridges[number](skips[number])], 1)
            features = self.decoder[number](features)
        return features


class _Residual(nn.Module):
    def __init__(self, inputs: int, width: int, ndim: int) -> None:
        super().__init__()
        self.block = nn.Sequential(*_convolution(inputs, width, ndim), *_convolution(width, width, ndim))
        self.shortcut = nn.Sequential(*_convolution(inputs, width, ndim, kernel=1)[:2])

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.block(features) + self.shortcut(features)
        return changed


def _convolution(inputs: int, width: int, ndim: int, *, kernel: int = 3) -> list[nn.Module]:
    convolution = CONVOLUTIONS[ndim](inputs, width, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="leaky_relu")
    return [convolution, NORMALISATIONS[ndim](width), nn.LeakyReLU()]
