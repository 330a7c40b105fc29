"""Scan with a motif model: a detector network slid over the sequence, its overlapping hits merged to the best.

A record no longer than the model's window W is scored whole, padded with unknown letters. In longer records every
window [i, i + W) is scored; windows with more than half their letters unknown are no hits. Hits are the windows
with a p-value within the threshold, overlapping ones merged to their best; the interval reported is the match of
the detector that contributes most to it. The p-value is that of a random window's score (see `nulls`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.conv.arithmetic import chunk_overlap
from bioconv.conv.detector_hits import HIT, Hits, best_window, detector_hits, record_hits, scorable
from bioconv.conv.detectors import Detectors, batch_scores
from bioconv.errors import OptionError
from bioconv.sequence.deepbind import MotifModel
from bioconv.sequence.deepbind_compat import published_scores
from bioconv.sequence.fasta import Chunk
from bioconv.sequence.null_distribution import NullDistribution
from bioconv.sequence.nulls import null_distribution
from bioconv.sequence.scanning.engines import DEVICE_BLOCK, Found, as_scanned
from bioconv.sequence.scanning.hits import HitBatch, join_batches
from bioconv.sequence.scanning.options import ScanOptions

_BREAK = 5  # between records: a code that no window may span


@dataclass(frozen=True, eq=False)
class FoundClusters(Found):
    """Hits with the starts of the first and last window that were merged into each: (n,) int64."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]


