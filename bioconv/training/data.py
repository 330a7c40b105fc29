"""What the trainer asks of data: batches by index, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples side by side.

    Parameters
    ----------
    inputs
        What the model is called with: a tensor whose first axis is the sample, or a tuple of such tensors.
    targets
        (N, ...) tensor, or a tuple of them for a model with several heads.
    weights
        (N,) float32 weights of the samples in the loss; None: all alike.
    """

    inputs: Any
    targets: Any
    weights: torch.Tensor | None = None


class Samples(Protocol):
    """A part of the data (training, validation) that batches are taken from."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return samples by index, on the CPU.

        What is random about a sample (shuffling, augmentation) is drawn from (seed, epoch, index) alone
        (`bioconv.training.draws.sample_keys`), so that it does not depend on batch size, worker or device.
        It may be called from several threads at once.
        """

    def classes(self) -> NDArray[np.int64] | None:
        """Return the class of every sample, (n,), for balancing; None where there are none."""

    # A part may also have `fingerprint() -> str`, by which a resumed training knows its data again, and
    # `lengths() -> (n,) int64`, of samples of unequal length: a batch is then made of similar ones.


@dataclass(frozen=True, eq=False)
class ArraySamples:
    """Samples that lie in memory: arrays whose first axis is the sample."""

    inputs: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Return samples by index; nothing here is random."""
        chosen = torch.from_numpy(indices)
        return Batch(self.inputs[chosen], self.targets[chosen])

    def classes(self) -> NDArray[np.int64] | None:
        """Return the targets where they are whole numbers or binary, else None."""
        if self.targets.ndim != 1 or not bool((self.targets == self.targets.round()).all()):
            return None
        return np.asarray(self.targets.numpy(), np.int64)

    def fingerprint(self) -> str:
        """Return a hash of the arrays, by which a resumed training knows its data again."""
        digest = hashlib.sha256()
        for array in (self.inputs, self.targets):
            digest.update(f"{array.dtype} {tuple(array.shape)}".encode())
            digest.update(array.detach().contiguous().view(torch.uint8).numpy().data if array.numel() else b"")
        return digest.hexdigest()[:16]
