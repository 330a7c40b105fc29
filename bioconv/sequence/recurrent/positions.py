"""Probabilities along sequences: of each letter, or of the window that starts at it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.errors import OptionError
from bioconv.sequence.fasta import FastaReader, Record
from bioconv.sequence.protein_records import ProteinReader
from bioconv.sequence.records import Batch, Piece, whole_records
from bioconv.sequence.recurrent.grouping import reverse_complement
from bioconv.sequence.recurrent.inference import LongSequence, logits_of, rows_to_begin_with, window_logits
from bioconv.sequence.recurrent.model import SequenceModel, load_sequence_model
from bioconv.sequence.recurrent.predictor import SpooledCodes, probabilities
from bioconv.wording import counted
from bioconv.zoo import resolve

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]
_STRETCH = 1 << 14  # windows whose probabilities are held at once
STRANDS = {"both": ("+", "-"), "+": ("+",), "-": ("-",)}


@dataclass(frozen=True, eq=False)
class PositionBlock:
    """Probabilities along a part of a record.

    Attributes
    ----------
    record : Record
    strand : str
        `+`, `-`, or `.` of proteins.
    begin : int
        0-based coordinate of the first letter, or of the first letter of the first window, whatever the strand.
    values : (n, classes) float64
        Of n letters, or of n windows that start at neighbouring letters.
    last : bool
        The record has no more blocks of this strand.
    """

    record: Record
    strand: str
    begin: int
    values: Floats
    last: bool


class PositionRun:
    """A model moved along records, in bounded memory.

    A model with an output per position reads a record as a whole. Any other model needs a window: it is applied to all
    stretches of as many letters as its training sequences had, of DNA on both strands.

    Parameters
    ----------
    model
        Its network is moved to the device.
    strand
        Of a window on DNA: `both`, `+` or `-`. Default: both, and `+` of all other models.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    OptionError
        If the model has neither an output per position nor a window, or the strand makes no sense for it.

    Attributes
    ----------
    records, bases, foreign : int
        What has been read to its end: records, letters, letters that count as unknown.
    short : int
        Records shorter than the window: nothing is said of them.
    """

    def __init__(self, model: SequenceModel, *, strand: str | None = None, device: str = "auto") -> None:
        windowed = model.window > 0 and not model.per_position
        turns = windowed and model.alphabet.name == "dna"
        if not windowed and not model.per_position:
            message = (
                f"model {model.name} was trained on whole sequences of different lengths: it can be moved along a "
            )
            raise OptionError(message + "record only if all had one length, or with an output per position")
        if strand not in (None, "+") and not turns:
            message = f"--strand {strand}: model {model.name} reads records as they are given; only DNA models with a "
            raise OptionError(message + "window read the other strand (reverse-complement the records)")
        if strand not in (None, *STRANDS):
            message = f"--strand {strand}: expected {', '.join(STRANDS)}"
            raise OptionError(message)
        self.model = model
        self.strands = STRANDS[strand or ("both" if turns else "+")] if model.alphabet.name == "dna" else (".",)
        self.window = model.window if windowed else 0
        self.records = self.bases = self.foreign = self.short = 0
        self._device = runtime.device_name(device)
        self._network = model.network.to(self._device)
        self._rows = rows_to_begin_with(self._network)

    def blocks(self, source: str | Path | Mapping[str, str]) -> Iterator[PositionBlock]:
        """Yield the blocks of an input, record by record, each strand's in order of coordinates.

        Parameters
        ----------
        source
            A FASTA file, `-`, or sequences by name.

        Raises
        ------
        InputError
            Names file, record and line; what was yielded before belongs to a damaged input.
        """
        reader, items = self._open(source)
        for item in items:
            if isinstance(item, Batch):
                yield from self._batch(item)
                continue
            yield from (self._long_windows if self.window else self._long_positions)(item, items)
        self.records += reader.records
        self.bases += reader.bases
        self.foreign += reader.foreign + reader.ambiguous
        if not reader.records:
            runtime.logger.warning("%s: no sequences in it", reader.source)

    def facts(self) -> dict[str, object]:
        """Return what identifies the model, for the head of an output."""
        return {f"model:{self.model.name}": f"sha256:{self.model.digest()[:16]}", "device": self._device}

    def warn(self) -> None:
        """Log what the reader of the results should know about the input."""
        if self.short:
            runtime.logger.warning(
                "%s shorter than the window of %d letters: nothing is said there",
                counted(self.short, "record", does=("is", "are")), self.window,
            )  # fmt: skip
        if self.foreign:
            runtime.logger.warning("%s as unknown", counted(self.foreign, "letter", does=("counts", "count")))

    def _open(
        self, source: str | Path | Mapping[str, str]
    ) -> tuple[ProteinReader | FastaReader, Iterator[Batch | Piece]]:
        if self.model.alphabet.name == "protein":
            proteins = ProteinReader(source)
            return proteins, iter(proteins.batches())
        if isinstance(source, Mapping):
            from bioconv.sequence.regions import read_texts

            texts = read_texts(source, overlap=0, padding=0)
            return texts, whole_records(texts.chunks())  # type: ignore[return-value]
        fasta = FastaReader(source, overlap=0, padding=0)
        return fasta, whole_records(fasta.chunks())

    def _batch(self, batch: Batch) -> Iterator[PositionBlock]:
        if self.window:
            for record, codes in zip(batch.records, batch.codes, strict=True):
                self.short += len(codes) < self.window
                yield from self._windows(record, codes, 0, last=True)
            return
        rows = [row for row, codes in enumerate(batch.codes) if len(codes)]
        found = logits_of(self._network, [batch.codes[row] for row in rows])
        for row, logits in zip(rows, found, strict=True):
            yield PositionBlock(batch.records[row], self.strands[0], 0, probabilities(self.model, logits), True)

    def _windows(self, record: Record, codes: Codes, begin: int, *, last: bool) -> Iterator[PositionBlock]:
        if len(codes) < self.window:
            return
        for strand in self.strands:
            letters = reverse_complement(codes) if strand == "-" else codes
            windows = np.lib.stride_tricks.sliding_window_view(letters, self.window)
            logits = window_logits(self._network, windows[::-1] if strand == "-" else windows, rows=self._rows)
            yield PositionBlock(record, strand, begin, probabilities(self.model, logits), last)

    def _long_windows(self, piece: Piece, items: Iterator[Batch | Piece]) -> Iterator[PositionBlock]:
        """Yield a long record's blocks, taking its further pieces from the items."""
        held, begin = piece.codes[:0], 0
        for part in _pieces(piece, items):
            held = np.concatenate([held, part.codes])
            # One window is held back: only with the next piece it is known whether it is the last.
            count = max(len(held) - self.window + part.last, 0)
            for first in range(0, count, _STRETCH):
                size = min(_STRETCH, count - first)
                stretch = held[first : first + size + self.window - 1]
                yield from self._windows(part.record, stretch, begin + first, last=part.last and first + size == count)
            held, begin = held[count:], begin + count
        self.short += begin == 0

    def _long_positions(self, piece: Piece, items: Iterator[Batch | Piece]) -> Iterator[PositionBlock]:
        """Yield a long record's blocks, taking its further pieces from the items: its end is read first."""
        kept = SpooledCodes()
        for part in _pieces(piece, items):
            kept.add(part.codes)
        begin = 0
        with kept as codes:
            for logits in LongSequence(self._network, codes).position_logits():
                values = probabilities(self.model, logits)
                yield PositionBlock(piece.record, self.strands[0], begin, values, begin + len(values) == len(codes))
                begin += len(values)


