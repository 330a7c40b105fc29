"""Models that give every record one row of numbers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.conv.detector_records import RecordPool
from bioconv.conv.detectors import Detectors, batch_scores
from bioconv.errors import OptionError
from bioconv.models import RECURRENT
from bioconv.models.model_file import architecture_of
from bioconv.sequence.deepbind import MotifModel, load_motif_model
from bioconv.zoo import resolve

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]


class LongRecord(Protocol):
    """A record too long to be held whole."""

    def feed(self, codes: Codes) -> None:
        """Take the next letters."""

    def values(self) -> Floats:
        """End the record; return its (columns,) numbers."""


class Predictor(Protocol):
    """A model that turns a record into a row of numbers.

    Attributes
    ----------
    name : str
    labels : tuple of str
        What the columns are: `score`, `probability`, or the names of classes.
    alphabet : str
        `dna` or `protein`: what the codes of its records mean.
    """

    name: str
    labels: tuple[str, ...]
    alphabet: str

    def predict(self, records: Sequence[Codes]) -> Floats:
        """Return (n, columns) of n records, each (letters,) uint8 codes; NaN for a record without letters."""

    def open_record(self) -> LongRecord:
        """Return what takes a long record piece by piece, to the same result."""

    def facts(self) -> dict[str, object]:
        """Return what identifies the model in an output's head."""


class DeepBindPredictor:
    """A DeepBind-family model: the score of the whole record, and its probability where the model is calibrated.

    The published definition: the record padded with m - 1 unknown letters on both ends; of both strands the better
    one, or their mean, as the model says.
    """

    alphabet = "dna"

    def __init__(self, model: MotifModel, *, device: str = "auto") -> None:
        self._model = model
        self._device = runtime.device_name(device)
        self.name = model.name
        self.labels: tuple[str, ...] = ("score",) if model.logistic is None else ("score", "probability")

    def predict(self, records: Sequence[Codes]) -> Floats:
        """Return (n, 1 or 2): score, and probability."""
        lengths = np.array([len(codes) for codes in records], np.int64)
        scores = np.full(len(records), np.nan)
        for length in np.unique(lengths[lengths > 0]).tolist():
            group = np.flatnonzero(lengths == length)
            same = np.stack([records[index] for index in group.tolist()])
            detectors = self._model.detectors
            scores[group] = detectors.pool_strands(batch_scores(same, detectors, padded=True, device=self._device))
        return self.columns(scores)

    def open_record(self) -> _LongRecord:
        """Return what takes a long record piece by piece."""
        return _LongRecord(self, self._model.detectors)

    def columns(self, scores: Floats) -> Floats:
        """Return the (n, 1 or 2) columns of (n,) scores."""
        if self._model.logistic is None:
            return scores[:, None]
        from scipy.special import expit

        slope, intercept = self._model.logistic
        return np.stack([scores, expit(slope * scores + intercept)], axis=1)

    def facts(self) -> dict[str, object]:
        """Return the digest of the weights."""
        return {f"model:{self.name}": f"sha256:{self._model.digest()[:16]}", "device": self._device}


class _LongRecord:
    def __init__(self, predictor: DeepBindPredictor, detectors: Detectors) -> None:
        self._predictor = predictor
        self._detectors = detectors
        self._pool = RecordPool(detectors)

    def feed(self, codes: Codes) -> None:
        self._pool.feed(codes)

    def values(self) -> Floats:
        score = self._detectors.pool_strands(self._pool.scores()[None]).astype(np.float64)
        return np.asarray(self._predictor.columns(score)[0])


def load_predictors(models: Sequence[str | os.PathLike[str]], *, device: str = "auto") -> list[Predictor]:
    """Load models by name or file; those that share a name are told apart by `#2`, `#3`, ...

    Raises
    ------
    OptionError
        If there is none, or one has no answer for a record as a whole.
    ModelError
        If one is not known or cannot be read.
    """
    if not models:
        message = "no model: give --model NAME|FILE (bioconv models list shows the names)"
        raise OptionError(message)
    found: list[Predictor] = []
    names: dict[str, int] = {}
    for given in models:
        predictor = _open_predictor(resolve(os.fspath(given)), device)
        names[predictor.name] = times = names.get(predictor.name, 0) + 1
        if times > 1:
            predictor.name += f"#{times}"
        found.append(predictor)
    return found


def _open_predictor(path: Path, device: str) -> Predictor:
    if architecture_of(path) not in RECURRENT:
        return DeepBindPredictor(load_motif_model(path), device=device)
    # Here: they need torch, without which the others do.
    from bioconv.sequence.recurrent.model import load_sequence_model
    from bioconv.sequence.recurrent.predictor import RecurrentPredictor

    return RecurrentPredictor(load_sequence_model(path), device=device)
