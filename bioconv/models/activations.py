"""What layers of a network make of an image, and what its first layer looks for."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bioconv.conv.receptive import view_layers
from bioconv.errors import ModelError
from bioconv.models.classifier import Classifier

Floats = NDArray[np.float32]
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def ends_of(network: nn.Module, sizes: tuple[int, ...]) -> tuple[str, str]:
    """Return the names of a network's first and last layer of maps, in the order they run.

    The last one of a classifier is its `body`, whose maps `features` returns; that of others is a convolution.

    Parameters
    ----------
    network
        In evaluation mode, over planes.
    sizes
        (C, Y, X) of an image it takes.

    Raises
    ------
    ModelError
        If it has no convolution over planes, or does not take such an image.
    """
    found = [view.name for view in view_layers(network, sizes) if isinstance(view.module, _CONVOLUTIONS)]
    if not found:
        message = f"{type(network).__name__} has no convolution over planes; nothing to show"
        raise ModelError(message)
    return found[0], "body" if isinstance(network, Classifier) else found[-1]


def first_filters(network: nn.Module, layer: str) -> Floats:
    """Return the weights (K, C, y, x) of a convolution, by its name."""
    weight: Tensor = network.get_submodule(layer).weight  # type: ignore[assignment]
    filters: Floats = weight.detach().cpu().numpy()
    return filters


def layer_outputs(network: nn.Module, image: Floats, layers: Sequence[str]) -> dict[str, Floats]:
    """Run a network on one image and return the maps (K, y, x) that some of its modules gave.

    Parameters
    ----------
    network
        In evaluation mode, on the CPU; left as it was.
    image
        (C, Y, X) float32.
    layers
        Names as in `network.named_modules()`.

    Raises
    ------
    ModelError
        If a layer is not known, does not run, or gives no maps.
    """
    modules = dict(network.named_modules())
    for name in layers:
        if name not in modules or not name:
            near = get_close_matches(name, [one for one in modules if one], n=3, cutoff=0.4)
            message = f"no layer {name!r} in {type(network).__name__}; near: {', '.join(near) or 'none'}; all of them: "
            message += "bioconv models summary"
            raise ModelError(message)
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _given: Any, result: Any) -> None:
            if isinstance(result, Tensor):
                outputs[name] = result.clone()  # a rectifier may write over it afterwards

        return hook

    hooks = [modules[name].register_forward_hook(keep(name)) for name in layers]
    try:
        with torch.inference_mode():
            network(torch.from_numpy(image)[None])
    finally:
        for hook in hooks:
            hook.remove()
    for name in layers:
        if name not in outputs or outputs[name].ndim != 4:
            given = tuple(outputs[name].shape) if name in outputs else "nothing"
            message = f"layer {name} gives {given}, no maps (images, channels, Y, X)"
            raise ModelError(message)
    return {name: outputs[name][0].numpy() for name in layers}