def _pieces(first: Piece, items: Iterator[Batch | Piece]) -> Iterator[Piece]:
    """Yield the pieces of one record."""
    piece = first
    yield piece
    while not piece.last:
        following = next(items)
        assert isinstance(following, Piece)
        piece = following
        yield piece


@dataclass(frozen=True, eq=False)
class Positions:
    """Probabilities along one record.

    Attributes
    ----------
    name : str
        Of the record.
    strand : str
        `+`, `-`, or `.` of proteins.
    labels : tuple of str
        The classes.
    values : (n, classes) float64
        Of its letters; of a model with a window, of the windows that start at each letter but the last window - 1.
    """

    name: str
    strand: str
    labels: tuple[str, ...]
    values: Floats


def predict_positions(
    sequences: str | os.PathLike[str] | Mapping[str, str],
    *,
    model: str | os.PathLike[str],
    strand: str | None = None,
    device: str = "auto",
) -> Iterator[Positions]:
    """Yield the probabilities along each record; what `bioconv predict --per-position` writes, before it is placed.

    Parameters
    ----------
    sequences : path or dict
        A FASTA file, or sequences by name.
    model : name or path
    strand, device
        As of `PositionRun`.

    Raises
    ------
    InputError, ModelError, OptionError
    """
    run = PositionRun(load_sequence_model(resolve(os.fspath(model))), strand=strand, device=device)
    parts: dict[str, list[Floats]] = {}
    for block in run.blocks(sequences if isinstance(sequences, Mapping) else Path(sequences)):
        parts.setdefault(block.strand, []).append(block.values)
        if block.last:
            yield Positions(block.record.name, block.strand, run.model.labels, np.concatenate(parts.pop(block.strand)))
    run.warn()
