"""The networks that came before residual ones: LeNet-5, AlexNet, VGG, GoogLeNet.

Each is the form that weights are published for, so that they can be imported; where that is not the paper's network
to the letter, the class says so.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from bioconv.models.classifier import Classifier, ClassifierConfig, pool_and_drop, start_rectified


@dataclass(frozen=True)
class HiddenConfig(ClassifierConfig):
    """Hyper-parameters of networks with hidden layers behind the body, half of them dropped as published."""

    dropout: float = 0.5


@dataclass(frozen=True)
class GoogLeNetConfig(ClassifierConfig):
    """Hyper-parameters of GoogLeNet; the published weights' dropout is 0.2, the paper's 0.4."""

    dropout: float = 0.2


class LeNet5(Classifier):
    """LeNet-5: LeCun et al. 1998, doi 10.1109/5.726791; at its size, 32 x 32, C5 sees the whole image.

    Every map of C3 reads all of S2, S2 and S4 are plain means, and the output is linear: of the paper's network 60
    connections, the subsampling's 44 coefficients and the fixed radial outputs differ. An image of another size is
    averaged to 5 x 5 places before C5.
    """

    smallest = 16

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        c1, c3, c5, f6 = (config.scaled(channels) for channels in (6, 16, 120, 84))
        self.body = nn.Sequential(
            OrderedDict(
                c1=nn.Conv2d(config.channels_in, c1, 5), tanh1=nn.Tanh(), s2=nn.AvgPool2d(2),
                c3=nn.Conv2d(c1, c3, 5), tanh3=nn.Tanh(),
            )
        )  # fmt: skip
        self.neck = nn.Sequential(
            OrderedDict(
                s4=nn.AvgPool2d(2), places=nn.AdaptiveAvgPool2d(5), flat=nn.Flatten(),
                c5=nn.Linear(c3 * 25, c5), tanh5=nn.Tanh(),
                f6=nn.Linear(c5, f6), tanh6=nn.Tanh(), drop=nn.Dropout(config.dropout),
            )
        )  # fmt: skip
        self.finish(f6, c3)


def _hidden(config: ClassifierConfig, pool: nn.Module, channels: int, places: int) -> nn.Sequential:
    """Return the neck of AlexNet and VGG: a last pooling, `places` x `places` means, two wide hidden layers."""
    wide = config.scaled(4096)
    return nn.Sequential(
        OrderedDict(
            pool=pool, places=nn.AdaptiveAvgPool2d(places), flat=nn.Flatten(),
            fc6=nn.Linear(channels * places**2, wide), relu6=nn.ReLU(), drop6=nn.Dropout(config.dropout),
            fc7=nn.Linear(wide, wide), relu7=nn.ReLU(), drop7=nn.Dropout(config.dropout),
        )
    )  # fmt: skip


class AlexNet(Classifier):
    """AlexNet in one tower: Krizhevsky 2014, arXiv 1404.5997; the first was Krizhevsky et al., doi 10.1145/3065386.

    64 and 192 channels in the first two layers where the first network had 96 and 256 in two groups; no local
    response normalisation.
    """

    config_class = HiddenConfig
    smallest = 63

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        one, two, three, last = (config.scaled(channels) for channels in (64, 192, 384, 256))
        self.body = nn.Sequential(
            nn.Conv2d(config.channels_in, one, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(one, two, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(two, three, 3, padding=1), nn.ReLU(),
            nn.Conv2d(three, last, 3, padding=1), nn.ReLU(),
            nn.Conv2d(last, last, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.neck = _hidden(config, nn.MaxPool2d(3, 2), last, 6)
        self.finish(config.scaled(4096), last)
        start_rectified(self.body, self.neck)


class VGG(Classifier):
    """Five levels of 3x3 convolutions: Simonyan & Zisserman 2015, doi 10.48550/arXiv.1409.1556.

    `convolutions` is their number at each level; an image of another size than 224 x 224 is averaged to 7 x 7 places
    before the hidden layers.
    """

    config_class = HiddenConfig
    smallest = 32
    convolutions: ClassVar[tuple[int, ...]]

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        layers: list[nn.Module] = []
        before = config.channels_in
        for published, count in zip((64, 128, 256, 512, 512), self.convolutions, strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(before, config.scaled(published), 3, padding=1), nn.ReLU()]
                before = config.scaled(published)
            layers.append(nn.MaxPool2d(2))
        pool = layers.pop()  # the last one is no longer part of the map that is looked at
        self.body = nn.Sequential(*layers)
        self.neck = _hidden(config, pool, before, 7)
        self.finish(config.scaled(4096), before)
        start_rectified(self.body, self.neck)


class VGG11(VGG):
    """VGG of 11 layers with weights, the paper's configuration A."""

    convolutions = (1, 1, 2, 2, 2)


