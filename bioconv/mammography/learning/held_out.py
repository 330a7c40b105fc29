"""Scores of women that a network was not trained on, one image at a time: as the model will score them in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioconv.conv.device_memory import must_fit
from bioconv.evaluation import auroc
from bioconv.mammography.decisions import LEVELS
from bioconv.mammography.exams import Exam
from bioconv.mammography.fusion import kind_of
from bioconv.mammography.learning.data import ClassificationData, LabelledView, as_floats
from bioconv.mammography.learning.scoring import LevelScores, score_images, score_levels
from bioconv.mammography.model import network_inputs
from bioconv.training.normalisation import Normalisation


def score_women(
    network: Any, images: Sequence[LabelledView], normalisation: Normalisation, data: ClassificationData
) -> dict[str, LevelScores]:
    """Return the scores of images and, unless they are patches, of breasts and exams."""
    head = data.objective.heads[0]
    if network.fusion is None:
        logits = finding_scores(network, images, normalisation)
        if data.patch is not None:
            return {LEVELS[0]: score_images(images, logits, head)}
        return score_levels(images, logits, head)
    device = next(network.parameters()).device
    with torch.inference_mode():
        vectors = []
        for image in images:
            with must_fit(device, image.name):
                vectors.append(network.vectors(_inputs(image, normalisation).to(device)))
        kinds = torch.zeros((1, 1), dtype=torch.int64, device=device)
        alone = np.array([float(network.join(vector[None], kinds)[0, 0]) for vector in vectors], np.float64)
    places = {image.view.path: vector for image, vector in zip(images, vectors, strict=True)}
    return score_levels(images, alone, head, joined=lambda exam: _joined(network, exam, places))


def validate(
    network: Any, images: Sequence[LabelledView], normalisation: Normalisation, data: ClassificationData
) -> dict[str, float]:
    """Return the area under the ROC curve of what is trained on: images, or breasts where views are joined."""
    known = [image for image in images if image.answers[data.objective.heads[0].name]]
    own = score_women(network, known, normalisation, data)[LEVELS[0] if network.fusion is None else LEVELS[1]]
    return {"auroc": auroc(own.scores, own.labels)}


def finding_scores(network: Any, images: Sequence[LabelledView], normalisation: Normalisation) -> NDArray[np.float64]:
    """Return the logit of the finding of each image, (n,), one image at a time.

    Raises
    ------
    OptionError
        If the device's memory does not hold one.
    """
    device, found = next(network.parameters()).device, []
    with torch.inference_mode():
        for image in images:
            with must_fit(device, image.name):
                found.append(float(network(_inputs(image, normalisation).to(device))[0, 0]))
    return np.array(found, np.float64)


def _joined(network: Any, exam: Exam, places: Mapping[Any, Tensor]) -> dict[str, float]:
    found = {}
    for breast in exam.breasts:
        if breast.views:
            vectors = torch.cat([places[view.path] for view in breast.views])[None]
            kinds = torch.tensor([[kind_of(view) for view in breast.views]], device=vectors.device)
            with torch.inference_mode():
                found[breast.laterality] = float(network.join(vectors, kinds)[0, 0])
    return found


def _inputs(image: LabelledView, normalisation: Normalisation) -> Tensor:
    return network_inputs(as_floats(image.pixels)[None, None], normalisation)