class ModelEngine:
    """One motif model.

    Parameters
    ----------
    model : MotifModel
    background : (4,) float64
        Letter frequencies for the null distribution of a model that brings none for this way of scoring.
    options : ScanOptions
        Threshold, strand, window padding, device, and whether to score as the published program does.
    """

    padding = 0

    def __init__(self, model: MotifModel, background: NDArray[np.float64], options: ScanOptions) -> None:
        if options.deepbind_compat and model.detectors.strand_pooling != "max":
            message = f"--deepbind-compat: the published program knows no mean of the strands, as {model.name} has it"
            raise OptionError(message)
        self._model = model
        self._detectors = _on_strand(model.detectors, options.strand)
        self._only = {"both": 0, "+": 1, "-": -1}[options.strand]
        self._background = as_scanned(background, options.strand)
        self._options = options
        self._compat = options.deepbind_compat
        self._padded = model.padded if options.window_padding == "auto" else options.window_padding == "n"
        self.names = [model.name]
        self.details = [f"detector{number:02d}" for number in range(1, model.detectors.count + 1)]
        self.window = model.detectors.length if self._compat else max(model.window, model.detectors.length)
        self._padded = self._padded or self._compat
        self.overlap = chunk_overlap(self.window) + 1  # one more: a record of W letters must be seen to end
        self._device = runtime.device_name(options.device)
        self.block = None if self._device == "cpu" else DEVICE_BLOCK
        self._null: NullDistribution | None = None
        self._record_null: NullDistribution | None = None  # of short records, which are scored whole

    def prepare(self) -> None:
        """Find the null distribution and the threshold."""
        if self._null is None:
            own = self._own_null()
            self._null = own or null_distribution(
                self._detectors, self._background, window=self.window, padded=self._padded
            )
            self._record_null = (self._model.record_null if own else None) or self._null

    def _own_null(self) -> NullDistribution | None:
        """Return the model's own null distribution, if it is of the windows that are scored here."""
        null = self._model.null
        if null is None or self._only or self._options.background != "uniform":
            return None
        same = null.description.get("window") == self.window and null.description.get("padded") == self._padded
        return null if same else None

    def facts(self) -> dict[str, object]:
        """Return model, window and null distribution."""
        null = "model's own" if self._own_null() else ",".join(f"{share:.6g}" for share in self._background)
        mode = "deepbind-compat" if self._compat else f"{self.window}{'n' if self._padded else ''}"
        name = self._model.name
        return {
            f"model:{name}": f"sha256:{self._model.digest()[:16]}",
            f"window:{name}": mode,
            f"null:{name}": None if self._compat else null.replace(" ", "_"),
            "device": self._device,
            "p": f"{self._options.p:g}",
            "strand": self._options.strand,
        }

    def longer_than(self, length: int) -> list[str]:
        """Return an empty list: a short record is scored whole."""
        return []

    def possible(self, chunk: Chunk) -> int:
        """Return how many tests there would be if all letters were known; both strands are one test."""
        last = np.minimum(chunk.ends - self.window + 1, chunk.limit)
        short = self._short(chunk)
        return int(np.maximum(last - chunk.begins, 0)[~short].sum() + short.sum())

    def joiner(self) -> ClusterJoiner:
        """Return what merges the hits on both sides of a chunk's end."""
        return ClusterJoiner(self.window)

    def _short(self, chunk: Chunk) -> NDArray[np.bool_]:
        """Say which pieces are whole records no longer than a window: (S,)."""
        lengths = chunk.ends - chunk.begins
        short = (lengths <= self.window) & (lengths > 0) & (chunk.offsets == [record.start for record in chunk.records])
        if chunk.open:
            short[-1] = False
        return np.asarray(short)

    def _by_length(
        self, chunk: Chunk, pieces: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint8]]]:
        """Yield these pieces grouped by length: indices, and codes (N, n)."""
        lengths = chunk.ends - chunk.begins
        for length in np.unique(lengths[pieces]).tolist():
            index = np.flatnonzero(pieces & (lengths == length))
            yield index, chunk.codes[chunk.begins[index][:, None] + np.arange(length)]

    def _broken(self, chunk: Chunk, short: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the chunk's codes with breaks between records, and in place of the short ones."""
        codes = chunk.codes[: chunk.size].copy()
        codes[chunk.ends[:-1]] = _BREAK
        for begin, end in zip(chunk.begins[short].tolist(), chunk.ends[short].tolist(), strict=True):
            codes[begin:end] = _BREAK
        return codes

    def scan(self, chunk: Chunk) -> FoundClusters:
        """Find the hits among the windows that start before `chunk.limit`, in order of start."""
        assert self._null is not None
        assert self._record_null is not None
        short = self._short(chunk)
        parts, p = [np.empty(0, HIT)], [np.empty(0)]
        if not short.all():
            parts.append(
                detector_hits(
                    self._broken(chunk, short),
                    self._detectors,
                    window=self.window,
                    padded=self._padded,
                    threshold=self._null.threshold(self._options.p),
                    limit=chunk.limit,
                    device=self._device,
                )
            )
            p.append(self._null.p_values(parts[-1]["score"]))
        threshold = self._record_null.threshold(self._options.p)
        for index, records in self._by_length(chunk, short):
            hits = record_hits(records, self._detectors, threshold=threshold, device=self._device)
            parts.append(_moved(hits, records.shape[1], chunk.begins[index]))
            p.append(self._record_null.p_values(hits["score"]))
        return self._found(np.concatenate(parts), np.concatenate(p))

    def _found(self, hits: Hits, p: NDArray[np.float64]) -> FoundClusters:
        order = np.argsort(hits["first"], kind="stable")
        hits = hits[order]
        return FoundClusters(
            start=hits["match_start"].copy(),
            end=hits["match_end"].copy(),
            motif=np.zeros(len(hits), dtype=np.int32),
            detail=hits["detector"].copy(),
            strand=hits["strand"] * np.int8(self._only or 1),
            score=hits["score"].astype(np.float64),
            p=p[order],
            first=hits["first"].copy(),
            last=hits["last"].copy(),
        )

    def tests(self, chunk: Chunk) -> NDArray[np.int64]:
        """Return how many windows were tested, before merging."""
        short = self._short(chunk)
        windows = scorable(self._broken(chunk, short), self.window)[: chunk.limit].sum()
        for _, records in self._by_length(chunk, short):
            windows += (2 * (records >= 4).sum(axis=1) <= records.shape[1]).sum()
        return np.array([windows], dtype=np.int64)

    def best(self, chunk: Chunk) -> NDArray[np.float64]:
        """Return the best score in each piece of the chunk: (S, 1), NaN where there is none."""
        best = np.full((len(chunk.records), 1), np.nan)
        short = self._short(chunk)
        for index, records in self._by_length(chunk, short):
            best[index, 0] = self._detectors.pool_strands(self._record_scores(records))
        for piece in np.flatnonzero(~short & (chunk.ends - chunk.begins >= self.window)).tolist():
            best[piece, 0] = self._best_window(chunk, piece)
        return best

    def _record_scores(self, records: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._compat:
            return published_scores(records, self._detectors)
        return batch_scores(records, self._detectors, padded=True, device=self._device)

    def _best_window(self, chunk: Chunk, piece: int) -> float:
        codes = chunk.codes[chunk.begins[piece] : chunk.ends[piece]]
        if not self._compat:
            return best_window(codes, self._detectors, window=self.window, padded=self._padded, device=self._device)
        windows = np.lib.stride_tricks.sliding_window_view(codes, self.window)
        scores = published_scores(windows, self._detectors).astype(np.float64)
        # The published program leaves out the last window of each strand.
        if not (chunk.open and piece == len(chunk.records) - 1):
            scores[-1, 0] = np.nan
        if chunk.offsets[piece] == chunk.records[piece].start and scores.shape[1] > 1:
            scores[0, 1] = np.nan
        return float(np.fmax.reduce(scores, axis=None)) if scores.size else float("nan")


class ClusterJoiner:
    """Merges a hit at a chunk's end with the one it overlaps at the next chunk's beginning; keeps the better."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._held: HitBatch | None = None
        self._last = 0

    def feed(self, found: Found, hits: HitBatch, chunk: Chunk) -> HitBatch:
        """Take one chunk's hits; hold back the last one while the next chunk may have windows that overlap it."""
        assert isinstance(found, FoundClusters)
        piece = np.searchsorted(chunk.begins, found.first, side="right") - 1
        shift = chunk.offsets[piece] - chunk.begins[piece]
        first, last = found.first + shift, found.last + shift
        if self._held is not None:
            held, self._held = self._held, None
            overlaps = (
                len(hits) > 0
                and hits.numbers[hits.record[0]] == held.numbers[held.record[0]]
                and first[0] - self._last < self._window
            )
            if overlaps and held.score[0] >= hits.score[0]:
                hits = hits.take(np.arange(1, len(hits)))
                hits = join_batches([held, hits])
            elif not overlaps:
                hits = join_batches([held, hits])
                last = np.insert(last, 0, self._last)
        if chunk.open and len(hits):
            owned = chunk.limit - int(chunk.begins[-1]) + int(chunk.offsets[-1])  # the next chunk's first window
            same = hits.numbers[hits.record[-1]] == chunk.records[-1].number
            if same and owned - last[-1] < self._window:
                self._last = int(last[-1])
                self._held = hits.take(np.array([len(hits) - 1]))
                hits = hits.take(np.arange(len(hits) - 1))
        return hits


def _on_strand(detectors: Detectors, strand: str) -> Detectors:
    """Return detectors that read only the given strand, in the forward letters."""
    if strand == "both":
        return detectors
    filters = detectors.filters if strand == "+" else detectors.filters[:, ::-1, ::-1]
    return replace(detectors, filters=np.ascontiguousarray(filters), reverse_complement=False)


def _moved(hits: Hits, length: int, begins: NDArray[np.int64]) -> Hits:
    """Move hits from records laid end to end to where the records are."""
    hits = hits.copy()
    record = hits["start"] // length
    shift = begins[record] - record * length
    for name in ("first", "last", "start", "match_start", "match_end"):
        hits[name] += shift
    return hits
