"""The motif scan on a device by plain torch: the same candidates by the same whole numbers, slower and anywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bioconv.conv.prefilter import Bucket

_LEVELS = 255  # whole numbers to 256 are exact in a bfloat16: no setting of torch's precision can change a sum
_ROWS = 1 << 15
_CANDIDATES = 1 << 18


class TorchScan:
    """Buckets of motif strands on a device.

    Parameters
    ----------
    buckets : sequence of Bucket
    stride : int
        A hit's order is position * stride + key.
    device : str
    """

    def __init__(self, buckets: Sequence[Bucket], stride: int, device: str) -> None:
        self._buckets = [_OnDevice(bucket, device) for bucket in buckets]
        self._stride = stride

    def unpack(self, packed: Tensor, count: int) -> Tensor:
        """Return (count,) uint8 codes from the form of `packing.pack`."""
        groups = len(packed) // 3
        shifts = torch.arange(8, device=packed.device, dtype=torch.uint8)
        letters = (packed[: 2 * groups, None] >> (2 * shifts[:4])) & 3
        unknown = (packed[2 * groups :, None] >> shifts) & 1
        return torch.where(unknown.reshape(-1) > 0, 4, letters.reshape(-1)).to(torch.uint8)[:count]

    def begin(self, codes: Tensor, owned: int) -> None:
        """Do nothing: here nothing runs ahead."""

    def finish(self, codes: Tensor, owned: int, begun: None) -> list[tuple[Tensor, Tensor]]:
        """Return (order, loss) of each bucket's hits among the windows that start before `owned`, in no order."""
        return [self._hits(codes, owned, bucket) for bucket in self._buckets]

    def _hits(self, codes: Tensor, owned: int, bucket: _OnDevice) -> tuple[Tensor, Tensor]:
        padded = torch.nn.functional.pad(codes, (0, bucket.letters), value=4)
        parts = []
        for first in range(0, owned, _ROWS):
            rows = min(_ROWS, owned - first)
            windows = padded[first : first + rows + bucket.letters - 1].unfold(0, bucket.letters, 1)
            features = bucket.features[windows.long()].reshape(rows, -1)
            row, column = torch.nonzero(features @ bucket.weights <= bucket.limits, as_tuple=True)
            parts += [
                bucket.exact(padded, some + first, which, self._stride)
                for some, which in zip(torch.split(row, _CANDIDATES), torch.split(column, _CANDIDATES), strict=True)
            ]
        empty = codes.new_empty(0, dtype=torch.int64)
        return (
            torch.cat([empty, *(order for order, _ in parts)]),
            torch.cat([empty.int(), *(loss for _, loss in parts)]),
        )


class _OnDevice:
    """A bucket's tensors."""

    def __init__(self, bucket: Bucket, device: str) -> None:
        weights, limits = bucket.features(_LEVELS)
        self.letters = bucket.letters
        self.weights = torch.from_numpy(weights.astype(np.float32)).to(device)
        self.limits = torch.from_numpy(limits.astype(np.float32)).to(device)
        self.features = torch.eye(5, device=device)[:, [0, 1, 2, 4]].contiguous()
        # An unknown letter costs more than any budget, but not beyond a motif's end.
        losses = np.full((bucket.columns, bucket.letters, 5), 1 << 31, np.int64)
        losses[:, :, :4] = bucket.losses
        losses[np.arange(bucket.letters) >= bucket.lengths[:, None], 4] = 0
        self.losses = torch.from_numpy(losses).to(device)
        self.budgets = torch.from_numpy(bucket.budgets.astype(np.int64)).to(device)
        self.keys = torch.from_numpy(bucket.keys.astype(np.int64)).to(device)

    def exact(self, padded: Tensor, row: Tensor, column: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """Return (order, loss) of the candidates that are hits."""
        letter = torch.arange(self.letters, device=padded.device)
        code = padded[row[:, None] + letter].long()
        loss = self.losses[column[:, None], letter, code].sum(1)
        hit = loss <= self.budgets[column]
        return (row * stride + self.keys[column])[hit], loss[hit].int()
