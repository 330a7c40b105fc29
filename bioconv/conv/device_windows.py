"""Scores of detector networks on a device: Triton or torch, piece by piece, and what qualifies picked out there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioconv.conv.arithmetic import output_size, padding_of
from bioconv.conv.detector_tables import table_sizes, window_tables
from bioconv.conv.device_memory import PieceSize, Stager, in_pieces, turn_on
from bioconv.conv.functional import Choice, Contest, choose
from bioconv.conv.tuning import tuned_launch
from bioconv.errors import OptionError

if TYPE_CHECKING:
    from bioconv.conv.detector_network import Codes, Detectors, Floats

Grid = tuple[int, int, bool]
"""(window, stride, padded) as in `detectors`."""
PIECE = 1 << 22
"""Windows at once."""
ENOUGH = 1 << 18
"""Windows worth a measurement; fewer run as measured before, or by torch."""
TOLERANCE = 1e-5
"""By how much backends may differ: absolutely, and relatively to the score."""
_LARGEST = (512, 128, 256)  # features, channels, hidden units that a program's registers and shared memory hold


@dataclass(frozen=True)
class WindowLaunch:
    """How the windows kernel is launched: rows of a tile, Triton's warps and stages, and the head's precision."""

    rows: int = 64
    warps: int = 4
    stages: int = 2
    precision: str = "ieee"


LAUNCHES = (
    WindowLaunch(),
    WindowLaunch(warps=8),
    WindowLaunch(rows=32),
    WindowLaunch(rows=128, warps=8),
    WindowLaunch(precision="tf32x3"),
    WindowLaunch(warps=8, precision="tf32x3"),
)
"""The shapes worth measuring."""


def unfit(detectors: Detectors, grid: Grid) -> str:
    """Return why the Triton kernel cannot score a grid; empty where it can."""
    window, stride, _ = grid
    if stride != 1:
        return "separate windows"
    if window < detectors.length:
        return f"windows of {window} letters are shorter than the detectors"
    sizes = table_sizes(detectors)
    if any(size > largest for size, largest in zip(sizes, _LARGEST, strict=True)):
        return f"a network of {' x '.join(map(str, sizes))} (features, channels, hidden units) is too large for it"
    return ""


def scores(codes: Codes, detectors: Detectors, grid: Grid, *, device: str, backend: str | None = None) -> Floats:
    """Return (N, S) scores of the windows of a grid.

    Parameters
    ----------
    codes : (n,) uint8, at most 4
    backend : {"triton", "torch"}, optional
        Default: as `functional` chooses.
    """
    window, stride, _ = grid
    out = np.empty((output_size(len(codes), window, stride=stride), detectors.strands), np.float32)
    for first, part in _parts(codes, detectors, grid, device, backend):
        out[first : first + len(part)] = part.cpu().numpy()
    return out


def qualifying(
    codes: Codes, detectors: Detectors, grid: Grid, threshold: float, *, device: str, backend: str | None = None
) -> tuple[NDArray[np.int64], Floats]:
    """Return the starts of the windows whose pooled score is at least `threshold`, and their (k, S) scores."""
    starts, kept = [np.empty(0, np.int64)], [np.empty((0, detectors.strands), np.float32)]
    for first, part in _parts(codes, detectors, grid, device, backend):
        pooled = part.amax(1) if detectors.strand_pooling == "max" else part.mean(1)
        rows = torch.nonzero(pooled >= threshold)[:, 0]
        starts.append(rows.cpu().numpy() + first)
        kept.append(part[rows].cpu().numpy())
    return np.concatenate(starts), np.concatenate(kept)


def _parts(
    codes: Codes, detectors: Detectors, grid: Grid, device: str, backend: str | None
) -> Iterator[tuple[int, Tensor]]:
    """Yield (first window, (n, S) scores on the device)."""
    chosen = backend or choose_windows(codes, detectors, grid, device).backend
    if chosen == "triton" and (reason := unfit(detectors, grid)):
        message = f"backend 'triton' cannot be used for {reason}; use torch"
        raise OptionError(message)
    with turn_on(device):
        if chosen == "triton":
            yield from triton_parts(codes, detectors, grid, device)
            return
        from bioconv.conv import detectors_torch

        yield from detectors_torch.parts(codes, detectors, grid, device)


def choose_windows(
    codes: Codes, detectors: Detectors, grid: Grid, device: str, *, piece: int = PIECE, anew: bool = False
) -> Choice:
    """Choose the backend for a grid, by a contest on these codes where there are enough of them."""
    reason = unfit(detectors, grid)
    if reason:
        return Choice("windows", device, "torch", reason)
    shape = _shape(detectors, grid)

    def contest() -> Contest:
        work = np.resize(codes, piece)

        def run(backend: str) -> Floats:
            return scores(work, detectors, grid, device=device, backend=backend)

        tuned_launch(
            f"windows {shape}", device, LAUNCHES, lambda launch: lambda: _all(work, detectors, grid, device, launch)
        )
        return Contest({"torch": lambda: run("torch"), "triton": lambda: run("triton")}, scores_agree)

    enough = anew or len(codes) >= ENOUGH
    return choose("windows", device, shape=shape, contest=contest if enough else None, anew=anew)


def _shape(detectors: Detectors, grid: Grid) -> str:
    """Return what the speed depends on."""
    features, channels, hidden = table_sizes(detectors)
    average = "mean" if detectors.average_pooling else "max"
    return f"{features}x{channels}x{hidden} {average} {'padded ' if grid[2] else ''}of {grid[0]}"


def _all(codes: Codes, detectors: Detectors, grid: Grid, device: str, launch: WindowLaunch) -> None:
    """Score all windows, in this shape."""
    with turn_on(device):
        for _ in triton_parts(codes, detectors, grid, device, launch=launch):
            pass


def scores_agree(one: Floats, other: Floats) -> bool:
    """Say whether two backends' scores are the same but for rounding."""
    scale = float(np.abs(one).max(initial=1))
    return bool(np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * scale))


