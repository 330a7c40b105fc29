"""Architectures, and the one file a model is kept in."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bioconv.errors import ModelError

# A class is imported when asked for (most need torch), and only from this table: never by a name in a file.
ARCHITECTURES = {
    "attention-unet": "bioconv.models.monai_networks:AttentionUnet",
    "deepbind": "bioconv.models.deepbind:DeepBind",
    "dynunet": "bioconv.models.monai_networks:DynUNet",
    "fcn": "bioconv.models.fcn:FCN",
    "segresnet": "bioconv.models.monai_networks:SegResNet",
    "unet": "bioconv.models.unet:UNet",
    "wnet": "bioconv.models.wnet:WNet",
}

SEGMENTERS = ("unet", "fcn", "wnet", "dynunet", "segresnet", "attention-unet")
"""Those of them that give a map of probabilities of the size of the image."""


def model_class(name: str) -> Any:
    """Return the `nn.Module` class of an architecture.

    Raises
    ------
    ModelError
        If there is no architecture of that name.
    """
    if name not in ARCHITECTURES:
        message = f"architecture {name!r} is not known; known are {', '.join(sorted(ARCHITECTURES))}"
        raise ModelError(message)
    module, _, attribute = ARCHITECTURES[name].partition(":")
    return getattr(import_module(module), attribute)
