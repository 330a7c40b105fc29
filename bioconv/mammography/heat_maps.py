"""Grad-CAM: which parts of an image raise its score.

Selvaraju et al. 2017, doi 10.1109/ICCV.2017.74. A heat map shows what the network looked at, not where a lesion is;
on a mammogram its grid is coarse, and a map of a low score says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bioconv.conv.receptive import output_places
from bioconv.mammography.model import ClassificationModel, network_inputs

Places = tuple[NDArray[np.float64], ...]
_KNOWN: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], Places | None]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where the evidence for a finding lies.

    Parameters
    ----------
    values
        (Y, X) float32 on the prepared grid, 0 to 1; all 0 where nothing raises the score. A value of the network's
        last map lies in the middle of the pixels that it can depend on, the greatest one is 1 there.
    strength
        The greatest value before scaling, in units of the logit.
    coarse
        (y, x): size of the network's last map, the true resolution.
    """

    values: NDArray[np.float32]
    strength: float
    coarse: tuple[int, int]


def heat_map(model: ClassificationModel, prepared: NDArray[np.float32], *, output: int = 0) -> HeatMap:
    """Return the Grad-CAM of one prepared image.

    Parameters
    ----------
    prepared
        (1, Y, X), 0 to 1.
    output
        Place of the logit; 0 is the finding.
    """
    cam = grad_cam(model.network, network_inputs(prepared[None], model.normalisation), output=output)
    strength = float(cam.max())
    scaled = cam / strength if strength > 0 else np.zeros_like(cam)
    size = prepared.shape[1], prepared.shape[2]
    rows, columns = _places(model.network, (len(model.normalisation.mean), *size)) or map(_evenly, cam.shape, size)
    values = _between(rows, size[0]) @ scaled @ _between(columns, size[1]).T
    return HeatMap(np.asarray(values, np.float32), strength, (cam.shape[0], cam.shape[1]))


class _Features(nn.Module):
    """A classifier up to the last map before pooling."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.training = network.training

    def forward(self, images: Tensor) -> Tensor:
        """Return the last map (N, channels, y, x) of images (N, C, Y, X)."""
        found: Tensor = self.network.features(images)  # type: ignore[operator]
        return found


def _places(network: nn.Module, sizes: tuple[int, ...]) -> Places | None:
    """Return where the values of the last map lie; followed once for all images of a size."""
    known = _KNOWN.setdefault(network, {})
    if sizes not in known:
        known[sizes] = output_places(_Features(network), sizes)
    return known[sizes]


def _evenly(count: int, size: int) -> NDArray[np.float64]:
    """Return the middles of `count` equal parts of `size` pixels."""
    return np.asarray((np.arange(count) + 0.5) * (size / count) - 0.5, np.float64)


def _between(places: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the matrix (size, values) that puts values at their places, linear in between, and as they end beyond."""
    return np.stack([np.interp(np.arange(size), places, one) for one in np.eye(len(places))], axis=1)


def grad_cam(network: nn.Module, images: torch.Tensor, *, output: int) -> NDArray[np.float32]:
    """Return the map (y, x) of one image (1, C, Y, X): the last map's channels, weighted with the logit's slopes.

    Negative sums count as 0. The network needs `features` and `classify`, as all classifiers have; it is left as it
    was found.
    """
    device = next(network.parameters()).device
    with torch.no_grad():
        features = network.features(images.to(device))  # type: ignore[operator]
    with torch.enable_grad():
        features = features.detach().requires_grad_(True)
        logit = network.classify(features)[0, output]  # type: ignore[operator]
        (slopes,) = torch.autograd.grad(logit, features)
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    cam = (weights * features).sum(1)[0].clamp(min=0)
    return np.asarray(cam.detach().float().cpu().numpy())
