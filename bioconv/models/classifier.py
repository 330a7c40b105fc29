"""What all networks that put whole images into classes have in common: a body, a neck, a head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from bioconv.errors import ModelError
from bioconv.models.fusion import FUSIONS, ViewFusion
from bioconv.models.top import TopBlock


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
    fusion
        `views`: what is found in the views of one breast is joined before the head; `none`: images stand alone.
    top
        Residual blocks between body and neck, each of which halves the map: for bodies trained on patches.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    channels_in: int = 1
    outputs: int = 1
    width: float = 1.0
    dropout: float = 0.0
    fusion: str = "none"
    top: int = 0

    def __post_init__(self) -> None:
        if min(self.channels_in, self.outputs) < 1 or not 0 < self.width <= 16 or not 0 <= self.dropout < 1:
            message = f"{self} makes no sense: channels and outputs from 1, width in (0, 16], dropout in [0, 1)"
            raise ValueError(message)
        if self.fusion not in FUSIONS or not 0 <= self.top <= 8:
            message = f"fusion {self.fusion!r}, top {self.top}; expected {' or '.join(FUSIONS)}, and 0 to 8 blocks"
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

    A subclass sets `body` (convolutions, up to the last map before pooling) and `neck` (pooling and what follows, to
    one vector per image), and calls `finish`. To change the outputs, replace `head`, the linear layer that knows them.

    Parameters
    ----------
    config
        Hyper-parameters, of the subclass's `config_class`.

    Attributes
    ----------
    top : nn.Sequential or None
        Blocks between body and neck, of models for whole images whose body was trained on patches.
    fusion : ViewFusion or None
        What joins the views of a breast; an image given alone is a breast with one view.
    head_names : tuple of str
        What is new when a network starts from another's weights: top, fusion and head.
    feature_channels : int
        Channels of the last convolutional map.
    smallest : int
        Pixels that the shorter side of an image has at least.
    """

    config_class: ClassVar[type[Any]] = ClassifierConfig
    smallest: ClassVar[int] = 1

    body: nn.Module
    neck: nn.Module
    head: nn.Linear
    feature_channels: int
    head_names: tuple[str, ...] = ("head",)

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.top: nn.Sequential | None = None
        self.fusion: ViewFusion | None = None

    def finish(self, features: int, channels: int) -> None:
        """Add head, and top and fusion where they are wanted.

        Parameters
        ----------
        features
            Length of the vector that the neck gives.
        channels
            Of the body's last map.
        """
        self.feature_channels = channels
        if self.config.top:
            self.top = nn.Sequential(*(TopBlock(channels) for _ in range(self.config.top)))
            start_rectified(self.top)
        if self.config.fusion == "views":
            self.fusion = ViewFusion(features)
        self.head = nn.Linear(features, self.config.outputs)
        added = {"top": self.top, "fusion": self.fusion}
        self.head_names = (*(name for name, part in added.items() if part is not None), "head")

    def features(self, images: Tensor) -> Tensor:
        """Return the last convolutional map (N, feature_channels, y, x) of images (N, channels_in, Y, X)."""
        found: Tensor = self.body(images)
        return found if self.top is None else self.top(found)

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits (N, outputs) of `features`, the last convolutional map (N, feature_channels, y, x)."""
        vectors = self.neck(features)
        logits: Tensor = self.head(vectors if self.fusion is None else self.fusion(vectors))
        return logits

    def vectors(self, images: Tensor) -> Tensor:
        """Return what is found in images (N, channels_in, Y, X) before views are joined, (N, features)."""
        found: Tensor = self.neck(self.features(images))
        return found

    def join(self, vectors: Tensor, kinds: Tensor) -> Tensor:
        """Return the logits (N, outputs) of breasts from their views' vectors (N, V, features).

        Parameters
        ----------
        kinds
            (N, V) int64, as `ViewFusion.join` takes them.

        Raises
        ------
        ModelError
            If the network does not join views.
        """
        if self.fusion is None:
            message = "this network does not join views; build it with fusion `views`"
            raise ModelError(message)
        logits: Tensor = self.head(self.fusion.join(vectors, kinds))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, outputs) of images (N, channels_in, Y, X)."""
        return self.classify(self.features(images))


POOLINGS: dict[str, type[nn.Module]] = {"mean": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}


def pool_and_drop(dropout: float, pooling: str = "mean") -> nn.Sequential:
    """Return the neck of later networks: one number of each channel over the image.

    The mean is that of Lin et al., arXiv 1312.4400; the maximum asks for the one place that shows most (Oquab et al.
    2015, doi 10.1109/CVPR.2015.7298668).

    Parameters
    ----------
    dropout
        Share of these numbers dropped in training.
    pooling
        `mean` or `max`.
    """
    return nn.Sequential(POOLINGS[pooling](1), nn.Flatten(), nn.Dropout(dropout))


def start_rectified(*parts: nn.Module) -> None:
    """Draw the weights of `parts` for rectifiers (He et al., doi 10.1109/ICCV.2015.123); biases begin at 0."""
    for layer in _layers(parts):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _layers(parts: tuple[nn.Module, ...]) -> Iterator[nn.Conv2d | nn.Linear]:
    for part in parts:
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                yield module
