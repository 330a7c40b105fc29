"""`bioconv scan`: hits of motifs and models in sequences."""

from __future__ import annotations

import gc
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import (
    Failures,
    check_paths,
    check_sharing,
    dask_option,
    events_option,
    failures_option,
    log_options,
    output_option,
    shard_option,
)

from bioconv import runtime
from bioconv.errors import InputError, OptionError

if TYPE_CHECKING:
    from bioconv.sequence.scanning.options import ScanOptions
    from bioconv.sequence.scanning.pipeline import ScanRun, Source
    from bioconv.sequence.scanning.rows import RowWriter
    from bioconv.sequence.scanning.tracks import TrackWriter


@click.command(name="scan", epilog="Exit codes: 0 done, 1 error, 2 usage, 3 some inputs failed, 4 none could be read.")
@click.argument("sequences", nargs=-1, required=True, metavar="SEQUENCES...")
@click.option(
    "--motifs",
    "-m",
    multiple=True,
    metavar="FILE|jaspar:ID",
    help="Motifs in MEME, JASPAR, TRANSFAC or HOMER format; repeatable.",
)
@click.option(
    "--model",
    multiple=True,
    metavar="NAME|FILE",
    help="A model: a file, or a name of `bioconv models list`; repeatable.",
)
@click.option("--motif-id", "motif_ids", multiple=True, metavar="GLOB", help="Only motifs with this name; repeatable.")
@click.option("-p", "p", type=float, default=1e-4, show_default=True, help="Largest p-value of a hit.")
@click.option("-q", "q", type=float, help="Largest q-value of a hit.")
@click.option(
    "--background",
    default="uniform",
    show_default=True,
    metavar="uniform|input|FILE|A,C,G,T",
    help="Base frequencies: equal, those of the input, from a MEME background file, or four numbers.",
)
@click.option("--pseudocount", type=float, default=0.1, show_default=True, help="Sites added to each motif column.")
@click.option(
    "--grid",
    type=click.Choice(["fine", "fimo"]),
    default="fine",
    show_default=True,
    help="Rounding of motif scores: fine, or as coarse as FIMO's, to reproduce its figures.",
)
@click.option(
    "--strand", type=click.Choice(["both", "+", "-"]), default="both", show_default=True, help="Strands to search."
)
@click.option("--top", type=int, metavar="N", help="Only the N best hits of each motif.")
@click.option("--best-per-sequence", is_flag=True, help="Only the best hit of each motif in each sequence.")
@click.option("--no-overlap", is_flag=True, help="Of overlapping hits of a motif only the best.")
@click.option(
    "--sort", type=click.Choice(["input", "p"]), default="input", show_default=True, help="Order of the hits."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["tsv", "bed", "gff3", "jsonl", "matrix"]),
    default="tsv",
    show_default=True,
    help="tsv: FIMO's columns, 1-based closed; bed: 0-based half-open; matrix: best score per sequence and motif.",
)
@output_option
@click.option(
    "--track", type=click.Path(file_okay=False), metavar="DIR", help="Also write bigWig tracks of -log10 p here."
)
@click.option(
    "--bed", type=click.Path(dir_okay=False), metavar="FILE", help="Scan only these regions (0-based half-open)."
)
@click.option(
    "--genomic-coords", is_flag=True, help="Headers are chr:start-end(strand), 0-based; report on the genome."
)
@click.option("--skip-masked", is_flag=True, help="Take lower case as unknown.")
@click.option("--stream", is_flag=True, help="Write hits as they are found, with no q-values.")
@click.option("--no-header", is_flag=True, help="Leave out the `#` line that says how the output was made.")
@click.option(
    "--window-padding",
    type=click.Choice(["auto", "none", "n"]),
    default="auto",
    show_default=True,
    help="Models: score windows as they are, or padded with unknown letters as DeepBind does.",
)
@click.option(
    "--deepbind-compat", is_flag=True, help="With --format matrix: the published program's scores, its bug included."
)
@click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]",
    help="Where models run; motifs too, where cuda is asked for.",
)  # fmt: skip
@click.option("--threads", type=int, help="Default: the processors there are. Results do not depend on it.")
@shard_option("whole records, about as many letters in each, with no q-values (--stream), or as a matrix")
@dask_option
@failures_option
@events_option
@log_options
@click.pass_context
def command(
    context: click.Context, /, sequences: tuple[str, ...], motifs: tuple[str, ...], model: tuple[str, ...], **given: Any
) -> None:
    """Find motif and model hits in DNA or RNA sequences.

    SEQUENCES are FASTA files, plain, gzip or bgzip; - is stdin. Give motifs (--motifs), a model (--model), or both;
    with neither, the models that come with bioconv are used (bioconv models list 'encode-*').
    """
    # Start fast: a scan does no linear algebra in NumPy, whose threads take longer to start than a small scan lasts,
    # and there is no garbage to look for while modules are imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()
    from bioconv.outputs import open_output
    from bioconv.sequence.scanning.options import ScanOptions

    gc.enable()
    gc.freeze()

    form, output, track, max_failures, no_header, events = (
        given.pop(name) for name in ("form", "output", "track", "max_failures", "no_header", "events")
    )
    shard, dask = given.pop("shard"), given.pop("dask")
    options = ScanOptions(**given)
    _check(options, form, track)
    check_sharing(shard, dask)
    check_paths((*sequences, *motifs, *model, given["bed"]), {"-o": output, "--events": events})
    sources = _sources(sequences, options, shard, is_matrix=form == "matrix")
    failures = Failures(len(sources), max_failures, events)
    with _opened(motifs, model, options, sequences, dask=dask) as run:
        head = "" if no_header else _provenance(run)
        with open_output(output) as stream:
            for text in _texts(run, sources, failures, Wanted(form, head, track)):
                stream.write(text)
            if failures.all:
                context.exit(failures.exit_code)
    run.warn()
    runtime.logger.info(run.summary.line(with_hits=form != "matrix"))
    context.exit(failures.exit_code)


