"""Layers on top of a body that was trained on patches, for images as a whole.

Shen et al. 2019, doi 10.1038/s41598-019-48995-4: a classifier of patches is convolutional, so its body can be slid over
a whole image; further residual blocks read the map that this gives.
"""

from __future__ import annotations

from torch import Tensor, nn


class TopBlock(nn.Module):
    """A residual block that halves the map: a 3x3 convolution between two of 1x1, and a shortcut around them.

    It gives as many channels as it gets, a fourth of them inside.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = max(1, channels // 4)
        self.conv1 = nn.Conv2d(channels, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(inside, inside, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(inside, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.relu3 = nn.ReLU()
        self.downsample = nn.Sequential(nn.Conv2d(channels, channels, 1, 2, bias=False), nn.BatchNorm2d(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (N, channels, y / 2, x / 2) of maps (N, channels, y, x), rounded up."""
        found = self.relu1(self.bn1(self.conv1(maps)))
        found = self.relu2(self.bn2(self.conv2(found)))
        added: Tensor = self.relu3(self.bn3(self.conv3(found)) + self.downsample(maps))
        return added
