"""Networks of MONAI, by name and behind the interface of the others; MONAI is imported when one is built.

Batch normalisation is the default wherever MONAI lets one choose: such networks are tiled exactly. Those with
instance or group normalisation look at the whole image, and fall back to overlapping windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

NORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "batch": ("batch", {}),
    "instance": ("instance", {"affine": True}),
    "group": ("group", {"num_groups": 8}),
}


@dataclass(frozen=True)
class DynUNetConfig:
    """Hyper-parameters of DynUNet, nnU-Net's network: Isensee et al., doi 10.1038/s41592-020-01008-z.

    Parameters
    ----------
    channels_in, outputs, ndim
        Channels of the image, logits per pixel, 2 or 3 spatial axes.
    widths
        Channels of each level, at least 3 of them; a level halves the size of the one before.
    norm
        `batch` or `instance` (nnU-Net's).
    residual
        Residual blocks.
    dropout
        Share dropped in training.
    deep_supervision
        In training the levels above the deepest give logits too.
    """

    channels_in: int = 1
    outputs: int = 1
    ndim: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 256, 320)
    norm: str = "batch"
    residual: bool = False
    dropout: float = 0.0
    deep_supervision: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        _check(self, self.widths, 3)
        _check_norm(self.norm, ("batch", "instance"))


@dataclass(frozen=True)
class SegResNetConfig:
    """Hyper-parameters of SegResNet: Myronenko, doi 10.1007/978-3-030-11726-9_28.

    Parameters
    ----------
    channels_in, outputs, ndim
        Channels of the image, logits per pixel, 2 or 3 spatial axes.
    width
        Channels at full resolution; a level halves the size and doubles the channels of the one before.
    blocks_down, blocks_up
        Residual blocks of each level on the way down, and on the way up (one level fewer).
    norm
        `batch`, `instance` or `group` (the published network's, in groups of 8).
    dropout
        Share dropped in training.
    """

    channels_in: int = 1
    outputs: int = 1
    ndim: int = 2
    width: int = 16
    blocks_down: tuple[int, ...] = (1, 2, 2, 4)
    blocks_up: tuple[int, ...] = (1, 1, 1)
    norm: str = "batch"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks_down", tuple(self.blocks_down))
        object.__setattr__(self, "blocks_up", tuple(self.blocks_up))
        _check(self, (self.width, *self.blocks_down, *self.blocks_up), 1)
        _check_norm(self.norm, ("batch", "instance", "group"))
        if len(self.blocks_up) != len(self.blocks_down) - 1:
            message = f"{self} makes no sense: blocks_up has one level fewer than blocks_down"
            raise ValueError(message)
        if self.norm == "group" and self.width % 8:
            message = f"width is {self.width}; group normalisation needs a multiple of 8"
            raise ValueError(message)


@dataclass(frozen=True)
class AttentionUnetConfig:
    """Hyper-parameters of AttentionUnet: Oktay et al., arXiv 1804.03999.

    Where paths merge it normalises by instance, as MONAI builds it: it is not tiled exactly.

    Parameters
    ----------
    channels_in, outputs, ndim
        Channels of the image, logits per pixel, 2 or 3 spatial axes.
    widths
        Channels of each level, at least 2 of them; a level halves the size of the one before.
    dropout
        Share dropped in training.
    """

    channels_in: int = 1
    outputs: int = 1
    ndim: int = 2
    widths: tuple[int, ...] = (16, 32, 64, 128)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        _check(self, self.widths, 2)


class MonaiNetwork(nn.Module):
    """A network of MONAI that `build` makes of a config; its `stride` is what sizes must be multiples of."""

    head_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.network: Any = self.build(config)
        self.stride = 2 ** (len(config.blocks_down if hasattr(config, "blocks_down") else config.widths) - 1)

    @staticmethod
    def build(config: Any) -> nn.Module:
        """Return MONAI's network."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return logits (N, outputs, *spatial) of images (N, channels_in, *spatial)."""
        logits: Tensor = self.network(images)
        return logits


class DynUNet(MonaiNetwork):
    """MONAI's DynUNet; in training with deep supervision it gives a tuple, all of the image's size."""

    config_class = DynUNetConfig
    head_names = (
        "network.output_block",
        *("network.skip_layers." + depth * "next_layer." + "super_head" for depth in range(1, 8)),
    )

    @staticmethod
    def build(config: DynUNetConfig) -> nn.Module:
        """Return MONAI's network."""
        from monai.networks.nets.dynunet import DynUNet as Network

        levels = len(config.widths)
        network: nn.Module = Network(
            config.ndim,
            config.channels_in,
            config.outputs,
            kernel_size=[3] * levels,
            strides=[1] + [2] * (levels - 1),
            upsample_kernel_size=[2] * (levels - 1),
            filters=config.widths,
            dropout=config.dropout or None,
            norm_name=NORMS[config.norm],
            deep_supervision=config.deep_supervision,
            deep_supr_num=max(levels - 2, 1),
            res_block=config.residual,
        )
        # MONAI keeps each layer under two names; a file would hold it twice.
        for name in ("input_block", "downsamples", "bottleneck", "upsamples", "deep_supervision_heads"):
            if hasattr(network, name):
                delattr(network, name)
        return network

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return logits (N, outputs, *spatial) of images (N, channels_in, *spatial)."""
        logits: Tensor = self.network(images)
        if not self.config.deep_supervision:
            return logits
        # The last batch's maps would stay there, and cannot be copied with the network.
        self.network.heads[:] = [head.new_empty(0) for head in self.network.heads]
        return logits.unbind(1) if self.training else logits


class SegResNet(MonaiNetwork):
    """MONAI's SegResNet."""

    config_class = SegResNetConfig
    head_names = ("network.conv_final.2",)

    @staticmethod
    def build(config: SegResNetConfig) -> nn.Module:
        """Return MONAI's network."""
        from monai.networks.nets.segresnet import SegResNet as Network

        network: nn.Module = Network(
            spatial_dims=config.ndim,
            init_filters=config.width,
            in_channels=config.channels_in,
            out_channels=config.outputs,
            dropout_prob=config.dropout or None,
            norm=NORMS[config.norm],
            blocks_down=config.blocks_down,
            blocks_up=config.blocks_up,
        )
        return network


class AttentionUnet(MonaiNetwork):
    """MONAI's AttentionUnet."""

    config_class = AttentionUnetConfig
    head_names = ("network.model.2",)

    @staticmethod
    def build(config: AttentionUnetConfig) -> nn.Module:
        """Return MONAI's network."""
        from monai.networks.nets.attentionunet import AttentionUnet as Network

        network: nn.Module = Network(
            config.ndim,
            config.channels_in,
            config.outputs,
            channels=config.widths,
            strides=[2] * (len(config.widths) - 1),
            dropout=config.dropout,
        )
        return network


def _check(config: Any, counts: tuple[int, ...], levels: int) -> None:
    fits = config.ndim in (2, 3) and len(counts) >= levels and 0 <= config.dropout < 1
    if not fits or min(config.channels_in, config.outputs, *counts) < 1:
        message = f"{config} makes no sense: ndim 2 or 3, {levels} or more levels, dropout in [0, 1), all else from 1"
        raise ValueError(message)


def _check_norm(norm: str, known: tuple[str, ...]) -> None:
    if norm not in known:
        message = f"norm is {norm!r}; expected one of {', '.join(known)}"
        raise ValueError(message)