def _sources(
    sequences: tuple[str, ...], options: ScanOptions, shard: str | None, *, is_matrix: bool
) -> Sequence[Source]:
    """Return the inputs, or the parts of them that are a shard's."""
    if shard is None:
        return sequences
    from bioconv.sequence.parts import check_seekable, shard_parts, whole
    from bioconv.shards import parse_shard

    which = parse_shard(shard)
    if not options.stream and not is_matrix:
        message = f"--shard {shard} sees part of the hits, and q-values are made of all: add --stream (no q-values)"
        raise OptionError(message)
    check_seekable(sequences, "--shard")
    return shard_parts([whole(source, options.bed) for source in sequences], which)


@contextmanager
def _opened(
    motifs: tuple[str, ...],
    models: tuple[str, ...],
    options: ScanOptions,
    sequences: tuple[str, ...],
    *,
    dask: str | None,
) -> Iterator[ScanRun]:
    """Open a scan in this process, or on a cluster."""
    from bioconv.sequence.scanning.pipeline import ScanRun

    with ExitStack() as stack:
        if dask is None:
            from bioconv.sequence.scanning.scan import build_engines

            run = ScanRun(build_engines(motifs, models, options, sequences), options)
        else:
            from bioconv.cluster import open_cluster
            from bioconv.sequence.scanning.clustered import ClusterRun, engines_of

            engines, job = engines_of(motifs, models, options, sequences)
            run = ClusterRun(stack.enter_context(open_cluster(dask)), job, engines, sequences)
        try:
            yield run
        finally:
            run.close()


@dataclass(frozen=True)
class Wanted:
    """Format, provenance line and track folder of one run."""

    form: str
    head: str
    track: str | None