class VGG16(VGG):
    """VGG of 16 layers with weights, the paper's configuration D."""

    convolutions = (2, 2, 3, 3, 3)


class VGG19(VGG):
    """VGG of 19 layers with weights, the paper's configuration E."""

    convolutions = (2, 2, 4, 4, 4)


# Of each Inception: channels of the 1x1 branch; of the 3x3 branch, reduced and full; of the 5x5 branch, reduced and
# full; behind the pooling (the paper's table 1). A number alone is a pooling with that kernel.
_INCEPTIONS: dict[str, tuple[int, ...] | int] = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "maxpool3": 3,
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "maxpool4": 2,
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


class Normalised(nn.Sequential):
    """A convolution, its batch normalisation and a rectifier."""

    def __init__(self, inputs: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(inputs, channels, kernel, stride, kernel // 2, bias=False),
                bn=nn.BatchNorm2d(channels, eps=1e-3),
                relu=nn.ReLU(),
            )
        )


class Inception(nn.Module):
    """Four branches side by side; 1x1 convolutions make the input narrow before the wider kernels."""

    def __init__(self, inputs: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        single, reduced3, full3, reduced5, full5, pooled = channels
        self.branch1 = Normalised(inputs, single, 1)
        self.branch2 = nn.Sequential(Normalised(inputs, reduced3, 1), Normalised(reduced3, full3, 3))
        self.branch3 = nn.Sequential(Normalised(inputs, reduced5, 1), Normalised(reduced5, full5, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), Normalised(inputs, pooled, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the branches' maps, one behind the other."""
        return torch.cat([self.branch1(maps), self.branch2(maps), self.branch3(maps), self.branch4(maps)], 1)


class GoogLeNet(Classifier):
    """GoogLeNet: Szegedy et al. 2015, doi 10.1109/CVPR.2015.7298594; without the heads that helped training.

    As its weights are published: batch normalisation in place of local responses, and a 3x3 kernel in the branch
    that has 5x5 in the paper.
    """

    config_class = GoogLeNetConfig
    smallest = 15

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        first, second = config.scaled(64), config.scaled(192)
        parts: dict[str, nn.Module] = {
            "conv1": Normalised(config.channels_in, first, 7, 2),
            "maxpool1": nn.MaxPool2d(3, 2, ceil_mode=True),
            "conv2": Normalised(first, first, 1),
            "conv3": Normalised(first, second, 3),
            "maxpool2": nn.MaxPool2d(3, 2, ceil_mode=True),
        }
        before = second
        for name, published in _INCEPTIONS.items():
            if isinstance(published, int):
                parts[name] = nn.MaxPool2d(published, 2, ceil_mode=True)
                continue
            channels = tuple(map(config.scaled, published))
            parts[name] = Inception(before, channels)
            before = channels[0] + channels[2] + channels[4] + channels[5]
        self.body = nn.Sequential(OrderedDict(parts))
        self.neck = pool_and_drop(config.dropout)
        self.finish(before, before)
        start_rectified(self.body)
