"""`bioconv.predict`: one row of numbers per sequence, from one model or an ensemble."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import OptionError
from bioconv.sequence.fasta import FastaReader, Record
from bioconv.sequence.parts import Part, RegionPart
from bioconv.sequence.predictors import LongRecord, Predictor, load_predictors
from bioconv.sequence.protein_records import ProteinReader
from bioconv.sequence.records import Batch, Piece, whole_records
from bioconv.sequence.scanning.pipeline import Reader, Source, in_order
from bioconv.wording import counted

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """One row per sequence.

    Attributes
    ----------
    names : list of str
        Of the n sequences, in input order.
    labels : tuple of str
        Of the columns: `MODEL:score`, `MODEL:probability` where the model is calibrated, `MODEL:CLASS` of a recurrent
        model; with several models also the `mean` and `sd` of their probabilities, or scores if one of them has no
        probability, or of each class, if all have the same.
    values : (n, columns) float64
        NaN for a sequence without letters.
    """

    names: list[str]
    labels: tuple[str, ...]
    values: Floats

    def __len__(self) -> int:
        return len(self.names)

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with `sequence_name` and one column per label (needs pandas)."""
        import pandas as pd

        table = pd.DataFrame(self.values, columns=list(self.labels))
        table.insert(0, "sequence_name", self.names)
        return table


class PredictRun:
    """Models applied to inputs, record by record, in bounded memory.

    Parameters
    ----------
    predictors : sequence of Predictor
    threads : int, optional
        Default: the processors this process may use. Results do not depend on it.

    Raises
    ------
    OptionError
        If some of the models read DNA and others proteins.

    Attributes
    ----------
    labels : tuple of str
        As of `Predictions`.
    alphabet : str
        `dna` or `protein`.
    records, bases, ambiguous, foreign : int
        What has been read to its end: records, letters, IUPAC letters taken as unknown, other letters likewise.
    """

    def __init__(self, predictors: Sequence[Predictor], *, threads: int | None = None) -> None:
        self.predictors = list(predictors)
        self.labels = tuple(f"{model.name}:{label}" for model in self.predictors for label in model.labels)
        self.alphabet = _one_alphabet(self.predictors)
        self._shared = _shared_columns(self.predictors) if len(self.predictors) > 1 else []
        self.labels += tuple(f"{what}:{label}" for label, _ in self._shared for what in ("mean", "sd"))
        self._threads = runtime.thread_count(threads)
        self.records = self.bases = self.ambiguous = self.foreign = 0

    def rows(self, source: Source) -> Iterator[tuple[list[Record], Floats]]:
        """Yield the records of one input in order, some at a time, with their (n, columns) values.

        Raises
        ------
        InputError
            Names file, record and line; what was yielded before belongs to a damaged input.
        """
        reader: Reader | ProteinReader = _open_protein(source) if self.alphabet == "protein" else _open(source)
        items = reader.batches() if isinstance(reader, ProteinReader) else whole_records(reader.chunks())
        for (records, _), values in in_order(self._values, self._work(items), self._threads):
            yield records, values
        self.records += reader.records
        self.bases += reader.bases
        self.ambiguous += reader.ambiguous
        self.foreign += reader.foreign
        if not reader.records and not isinstance(source, Part):
            runtime.logger.warning("%s: no sequences in it", reader.source)

    def _work(self, items: Iterator[Batch | Piece]) -> Iterator[tuple[list[Record], Batch | Floats]]:
        """Yield batches still to be predicted, and long records with their values."""
        long: list[LongRecord] = []
        for item in items:
            if isinstance(item, Batch):
                yield item.records, item
                continue
            long = long or [model.open_record() for model in self.predictors]
            _feed(long, item)
            if item.last:
                yield [item.record], np.concatenate([record.values() for record in long])[None, :]
                long = []

    def _values(self, item: tuple[list[Record], Batch | Floats]) -> Floats:
        work = item[1]
        if isinstance(work, Batch):
            work = np.concatenate([model.predict(work.codes) for model in self.predictors], axis=1)
        columns = [work]
        for _, members in self._shared:
            columns += [work[:, members].mean(axis=1), work[:, members].std(axis=1, ddof=1)]
        return np.column_stack(columns)

    def facts(self) -> dict[str, object]:
        """Return what identifies the models, for the head of an output."""
        return {key: value for model in self.predictors for key, value in model.facts().items()}

    def warn(self) -> None:
        """Log what the reader of the results should know about the input."""
        if self.ambiguous:
            said = counted(self.ambiguous, "IUPAC ambiguity letter", does=("counts", "count"))
            runtime.logger.warning("%s as unknown", said)
        if self.foreign and self.alphabet == "protein":
            said = counted(self.foreign, "letter", does=("is", "are"))
            runtime.logger.warning("%s none of the 20 amino acids, taken as unknown", said)
        elif self.foreign:
            runtime.logger.warning(
                "%s no nucleotide code (E, F, I, J, L, O, P, Q, Z), taken as unknown: is this protein?",
                counted(self.foreign, "letter", does=("is", "are")),
            )


