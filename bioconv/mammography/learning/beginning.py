"""What a training begins with: a network, new or from another model's weights, and the scale of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bioconv.errors import ModelError, OptionError
from bioconv.mammography.learning.data import LabelledView, as_floats
from bioconv.models import CLASSIFIERS
from bioconv.models.building import build_network
from bioconv.models.model_file import ModelFile, read_model
from bioconv.training.finetune import Unmatched, load_matching
from bioconv.training.normalisation import Normalisation, fit_normalisation
from bioconv.training.splits import Split

if TYPE_CHECKING:
    from bioconv.mammography.learning.fit import ClassificationPlan


def network_of(plan: ClassificationPlan, *, patches: bool = False) -> tuple[str, dict[str, Any], ModelFile | None]:
    """Return architecture, hyper-parameters without inputs and outputs, and the model to start from.

    Parameters
    ----------
    patches
        Whether it is patches that are to be told apart.

    Raises
    ------
    ModelError
        If the model to start from is no classifier of images.
    OptionError
        If what is asked for cannot be had together.
    """
    file = None if plan.start is None else read_model(plan.start)
    architecture, config = plan.architecture, dict(plan.network)
    if file is not None:
        if file.architecture not in CLASSIFIERS:
            message = f"--from {plan.start}: {file.architecture!r} does not classify images"
            raise ModelError(message)
        architecture, config = file.architecture, dict(file.config) | config
    if plan.matched and config.get("fusion", "none") != "none":
        message = "--matched compares single views, --fusion views joins them: give one of both"
        if file is not None and "fusion" not in plan.network:
            message += f" (--fusion {config['fusion']} is that of {plan.start}; --fusion none takes it off)"
        raise OptionError(message)
    if patches and (plan.matched or config.get("fusion", "none") != "none"):
        message = "patches are told apart one by one: leave out --matched and --fusion, and give them to the training "
        raise OptionError(message + "on whole images")
    return architecture, config, file


def begin(
    plan: ClassificationPlan, split: Split, train: Sequence[LabelledView], outputs: int
) -> tuple[Normalisation, nn.Module, Unmatched | None]:
    """Return normalisation and network to begin with; the global random numbers stay as they were.

    A head is taken where it fits, also where views are joined for the first time, which begins as their mean; behind
    new blocks (`top`) it begins anew, since it would read another map.
    """
    architecture, config, file = network_of(plan)
    if file is None:
        normalisation = fit_normalisation(split, ((image.name, as_floats(image.pixels)[None]) for image in train))
    else:
        normalisation = _normalisation_of(file)
    config |= {"channels_in": len(normalisation.mean), "outputs": outputs}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.config.seed)
        network = build_network(architecture, config)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if file is None:
        return normalisation, network, None
    anew = ("head.", "top.") if config.get("top", 0) != file.config.get("top", 0) else ()
    tensors = {name: array for name, array in file.tensors.items() if not name.startswith(anew)}
    return normalisation, network, load_matching(network, tensors)


def _normalisation_of(file: ModelFile) -> Normalisation:
    """Return how a model wants its pixels scaled: one of ours, or one of imported weights."""
    known = file.metadata.get("preprocessing", {})
    imported = {"mean": known.get("mean", []), "deviation": known.get("std", [])}
    return Normalisation.from_json(known.get("normalisation", imported))
