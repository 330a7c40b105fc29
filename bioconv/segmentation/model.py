"""A segmenter as it is used: the network of a model file, and all that its outputs need to become masks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bioconv.conv.arithmetic import Geometry
from bioconv.conv.geometry import network_geometry
from bioconv.errors import ModelError
from bioconv.models import SEGMENTERS
from bioconv.models.building import network_file, open_network
from bioconv.models.model_file import ModelFile, read_model, to_bytes
from bioconv.segmentation.objective import Objective
from bioconv.segmentation.objects.instances import InstanceSettings
from bioconv.segmentation.preprocessing import Intensity, Preprocessing

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SegmentationModel:
    """A segmenter.

    Parameters
    ----------
    name
        What results call it.
    hash
        sha256 of its model file.
    network
        In evaluation mode.
    ndim
        2: it reads planes; 3: volumes.
    objective
        What its maps are.
    preprocessing
        How pixels become what it reads.
    diameter
        Pixels: median size of the objects it was trained on; None: not known.
    spacing
        Size of the pixels it was trained on, micrometres; None: not known.
    threshold
        Probability from which on a pixel is foreground (`binary`).
    settings
        How maps become objects (`instances`).
    facts
        The metadata of the model file.
    """

    name: str
    hash: str
    network: nn.Module
    ndim: int
    objective: Objective
    preprocessing: Preprocessing
    diameter: float | None
    spacing: float | None
    threshold: float
    settings: InstanceSettings
    facts: dict[str, Any]

    @property
    def kind(self) -> str:
        """`instances`, `binary` or `classes`."""
        return self.objective.kind

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the maps."""
        return self.objective.labels

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the channels it reads."""
        return self.preprocessing.inputs

    @cached_property
    def geometry(self) -> Geometry | None:
        """What exact tiles need; None for a network that sees the whole image at once."""
        try:
            return network_geometry(self.network, ndim=self.ndim, channels=len(self.inputs))
        except ModelError:
            return None

    @property
    def stride(self) -> int:
        """What sizes given to the network must be multiples of."""
        return int(getattr(self.network, "stride", 1))

    def intensity(self, sample: NDArray[Any]) -> Intensity:
        """Return an image's window of intensities.

        Parameters
        ----------
        sample
            (C, ...) pixels: all of the image, or an even sample of them.
        """
        return self.preprocessing.intensity(sample)

    def prepare(self, window: NDArray[Any], intensity: Intensity) -> Floats:
        """Return pixels (C, *spatial) as the network reads them.

        Parameters
        ----------
        window
            Pixels (C, *spatial) as the image has them.
        intensity
            What `intensity` measured on the whole image.
        """
        return self.preprocessing.prepare(window, intensity)

    def maps(self, prepared: Floats) -> Floats:
        """Return probabilities (K, *spatial) of prepared pixels (C, *spatial).

        Sizes that are no multiple of `stride` are filled up at the end by repeating the edge, and cut again.
        """
        return whole_maps(self.network, self.objective, prepared, self.stride)


def whole_maps(network: nn.Module, objective: Objective, prepared: Floats, stride: int) -> Floats:
    """Return a network's probabilities (K, *spatial) of one image (C, *spatial), whole in memory."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        found = objective.probabilities(network(network_input(prepared, stride).to(device)).float())[0]
    return np.ascontiguousarray(found[:, *(slice(size) for size in prepared.shape[1:])].cpu().numpy())


def network_input(prepared: Floats, stride: int) -> Tensor:
    """Return prepared pixels (C, *spatial) as a batch of one, filled up at the end by repeating the edge.

    Parameters
    ----------
    prepared
        As `SegmentationModel.prepare` gives them.
    stride
        Sizes of the result are multiples of it.
    """
    padding = [(0, 0), *((0, -size % stride) for size in prepared.shape[1:])]
    tensor = torch.from_numpy(np.pad(prepared, padding, mode="edge"))[None]
    return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def load_segmentation_model(path: str | Path, *, device: str | torch.device = "cpu") -> SegmentationModel:
    """Open a segmenter's model file.

    Raises
    ------
    ModelError
        If it cannot be read, or is no segmenter.
    """
    file = read_model(path)
    try:
        return from_model_file(file, default_name=Path(path).stem, device=device)
    except ModelError as error:
        message = f"{path}: {error}"
        raise ModelError(message) from error


def from_model_file(
    file: ModelFile, *, default_name: str = "model", device: str | torch.device = "cpu"
) -> SegmentationModel:
    """Build a segmenter from what a model file holds.

    Raises
    ------
    ModelError
        If it is no segmenter, or something is missing or does not fit.
    """
    facts = file.metadata
    if file.architecture not in SEGMENTERS or "segmentation" not in facts:
        message = f"a model of architecture {file.architecture!r} does not segment images; see: bioconv models list"
        raise ModelError(message)
    network = open_network(file)
    about = dict(facts["segmentation"])
    try:
        objective = Objective(about["kind"], tuple(facts["labels"]))
        settings = InstanceSettings(**about.get("instances", {}))
        model = SegmentationModel(
            name=str(facts.get("name", default_name)),
            hash=hashlib.sha256(to_bytes(file)).hexdigest(),
            network=network.to(device),
            ndim=int(file.config.get("ndim", 2)),
            objective=objective,
            preprocessing=Preprocessing.from_json(facts["preprocessing"]),
            diameter=about.get("diameter"),
            spacing=facts.get("spacing"),
            threshold=float(about.get("threshold", 0.5)),
            settings=settings,
            facts=facts,
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"what the file says of segmentation does not fit: {error!r}"
        raise ModelError(message) from error
    _check_ends(network, file, model)
    return model


def to_model_file(
    network: nn.Module, architecture: str, objective: Objective, preprocessing: Preprocessing, facts: dict[str, Any]
) -> ModelFile:
    """Return a model file of a segmenter.

    Parameters
    ----------
    facts
        Further metadata; `segmentation` there holds `diameter`, `threshold`, `instances`.
    """
    metadata = {
        **facts,
        "labels": list(objective.labels),
        "preprocessing": preprocessing.to_json(),
        "segmentation": {"kind": objective.kind, **facts.get("segmentation", {})},
    }
    return network_file(network, architecture, metadata)


def _check_ends(network: nn.Module, file: ModelFile, model: SegmentationModel) -> None:
    """Refuse a network whose inputs or outputs are not those the file names."""
    have = (file.config.get("channels_in", 1), file.config.get("outputs", 1))
    want = (len(model.inputs), model.objective.outputs)
    if have != want:
        message = f"its network has {have[0]} inputs and {have[1]} outputs, its labels and channels say {want}"
        raise ModelError(message)
