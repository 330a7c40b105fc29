"""Bound sequences and what they are told apart from, drawn anew each epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv.sequence.shuffle import shuffle_dinucleotides
from bioconv.training.data import Batch
from bioconv.training.draws import sample_keys, uniforms

Codes = NDArray[np.uint8]

_SHUFFLES, _CHOICES = 1, 2  # streams of draws


@dataclass(frozen=True, eq=False)
class BindingSamples:
    """Positives in turn or by weight, each with negatives beside it.

    Sample i belongs to positive slot i // (1 + k): its first one is the positive, the other k are negatives.

    Parameters
    ----------
    positives
        (n, L) uint8 codes.
    seed
        Draws are functions of it, the epoch and the sample.
    size
        Positive slots of an epoch; None: n.
    weights
        (n,) how often a positive is drawn; None: slot j holds positive j modulo n.
    negatives
        (m, L) codes to draw negatives from; None: dinucleotide shuffles of the slot's positive.
    per_positive
        k; together they weigh as much in the loss as the positive.
    """

    positives: Codes
    seed: int
    size: int | None = None
    weights: NDArray[np.float64] | None = None
    negatives: Codes | None = None
    per_positive: int = 1

    def __len__(self) -> int:
        return (self.size or len(self.positives)) * (1 + self.per_positive)

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return inputs (N, L) uint8, targets (N,) float32 0 or 1, and weights (N,)."""
        slots, part = np.divmod(indices, 1 + self.per_positive)
        codes = self.positives[self._chosen(slots, epoch)]
        negative = part > 0
        codes[negative] = self._negatives(codes[negative], indices[negative], epoch)
        weights = np.where(negative, 1 / self.per_positive, 1).astype(np.float32)
        targets = (~negative).astype(np.float32)
        return Batch(torch.from_numpy(codes), torch.from_numpy(targets), torch.from_numpy(weights))

    def classes(self) -> NDArray[np.int64] | None:
        """Return None: the classes are balanced as they are drawn."""
        return None

    def fingerprint(self) -> str:
        """Return what tells these sequences from others."""
        return _digest(self.positives, self.negatives, self.weights)

    def _chosen(self, slots: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        if self.weights is None:
            return slots % len(self.positives)
        limits = np.cumsum(self.weights) / self.weights.sum()
        draws = uniforms(sample_keys(self.seed + _CHOICES, epoch, slots), 1)[:, 0]
        return np.minimum(np.searchsorted(limits, draws, side="right"), len(limits) - 1)

    def _negatives(self, positives: Codes, indices: NDArray[np.int64], epoch: int) -> Codes:
        keys = sample_keys(self.seed + _SHUFFLES, epoch, indices)
        if self.negatives is None:
            return shuffle_dinucleotides(positives, keys)
        return self.negatives[(uniforms(keys, 1)[:, 0] * len(self.negatives)).astype(np.int64)]


@dataclass(frozen=True, eq=False)
class GroupedSamples:
    """Positives and shuffles of several groups side by side, for networks that are trained together.

    Each group sees what `BindingSamples` of its positives and seed gives, whatever the others are.

    Parameters
    ----------
    positives
        (n, L) uint8 codes of each group, of one length.
    seeds
        Of each group.
    size
        Positive slots of an epoch.
    """

    positives: Sequence[Codes]
    seeds: Sequence[int]
    size: int

    def __len__(self) -> int:
        return 2 * self.size

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return inputs (N, G, L) uint8 and targets (N, G) float32, 0 or 1."""
        slots, negative = np.divmod(indices, 2)
        codes = np.stack([own[slots % len(own)] for own in self.positives])  # (G, N, L)
        shuffled = codes[:, negative > 0]
        keys = sample_keys(np.array(self.seeds)[:, None] + _SHUFFLES, epoch, indices[negative > 0])
        shuffles = shuffle_dinucleotides(shuffled.reshape(-1, codes.shape[-1]), keys.ravel())
        codes[:, negative > 0] = shuffles.reshape(shuffled.shape)
        targets = np.repeat((1 - negative).astype(np.float32)[:, None], len(codes), 1)
        return Batch(torch.from_numpy(np.ascontiguousarray(codes.swapaxes(0, 1))), torch.from_numpy(targets))

    def classes(self) -> NDArray[np.int64] | None:
        """Return None: the classes are balanced as they are drawn."""
        return None

    def fingerprint(self) -> str:
        """Return what tells these sequences from others."""
        return _digest(*self.positives)


@dataclass(frozen=True, eq=False)
class FixedSamples:
    """Sequences with targets that stay as they are: for validation, and for measured affinities."""

    codes: Codes
    targets: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.codes)

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return inputs (N, L) uint8 and targets (N,) float32."""
        return Batch(torch.from_numpy(self.codes[indices]), torch.from_numpy(self.targets[indices]))

    def classes(self) -> NDArray[np.int64] | None:
        """Return the classes of 0 and 1 targets, else None."""
        binary = np.isin(self.targets, (0, 1)).all()
        return self.targets.astype(np.int64) if binary else None

    def fingerprint(self) -> str:
        """Return what tells these sequences from others."""
        return _digest(self.codes, self.targets)


def _digest(*arrays: NDArray[Any] | None) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def with_shuffles(positives: Codes, *, seed: int, count: int = 1) -> FixedSamples:
    """Return positives and `count` fixed dinucleotide shuffles of each, positives first."""
    rounds = [sample_keys(seed, number, np.arange(len(positives))) for number in range(count)]
    shuffles = [shuffle_dinucleotides(positives, keys) for keys in rounds]
    targets = np.repeat(np.array([1, 0], np.float32), [len(positives), count * len(positives)])
    return FixedSamples(np.concatenate([positives, *shuffles]), targets)


def rank_weights(count: int, scale: float, floor: float = 0.03) -> NDArray[np.float64]:
    """Return (count,) weights exp(-rank / scale) + floor: the best-ranked peaks are drawn most.

    Peaks lower in the list are more of the indirect and the unspecific kind; the floor keeps them in.

    Examples
    --------
    >>> rank_weights(3, scale=1.0, floor=0.0).round(3).tolist()
    [1.0, 0.368, 0.135]
    """
    return np.exp(-np.arange(count) / scale) + floor
