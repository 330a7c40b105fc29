"""Matrices scanned on a device: the hits of `pwm.MatrixScanner`, found by the backend that is faster there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.conv.device_memory import turn_on
from bioconv.conv.device_scan import LONGEST, DeviceScanner, Ordered
from bioconv.conv.functional import Choice, Contest, choose
from bioconv.conv.launches import ScanLaunch, bucket_shape, scan_launches
from bioconv.conv.pwm import HIT, MatrixScanner
from bioconv.conv.tuning import tuned_launch

if TYPE_CHECKING:
    from bioconv.conv.prefilter import Bucket

ENOUGH = 1 << 18
"""Windows worth a measurement; fewer run as measured before, or by torch."""
WORK = 1 << 22
"""Windows of a measurement: the real ones, repeated where they are fewer."""
_MOST = 1 << 31  # positions of hits are 32 bits wide


def matrix_scanner(
    matrices: Sequence[NDArray[np.int32]], budgets: Sequence[int], *, strands: int = 3, device: str = "cpu"
) -> MatrixScanner:
    """Return the scanner of a device; the CPU's, with a warning, where the device cannot hold the motifs.

    Parameters
    ----------
    matrices, budgets, strands
        As of `MatrixScanner`.
    device : str
        `cpu`, or a CUDA device as torch names it.
    """
    longest = max((len(matrix) for matrix in matrices), default=0)
    if device != "cpu" and longest > LONGEST:
        runtime.warn_once(
            "long motifs",
            f"a motif has {longest} columns and the kernels of {device} take up to {LONGEST}: motifs run on the CPU",
        )
        device = "cpu"
    if device == "cpu":
        return MatrixScanner(matrices, budgets, strands=strands)
    return DeviceMatrixScanner(matrices, budgets, strands=strands, device=device)


class DeviceMatrixScanner(MatrixScanner):
    """Matrices made ready for scanning on a device; `lower_best` still runs on the CPU.

    Parameters
    ----------
    matrices, budgets, strands
        As of `MatrixScanner`; no matrix has more than `LONGEST` columns.
    device : str
    on_device : {"triton", "torch"}, optional
        Backend there; default: as `functional` chooses, by a contest on the first codes that are long enough.
    """

    def __init__(
        self,
        matrices: Sequence[NDArray[np.int32]],
        budgets: Sequence[int],
        *,
        strands: int = 3,
        device: str,
        on_device: str | None = None,
    ) -> None:
        super().__init__(matrices, budgets, strands=strands)
        oriented = [
            (2 * motif + strand, losses) for motif in range(len(matrices)) for strand, losses in self.oriented(motif)
        ]
        self.on_device = DeviceScanner(oriented, budgets, device=device)
        self._choice = None if on_device is None else Choice("scan", device, on_device, "asked for")

    def hits(self, codes: NDArray[np.uint8], *, start: int = 0, limit: int | None = None) -> NDArray[np.void]:
        """Find the hits among the windows that start in [start, limit), as `MatrixScanner.hits` does.

        Raises
        ------
        ValueError
            If positions do not fit 32 bits: give the sequence in pieces, or use `DeviceScanner`.
        """
        size = len(codes) - self.padding
        if size >= _MOST:
            message = f"a sequence of {size:,} codes: positions of hits are below 2^31; give it in pieces"
            raise ValueError(message)
        codes = codes[:size]
        choice = self._choice or self.choose(codes)
        launches = self._launches() if choice.backend == "triton" else None
        order, loss = self.on_device.hits(codes, backend=choice.backend, launches=launches, start=start, limit=limit)
        hits = np.empty(len(order), dtype=HIT)
        hits["position"], hits["key"] = np.divmod(order, self.on_device.stride)
        hits["loss"] = loss
        return hits

    def choose(self, codes: NDArray[np.uint8], *, work: int = WORK, anew: bool = False) -> Choice:
        """Choose the backend, by a contest on these codes if they are enough and nothing was measured before."""
        scanner = self.on_device
        shape = "+".join(map(bucket_shape, scanner.buckets)) or "empty"

        def contest() -> Contest:
            piece = np.resize(codes, work)

            def by_triton() -> Ordered:
                return scanner.hits(piece, backend="triton", launches=self._launches(piece))

            return Contest({"torch": lambda: scanner.hits(piece, backend="torch"), "triton": by_triton}, _same)

        enough = len(codes) > 0 and (anew or len(codes) >= ENOUGH) and len(scanner.buckets) > 0
        return choose("scan", scanner.device, shape=shape, contest=contest if enough else None, anew=anew)

    def _launches(self, piece: NDArray[np.uint8] | None = None) -> list[ScanLaunch]:
        """Return the kernels' shapes as measured before; given a piece, those that were not are measured on it."""
        scanner = self.on_device
        return [
            tuned_launch(
                bucket_shape(bucket),
                scanner.device,
                scan_launches(bucket),
                None if piece is None else partial(_search, bucket, piece, scanner.device),
            )
            for bucket in scanner.buckets
        ]


def _search(bucket: Bucket, codes: NDArray[np.uint8], device: str, launch: ScanLaunch) -> Callable[[], object]:
    """Return the search for a bucket's candidates in this shape."""
    from bioconv.conv.device_memory import Stager
    from bioconv.conv.device_triton import TritonScan

    with turn_on(device):
        scan = TritonScan([bucket], 1, device, [launch])
        on_device = scan.unpack(Stager(codes, device).take(0, len(codes)), len(codes))

    def search() -> object:
        with turn_on(device):
            return scan.search(on_device, len(codes))

    return search


def _same(one: Ordered, other: Ordered) -> bool:
    return np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