def _feed(long: list[LongRecord], piece: Piece) -> None:
    for record in long:
        record.feed(piece.codes)


def _open(source: Source) -> Reader:
    if isinstance(source, Mapping):
        from bioconv.sequence.regions import read_texts

        return read_texts(source, overlap=0, padding=0)
    assert not isinstance(source, RegionPart)
    return FastaReader(source, overlap=0, padding=0)


def _open_protein(source: Source) -> ProteinReader:
    assert not isinstance(source, RegionPart)
    return ProteinReader(source)


def _one_alphabet(predictors: Sequence[Predictor]) -> str:
    alphabets = {model.alphabet: model.name for model in predictors}
    if len(alphabets) > 1:
        message = (
            f"{' and '.join(f'{name} reads {letters}' for letters, name in alphabets.items())}: the same sequences "
        )
        raise OptionError(message + "cannot be both; give models of one kind")
    return next(iter(alphabets), "dna")


def _shared_columns(predictors: Sequence[Predictor]) -> list[tuple[str, list[int]]]:
    """Return the labels that the members of an ensemble are averaged over, and their columns in each."""
    starts = np.cumsum([0, *(len(model.labels) for model in predictors)]).tolist()

    def columns(label: str) -> list[int]:
        return [start + model.labels.index(label) for start, model in zip(starts, predictors, strict=False)]

    for label in ("probability", "score"):
        if all(label in model.labels for model in predictors):
            return [(label, columns(label))]
    classes = predictors[0].labels
    alike = all(set(model.labels) == set(classes) for model in predictors)
    return [(label, columns(label)) for label in classes] if alike else []


def predict(
    sequences: str | os.PathLike[str] | Mapping[str, str] | Sequence[str | os.PathLike[str]],
    *,
    model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    device: str = "auto",
    threads: int | None = None,
) -> Predictions:
    """Score whole sequences with a model, or with several and their mean.

    What letters mean (DNA or protein) the models say.

    Parameters
    ----------
    sequences : path, list of paths, or dict
        FASTA files (plain, gzip, bgzip; `-` is stdin), or sequences by name.
    model : name or path, or a list of them
        Models of `bioconv models list`, model files (DeepBind or recurrent), or published DeepBind parameter files.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    threads : int, optional
        Default: the processors this process may use. Results do not depend on it.

    Returns
    -------
    Predictions

    Raises
    ------
    InputError, ModelError, OptionError

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from bioconv import predict
    >>> from bioconv.conv.detectors import Detectors
    >>> from bioconv.models.model_file import write_model
    >>> from bioconv.sequence.deepbind import MotifModel, to_model_file
    >>> counts_a = Detectors(np.eye(4)[:1, :, None], np.zeros(1), False, np.ones((1, 1)), np.zeros(1), None, 0.0, False)
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "a.safetensors"
    >>> write_model(file, to_model_file(MotifModel("a", counts_a, window=2, padded=False, logistic=(2.0, -1.0))))
    >>> found = predict({"with": "GATC", "without": "GGTC"}, model=file)
    >>> found.labels
    ('a:score', 'a:probability')
    >>> found.values.round(3).tolist()
    [[1.0, 0.731], [0.0, 0.269]]
    """
    sources = [sequences] if isinstance(sequences, (str, os.PathLike, Mapping)) else list(sequences)
    models = [model] if isinstance(model, (str, os.PathLike)) else list(model)
    run = PredictRun(load_predictors(models, device=device), threads=threads)
    names: list[str] = []
    values = [np.empty((0, len(run.labels)))]
    for source in sources:
        for records, rows in run.rows(source if isinstance(source, Mapping) else Path(source)):
            names += [record.name for record in records]
            values.append(rows)
    run.warn()
    return Predictions(names, run.labels, np.concatenate(values))
