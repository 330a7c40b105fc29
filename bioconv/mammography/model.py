"""A classifier as it is used: the network of a model file, and all that its scores need to become statements."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bioconv.errors import InputError, ModelError
from bioconv.mammography.decisions import Decisions
from bioconv.mammography.objective import Objective
from bioconv.mammography.preparation import Preparation
from bioconv.models import CLASSIFIERS
from bioconv.models.building import network_file, open_network
from bioconv.models.model_file import ModelFile, read_model, to_bytes
from bioconv.training.normalisation import Normalisation


@dataclass(frozen=True, eq=False)
class ClassificationModel:
    """A classifier of prepared images.

    Parameters
    ----------
    name
        What results call it.
    hash
        sha256 of its model file.
    network
        In evaluation mode: images (N, C, Y, X) to logits (N, outputs).
    objective
        Its heads, the first of which is the finding.
    preparation
        How files become images of one size and orientation.
    normalisation
        Of the prepared pixels (0 to 1), per channel of the network.
    decisions
        By level (`image`, `breast`, `exam`); a level that could not be calibrated is missing.
    domain
        What it was trained on, in words; empty where the file does not say.
    facts
        The metadata of the model file.
    """

    name: str
    hash: str
    network: nn.Module
    objective: Objective
    preparation: Preparation
    normalisation: Normalisation
    decisions: dict[str, Decisions]
    domain: str
    facts: dict[str, Any]

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.network.parameters()).device

    def inputs(self, prepared: NDArray[np.float32]) -> Tensor:
        """Return prepared pixels (N, 1, Y, X) as the network reads them, (N, C, Y, X)."""
        return network_inputs(prepared, self.normalisation)

    def logits(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (N, outputs) of prepared pixels (N, 1, Y, X); an image's do not depend on the others."""
        with torch.inference_mode():
            found = self.network(self.inputs(prepared).to(self.device))
        return np.asarray(found.float().cpu().numpy())

    @property
    def joins_views(self) -> bool:
        """Whether the network scores breasts by joining what it finds in their views."""
        return getattr(self.network, "fusion", None) is not None

    def vectors(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network finds in prepared pixels (N, 1, Y, X) before it joins views, (N, features)."""
        with torch.inference_mode():
            found = self.network.vectors(self.inputs(prepared).to(self.device))  # type: ignore[operator]
        return np.asarray(found.float().cpu().numpy())

    def join(self, vectors: NDArray[np.float32], kinds: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits (outputs,) of one breast.

        Parameters
        ----------
        vectors
            (V, features) of its views.
        kinds
            (V,): which view each is, from 0 on.
        """
        with torch.inference_mode():
            given = torch.from_numpy(vectors)[None].to(self.device), torch.from_numpy(kinds)[None].to(self.device)
            found = self.network.join(*given)[0]  # type: ignore[operator]
        return np.asarray(found.float().cpu().numpy())

    def answers(self, logits: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return each head's probabilities (N, classes), the finding's as the network gives them: not calibrated.

        Parameters
        ----------
        logits
            (N, outputs) float32, as `logits` gives them.
        """
        return {name: own.numpy() for name, own in self.objective.probabilities(torch.from_numpy(logits)).items()}


def network_inputs(prepared: NDArray[np.float32], normalisation: Normalisation) -> Tensor:
    """Return prepared pixels (N, 1, Y, X), 0 to 1, normalised and repeated for each channel of the network."""
    pixels = np.repeat(prepared, len(normalisation.mean), axis=1)
    tensor = torch.from_numpy(np.ascontiguousarray(normalisation.apply(pixels, channel_axis=1)))
    return tensor.to(memory_format=torch.channels_last)


def preparation_of(path: Path | None) -> Preparation:
    """Return how the model of a file wants its mammograms; the usual way of None and of models that do not say.

    Raises
    ------
    ModelError
        If the file cannot be read, or what it says makes no sense.
    """
    known = {} if path is None else read_model(path).metadata.get("preprocessing", {})
    return Preparation.from_json(known["preparation"]) if "preparation" in known else Preparation()


def load_classification_model(path: str | Path, *, device: str | torch.device = "cpu") -> ClassificationModel:
    """Open a classifier's model file.

    Raises
    ------
    ModelError
        If it cannot be read, or does not classify images.
    """
    file = read_model(path)
    try:
        return from_model_file(file, default_name=Path(path).stem, device=device)
    except (ModelError, InputError) as error:
        message = f"{path}: {error}"
        raise ModelError(message) from error


def from_model_file(
    file: ModelFile, *, default_name: str = "model", device: str | torch.device = "cpu"
) -> ClassificationModel:
    """Build a classifier from what a model file holds.

    Raises
    ------
    ModelError, InputError
        If it is no classifier of images, or something is missing or does not fit.
    """
    facts = file.metadata
    if file.architecture not in CLASSIFIERS or "classification" not in facts:
        message = f"a model of architecture {file.architecture!r} that does not classify mammograms; give one that "
        raise ModelError(message + "`bioconv train classify` made (--from starts from the weights of any classifier)")
    about = facts["classification"]
    try:
        decisions = [Decisions.from_json(one) for one in about["decisions"]]
        model = ClassificationModel(
            name=str(facts.get("name", default_name)),
            hash=hashlib.sha256(to_bytes(file)).hexdigest(),
            network=open_network(file).to(device),
            objective=Objective.from_json(about["heads"]),
            preparation=Preparation.from_json(facts["preprocessing"]["preparation"]),
            normalisation=Normalisation.from_json(facts["preprocessing"]["normalisation"]),
            decisions={one.level: one for one in decisions},
            domain=str(about.get("domain", "")),
            facts=facts,
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"what the file says of classification does not fit: {error!r}"
        raise ModelError(message) from error
    have = (file.config.get("channels_in", 1), file.config.get("outputs", 1))
    want = (len(model.normalisation.mean), model.objective.outputs)
    if have != want:
        message = f"its network has {have[0]} inputs and {have[1]} outputs, normalisation and heads say {want}"
        raise ModelError(message)
    return model


def to_model_file(
    network: nn.Module,
    architecture: str,
    objective: Objective,
    preprocessing: tuple[Preparation, Normalisation],
    facts: dict[str, Any],
) -> ModelFile:
    """Return the model file of a classifier.

    Parameters
    ----------
    facts
        Further metadata; `classification` there holds `decisions` (a list as `Decisions.to_json` gives) and
        `domain`.
    """
    preparation, normalisation = preprocessing
    metadata = {
        **facts,
        "labels": list(objective.labels),
        "preprocessing": {"preparation": preparation.to_json(), "normalisation": normalisation.to_json()},
        "classification": {"decisions": [], **facts.get("classification", {}), "heads": objective.to_json()},
    }
    return network_file(network, architecture, metadata)
