"""Scores of breasts by networks that join the views themselves."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv.mammography.exams import Exam
from bioconv.mammography.model import ClassificationModel
from bioconv.mammography.view_codes import SCORED
from bioconv.mammography.views import View

Vector = NDArray[np.float32]
_STORED = np.dtype("<f4")


def kind_of(view: View) -> int:
    """Return the number by which a network tells views of one kind from those of another: CC 0, MLO 1."""
    return SCORED.index(view.view)


def joined_scores(
    exam: Exam, vectors: Mapping[Path, Sequence[Vector]], models: Sequence[ClassificationModel]
) -> dict[str, tuple[float, ...]]:
    """Score the breasts of an exam; nothing but a breast's own views has a part in its score.

    Parameters
    ----------
    vectors
        Path of the view to what each model found in it, as of `ClassificationModel.vectors`; views without (they could
        not be read) are missing.

    Returns
    -------
    dict
        Laterality to each model's logit of the finding, of breasts of which there is a view.
    """
    found = {}
    for breast in exam.breasts:
        views = [view for view in breast.views if view.path in vectors]
        if not views:
            continue
        kinds = np.array([kind_of(view) for view in views], np.int64)
        own = [np.stack([vectors[view.path][number] for view in views]) for number in range(len(models))]
        found[breast.laterality] = tuple(
            float(model.join(one, kinds)[0]) for model, one in zip(models, own, strict=True)
        )
    return found


def vector_text(vector: Vector) -> str:
    """Return a vector as text that gives back the same bits.

    Examples
    --------
    >>> vector_of_text(vector_text(np.array([0.1, -2], np.float32)))
    array([ 0.1, -2. ], dtype=float32)
    """
    return base64.b64encode(np.ascontiguousarray(vector, _STORED).tobytes()).decode()


def vector_of_text(text: str) -> Vector:
    """Return the vector of such a text.

    Raises
    ------
    ValueError
        If it is none.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), _STORED).astype(np.float32)
