"""A scan whose pieces are done by the workers of a cluster; what is made of the hits is made here, as in one process.

A piece is a part of one input: whole records, or regions. Where one piece of an input fails, the input has failed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime
from bioconv.cluster import Cluster, Lost, Work, check_visible, file_size
from bioconv.errors import ClusterError, InputError
from bioconv.sequence.fasta import Record
from bioconv.sequence.motifs import Motif
from bioconv.sequence.parts import Part, check_seekable, cut, whole
from bioconv.sequence.scanning.engines import Engine
from bioconv.sequence.scanning.hits import HitBatch
from bioconv.sequence.scanning.matrix import best_scores
from bioconv.sequence.scanning.options import ScanOptions, Summary
from bioconv.sequence.scanning.pipeline import ScanRun, Source
from bioconv.sequence.scanning.qvalues import FalseDiscovery
from bioconv.sequence.scanning.scan import build_engines, choose_background, chosen_models, read_given

LONGEST = 1 << 23  # bytes or bases of a piece, unless a record is longer
_PIECES = 4  # of a large enough file, for each thread of the workers


@dataclass(frozen=True, eq=False)
class ScanJob:
    """What a worker must know to scan.

    Parameters
    ----------
    motifs
        Themselves: their files are the client's.
    models
        Names, or absolute paths.
    background
        (4,) float64 frequencies of the sequences as they are given.
    facts
        What the client's engines say of themselves; a worker's must say the same.
    best
        Whether the best score of each record is wanted, not hits.
    lengths
        Whether the lengths of the records are wanted.
    """

    motifs: tuple[Motif, ...]
    models: tuple[str, ...]
    options: ScanOptions
    background: NDArray[np.float64]
    facts: Mapping[str, object]
    best: bool = False
    lengths: bool = False


@dataclass(frozen=True)
class ScanPiece:
    """A part of an input; `last` of it; `bytes` are those of the file as the client sees it."""

    part: Part
    bytes: int
    last: bool


@dataclass(eq=False)
class Scanned:
    """What was found in one piece.

    Parameters
    ----------
    failure
        Why the input cannot be read; empty: it can.
    tested
        All p-values of the piece.
    tests
        (M,) windows tested per motif.
    names, best
        Of each record, if best scores are wanted: its name, and (M,) scores.
    """

    failure: str = ""
    batches: list[HitBatch] = field(default_factory=list)
    tested: FalseDiscovery = field(default_factory=FalseDiscovery)
    tests: NDArray[np.int64] | None = None
    summary: Summary = field(default_factory=Summary)
    lengths: dict[str, int] | None = None
    names: list[str] = field(default_factory=list)
    best: list[NDArray[np.float64]] = field(default_factory=list)


class ClusterRun(ScanRun):
    """A scan on a cluster.

    Parameters
    ----------
    cluster : Cluster
    job : ScanJob
    engines : sequence of Engine
        As `engines_of` made them, with the job.
    sources : sequence of str
        All inputs, in the order in which they will be asked for.

    Raises
    ------
    OptionError
        If an input can be read once only.
    """

    def __init__(self, cluster: Cluster, job: ScanJob, engines: Sequence[Engine], sources: Sequence[str]) -> None:
        super().__init__(engines, job.options)
        check_seekable(sources, "--dask")
        self._cluster, self._job, self._sources = cluster, job, sources
        self._results: Iterator[tuple[ScanPiece, Any]] | None = None

    def stream(self, source: Source, tested: FalseDiscovery | None = None) -> Iterator[HitBatch]:
        """Yield the hits of the next input.

        Raises
        ------
        InputError
            When all of its pieces are back, if one of them failed.
        """
        summary, tests, failure = Summary(), np.zeros_like(self.tests), ""
        for one in self._next_input(best=False):
            failure = failure or one.failure
            if failure:
                continue
            summary.add(one.summary)
            tests += 0 if one.tests is None else one.tests
            if tested is not None:
                tested.merge(one.tested)
            if self.lengths is not None:
                self.lengths.update(one.lengths or {})
            yield from one.batches
        self._close_input(source, failure, summary)
        self.tests += tests

    def best(self, source: Source) -> Iterator[tuple[Record, NDArray[np.float64]]]:
        """Yield each record of the next input with its best scores, as `best_scores`."""
        summary, failure = Summary(), ""
        for one in self._next_input(best=True):
            failure = failure or one.failure
            if not failure:
                summary.add(one.summary)
                yield from (
                    (Record(name, str(source)), scores) for name, scores in zip(one.names, one.best, strict=True)
                )
        self._close_input(source, failure, summary)

    def _next_input(self, *, best: bool) -> Iterator[Scanned]:
        """Yield what was found in each piece of the next input."""
        if self._results is None:
            job = replace(self._job, best=best, lengths=self.lengths is not None)
            self._results = self._cluster.results(Work(prepare, scan_piece, job), self._pieces())
        for piece, result in self._results:
            yield Scanned(failure=f"{piece.part}: {result.reason}") if isinstance(result, Lost) else result
            if piece.last:
                return

    def _pieces(self) -> Iterator[ScanPiece]:
        bed = self._job.options.bed
        for source in self._sources:
            parts = cut(whole(source, bed), LONGEST, wanted=_PIECES * self._cluster.threads())
            size = file_size(source)
            for number, part in enumerate(parts, 1):
                path = os.path.abspath(source)  # noqa: PTH100 - a link stays a link
                yield ScanPiece(replace(part, path=path), size, last=number == len(parts))

    def _close_input(self, source: Source, failure: str, summary: Summary) -> None:
        if failure:
            raise InputError(failure)
        summary.files = 1
        self.summary.add(summary)
        if not summary.sequences:
            runtime.logger.warning("%s: no sequences in it", source)


def engines_of(
    motifs: Sequence[object], models: Sequence[str], options: ScanOptions, sources: Sequence[Source]
) -> tuple[list[Engine], ScanJob]:
    """Return the engines of a scan, and what workers must know to build the same.

    Raises
    ------
    OptionError, MotifError, ModelError
        As `build_engines`.
    """
    read = read_given(motifs)
    # Where models run is the workers' affair: here none does.
    here = replace(options, device="cpu")
    background = choose_background(options, sources)
    models = [str(one) for one in chosen_models(motifs, models)]
    engines = build_engines(read, models, here, sources, background=background)
    bed = options.bed if options.bed is None else os.path.abspath(options.bed)  # noqa: PTH100
    threads = 1 if options.threads is None else options.threads
    there = replace(options, bed=bed, threads=threads)
    named = tuple(os.path.abspath(one) if Path(one).is_file() else one for one in models)  # noqa: PTH100
    return engines, ScanJob(tuple(read), named, there, background, _facts(engines))


def _facts(engines: Sequence[Engine]) -> dict[str, object]:
    return {key: value for engine in engines for key, value in engine.facts().items() if key != "device"}


def prepare(job: ScanJob) -> tuple[ScanJob, list[Engine]]:
    """Build the engines on a worker.

    Raises
    ------
    ClusterError
        If they are not those of the client: another model goes by the same name.
    """
    engines = build_engines(job.motifs, job.models, job.options, (), background=job.background)
    for engine in engines:
        engine.prepare()
    if (facts := _facts(engines)) != job.facts:
        other = [
            f"{key} {job.facts.get(key)} and {facts.get(key)}" for key in job.facts if job.facts[key] != facts.get(key)
        ]
        message = f"the client and a worker on {os.uname().nodename} do not scan alike: {'; '.join(other)}"
        raise ClusterError(message)
    return job, engines


def scan_piece(ready: tuple[ScanJob, list[Engine]], piece: ScanPiece) -> Scanned:
    """Scan one piece on a worker."""
    job, engines = ready
    if piece.bytes >= 0:
        check_visible(piece.part.path, piece.bytes)
    run, found = ScanRun(engines, job.options), Scanned()
    run.lengths = found.lengths = {} if job.lengths else None
    try:
        if job.best:
            for record, scores in best_scores(run, piece.part):
                found.names.append(record.name)
                found.best.append(scores)
        else:
            found.batches += run.stream(piece.part, found.tested)
    except InputError as error:
        return Scanned(failure=str(error))
    finally:
        run.close()
    return replace(found, tests=run.tests, summary=run.summary)
