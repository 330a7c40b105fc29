"""Runs the Triton kernels of the motif scan: tensors, shapes of launches, lists that grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bioconv.conv import triton_pwm
from bioconv.conv.launches import ScanLaunch, default_launch
from bioconv.conv.prefilter import FLOAT16_LEVELS, INT8_LEVELS, Bucket

_UNPACK_BLOCK = 1024
_kernels: Any = triton_pwm  # triton's decorator has no types


def unpack_codes(packed: Tensor, count: int) -> Tensor:
    """Return (count,) uint8 codes from the form of `packing.pack`."""
    codes = torch.empty(count, dtype=torch.uint8, device=packed.device)
    if count:
        grid = (-(-count // _UNPACK_BLOCK),)
        _kernels.unpack_codes[grid](packed, len(packed) // 3, codes, count, BLOCK=_UNPACK_BLOCK)
    return codes


@dataclass
class _List:
    """A list in device memory, filled by a kernel: what it holds of each entry, and how many there were."""

    columns: tuple[Tensor, ...]
    count: Tensor

    @property
    def capacity(self) -> int:
        return len(self.columns[0])


class TritonScan:
    """Buckets of motif strands on a device.

    Parameters
    ----------
    buckets : sequence of Bucket
    stride : int
        A hit's order is position * stride + key.
    device : str
    launches : sequence of ScanLaunch, optional
        One per bucket: the shapes the kernels run in. Results do not depend on them.
    """

    def __init__(
        self, buckets: Sequence[Bucket], stride: int, device: str, launches: Sequence[ScanLaunch] | None = None
    ) -> None:
        chosen = launches or [default_launch(bucket) for bucket in buckets]
        self._finders = [_Finder(bucket, launch, device) for bucket, launch in zip(buckets, chosen, strict=True)]
        self._stride = stride

    def unpack(self, packed: Tensor, count: int) -> Tensor:
        """Return (count,) uint8 codes from the form of `packing.pack`."""
        return unpack_codes(packed, count)

    def begin(self, codes: Tensor, owned: int) -> list[_List]:
        """Launch the search for candidates among the windows that start before `owned`, without waiting for it."""
        return [finder.find(codes, owned, finder.room(owned)) for finder in self._finders]

    def finish(self, codes: Tensor, owned: int, begun: list[_List]) -> list[tuple[Tensor, Tensor]]:
        """Return (order, loss) of each bucket's hits, in no order."""
        return [
            finder.score(codes, finder.whole(codes, owned, candidates), self._stride)
            for finder, candidates in zip(self._finders, begun, strict=True)
        ]

    def search(self, codes: Tensor, owned: int) -> int:
        """Search the candidates alone, and return how many there are: what tuning measures."""
        found = [
            finder.whole(codes, owned, begun)
            for finder, begun in zip(self._finders, self.begin(codes, owned), strict=True)
        ]
        return sum(int(candidates.count.item()) for candidates in found)


class _Finder:
    """One bucket on a device."""

    def __init__(self, bucket: Bucket, launch: ScanLaunch, device: str) -> None:
        def to_device(array: Any, kind: torch.dtype) -> Tensor:
            return torch.from_numpy(array).to(kind).to(device).contiguous()

        self.letters, self.columns, self.launch = bucket.letters, bucket.columns, launch
        self._kept = 1 << 10
        self._scored = 1 << 10
        if launch.method == "lookup":
            table, limits = bucket.lookup(FLOAT16_LEVELS)
            self.weights, self.limits = to_device(table, torch.int32), to_device(limits, torch.int32)
        else:
            levels, kind, sums = {
                "float16": (FLOAT16_LEVELS, torch.float16, torch.float32),
                "int8": (INT8_LEVELS, torch.int8, torch.int32),
            }[launch.method]
            weights, limits = bucket.features(levels)
            surplus = -bucket.columns % launch.columns
            self.weights = to_device(torch.nn.functional.pad(torch.from_numpy(weights), (0, surplus)).numpy(), kind)
            never = int(limits.min(initial=0)) - (1 << 24)
            limits_padded = torch.nn.functional.pad(torch.from_numpy(limits), (0, surplus), value=never)
            self.limits = limits_padded.to(sums).to(device)
        self.losses = to_device(bucket.losses, torch.int32)
        self.lengths, self.budgets = to_device(bucket.lengths, torch.int32), to_device(bucket.budgets, torch.int32)
        self.keys = to_device(bucket.keys, torch.int32)

    def room(self, owned: int) -> int:
        """Return for how many candidates to make room: as many as there were, and some."""
        return self._kept + owned // 64

    def find(self, codes: Tensor, owned: int, capacity: int) -> _List:
        """Launch the search for candidates."""
        device, launch = codes.device, self.launch
        out = _List(
            tuple(torch.empty(capacity, dtype=torch.int32, device=device) for _ in range(3)),
            torch.zeros(1, dtype=torch.int64, device=device),
        )
        listed = (*out.columns, out.count, capacity)
        grid = (-(-owned // launch.rows),)
        shape = {"num_warps": launch.warps, "num_stages": launch.stages}
        common = (codes, len(codes), owned, self.weights, self.limits)
        if launch.method == "lookup":
            _kernels.find_candidates_by_lookup[grid](
                *common, self.letters, *listed, ROWS=launch.rows, COLUMNS=launch.columns, **shape
            )
        else:
            blocks = {"ROWS": launch.rows, "FEATURES": 4 * self.letters, "COLUMNS": launch.columns}
            _kernels.find_candidates[grid](*common, self.weights.shape[1], *listed, **blocks, **shape)
        return out

    def whole(self, codes: Tensor, owned: int, begun: _List) -> _List:
        """Return the candidates, all of them: searched anew with more room where the list overflowed."""
        found = int(begun.count.item())
        self._kept = max(self._kept, found + found // 8)
        return begun if found <= begun.capacity else self.find(codes, owned, found)

    def score(self, codes: Tensor, candidates: _List, stride: int) -> tuple[Tensor, Tensor]:
        """Return (order, loss) of the candidates that are hits."""
        listed = int(candidates.count.item())
        device = codes.device
        if not listed:
            return torch.empty(0, dtype=torch.int64, device=device), torch.empty(0, dtype=torch.int32, device=device)

        def launch(capacity: int) -> _List:
            kinds = (torch.int64, torch.int32)
            out = _List(
                tuple(torch.empty(capacity, dtype=kind, device=device) for kind in kinds),
                torch.zeros(1, dtype=torch.int64, device=device),
            )
            tables = (self.losses, self.lengths, self.budgets, self.keys, self.letters)
            _kernels.score_candidates[(-(-listed // self.launch.entries),)](
                *(codes, len(codes), *candidates.columns, listed, *tables, stride),
                *(*out.columns, out.count, capacity),
                ENTRIES=self.launch.entries,
            )
            return out

        hits = _grown(launch, max(self._scored, listed + listed // 4))
        found = int(hits.count.item())
        self._scored = max(self._scored, found)
        order, loss = hits.columns
        return order[:found], loss[:found]


def _grown(launch: Callable[[int], _List], capacity: int) -> _List:
    """Launch a kernel that fills a list, and again with the room it needs if the list was too short."""
    out = launch(capacity)
    found = int(out.count.item())
    return out if found <= capacity else launch(found)
