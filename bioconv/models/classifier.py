"""What all networks that put whole images into classes have in common: a body, a neck, a head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn


@dataclass(frozen=True)
class ClassifierConfig:
    """Hyper-parameters of a network that classifies images.

    Parameters
    ----------
    channels_in
        Channels of the image.
    outputs
        Logits per image.
    width
        Factor on the channels of all layers; 1 is the published network.
    dropout
        Share dropped in training, before the head and in hidden layers behind the body.
    """

    channels_in: int = 1
    outputs: int = 1
    width: float = 1.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.channels_in, self.outputs) < 1 or not 0 < self.width <= 16 or not 0 <= self.dropout < 1:
            message = f"{self} makes no sense: channels and outputs from 1, width in (0, 16], dropout in [0, 1)"
            raise ValueError(message)

    def scaled(self, channels: int) -> int:
        """Return a published number of channels times `width`, at least 1.

        Examples
        --------
        >>> ClassifierConfig(width=0.25).scaled(64)
        16
        """
        return max(1, round(channels * self.width))


class Classifier(nn.Module):
    """A network from images of any size, from `smallest` on, to logits.

    A subclass sets `body` (convolutions, up to the last map before pooling), `neck` (pooling and what follows, to one
    vector per image) and `head`, the linear layer that knows the outputs. To change the outputs, replace `head`.

    Attributes
    ----------
    feature_channels : int
        Channels of the last convolutional map.
    smallest : int
        Pixels that the shorter side of an image has at least.
    """

    config_class: ClassVar[type[Any]] = ClassifierConfig
    head_names: ClassVar[tuple[str, ...]] = ("head",)
    smallest: ClassVar[int] = 1

    body: nn.Module
    neck: nn.Module
    head: nn.Linear
    feature_channels: int

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def features(self, images: Tensor) -> Tensor:
        """Return the last convolutional map (N, feature_channels, y, x) of images (N, channels_in, Y, X)."""
        found: Tensor = self.body(images)
        return found

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits (N, outputs) of the last convolutional map (N, feature_channels, y, x)."""
        logits: Tensor = self.head(self.neck(features))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, outputs) of images (N, channels_in, Y, X)."""
        return self.classify(self.features(images))


POOLINGS: dict[str, type[nn.Module]] = {"mean": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}


def pool_and_drop(dropout: float, pooling: str = "mean") -> nn.Sequential:
    """Return the neck of later networks: one number of each channel over the image.

    The mean is that of Lin et al., arXiv 1312.4400; the maximum asks for the one place that shows most (Oquab et al.
    2015, doi 10.1109/CVPR.2015.7298668).
    """
    return nn.Sequential(POOLINGS[pooling](1), nn.Flatten(), nn.Dropout(dropout))


def start_rectified(*parts: nn.Module) -> None:
    """Draw weights for rectifiers (He et al., doi 10.1109/ICCV.2015.123); biases begin at 0."""
    for layer in _layers(parts):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _layers(parts: tuple[nn.Module, ...]) -> Iterator[nn.Conv2d | nn.Linear]:
    for part in parts:
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                yield module
