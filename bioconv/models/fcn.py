"""Fully convolutional network: a classifier's features, scored at several scales and upsampled.

Long, Shelhamer & Darrell, CVPR 2015, doi 10.1109/CVPR.2015.7298965.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from bioconv.models.layers import CONVOLUTIONS, DROPOUTS, NORMALISATIONS, POOLS, TRANSPOSED


@dataclass(frozen=True)
class FCNConfig:
    """Hyper-parameters; the defaults are a compact network's.

    Parameters
    ----------
    channels_in
        Channels of the image.
    outputs
        Logits per pixel.
    ndim
        2 or 3.
    widths
        Channels of each level, the full resolution first; each ends with a pooling that halves.
    convolutions
        3x3 convolutions of each level.
    classifier_width
        Channels of the two convolutions below the last level, a classifier's fully connected layers.
    classifier_kernel
        Size of the first of them, odd.
    skips
        Levels above the last whose pooled features are scored too, and added; FCN-32s has 0, 16s 1, 8s 2.
    batch_norm
        Normalise after every convolution; the published network has none.
    dropout
        Share of the classifier's channels dropped in training, and by MC dropout.
    deep_supervision
        In training the scores of each scale are outputs too.
    """

    channels_in: int = 1
    outputs: int = 1
    ndim: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 256)
    convolutions: tuple[int, ...] = (2, 2, 2, 2)
    classifier_width: int = 256
    classifier_kernel: int = 3
    skips: int = 3
    batch_norm: bool = True
    dropout: float = 0.0
    deep_supervision: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "convolutions", tuple(self.convolutions))
        counts = (self.channels_in, self.outputs, *self.widths, *self.convolutions, self.classifier_width)
        if self.ndim not in (2, 3) or not self.widths or min(counts) < 1 or not 0 <= self.dropout < 1:
            message = f"{self} makes no sense: ndim 2 or 3, dropout in [0, 1), all else 1 or more"
            raise ValueError(message)
        if len(self.convolutions) != len(self.widths) or not 0 <= self.skips < len(self.widths):
            message = f"{self} makes no sense: one number of convolutions per width, fewer skips than widths"
            raise ValueError(message)
        if self.classifier_kernel < 1 or self.classifier_kernel % 2 == 0:
            message = f"classifier_kernel is {self.classifier_kernel}; expected an odd number"
            raise ValueError(message)


def published_fcn(channels_in: int = 3, outputs: int = 21, *, skips: int = 2, batch_norm: bool = False) -> FCNConfig:
    """Return the hyper-parameters of FCN-VGG16; convolutions are padded, so that the size is kept."""
    return FCNConfig(
        channels_in,
        outputs,
        widths=(64, 128, 256, 512, 512),
        convolutions=(2, 2, 3, 3, 3),
        classifier_width=4096,
        classifier_kernel=7,
        skips=skips,
        batch_norm=batch_norm,
        dropout=0.5,
    )


class FCN(nn.Module):
    """Levels that halve, a score at each of the last few, and transposed convolutions back to the full size."""

    config_class = FCNConfig
    head_names = ("score", "skip_scores", "up", "last_up")

    def __init__(self, config: FCNConfig) -> None:
        super().__init__()
        self.config = config
        score, hidden = CONVOLUTIONS[config.ndim], config.classifier_width
        inputs = (config.channels_in, *config.widths[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(*_layers(config, before, width, count), POOLS[config.ndim](2))
            for before, width, count in zip(inputs, config.widths, config.convolutions, strict=True)
        )
        self.classifier = nn.Sequential(
            *_layers(config, config.widths[-1], hidden, 1, config.classifier_kernel),
            DROPOUTS[config.ndim](config.dropout),
            *_layers(config, hidden, hidden, 1, 1),
            DROPOUTS[config.ndim](config.dropout),
        )
        self.score = score(hidden, config.outputs, 1)
        skipped = config.widths[-2::-1][: config.skips]
        self.skip_scores = nn.ModuleList(score(width, config.outputs, 1) for width in skipped)
        self.up = nn.ModuleList(_interpolation(config, 2) for _ in skipped)
        self.last_up = _interpolation(config, 2 ** (len(config.widths) - config.skips))

    @property
    def stride(self) -> int:
        """What every size of the input must be a multiple of."""
        return int(2 ** len(self.config.widths))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the logits of each pixel.

        Parameters
        ----------
        images
            (N, channels_in, *spatial) float; sizes are multiples of `stride`.

        Returns
        -------
        Tensor
            (N, outputs, *spatial); in training with deep supervision a tuple of them, the finest first.
        """
        pooled = [images]
        for level in self.levels:
            pooled.append(level(pooled[-1]))
        scores = [self.score(self.classifier(pooled.pop()))]
        for up, score in zip(self.up, self.skip_scores, strict=True):
            scores.insert(0, up(scores[0]) + score(pooled.pop()))
        logits: Tensor = self.last_up(scores[0])
        return (logits, *scores) if self.training and self.config.deep_supervision else logits


def _layers(config: FCNConfig, inputs: int, width: int, count: int, kernel: int = 3) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number in range(count):
        convolution = CONVOLUTIONS[config.ndim](
            width if number else inputs, width, kernel, padding=kernel // 2, bias=not config.batch_norm
        )
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers += [convolution, *([NORMALISATIONS[config.ndim](width)] if config.batch_norm else []), nn.ReLU()]
    return layers


def _interpolation(config: FCNConfig, factor: int) -> nn.Module:
    """Return a transposed convolution that begins as linear interpolation of each output."""
    layer = TRANSPOSED[config.ndim](
        config.outputs, config.outputs, 2 * factor, stride=factor, padding=factor // 2, bias=False
    )
    line = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
    kernel = reduce(lambda grid, along: grid[..., None] * along, [line] * config.ndim)
    with torch.no_grad():
        layer.weight.zero_()
        for output in range(config.outputs):
            layer.weight[output, output] = kernel
    return layer