def triton_parts(
    codes: Codes,
    detectors: Detectors,
    grid: Grid,
    device: str,
    *,
    launch: WindowLaunch | None = None,
    piece: PieceSize | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Yield (first window, (n, S) scores on the device), by the Triton kernel; the next piece is copied meanwhile."""
    from bioconv.conv.device_triton import unpack_codes

    window, _, _ = grid
    count = output_size(len(codes), window)
    network = _tables(detectors, device)
    stager = Stager(codes, device)
    launch = launch or tuned_launch(f"windows {_shape(detectors, grid)}", device, LAUNCHES)

    def work(first: int, stop: int) -> tuple[int, Tensor]:
        some = stop + window - 1 - first
        unpacked = unpack_codes(stager.take(first, stop + window - 1), some)
        out = torch.empty((stop - first, detectors.strands), dtype=torch.float32, device=unpacked.device)
        _launch(unpacked, network, detectors, grid, launch, out)
        if stop < count:
            stager.ahead(stop, min(stop + (stop - first), count) + window - 1)
        return first, out

    yield from in_pieces(work, 0, count, piece=piece or _piece(device), device=device)


@lru_cache(maxsize=16)
def _piece(device: str) -> PieceSize:
    """Return the piece size of a device: once halved, it stays so."""
    return PieceSize(PIECE)


@lru_cache(maxsize=8)
def _tables(detectors: Detectors, device: str) -> dict[str, Any]:
    """Return a network's tables on a device, by the kernel's names."""
    tables = window_tables(detectors)
    halves = {"high", "low"}
    arrays = ("high", "low", "thresholds", "weights", "mean_weights", "biases", "output_weights")
    on_device = {
        name: torch.from_numpy(np.ascontiguousarray(getattr(tables, name)))
        .to(torch.float16 if name in halves else torch.float32)
        .to(device)
        for name in arrays
    }
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)  # other streams may read the tables from now on
    return {**on_device, "scale": tables.scale, "output_bias": tables.output_bias}


def _launch(
    codes: Tensor, network: dict[str, Any], detectors: Detectors, grid: Grid, launch: WindowLaunch, out: Tensor
) -> None:
    from bioconv.conv import triton_windows

    kernel: Any = triton_windows.score_windows
    window, _, padded = grid
    inside = window - detectors.length + 1
    outside, _ = padding_of("full" if padded else "valid", detectors.length)
    rows = min(launch.rows, max(16, 1 << (inside - 1).bit_length()))
    step = min(rows, inside)
    features, channels = network["high"].shape
    kernel[(-(-len(out) // step),)](
        codes=codes, size=len(codes), count=len(out), step=step, window=window, letters=detectors.length,
        positions=output_size(window, detectors.length, padding=outside), **network, scores=out,
        ROWS=rows, FEATURES=features, CHANNELS=channels, HIDDEN=network["weights"].shape[1],
        STRANDS=detectors.strands, AVERAGE=detectors.average_pooling, PADDED=padded,
        LINEAR=detectors.weights2 is None, PRECISION=launch.precision,
        num_warps=launch.warps, num_stages=launch.stages,
    )  # fmt: skip
