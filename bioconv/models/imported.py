"""ImageNet weights that the user brings, renamed into our networks: key names of torchvision and of timm.

The files are safetensors; neither library is needed. Only what files of that name hold is read: a key too many, a key
too few or another shape is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioconv.errors import ModelError
from bioconv.models.building import sketch_network
from bioconv.models.classifier import Classifier
from bioconv.models.model_file import KEY

KEYS = ("torchvision", "timm")
_SHOWN = 4
_COUNTER = ".num_batches_tracked"

# Patterns of key names and what they become, the first that fits; None: the tensor is left out on purpose.
Rules = tuple[tuple[str, str | None], ...]
_RESIDUAL: Rules = ((r"fc\.", "head."), (r"", "body."))
_ALEXNET: Rules = (
    (r"features\.", "body."), (r"classifier\.1\.", "neck.fc6."), (r"classifier\.4\.", "neck.fc7."),
    (r"classifier\.6\.", "head."),
)  # fmt: skip
_VGG: Rules = (
    (r"features\.", "body."), (r"classifier\.0\.", "neck.fc6."), (r"classifier\.3\.", "neck.fc7."),
    (r"classifier\.6\.", "head."),
)  # fmt: skip
_VGG_TIMM: Rules = (
    (r"features\.", "body."), (r"pre_logits\.fc1\.", "neck.fc6."), (r"pre_logits\.fc2\.", "neck.fc7."),
    (r"head\.fc\.", "head."),
)  # fmt: skip
_GOOGLENET: Rules = ((r"aux[12]\.", None), *_RESIDUAL)
# Older files say norm.1 where newer ones say norm1.
_DENSENET: Rules = (
    (r"features\.(denseblock\d+\.denselayer\d+)\.(norm|conv)\.?([12])\.", r"body.features.\1.layers.\2\3."),
    (r"features\.", "body.features."), (r"classifier\.", "head."),
)  # fmt: skip
_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_VGGS = ("vgg11", "vgg16", "vgg19")

RULES: dict[str, dict[str, Rules]] = {
    "torchvision": {
        **dict.fromkeys(_RESNETS, _RESIDUAL), **dict.fromkeys(_VGGS, _VGG),
        "alexnet": _ALEXNET, "googlenet": _GOOGLENET, "monai-densenet121": _DENSENET,
    },
    "timm": {
        **dict.fromkeys(_RESNETS, _RESIDUAL), **dict.fromkeys(_VGGS, _VGG_TIMM), "monai-densenet121": _DENSENET,
    },
}  # fmt: skip
"""Whose key names -> architecture -> rules. There is no AlexNet and no GoogLeNet in timm."""

_MEAN, _DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def import_weights(
    tensors: Mapping[str, Tensor], architecture: str, *, keys: str, channels_in: int = 3, outputs: int = 1000
) -> Classifier:
    """Build a network of weights that have another library's key names.

    Parameters
    ----------
    tensors
        Key to weights, of any floating type; they become float32.
    architecture
        One of `RULES[keys]`.
    keys
        Whose names they are: `torchvision` or `timm`.
    channels_in, outputs
        What the weights are for: ImageNet's have 3 and 1000.

    Returns
    -------
    Classifier
        In evaluation mode, with the dropout that is its default.

    Raises
    ------
    ModelError
        If names are not known, or keys are missing, unexpected or of another shape; the first few are named.
    """
    rules = _rules(architecture, keys)
    network: Any = sketch_network(architecture, {"channels_in": channels_in, "outputs": outputs})
    wanted: dict[str, Tensor] = network.state_dict()
    given, unexpected = _renamed(tensors, rules, wanted)
    shapes = [
        f"{key} {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}"
        for name, (key, tensor) in given.items()
        if tensor.shape != wanted[name].shape
    ]
    missing = [name for name in wanted if name not in given and not name.endswith(_COUNTER)]
    faults = [("missing (by our names) are", missing), ("unexpected are", unexpected), ("of another shape are", shapes)]
    if said := [f"{what} {_first(names)}" for what, names in faults if names]:
        message = f"not the weights of {architecture} by {keys}'s names for {channels_in} channels and {outputs} "
        message += f"outputs: {'; '.join(said)}; is it another network?"
        raise ModelError(message)
    # Files from before there was a counter have none; it matters to no output.
    counters = {name: torch.zeros((), dtype=torch.long) for name in wanted if name.endswith(_COUNTER)}
    weights = {name: tensor.to(wanted[name].dtype) for name, (_, tensor) in given.items()}
    network.load_state_dict(counters | weights, assign=True)
    found: Classifier = network
    return found


def _renamed(
    tensors: Mapping[str, Tensor], rules: Rules, wanted: Mapping[str, Tensor]
) -> tuple[dict[str, tuple[str, Tensor]], list[str]]:
    """Return our name -> (key, tensor), and the keys that fit nothing."""
    given: dict[str, tuple[str, Tensor]] = {}
    unexpected = []
    for key, tensor in tensors.items():
        name = renamed_key(key, rules)
        if name is None:
            continue
        if name not in wanted or name in given:
            unexpected.append(key)
            continue
        # What is a convolution over the whole map there is a hidden layer here.
        if wanted[name].ndim == 2 and tensor.ndim == 4 and tensor.numel() == wanted[name].numel():
            tensor = tensor.flatten(1)
        given[name] = key, tensor
    return given, unexpected


def renamed_key(key: str, rules: Rules) -> str | None:
    """Return our name of a tensor; None: it is left out on purpose.

    Examples
    --------
    >>> renamed_key("layer1.0.conv1.weight", RULES["torchvision"]["resnet18"])
    'body.layer1.0.conv1.weight'
    >>> renamed_key("aux1.fc1.bias", RULES["torchvision"]["googlenet"])
    """
    for pattern, ours in rules:
        if match := re.match(pattern, key):
            return None if ours is None else match.expand(ours) + key[match.end() :]
    return key


def expected_pixels(architecture: str, keys: str) -> dict[str, Any]:
    """Return what pixels ImageNet weights expect: scaled to 0..1, less the mean, over the deviation, per channel.

    torchvision's GoogLeNet was trained elsewhere, on pixels from -1 to 1.
    """
    own = architecture == "googlenet" and keys == "torchvision"
    mean, deviation = ([0.5] * 3, [0.5] * 3) if own else (_MEAN, _DEVIATION)
    return {"inputs": ["red", "green", "blue"], "range": [0, 1], "mean": mean, "std": deviation, "size": 224}


def normalise(pixels: NDArray[Any], expected: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return pixels (C, Y, X) as weights expect them.

    Parameters
    ----------
    pixels
        Integers of their whole range, or real numbers from 0 to 1; one channel is repeated where several are expected.
    expected
        As `expected_pixels` returns it.

    Examples
    --------
    >>> normalise(np.full((1, 1, 1), 255, np.uint8), {"mean": [0.5, 0.75], "std": [0.5, 0.5]}).ravel()
    array([1. , 0.5], dtype=float32)
    """
    scale = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
    mean, deviation = (np.array(expected[name], np.float32)[:, None, None] for name in ("mean", "std"))
    return np.ascontiguousarray((pixels.astype(np.float32) / scale - mean) / deviation, np.float32)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file.

    Raises
    ------
    ModelError
        If it is none, or a model of ours.
    """
    try:
        with safetensors.safe_open(str(path), "pt") as file:
            ours = KEY in (file.metadata() or {})
        tensors: dict[str, Tensor] = safetensors.torch.load_file(str(path))
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        message = f"{path}: cannot be read as safetensors: {error}; pickled weights (.pth, .pt, .bin) are not read, as "
        message += "they can run any code: save them with safetensors.torch.save_file where they come from"
        raise ModelError(message) from error
    if ours:
        message = f"{path}: a model of bioconv already; give it to --model or --from as it is"
        raise ModelError(message)
    return tensors


def _rules(architecture: str, keys: str) -> Rules:
    if keys not in RULES:
        message = f"key names {keys!r} are not known; known are {', '.join(RULES)}"
        raise ModelError(message)
    if architecture not in RULES[keys]:
        message = f"weights of {architecture!r} by {keys}'s names cannot be imported; those of "
        message += f"{', '.join(sorted(RULES[keys]))} can"
        raise ModelError(message)
    return RULES[keys][architecture]


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
