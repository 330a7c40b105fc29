"""U-Net in two and three dimensions: as published, and a compact one for processors without a GPU.

Ronneberger, Fischer & Brox, MICCAI 2015, doi 10.1007/978-3-319-24574-4_28; in 3-D Çiçek et al., MICCAI 2016,
doi 10.1007/978-3-319-46723-8_49.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from bioconv.models.layers import CONVOLUTIONS, DROPOUTS, NORMALISATIONS, POOLS, TRANSPOSED

SKIPS = ("add", "concatenate")


@dataclass(frozen=True)
class UNetConfig:
    """Hyper-parameters; the defaults are the compact network's.

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
    encoder_convolutions, decoder_convolutions
        3x3 convolutions per level on the way down and on the way up.
    skip
        How a level's features meet those from below: `add` or `concatenate`.
    transposed
        Upsampling by a 2x2 transposed convolution; else by repeating pixels after a 1x1 convolution.
    batch_norm
        Normalise after every convolution; the published network has none.
    dropout
        Share of the deepest level's channels dropped in training, and by MC dropout.
    deep_supervision
        In training the levels above the deepest give logits too.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    channels_in: int = 1
    outputs: int = 1
    ndim: int = 2
    widths: tuple[int, ...] = (16, 32, 64, 128, 192)
    encoder_convolutions: int = 2
    decoder_convolutions: int = 1
    skip: str = "add"
    transposed: bool = False
    batch_norm: bool = True
    dropout: float = 0.0
    deep_supervision: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        counts = (self.channels_in, self.outputs, *self.widths, self.encoder_convolutions, self.decoder_convolutions)
        if self.ndim not in (2, 3) or not self.widths or min(counts) < 1 or not 0 <= self.dropout < 1:
            message = f"{self} makes no sense: ndim 2 or 3, dropout in [0, 1), all else 1 or more"
            raise ValueError(message)
        if self.skip not in SKIPS:
            message = f"skip is {self.skip!r}; expected one of {', '.join(SKIPS)}"
            raise ValueError(message)


def published_unet(channels_in: int = 1, outputs: int = 2, *, ndim: int = 2, batch_norm: bool = True) -> UNetConfig:
    """Return the published network's hyper-parameters; convolutions are padded, so that the size is kept.

    Parameters
    ----------
    channels_in, outputs, ndim, batch_norm
        As of `UNetConfig`.
    """
    return UNetConfig(
        channels_in,
        outputs,
        ndim,
        widths=(64, 128, 256, 512, 1024),
        decoder_convolutions=2,
        skip="concatenate",
        transposed=True,
        batch_norm=batch_norm,
    )


class UNet(nn.Module):
    """An encoder that halves, a decoder that doubles, and what each level saw handed across.

    Parameters
    ----------
    config
        Hyper-parameters.
    """

    config_class = UNetConfig
    head_names = ("head", "deep_heads")

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, convolution = config.widths, CONVOLUTIONS[config.ndim]
        inputs = (config.channels_in, *widths[:-1])
        pairs = list(pairwise(widths))
        doubled = 2 if config.skip == "concatenate" else 1
        self.encoder = nn.ModuleList(
            _level(config, before, width, config.encoder_convolutions)
            for before, width in zip(inputs, widths, strict=True)
        )
        self.pool = POOLS[config.ndim](2)
        self.drop = DROPOUTS[config.ndim](config.dropout)
        self.up = nn.ModuleList(_upsampling(config, below, width) for width, below in pairs)
        self.decoder = nn.ModuleList(
            _level(config, doubled * width, width, config.decoder_convolutions) for width, _ in pairs
        )
        self.head = convolution(widths[0], config.outputs, 1)
        deep = widths[1:-1] if config.deep_supervision else ()
        self.deep_heads = nn.ModuleList(convolution(width, config.outputs, 1) for width in deep)

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
            (N, outputs, *spatial); in training with deep supervision a tuple of them, each half the size of the
            one before.
        """
        skips = []
        features = images
        for number, level in enumerate(self.encoder):
            features = level(features if number == 0 else self.pool(features))
            skips.append(features)
        features = self.drop(skips.pop())
        deep: list[Tensor] = []
        for number in reversed(range(len(skips))):
            above = self.up[number](features)
            # Nobody else reads `above`, and no gradient needs it; a skip's memory is free once it has been used.
            features = above.add_(skips.pop()) if self.config.skip == "add" else torch.cat([skips.pop(), above], 1)
            features = self.decoder[number](features)
            if self.training and 0 < number <= len(self.deep_heads):
                deep.insert(0, self.deep_heads[number - 1](features))
        logits: Tensor = self.head(features)
        return (logits, *deep) if deep else logits


def _level(config: UNetConfig, inputs: int, width: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(count):
        convolution = CONVOLUTIONS[config.ndim](
            width if number else inputs, width, 3, padding=1, bias=not config.batch_norm
        )
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers += [convolution, *([NORMALISATIONS[config.ndim](width)] if config.batch_norm else []), nn.ReLU()]
    return nn.Sequential(*layers)


def _upsampling(config: UNetConfig, below: int, width: int) -> nn.Module:
    if config.transposed:
        return TRANSPOSED[config.ndim](below, width, 2, stride=2)
    # Channels first: the convolution then runs on a quarter (an eighth) of the pixels.
    return nn.Sequential(CONVOLUTIONS[config.ndim](below, width, 1), nn.Upsample(scale_factor=2.0, mode="nearest"))
