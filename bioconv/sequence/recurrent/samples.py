"""Sequences of any lengths as batches: padded to the longest of the batch, with their lengths beside them."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv.sequence.recurrent.data import SequenceData
from bioconv.sequence.recurrent.grouping import reverse_complement
from bioconv.training.data import Batch
from bioconv.training.losses import MISSING


class SequenceSamples:
    """Labelled sequences; nothing here is random.

    Parameters
    ----------
    data
        What is in this part.
    both_strands
        Whether the reverse complement of each sequence is a sample too: they follow, in the same order, with the same
        labels (those of letters turned round).
    """

    def __init__(self, data: SequenceData, *, both_strands: bool = False) -> None:
        self._per_position, self._pad = data.per_position, data.alphabet.unknown
        self._codes, self._targets = list(data.codes), list(data.targets)
        if both_strands:
            self._codes += [reverse_complement(own) for own in data.codes]
            self._targets += [own[::-1] for own in data.targets]
        self._lengths = np.array([len(own) for own in self._codes], np.int64)

    def __len__(self) -> int:
        return len(self._codes)

    def lengths(self) -> NDArray[np.int64]:
        """Return the letters of each, (n,): batches are made of similar ones."""
        return self._lengths

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return samples by index.

        Returns
        -------
        Batch
            Inputs codes (N, L) uint8, with unknown letters behind the end, and lengths (N,) int64; targets (N,) int64
            with weights None, or, of letters, (N, L) int64, -100 where not known, weighed by how many are.
        """
        lengths = self._lengths[indices]
        codes = np.full((len(indices), int(lengths.max())), self._pad, np.uint8)
        for row, index in zip(codes, indices, strict=True):
            row[: self._lengths[index]] = self._codes[index]
        inputs = torch.from_numpy(codes), torch.from_numpy(lengths)
        if not self._per_position:
            return Batch(inputs, torch.from_numpy(np.concatenate([self._targets[index] for index in indices])))
        targets = np.full(codes.shape, MISSING, np.int64)
        for place, index in enumerate(indices):
            targets[place, : self._lengths[index]] = self._targets[index]
        known = (targets != MISSING).sum(axis=1).astype(np.float32)
        return Batch(inputs, torch.from_numpy(targets), torch.from_numpy(known))

    def classes(self) -> NDArray[np.int64] | None:
        """Return the class of every sequence, for balancing; None where labels are of letters."""
        return None if self._per_position else np.concatenate(self._targets)

    def fingerprint(self) -> str:
        """Return a hash of sequences and labels."""
        digest = hashlib.sha256(self._lengths.tobytes())
        for column in (self._codes, self._targets):
            for own in column:
                digest.update(np.ascontiguousarray(own).data)
        return digest.hexdigest()[:16]
