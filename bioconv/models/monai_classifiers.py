"""Classifiers of MONAI behind the interface of ours; MONAI is imported when one is built. Batch normalisation, 2-D."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar

from torch import nn

from bioconv.models.classifier import Classifier, ClassifierConfig, pool_and_drop


class MonaiResNet(Classifier):
    """MONAI's ResNet: block and blocks as published (He et al. 2016, doi 10.1109/CVPR.2016.90).

    As MONAI builds it by default, the first convolution keeps the size, so that maps are twice as fine as ResNet's.
    """

    block: ClassVar[str]
    blocks: ClassVar[tuple[int, ...]]

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        from monai.networks.nets.resnet import ResNet as Network

        widths = [config.scaled(64 * 2**level) for level in range(4)]
        network: Any = Network(
            self.block,
            list(self.blocks),
            widths,
            spatial_dims=2,
            n_input_channels=config.channels_in,
            feed_forward=False,
            bias_downsample=False,
        )
        names = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4")
        self.body = nn.Sequential(OrderedDict((name, getattr(network, name)) for name in names))
        self.feature_channels = widths[-1] * (4 if self.block == "bottleneck" else 1)
        self.neck = pool_and_drop(config.dropout)
        self.finish(self.feature_channels, self.feature_channels)


class MonaiResNet18(MonaiResNet):
    """MONAI's ResNet of 18 layers with weights."""

    block, blocks = "basic", (2, 2, 2, 2)


class MonaiResNet50(MonaiResNet):
    """MONAI's ResNet of 50 layers with weights."""

    block, blocks = "bottleneck", (3, 4, 6, 3)


class MonaiDenseNet121(Classifier):
    """MONAI's DenseNet-121: Huang et al. 2017, doi 10.1109/CVPR.2017.243. `width` scales the growth rate too."""

    smallest = 29

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        from monai.networks.nets.densenet import DenseNet as Network

        network: Any = Network(
            spatial_dims=2,
            in_channels=config.channels_in,
            out_channels=1,
            init_features=config.scaled(64),
            growth_rate=config.scaled(32),
            block_config=(6, 12, 24, 16),
        )
        self.feature_channels = network.class_layers.out.in_features
        self.body = nn.Sequential(OrderedDict(features=network.features, relu=nn.ReLU()))
        self.neck = pool_and_drop(config.dropout)
        self.finish(self.feature_channels, self.feature_channels)
