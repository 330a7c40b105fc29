"""What a scan runs over each chunk: motifs here, models in `model_engine`. One interface for both.

An engine finds hits among the windows a chunk owns, in the chunk's own coordinates; `locate` turns them into
coordinates on the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.conv import native
from bioconv.conv.arithmetic import chunk_overlap
from bioconv.conv.pwm import MatrixScanner, count_windows
from bioconv.sequence.background import symmetrise
from bioconv.sequence.fasta import Chunk
from bioconv.sequence.motifs import Motif
from bioconv.sequence.scanning.hits import HitBatch
from bioconv.sequence.scanning.options import ScanOptions
from bioconv.sequence.scanning.pvalues import Tail, TailTable, score_tail, scoring_matrix
from bioconv.wording import counted

STRANDS = {"both": 3, "+": 1, "-": 2}
DEVICE_BLOCK = 1 << 24
"""Bytes of input at once for a device: it takes many windows to keep it busy."""


@dataclass(frozen=True, eq=False)
class Found:
    """Hits of one engine in one chunk, all (n,): interval in the chunk, engine's motif and detail, the rest."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    motif: NDArray[np.int32]
    detail: NDArray[np.int32]
    strand: NDArray[np.int8]
    score: NDArray[np.float64]
    p: NDArray[np.float64]


class Joiner(Protocol):
    """Mends the hits that chunk ends cut."""

    def feed(self, found: Found, hits: HitBatch, chunk: Chunk) -> HitBatch:
        """Take one chunk's hits, in order; return those that are final, and hold back the rest."""


class Engine(Protocol):
    """A set of motifs or a model, ready to scan.

    Attributes
    ----------
    names : list of str
        One per motif or model; `Found.motif` indexes it.
    details : list of str
        Second names; `Found.detail` indexes it.
    overlap : int
        Codes of an unfinished record that the next chunk must begin with.
    padding : int
        Unknown codes needed after a chunk.
    block : int or None
        Bytes of input that it likes to have at once; None: as the reader likes.
    """

    names: list[str]
    details: list[str]
    overlap: int
    padding: int
    block: int | None

    def scan(self, chunk: Chunk) -> Found:
        """Find the hits among the windows that start before `chunk.limit`, in order of start."""

    def prepare(self) -> None:
        """Make ready what only hits need: called before the first scan."""

    def joiner(self) -> Joiner | None:
        """Return what mends hits that chunk ends cut, for one input; None where nothing needs mending."""

    def tests(self, chunk: Chunk) -> NDArray[np.int64]:
        """Return, per motif, how many windows were tested (strands counted)."""

    def facts(self) -> dict[str, object]:
        """Return what the output's head should say: background, thresholds, hashes."""

    def longer_than(self, length: int) -> list[str]:
        """Return the names of the motifs that have no window in a sequence of this length."""

    def possible(self, chunk: Chunk) -> int:
        """Return how many tests there would be if all letters were known."""

    def best(self, chunk: Chunk) -> NDArray[np.float64]:
        """Return the best score of each motif in each piece of the chunk: (S, M), NaN where there is none."""


class MotifEngine:
    """Position weight matrices with exact p-values.

    Parameters
    ----------
    motifs : sequence of Motif
    given : (4,) float64
        Letter frequencies of the sequences as they are given.
    options : ScanOptions
        Threshold, strand, pseudocount and grid.
    """

    def __init__(self, motifs: Sequence[Motif], given: NDArray[np.float64], options: ScanOptions) -> None:
        background = as_scanned(given, options.strand)
        prior = given if options.grid == "fimo" else None  # FIMO adds its pseudocounts before it averages the strands
        p, strand, pseudocount = options.p, options.strand, options.pseudocount
        self.names = [motif.name for motif in motifs]
        self.details = [motif.alt for motif in motifs]
        self._matrices = [
            scoring_matrix(
                motif.frequencies,
                motif.sites,
                background=background,
                pseudocount=pseudocount,
                prior=prior,
                grid=options.grid,
            )
            for motif in motifs
        ]
        tails = [score_tail(matrix, background, p) for matrix in self._matrices]
        self._warn_unreachable(tails, p)
        self._tails = TailTable(tails)
        self._device = motif_device(options.device)
        self._scanner = _scanner(
            [matrix.losses for matrix in self._matrices], [tail.budget for tail in tails], STRANDS[strand], self._device
        )
        self._strands = 2 if strand == "both" else 1
        self._best = np.array([matrix.best for matrix in self._matrices], dtype=np.int64)
        self._grid = np.array([matrix.grid for matrix in self._matrices])
        self._kinds = np.flatnonzero(np.bincount(self._scanner.lengths))
        self._kind = np.searchsorted(self._kinds, self._scanner.lengths)
        self._facts = {
            "motifs": len(motifs),
            "background": ",".join(f"{share:.6g}" for share in background),
            "pseudocount": f"{pseudocount:g}",
            "grid": options.grid,
            "p": f"{p:g}",
            "strand": strand,
            "device": None if self._device == "cpu" else self._device,
        }
        self.overlap = chunk_overlap(self._scanner.longest)
        self.block = None if self._device == "cpu" else DEVICE_BLOCK
        self.padding = self._scanner.padding

    def _warn_unreachable(self, tails: Sequence[Tail], p: float) -> None:
        missing = [name for name, tail in zip(self.names, tails, strict=True) if tail.budget < 0]
        if missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            runtime.logger.warning(
                "%d of %s too short or too vague to reach p <= %g, even with the best word: %s",
                *(len(missing), counted(len(tails), "motif"), p, shown),
            )

    def scan(self, chunk: Chunk) -> Found:
        """Find the hits among the windows that start before `chunk.limit`, by start, motif and strand."""
        codes = chunk.codes[: chunk.size + self.padding]
        hits = self._scanner.hits(codes, limit=chunk.limit)
        motif = hits["key"] >> 1
        start = hits["position"].astype(np.int64)
        strand = (1 - 2 * (hits["key"] & 1)).astype(np.int8)
        score = (self._best[motif] - hits["loss"]) * self._grid[motif]
        p = self._tails.p_values(motif, hits["loss"])
        return Found(start, start + self._scanner.lengths[motif], motif, motif, strand, score, p)

    def prepare(self) -> None:
        """Do nothing: all is ready."""

    def joiner(self) -> None:
        """Return None: a window lies in one chunk."""

    def tests(self, chunk: Chunk) -> NDArray[np.int64]:
        """Return, per motif, the windows without unknown letters, times the strands."""
        counts = count_windows(chunk.codes[: chunk.size], self._kinds.astype(np.int32), limit=chunk.limit)
        return counts[self._kind] * self._strands

    def facts(self) -> dict[str, object]:
        """Return number of motifs, background, pseudocount, threshold and strand."""
        return self._facts

    def longer_than(self, length: int) -> list[str]:
        """Return the names of the motifs that have no window in a sequence of this length."""
        return [name for name, columns in zip(self.names, self._scanner.lengths, strict=True) if columns > length]

    def possible(self, chunk: Chunk) -> int:
        """Return how many tests there would be if all letters were known."""
        total = 0
        for length, motifs in zip(self._kinds.tolist(), np.bincount(self._kind).tolist(), strict=True):
            last = np.minimum(chunk.ends - length + 1, chunk.limit)
            total += motifs * int(np.maximum(last - chunk.begins, 0).sum())
        return total * self._strands

    def best(self, chunk: Chunk) -> NDArray[np.float64]:
        """Return the best score of each motif in each piece of the chunk: (S, M), NaN where there is none."""
        least = self._scanner.no_best(len(chunk.records))
        codes = chunk.codes[: chunk.size + self.padding]
        self._scanner.lower_best(codes, chunk.begins, chunk.ends, least)
        scores = (self._best - least) * self._grid
        return np.where(least == np.iinfo(np.int32).max, np.nan, scores)