def _check(options: ScanOptions, form: str, track: str | None) -> None:
    if form == "matrix" and (options.stream or track):
        message = "--format matrix cannot be combined with --stream or --track"
        raise OptionError(message)
    if track and options.stream:
        message = "--track needs all hits and cannot be combined with --stream"
        raise OptionError(message)
    if form == "matrix" and (
        options.top or options.q or options.sort == "p" or options.best_per_sequence or options.no_overlap
    ):
        message = "--format matrix has the best score of each sequence: leave out --top, -q, --sort and the filters"
        raise OptionError(message)
    if options.deepbind_compat and form != "matrix":
        message = "--deepbind-compat gives one score per sequence: use it with --format matrix"
        raise OptionError(message)


def _provenance(run: ScanRun) -> str:
    from bioconv.outputs import provenance

    facts = {key: value for engine in run.engines for key, value in engine.facts().items()}
    return provenance(**facts, command=shlex.join(["bioconv", *sys.argv[1:]]))


def _texts(run: ScanRun, sources: Sequence[Source], failures: Failures, wanted: Wanted) -> Iterator[bytes]:
    """Yield the output piece by piece; nothing before the first input has been read."""
    if wanted.form == "matrix":
        return _matrix(run, sources, failures, wanted)
    if run.options.stream:
        return _streamed(run, sources, failures, wanted)
    return _spooled(run, sources, failures, wanted)


def _rows(run: ScanRun, wanted: Wanted) -> tuple[bytes, RowWriter]:
    """Return the head of the output, and what writes the rows."""
    from bioconv.sequence.scanning.rows import RowWriter, head, layout

    form = layout(wanted.form, with_q=not run.options.stream)
    return head(wanted.form, form, wanted.head), RowWriter(form, run.names, run.details)


def _spooled(run: ScanRun, sources: Sequence[Source], failures: Failures, wanted: Wanted) -> Iterator[bytes]:
    from bioconv.sequence.scanning.pipeline import in_order

    lengths: dict[str, int] = {}
    run.lengths = lengths if wanted.track else None
    tracks = _tracks(run, wanted.track, lengths)
    for source in sources:
        with failures.guard(str(source)):
            run.add(source)
    if failures.all:
        return
    first, rows = _rows(run, wanted)
    yield first
    for batch, text in in_order(rows.text, run.finish(), run.threads):
        yield text
        if tracks:
            tracks.add(batch)
    if tracks:
        tracks.write()


def _tracks(run: ScanRun, folder: str | None, lengths: dict[str, int]) -> TrackWriter | None:
    if folder is None:
        return None
    from bioconv.sequence.scanning.tracks import TrackWriter

    return TrackWriter(folder, run.names, lengths)


def _streamed(run: ScanRun, sources: Sequence[Source], failures: Failures, wanted: Wanted) -> Iterator[bytes]:
    first, rows = _rows(run, wanted)
    for source in sources:
        with failures.guard(str(source)):
            for batch in run.stream(source):
                run.summary.hits += len(batch)
                yield first + rows.text(batch)
                first = b""
    if first and not failures.all:
        yield first


def _matrix(run: ScanRun, sources: Sequence[Source], failures: Failures, wanted: Wanted) -> Iterator[bytes]:
    import tempfile

    from bioconv.sequence.scanning.matrix import matrix_head, matrix_row

    with tempfile.TemporaryFile() as kept:  # the rows of a file that fails half way are dropped
        for source in sources:
            begin = kept.tell()
            with failures.guard(str(source)):
                try:
                    for record, scores in run.best(source):
                        kept.write(matrix_row(record.name, scores).encode())
                except InputError:
                    kept.seek(begin)
                    kept.truncate()
                    raise
        if failures.all:
            return
        yield (f"# {wanted.head}\n" if wanted.head else "").encode() + matrix_head(run).encode()
        kept.seek(0)
        while text := kept.read(1 << 20):
            yield text
