"""The shapes that kernels run in on a device: what is tried, and what is taken before anything was measured."""

from __future__ import annotations

from dataclasses import dataclass

from bioconv.conv.prefilter import GROUP, Bucket


@dataclass(frozen=True)
class ScanLaunch:
    """How one bucket's candidates are searched. Hits do not depend on it.

    Attributes
    ----------
    method : {"float16", "int8", "lookup"}
        Numbers of the matrix product, or tables instead of it (up to 16 motif strands).
    rows, columns : int
        Windows and motif strands of a tile; powers of two from 16 on (columns of look-ups from 1 on).
    warps, stages : int
        As Triton takes them.
    entries : int
        Candidates scored by one program.
    """

    method: str
    rows: int
    columns: int
    warps: int
    stages: int
    entries: int = 64


def default_launch(bucket: Bucket) -> ScanLaunch:
    """Return the shape taken where none was measured: one that does not spill registers on sm_90, by its compiler."""
    return scan_launches(bucket)[0]


def scan_launches(bucket: Bucket) -> list[ScanLaunch]:
    """Return the shapes worth measuring for a bucket."""
    widest = _power_of_two(bucket.columns)
    shapes = {
        8: [(128, 128, 8, 3), (128, 64, 4, 3), (256, 64, 8, 3), (256, 128, 16, 3)],
        16: [(128, 128, 8, 3), (128, 64, 4, 3), (256, 64, 8, 3), (256, 128, 16, 3)],
        32: [(128, 64, 8, 3), (64, 32, 4, 3), (128, 32, 8, 2)],
        64: [(64, 32, 8, 2), (64, 16, 8, 2), (128, 16, 16, 2)],
        128: [(64, 16, 16, 2), (64, 16, 8, 1)],
    }[bucket.letters]
    products = [
        ScanLaunch(method, rows, min(wide, widest), warps, stages)
        for method in ("float16", "int8")
        for rows, wide, warps, stages in shapes
    ]
    used = int((bucket.keys >= 0).sum())
    looked_up = [ScanLaunch("lookup", rows, _power_of_two(used), 4, 2) for rows in (256, 128)]
    return list(dict.fromkeys([*(looked_up if used <= GROUP else []), *products]))


def bucket_shape(bucket: Bucket) -> str:
    """Return what a measurement of a bucket's shapes is kept under: letters, and columns to the next power of two."""
    return f"{bucket.letters}x{_power_of_two(int((bucket.keys >= 0).sum()))}"


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()