def motif_device(name: str) -> str:
    """Return where motifs are scanned: on the CPU, but for a CUDA device asked for by name.

    Raises
    ------
    OptionError
        If there is no such device.
    """
    return "cpu" if name == "auto" else runtime.device_name(name)


def _scanner(losses: Sequence[NDArray[np.int32]], budgets: Sequence[int], strands: int, device: str) -> MatrixScanner:
    if device == "cpu":
        return MatrixScanner(losses, budgets, strands=strands)
    from bioconv.conv.pwm_device import matrix_scanner  # here: torch is not needed on the CPU

    return matrix_scanner(losses, budgets, strands=strands, device=device)


def as_scanned(background: NDArray[np.float64], strand: str) -> NDArray[np.float64]:
    """Return the letter frequencies as read on the scanned strand, averaged where both are scanned."""
    if strand == "both":
        return symmetrise(background)
    return background if strand == "+" else background[::-1].copy()


def locate(found: Found, chunk: Chunk, *, motifs_before: int, details_before: int) -> HitBatch:
    """Turn hits in a chunk into hits on its records.

    motifs_before, details_before : how many names and details other engines of the run have before this one.
    """
    piece = np.searchsorted(chunk.begins, found.start, side="right") - 1
    shift = chunk.offsets[piece] - chunk.begins[piece]
    used = np.flatnonzero(np.bincount(piece))
    record = np.searchsorted(used, piece)
    ends = np.cumsum(found.end - found.start)
    return HitBatch(
        names=[chunk.records[k].name for k in used.tolist()],
        numbers=np.array([chunk.records[k].number for k in used.tolist()], dtype=np.int64),
        record=record.astype(np.int32),
        motif=found.motif + np.int32(motifs_before),
        detail=found.detail + np.int32(details_before),
        start=found.start + shift,
        end=found.end + shift,
        strand=found.strand,
        score=found.score,
        p=found.p,
        q=np.full(len(piece), np.nan),
        matched=_letters(found, chunk.codes, ends),
        matched_ends=ends,
    )


def _letters(found: Found, codes: NDArray[np.uint8], ends: NDArray[np.int64]) -> bytes:
    """Return the matched letters of all hits, reverse complemented where the strand is -1."""
    offsets = np.concatenate([[0], ends]).astype(np.int64)
    reverse = (found.strand < 0).astype(np.uint8)
    kernels = native.kernels()
    if kernels is not None:
        out = np.empty(int(offsets[-1]), dtype=np.uint8)
        starts = np.ascontiguousarray(found.start)
        arrays: tuple[NDArray[Any], ...] = (starts, reverse, codes, offsets, out)
        kernels.match_letters(native.size(len(starts)), *(native.pointer(array) for array in arrays))
        return out.tobytes()
    lengths = np.diff(offsets)
    within = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], lengths)
    turned = np.repeat(reverse, lengths).astype(bool)
    places = np.where(turned, np.repeat(found.end, lengths) - 1 - within, np.repeat(found.start, lengths) + within)
    letters = codes[places]
    return np.where(
        turned, np.frombuffer(b"TGCAN", np.uint8)[letters], np.frombuffer(b"ACGTN", np.uint8)[letters]
    ).tobytes()
