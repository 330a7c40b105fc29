"""From files to hits with p- and q-values.

chunks of codes -> engines (in threads) -> hits on records -> filters -> spool -> q-values -> hits
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.sequence.fasta import Chunk, FastaReader, Record
from bioconv.sequence.parts import FastaPart, Part, RegionPart
from bioconv.sequence.scanning import filters
from bioconv.sequence.scanning.engines import Engine, Found, Joiner, locate
from bioconv.sequence.scanning.hits import HitBatch, Spool, join_batches
from bioconv.sequence.scanning.options import ScanOptions, Summary
from bioconv.sequence.scanning.qvalues import FalseDiscovery
from bioconv.wording import counted

if TYPE_CHECKING:
    from concurrent.futures import Future

Source = Mapping[str, str] | str | Path | Part
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Reader(Protocol):
    """A source of chunks: a FASTA file, its regions, or sequences in memory."""

    source: str
    records: int
    bases: int

    @property
    def ambiguous(self) -> int: ...  # noqa: D102

    @property
    def foreign(self) -> int: ...  # noqa: D102

    def chunks(self) -> Iterator[Chunk]: ...  # noqa: D102


def open_reader(source: Source, options: ScanOptions, overlap: int, padding: int, block: int | None = None) -> Reader:
    """Return the reader for one input: sequences in memory, BED regions of a FASTA, a FASTA, or part of either.

    block : bytes of a FASTA file read at once.
    """
    masked = options.skip_masked
    if isinstance(source, Mapping):
        from bioconv.sequence.regions import read_texts

        return read_texts(source, overlap=overlap, padding=padding, skip_masked=masked)
    if isinstance(source, RegionPart):
        from bioconv.sequence.regions import read_regions

        only = slice(source.first, source.last)
        return read_regions(source.path, source.bed, overlap=overlap, padding=padding, skip_masked=masked, only=only)
    if options.bed is not None and not isinstance(source, FastaPart):
        from bioconv.sequence.regions import read_regions

        return read_regions(source, options.bed, overlap=overlap, padding=padding, skip_masked=masked)
    return FastaReader(source, overlap=overlap, padding=padding, skip_masked=masked, block=block)


def in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], threads: int
) -> Iterator[tuple[_Item, _Result]]:
    """Yield each item with its result, in order, working on a few items at once in threads."""
    if threads == 1:
        for item in items:
            yield item, function(item)
        return
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > 2 * threads:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


class ScanRun:
    """One scan over any number of inputs.

    Use `add` for each input, then `finish`; `close` removes the temporary file.
    """

    def __init__(self, engines: Sequence[Engine], options: ScanOptions) -> None:
        self.engines = list(engines)
        self.options = options
        self.names = [name for engine in engines for name in engine.names]
        self.details = [detail for engine in engines for detail in engine.details]
        self.overlap = max(engine.overlap for engine in engines)
        self.padding = max(engine.padding for engine in engines)
        self.block = max((engine.block for engine in engines if engine.block), default=None)
        self.summary = Summary()
        self.lengths: dict[str, int] | None = None  # filled where it is set to a dict
        self.threads = runtime.thread_count(options.threads)
        self._spool = Spool()
        self.tests = np.zeros(len(self.names), dtype=np.int64)  # windows tested so far, per motif
        self._discovery = FalseDiscovery()
        self._started = time.perf_counter()

    def add(self, source: Source) -> None:
        """Scan one input to its end; if it fails half way, none of its hits are kept.

        Raises
        ------
        InputError
        """
        mark = self._spool.mark()
        tested = FalseDiscovery()
        try:
            for batch in self.stream(source, tested):
                self._spool.append(batch)
        except BaseException:
            self._spool.forget_since(mark)
            raise
        self._discovery.merge(tested)

    def reader(self, source: Source) -> Reader:
        """Return the reader for one input."""
        return open_reader(source, self.options, self.overlap, self.padding, self.block)

    def stream(
        self,
        source: Source,
        tested: FalseDiscovery | None = None,
    ) -> Iterator[HitBatch]:
        """Yield the hits of one input as they are found; tested: collects all hits, filtered or not."""
        reader = self.reader(source)
        chosen = [keep for keep, wanted in self._filters() if wanted]
        buffer = filters.RecordBuffer(chosen) if chosen or len(self.engines) > 1 else None
        joiners = [engine.joiner() for engine in self.engines]
        for engine in self.engines:
            engine.prepare()
        bar = runtime.progress(None, reader.source, unit="b") if runtime.shows_progress() else None
        tests = np.zeros(len(self.names), dtype=np.int64)
        possible = 0
        for chunk, (found, counts) in in_order(self._scan, reader.chunks(), self.threads):
            self.see(chunk)
            tests += counts
            possible += sum(engine.possible(chunk) for engine in self.engines)
            batches = self._located(found, joiners, chunk)
            if tested is not None:
                for batch in batches:
                    tested.add(batch.motif, batch.p)
            if bar is not None:
                bar.update(chunk.limit)
            unfinished = chunk.records[-1].number if chunk.open else None
            batch = buffer.feed(batches, unfinished) if buffer else batches[0]
            if len(batch):
                yield self._placed(batch)
        if bar is not None:
            bar.close()
        self.tests += tests
        self.summary.windows += int(tests.sum())
        self.summary.skipped += possible - int(tests.sum())
        self.count(reader, whole=not isinstance(source, Part))

    def best(self, source: Source) -> Iterator[tuple[Record, NDArray[np.float64]]]:
        """Yield each record of one input with its best score per motif and model; see `best_scores`."""
        from bioconv.sequence.scanning.matrix import best_scores

        return best_scores(self, source)

    def _filters(self) -> list[tuple[filters.Filter, bool]]:
        return [
            (filters.best_per_sequence, self.options.best_per_sequence),
            (filters.no_overlap, self.options.no_overlap),
        ]

    def _scan(self, chunk: Chunk) -> tuple[list[Found], NDArray[np.int64]]:
        found = [engine.scan(chunk) for engine in self.engines]
        return found, np.concatenate([engine.tests(chunk) for engine in self.engines])

    def _located(self, found: list[Found], joiners: list[Joiner | None], chunk: Chunk) -> list[HitBatch]:
        batches, motifs, details = [], 0, 0
        for engine, joiner, part in zip(self.engines, joiners, found, strict=True):
            hits = locate(part, chunk, motifs_before=motifs, details_before=details)
            batches.append(joiner.feed(part, hits, chunk) if joiner else hits)
            motifs, details = motifs + len(engine.names), details + len(engine.details)
        return batches

    def _placed(self, batch: HitBatch) -> HitBatch:
        """Return hits in the coordinates that are reported."""
        if not self.options.genomic_coords:
            return batch
        from bioconv.sequence.regions import to_genome

        return to_genome(batch)

    def see(self, chunk: Chunk) -> None:
        """Note the lengths of the records that this chunk completes."""
        complete = chunk.records[: len(chunk.records) - chunk.open]
        if self.options.genomic_coords:
            from bioconv.sequence.regions import check_headers

            check_headers(chunk.records, complete)
        for record in complete:
            self.summary.longest = max(self.summary.longest, record.length)
            if self.lengths is not None:
                self.lengths[record.name] = record.length

    def count(self, reader: Reader, *, whole: bool = True) -> None:
        """Add an input that was read to its end to the summary; whole: an empty one is worth a warning."""
        summary = self.summary
        summary.files += 1
        summary.sequences += reader.records
        summary.bases += reader.bases
        summary.ambiguous += reader.ambiguous
        summary.foreign += reader.foreign
        if whole and not reader.records:
            runtime.logger.warning("%s: no sequences in it", reader.source)

    def finish(self) -> Iterator[HitBatch]:
        """Yield all hits kept, with their q-values."""
        q_values = self._discovery.finish(self.tests)
        batches: Iterator[HitBatch] = (
            replace(batch, q=q_values.of(batch.motif, batch.p)) for batch in self._spool.batches()
        )
        if self.options.q is not None:
            limit = self.options.q
            batches = (batch.take(batch.q <= limit) for batch in batches)
        if self.options.top is not None:
            batches = iter([filters.top(batches, self.options.top)])
        if self.options.sort == "p":
            batches = iter([filters.by_p(join_batches(list(batches)))])
        for batch in batches:
            if len(batch):
                self.summary.hits += len(batch)
                yield batch
        self.close()

    def close(self) -> None:
        """Stop the clock and remove the temporary file."""
        self.summary.seconds = time.perf_counter() - self._started
        self._spool.close()

    def warn(self) -> None:
        """Log what the reader of the results should know about the input."""
        longest = self.summary.longest
        long = (
            [name for engine in self.engines for name in engine.longer_than(longest)] if self.summary.sequences else []
        )
        if long:
            runtime.logger.warning(
                "%s longer than every sequence (the longest has %s): no window to score: %s",
                *(counted(len(long), "motif", does=("is", "are")), counted(longest, "base"), ", ".join(long[:5])),
            )
        if self.summary.ambiguous:
            runtime.logger.warning(
                "%s as unknown: no hit covers such letters",
                counted(self.summary.ambiguous, "IUPAC ambiguity letter", does=("counts", "count")),
            )
        if self.summary.foreign:
            runtime.logger.warning(
                "%s no nucleotide code (E, F, I, J, L, O, P, Q, Z), taken as unknown: is this protein?",
                counted(self.summary.foreign, "letter", does=("is", "are")),
            )
