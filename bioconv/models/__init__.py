"""Architectures, and the one file a model is kept in."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bioconv.errors import ModelError

# A class is imported when asked for (most need torch), and only from this table: never by a name in a file.
ARCHITECTURES = {
    "alexnet": "bioconv.models.historical:AlexNet",
    "attention-unet": "bioconv.models.monai_networks:AttentionUnet",
    "deepbind": "bioconv.models.deepbind:DeepBind",
    "dynunet": "bioconv.models.monai_networks:DynUNet",
    "fcn": "bioconv.models.fcn:FCN",
    "googlenet": "bioconv.models.historical:GoogLeNet",
    "lenet5": "bioconv.models.historical:LeNet5",
    "monai-densenet121": "bioconv.models.monai_classifiers:MonaiDenseNet121",
    "monai-resnet18": "bioconv.models.monai_classifiers:MonaiResNet18",
    "monai-resnet50": "bioconv.models.monai_classifiers:MonaiResNet50",
    "recurrent": "bioconv.models.recurrent:Recurrent",
    "residual": "bioconv.models.residual:Residual",
    "resnet18": "bioconv.models.residual:ResNet18",
    "resnet34": "bioconv.models.residual:ResNet34",
    "resnet50": "bioconv.models.residual:ResNet50",
    "resnet101": "bioconv.models.residual:ResNet101",
    "resnet152": "bioconv.models.residual:ResNet152",
    "segresnet": "bioconv.models.monai_networks:SegResNet",
    "unet": "bioconv.models.unet:UNet",
    "vgg11": "bioconv.models.historical:VGG11",
    "vgg16": "bioconv.models.historical:VGG16",
    "vgg19": "bioconv.models.historical:VGG19",
    "wnet": "bioconv.models.wnet:WNet",
}

SEGMENTERS = ("unet", "fcn", "wnet", "dynunet", "segresnet", "attention-unet")
"""Those of them that give a map of probabilities of the size of the image."""

CLASSIFIERS = (
    "residual", "lenet5", "alexnet", "vgg11", "vgg16", "vgg19", "googlenet",
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "monai-resnet18", "monai-resnet50", "monai-densenet121",
)  # fmt: skip
"""Those that give logits of the image as a whole; all are a `classifier.Classifier`."""

RECURRENT = ("recurrent",)
"""Those that read sequences letter by letter: codes and lengths to logits."""


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
