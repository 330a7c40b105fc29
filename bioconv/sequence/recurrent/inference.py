"""Logits of sequences: batches of similar lengths, and sequences of any length block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bioconv.conv.device_memory import PieceSize, in_pieces, release
from bioconv.models.recurrent import Recurrent

Codes = NDArray[np.uint8]
ROWS = 64  # sequences side by side: more of them do not fit a processor's cache
GPU_ROWS = 1024
LONGEST = 1 << 16  # letters of a batch, padding included, and of a sequence that is read at once
BLOCK = 1 << 12  # letters between the kept states of a longer one
_SMALLEST = 1 << 6  # letters of a block where memory has run out


def logits_of(network: Recurrent, sequences: Sequence[Codes]) -> list[NDArray[np.float32]]:
    """Return the logits of sequences.

    Sequences of similar lengths are read side by side; those longer than 65,536 letters by `LongSequence`. A
    sequence's logits do not depend on the others, up to rounding. Where a device runs out of memory there are fewer
    side by side, and a sequence that does not fit by itself is a long one.

    Parameters
    ----------
    network
        In evaluation mode, on any device.
    sequences
        Codes, each (letters,) uint8 of one letter or more.

    Returns
    -------
    list of array
        In the order given, each (outputs,), or (letters, outputs) of a network with an output per position.

    Raises
    ------
    OptionError
        If the device's memory does not hold the shortest block of a sequence.
    """
    found: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(sequences)
    with torch.inference_mode():
        for row, codes in enumerate(sequences):
            if len(codes) > LONGEST:
                found[row] = LongSequence(network, codes).logits()
        short = [row for row, codes in enumerate(sequences) if len(codes) <= LONGEST]
        rows = _rows(network)
        lengths = [len(sequences[row]) for row in short]
        for batch in similar_lengths(lengths, rows=rows, letters=LONGEST * rows // ROWS):
            together = [short[index] for index in batch]
            for row, logits in zip(
                together, _fitting_logits(network, [sequences[row] for row in together]), strict=True
            ):
                found[row] = logits
    return found


def window_logits(network: Recurrent, windows: Codes, *, rows: PieceSize | None = None) -> NDArray[np.float32]:
    """Return the logits (n, outputs) that a network gives to windows of one length.

    Parameters
    ----------
    network
        On any device.
    windows
        (n, letters) uint8; they may share memory.
    rows
        Windows side by side: what was found to fit in the call before; None: not known.

    Raises
    ------
    OptionError
        If the device's memory does not hold a single window.
    """
    device = network.head.weight.device

    def work(begin: int, end: int) -> NDArray[np.float32]:
        codes = torch.from_numpy(np.array(windows[begin:end])).to(device)
        logits = network(codes, torch.full((len(codes),), codes.shape[1]))
        return np.asarray(logits.float().cpu().numpy())

    with torch.inference_mode():
        parts = in_pieces(work, 0, len(windows), piece=rows or rows_to_begin_with(network), device=str(device))
        return np.concatenate([np.empty((0, network.config.outputs), np.float32), *parts])


def rows_to_begin_with(network: Recurrent) -> PieceSize:
    """Return how many sequences a network reads side by side on its device, as long as its memory holds them."""
    return PieceSize(_rows(network), smallest=1)


def _rows(network: Recurrent) -> int:
    return ROWS if network.head.weight.device.type == "cpu" else GPU_ROWS


def similar_lengths(lengths: Sequence[int], *, rows: int = ROWS, letters: int = LONGEST) -> Iterator[list[int]]:
    """Yield the indices of batches by length, shortest first.

    Parameters
    ----------
    lengths
        Letters of each sequence.
    rows
        Sequences of a batch at most.
    letters
        Letters of a batch at most, padding included, unless it is a single row.

    Examples
    --------
    >>> list(similar_lengths([5, 2, 5, 90], rows=2, letters=50))
    [[1, 0], [2], [3]]
    """
    batch: list[int] = []
    for row in np.argsort(np.asarray(lengths, np.int64), kind="stable").tolist():
        if batch and (len(batch) == rows or (len(batch) + 1) * lengths[row] > letters):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _fitting_logits(network: Recurrent, sequences: list[Codes]) -> Iterator[NDArray[np.float32]]:
    """Yield the logits of sequences side by side, of fewer at a time where they do not fit."""

    def work(begin: int, end: int) -> list[NDArray[np.float32]]:
        try:
            return _batch_logits(network, sequences[begin:end])
        except torch.OutOfMemoryError:
            if end - begin > 1:
                raise
        release()
        return [LongSequence(network, sequences[begin]).logits()]

    # Begun anew with each batch: sequences that are short or many do not suffer for some that are long.
    piece = PieceSize(len(sequences), smallest=1)
    for some in in_pieces(work, 0, len(sequences), piece=piece, device=str(network.head.weight.device)):
        yield from some


def _batch_logits(network: Recurrent, sequences: list[Codes]) -> list[NDArray[np.float32]]:
    lengths = np.array([len(codes) for codes in sequences], np.int64)
    padded = np.zeros((len(sequences), int(lengths.max())), np.uint8)
    for row, codes in zip(padded, sequences, strict=True):
        row[: len(codes)] = codes
    device = network.head.weight.device
    logits = network(torch.from_numpy(padded).to(device), torch.from_numpy(lengths)).float().cpu().numpy()
    if network.config.pooling == "none":
        return [values[:length] for values, length in zip(logits, lengths.tolist(), strict=True)]
    return list(logits)


class LongSequence:
    """One sequence of any length through a network: the same states as if it were read at once, in little memory.

    The state of reading is carried from block to block. For the direction from end to start, and for the layers below
    the last, the states at the blocks' borders are kept from a sweep of their own, and what lies between them is
    computed again when it is needed.

    Parameters
    ----------
    network
        In evaluation mode.
    codes
        (letters,) uint8, one letter or more; may lie in a file (`numpy.memmap`).
    block
        Letters between kept states; fewer where a device runs out of memory. Results do not depend on it, up to
        rounding.
    """

    def __init__(self, network: Recurrent, codes: Codes, *, block: int = BLOCK) -> None:
        self._network, self._codes = network, codes
        self._letters = PieceSize(block, min(block, _SMALLEST))
        self._divide()

    def _divide(self) -> None:
        pool = self._network.config.pool
        self._block = max(1, math.ceil(self._letters.size / pool)) * pool
        self._count = math.ceil(len(self._codes) / self._block)
        self._kept: list[list[list[Any]]] = []  # by layer, direction and block: the state in which it is entered

    def states(self) -> Iterator[Tensor]:
        """Yield the last layer's states of each block, (steps, 1, D)."""
        with torch.inference_mode():
            self._kept = []
            if not self._network.stack:
                yield from (self._vectors(place) for place in range(self._count))
                return
            *below, last = self._network.stack
            for layer in below:
                self._kept.append([self._sweep(cell, number > 0) for number, cell in enumerate(layer.directions)])
            turned = [] if last.backwards is None else self._sweep(last.backwards, True)
            state = None
            for place in range(self._count):
                values = self._values(place)
                found, state = last.forwards(values, state)
                if last.backwards is not None:
                    found = torch.cat([found, last.backwards(values.flip(0), turned[place])[0].flip(0)], dim=2)
                yield found

    def position_logits(self) -> Iterator[NDArray[np.float32]]:
        """Yield the logits of each block's letters, (letters, outputs), of a network with an output per position.

        Raises
        ------
        OptionError
            If the device's memory does not hold the shortest block.
        """
        done = 0
        while done < len(self._codes):
            begin = 0
            try:
                for states in self.states():
                    with torch.inference_mode():
                        logits = self._network.head(states[:, 0]).float().cpu().numpy()
                    left = logits[max(0, done - begin) :]  # what was yielded before memory ran out
                    begin += len(logits)
                    done += len(left)
                    if len(left):
                        yield left
            except torch.OutOfMemoryError as error:
                self._halve(error)
            else:
                return
            release()

    def logits(self) -> NDArray[np.float32]:
        """Return what `logits_of` does: (outputs,), or (letters, outputs).

        Raises
        ------
        OptionError
            If the device's memory does not hold the shortest block.
        """
        if self._network.config.pooling == "none":
            return np.concatenate(list(self.position_logits()))
        while True:
            try:
                with torch.inference_mode():
                    return np.asarray(self._network.head(self._pooled()).float().cpu().numpy())
            except torch.OutOfMemoryError as error:
                self._halve(error)
            release()

    def _halve(self, error: torch.OutOfMemoryError) -> None:
        """Begin again with blocks of half as many letters."""
        self._letters.halve(str(self._network.head.weight.device), error)
        self._divide()

    def _pooled(self) -> Tensor:
        pooling, units = self._network.config.pooling, self._network.config.hidden
        total: Tensor | None = None
        steps, weight, largest = 0, torch.zeros(()), torch.tensor(-math.inf)
        last = math.ceil(len(self._codes) / self._network.config.pool) - 1
        for states in self.states():
            rows = states[:, 0]
            if pooling == "last":
                total = torch.cat([rows[-1, :units], rows[0, units:] if total is None else total[units:]])
            elif pooling == "max":
                total = rows.amax(0) if total is None else torch.maximum(total, rows.amax(0))
            elif pooling == "mean":
                total = rows.double().sum(0) + (0 if total is None else total)
            elif pooling == "centre":
                middle = [rows[at - steps] / 2 for at in (last // 2, last - last // 2) if 0 <= at - steps < len(rows)]
                total = sum(middle, torch.zeros_like(rows[0]) if total is None else total)
            else:  # weights relative to the largest score so far, as all of them must be
                assert self._network.attention is not None
                scores = self._network.attention(rows).double()
                before, largest = largest, torch.maximum(largest.to(scores), scores.max())
                fade, weights = (before.to(scores) - largest).exp(), (scores - largest).exp()
                total = (weights * rows).sum(0) + (0 if total is None else total * fade)
                weight = weight.to(scores) * fade + weights.sum()
            steps += len(rows)
        assert total is not None
        if pooling == "mean":
            total = total / steps
        return (total / weight if pooling == "attention" else total).to(self._network.head.weight)

    def _sweep(self, cell: nn.RNNBase, backwards: bool) -> list[Any]:
        """Return the state in which a cell enters each block, read with the layers known so far below it."""
        kept: list[Any] = [None] * self._count
        state = None
        for place in reversed(range(self._count)) if backwards else range(self._count):
            kept[place] = state
            values = self._values(place)
            state = cell(values.flip(0) if backwards else values, state)[1]
        return kept

    def _values(self, place: int) -> Tensor:
        """Return what the layer above those swept reads in a block, (steps, 1, V)."""
        values = self._vectors(place)
        for layer, kept in zip(self._network.stack, self._kept, strict=False):
            states = [layer.forwards(values, kept[0][place])[0]]
            if layer.backwards is not None:
                states.append(layer.backwards(values.flip(0), kept[1][place])[0].flip(0))
            values = torch.cat(states, dim=2)
        return values

    def _vectors(self, place: int) -> Tensor:
        """Return the vectors of a block's tokens, read with the letters around it that they depend on."""
        network, config = self._network, self._network.config
        begin, end = place * self._block, min((place + 1) * self._block, len(self._codes))
        ahead = min(begin, math.ceil(config.before / config.pool) * config.pool)
        letters = np.array(self._codes[begin - ahead : end + config.after])[None]
        codes = torch.from_numpy(letters).to(network.head.weight.device)
        lengths = torch.full((1,), codes.shape[1], device=codes.device)
        values = network.vectors(network.token_indices(codes, lengths), None)
        return values[ahead // config.pool :][: math.ceil((end - begin) / config.pool)]
