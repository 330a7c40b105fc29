"""Residual networks: a compact one of our own for grey images, and the published ResNets.

He et al. 2016, doi 10.1109/CVPR.2016.90; with normalisation and rectifier before each convolution, He et al. 2016,
doi 10.1007/978-3-319-46493-0_38.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from bioconv.models.classifier import POOLINGS, Classifier, ClassifierConfig, pool_and_drop, start_rectified


@dataclass(frozen=True)
class ResidualConfig(ClassifierConfig):
    """Hyper-parameters of the compact network; the defaults have 0.7 million parameters.

    Parameters
    ----------
    channels_in, outputs, width, dropout
        As of every classifier.
    blocks
        Residual blocks of each level; a level halves the size and doubles the channels, 16 in the first.
    preactivation
        Normalise and rectify before each convolution, not behind it.
    pooling
        `mean` over the last map, or `max`.
    """

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    preactivation: bool = True
    pooling: str = "mean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        super().__post_init__()
        if not 1 <= len(self.blocks) <= 8 or min(self.blocks) < 1:
            message = f"blocks is {self.blocks}; expected 1 to 8 levels of 1 block or more"
            raise ValueError(message)
        if self.pooling not in POOLINGS:
            message = f"pooling is {self.pooling!r}; expected one of {', '.join(POOLINGS)}"
            raise ValueError(message)


def _thinned(maps: Tensor, stride: int) -> Tensor:
    """Return every stride-th pixel, all that a 1x1 convolution of that stride would read.

    torch 2.13's backward pass of such a convolution of 8 channels that lie last in memory ends the process on a CPU.
    """
    return maps if stride == 1 else functional.max_pool2d(maps, 1, stride)


def _shortcut(inputs: int, channels: int, stride: int) -> nn.Sequential | None:
    """Return what makes the thinned input as wide as a block's output; None where it is so already."""
    if stride == 1 and inputs == channels:
        return None
    return nn.Sequential(nn.Conv2d(inputs, channels, 1, bias=False), nn.BatchNorm2d(channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, and a shortcut around them."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.stride = stride
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (N, width, y, x)."""
        around = maps if self.downsample is None else self.downsample(_thinned(maps, self.stride))
        maps = self.relu1(self.bn1(self.conv1(maps)))
        found: Tensor = self.relu2(self.bn2(self.conv2(maps)) + around)
        return found


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1 that make it narrow, and a shortcut around them.

    The 3x3 one has the stride, as in published weights; in the paper it is the first.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu3 = nn.ReLU()
        self.stride = stride
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (N, 4 width, y, x)."""
        around = maps if self.downsample is None else self.downsample(_thinned(maps, self.stride))
        maps = self.relu1(self.bn1(self.conv1(maps)))
        maps = self.relu2(self.bn2(self.conv2(maps)))
        found: Tensor = self.relu3(self.bn3(self.conv3(maps)) + around)
        return found


class PreactivationBlock(nn.Module):
    """Two 3x3 convolutions, each behind its normalisation and rectifier; nothing stands in the shortcut's way."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.stride = stride
        changes = stride > 1 or inputs != width
        self.downsample = nn.Conv2d(inputs, width, 1, bias=False) if changes else None

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (N, width, y, x)."""
        ready = self.relu1(self.bn1(maps))
        around = maps if self.downsample is None else self.downsample(_thinned(ready, self.stride))
        found: Tensor = self.conv2(self.relu2(self.bn2(self.conv1(ready)))) + around
        return found


Block = type[BasicBlock] | type[Bottleneck] | type[PreactivationBlock]


def _level(block: Block, inputs: int, width: int, count: int, stride: int) -> nn.Sequential:
    after = width * block.expansion
    return nn.Sequential(block(inputs, width, stride), *(block(after, width, 1) for _ in range(count - 1)))


class Residual(Classifier):
    """A compact residual network: a 3x3 convolution that halves the image, then levels of basic blocks.

    All sizes down to one pixel work; the last map is 16 times smaller than the image with four levels.
    """

    config_class = ResidualConfig

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__(config)
        block: Block = PreactivationBlock if config.preactivation else BasicBlock
        before = config.scaled(16)
        parts: dict[str, nn.Module] = {"conv1": nn.Conv2d(config.channels_in, before, 3, 2, 1, bias=False)}
        if not config.preactivation:
            parts |= {"bn1": nn.BatchNorm2d(before), "relu": nn.ReLU()}
        for number, count in enumerate(config.blocks):
            width = config.scaled(16 * 2**number)
            parts[f"layer{number + 1}"] = _level(block, before, width, count, 2 if number else 1)
            before = width
        if config.preactivation:
            parts |= {"bn": nn.BatchNorm2d(before), "relu": nn.ReLU()}
        self.body = nn.Sequential(OrderedDict(parts))
        self.neck = pool_and_drop(config.dropout, config.pooling)
        self.finish(before, before)
        start_rectified(self.body)


class ResNet(Classifier):
    """A published residual network: `block` and the number of blocks at each of four levels."""

    block: ClassVar[type[BasicBlock] | type[Bottleneck]]
    blocks: ClassVar[tuple[int, int, int, int]]

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        before = config.scaled(64)
        parts: dict[str, nn.Module] = {
            "conv1": nn.Conv2d(config.channels_in, before, 7, 2, 3, bias=False),
            "bn1": nn.BatchNorm2d(before),
            "relu": nn.ReLU(),
            "maxpool": nn.MaxPool2d(3, 2, padding=1),
        }
        for number, count in enumerate(self.blocks):
            width = config.scaled(64 * 2**number)
            parts[f"layer{number + 1}"] = _level(self.block, before, width, count, 2 if number else 1)
            before = width * self.block.expansion
        self.body = nn.Sequential(OrderedDict(parts))
        self.neck = pool_and_drop(config.dropout)
        self.finish(before, before)
        start_rectified(self.body)


class ResNet18(ResNet):
    """ResNet of 18 layers with weights."""

    block, blocks = BasicBlock, (2, 2, 2, 2)


class ResNet34(ResNet):
    """ResNet of 34 layers with weights."""

    block, blocks = BasicBlock, (3, 4, 6, 3)


class ResNet50(ResNet):
    """ResNet of 50 layers with weights."""

    block, blocks = Bottleneck, (3, 4, 6, 3)


class ResNet101(ResNet):
    """ResNet of 101 layers with weights."""

    block, blocks = Bottleneck, (3, 4, 23, 3)


class ResNet152(ResNet):
    """ResNet of 152 layers with weights."""

    block, blocks = Bottleneck, (3, 8, 36, 3)
