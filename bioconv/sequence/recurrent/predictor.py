"""A recurrent model among the predictors: a record's probability of each class."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import OptionError
from bioconv.sequence.recurrent.inference import LongSequence, logits_of
from bioconv.sequence.recurrent.model import SequenceModel

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]


class RecurrentPredictor:
    """A model of whole sequences; its columns are the probabilities of its classes.

    Raises
    ------
    OptionError
        If the model has no answer for a sequence as a whole, only for its letters.
    """

    def __init__(self, model: SequenceModel, *, device: str = "auto") -> None:
        if model.per_position:
            message = f"model {model.name} gives probabilities of each letter, none of a record: use --per-position"
            raise OptionError(message)
        self.name = model.name
        self.labels = model.labels
        self.alphabet = model.alphabet.name
        self._model = model
        self._device = runtime.device_name(device)
        self._network = model.network.to(self._device)

    def predict(self, records: Sequence[Codes]) -> Floats:
        """Return the (n, classes) probabilities of records; NaN for a record without letters."""
        found = np.full((len(records), len(self.labels)), np.nan)
        rows = [row for row, codes in enumerate(records) if len(codes)]
        if rows:
            found[rows] = probabilities(self._model, np.stack(logits_of(self._network, [records[row] for row in rows])))
        return found

    def open_record(self) -> _LongRecord:
        """Return what takes a long record piece by piece."""
        return _LongRecord(self._model)

    def facts(self) -> dict[str, object]:
        """Return the digest of the weights."""
        return {f"model:{self.name}": f"sha256:{self._model.digest()[:16]}", "device": self._device}


class _LongRecord:
    """Letters are kept in a file: reading from the end to the start begins when all are there."""

    def __init__(self, model: SequenceModel) -> None:
        self._model = model
        self._kept = SpooledCodes()

    def feed(self, codes: Codes) -> None:
        self._kept.add(codes)

    def values(self) -> Floats:
        with self._kept as codes:
            logits = LongSequence(self._model.network, codes).logits()
        return probabilities(self._model, logits)


class SpooledCodes:
    """The codes of a record of any length, in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been read
        # A record whose input turns out damaged is not read to its end.
        weakref.finalize(self, self._file.close)

    def add(self, codes: Codes) -> None:
        """Add the next letters."""
        self._file.write(codes.tobytes())

    def __enter__(self) -> Codes:
        """Return all codes, (letters,) uint8, as long as this is open."""
        self._file.flush()
        return np.memmap(self._file, np.uint8, "r")

    def __exit__(self, *_: object) -> None:
        """Remove the file."""
        self._file.close()


def probabilities(model: SequenceModel, logits: NDArray[np.float32]) -> Floats:
    """Return the calibrated probabilities (..., classes) of logits (..., classes)."""
    from scipy.special import softmax

    return np.asarray(softmax(logits.astype(np.float64) / model.temperature, axis=-1))
