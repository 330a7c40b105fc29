"""Grad-CAM: which parts of an image raise its score.

Selvaraju et al. 2017, doi 10.1109/ICCV.2017.74. A heat map shows what the network looked at, not where a lesion is;
on a mammogram its grid is coarse, and a map of a low score says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from bioconv.mammography.model import ClassificationModel, network_inputs


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where the evidence for a finding lies.

    Parameters
    ----------
    values
        (Y, X) float32 on the prepared grid, 0 to 1, 1 at its greatest; all 0 where nothing raises the score.
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
    tensor = torch.from_numpy(np.ascontiguousarray(scaled))[None, None]
    size = prepared.shape[1:]
    values = functional.interpolate(tensor, size=list(size), mode="bilinear", align_corners=False)[0, 0]
    return HeatMap(values.numpy(), strength, (cam.shape[0], cam.shape[1]))


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
