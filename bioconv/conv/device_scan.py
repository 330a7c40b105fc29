"""The motif scan on a device: pieces of the sequence packed and copied, scanned there, and their hits put in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioconv.conv.device_memory import PieceSize, Stager, in_pieces, turn_on
from bioconv.conv.launches import ScanLaunch
from bioconv.conv.prefilter import LETTERS, Bucket, make_buckets

LONGEST = LETTERS[-1]
"""Letters of the longest motif that is scanned on a device."""
PIECE = 1 << 24
"""Windows at once: enough to keep a large device busy, with a few hundred megabytes of candidates and hits."""

Ordered = tuple[NDArray[np.int64], NDArray[np.int32]]
"""Hits by order = position * 2 M + key, ascending, and their losses."""


class DeviceScanner:
    """Motif strands made ready for scanning on a device.

    Parameters
    ----------
    oriented : sequence of (key, (L, 4) int32)
        2 * motif + strand, and the losses on that strand; L at most `LONGEST`.
    budgets : sequence of int
        Largest loss of a hit, per motif; -1 where nothing can be a hit.
    device : str
        As torch names it. A scanner may be used by several threads; on CUDA two of them at once.
    piece : int
        Windows at once. Results do not depend on it.
    """

    def __init__(
        self,
        oriented: Sequence[tuple[int, NDArray[np.int32]]],
        budgets: Sequence[int],
        *,
        device: str,
        piece: int = PIECE,
    ) -> None:
        self.buckets: list[Bucket] = make_buckets(oriented, budgets)
        self.device = device
        self._longest = max((len(losses) for _, losses in oriented), default=1)
        self.stride = 2 * max(1, len(budgets))
        self._piece = PieceSize(piece)
        self._making = threading.Lock()
        self._scans: dict[object, Any] = {}

    def ready(self, backend: str, launches: Sequence[ScanLaunch] | None = None) -> Any:
        """Return the scan of a backend (`triton`, `torch`) with its tables on the device."""
        name = (backend, *(launches or ()))
        with self._making:
            if name not in self._scans:
                self._scans[name] = self._make(backend, launches)
                if self.device.startswith("cuda"):
                    torch.cuda.synchronize(self.device)  # other streams may read the tables from now on
            return self._scans[name]

    def _make(self, backend: str, launches: Sequence[ScanLaunch] | None) -> Any:
        if backend == "triton":
            from bioconv.conv.device_triton import TritonScan

            return TritonScan(self.buckets, self.stride, self.device, launches)
        from bioconv.conv.device_torch import TorchScan

        return TorchScan(self.buckets, self.stride, self.device)

    def hits(
        self,
        codes: NDArray[np.uint8],
        *,
        backend: str,
        launches: Sequence[ScanLaunch] | None = None,
        start: int = 0,
        limit: int | None = None,
    ) -> Ordered:
        """Find the hits among the windows that start in [start, limit), which defaults to the sequence's end.

        Parameters
        ----------
        codes : (n,) uint8
        backend, launches
            As `ready` takes them.

        Returns
        -------
        ((k,) int64, (k,) int32)
            position * stride + key, ascending, and losses; the positions are 64 bits wide.
        """
        limit = len(codes) if limit is None else min(limit, len(codes))
        parts: list[Ordered] = []
        if self.buckets and start < limit:
            with turn_on(self.device):
                parts = list(self._parts(codes, self.ready(backend, launches), start, limit))
        orders = np.concatenate([np.empty(0, np.int64), *(order for order, _ in parts)])
        return orders, np.concatenate([np.empty(0, np.int32), *(loss for _, loss in parts)])

    def _parts(self, codes: NDArray[np.uint8], scan: Any, start: int, limit: int) -> Iterator[Ordered]:
        stager = Stager(codes, self.device)

        def end_of(stop: int) -> int:
            return min(stop + self._longest - 1, len(codes))

        def work(begin: int, stop: int) -> Ordered:
            some = scan.unpack(stager.take(begin, end_of(stop)), end_of(stop) - begin)
            begun = scan.begin(some, stop - begin)
            if stop < limit:  # copied while the device searches
                following = min(stop + (stop - begin), limit)
                stager.ahead(stop, end_of(following))
            found = scan.finish(some, stop - begin, begun)
            order, place = torch.cat([part for part, _ in found]).sort()
            loss = torch.cat([part for _, part in found])[place]
            return order.cpu().numpy() + begin * self.stride, loss.cpu().numpy()

        yield from in_pieces(work, start, limit, piece=self._piece, device=self.device)
