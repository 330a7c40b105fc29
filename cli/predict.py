"""`bioconv predict`: one row of numbers per sequence."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import click
from bioconv.cli.options import (
    Failures,
    check_paths,
    device_option,
    events_option,
    failures_option,
    log_options,
    models_option,
    no_header_option,
    output_option,
    shard_option,
    threads_option,
)
from bioconv.cli.predict_positions import check_choices, position_options, write_positions

from bioconv import runtime
from bioconv.errors import InputError
from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.sequence.fasta import Record
    from bioconv.sequence.prediction import Floats, PredictRun
    from bioconv.sequence.scanning.pipeline import Source


@click.command(
    name="predict", epilog="Exit codes: 0 done, 1 error, 2 usage, 3 some inputs failed, 4 none could be read."
)
@click.argument("sequences", nargs=-1, required=True, metavar="SEQUENCES...")
@models_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["tsv", "jsonl"]),
    help="jsonl: one object per sequence, the first line says how the file was made.  [default: tsv]",
)
@output_option
@position_options
@no_header_option
@device_option
@threads_option
@shard_option("whole records, about as many letters in each")
@failures_option
@events_option
@log_options
@click.pass_context
def command(
    context: click.Context,
    /,
    sequences: tuple[str, ...],
    model: tuple[str, ...],
    form: str | None,
    output: str | None,
    threads: int | None,
    max_failures: int,
    events: str | None,
    **given: Any,
) -> None:
    """Score whole sequences with models.

    SEQUENCES are FASTA files, plain, gzip or bgzip; - is stdin. One row per record, in input order: per model its score
    and, where the model is calibrated, its probability; of a recurrent model the probability of each class; with
    several models also their mean and standard deviation. Records of any length are scored whole: by motif models
    padded with unknown letters at both ends, on both strands where the model reads both; by recurrent models from end
    to end as they are.

    With --per-position there is no table: what a recurrent model says of each letter, or of the window that starts
    there, is written as bedGraph tracks and GFF3, and their names are printed.
    """
    from bioconv.outputs import open_output, provenance
    from bioconv.sequence.prediction import PredictRun
    from bioconv.sequence.predictors import load_predictors

    prefix = given["per_position"]
    choices = {name: given[name] for name in ("strand", "threshold", "per_position")}
    check_choices(**choices, table=form is not None or output is not None or given["shard"] is not None)
    check_paths((*sequences, *model), {"-o": output, "--events": events})
    if prefix is not None:
        failures = Failures(len(sequences), max_failures, events)
        write_positions(sequences, model, failures, prefix=prefix, given=given)
        context.exit(failures.exit_code)
    sources = _sources(sequences, given["shard"])
    run = PredictRun(load_predictors(model, device=given["device"]), threads=threads)
    failures = Failures(len(sources), max_failures, events)
    head = "" if given["no_header"] else provenance(**run.facts(), command=shlex.join(["bioconv", *sys.argv[1:]]))
    with open_output(output) as stream:
        for text in _texts(run, sources, failures, (form or "tsv", head)):
            stream.write(text)
        if failures.all:
            context.exit(failures.exit_code)
    run.warn()
    runtime.logger.info("%s, %s", counted(run.records, "sequence"), counted(run.bases, "base"))
    context.exit(failures.exit_code)


def _sources(sequences: tuple[str, ...], shard: str | None) -> Sequence[Source]:
    """Return the inputs, or the parts of them that are a shard's."""
    if shard is None:
        return sequences
    from bioconv.sequence.parts import check_seekable, shard_parts, whole
    from bioconv.shards import parse_shard

    which = parse_shard(shard)
    check_seekable(sequences, "--shard")
    return shard_parts([whole(source) for source in sequences], which)


def _texts(run: PredictRun, sources: Sequence[Source], failures: Failures, wanted: tuple[str, str]) -> Iterator[bytes]:
    """Yield the output piece by piece; nothing if no input could be read."""
    import tempfile

    form, head = wanted
    with tempfile.TemporaryFile() as kept:  # the rows of a file that fails half way are dropped
        for source in sources:
            with failures.guard(str(source)):
                _keep(run, source, kept, form)
        if failures.all:
            return
        if form == "tsv":
            yield (f"# {head}\n" if head else "").encode() + "\t".join(["sequence_name", *run.labels]).encode() + b"\n"
        elif head:
            yield json.dumps({"provenance": head}).encode() + b"\n"
        kept.seek(0)
        while text := kept.read(1 << 20):
            yield text


def _keep(run: PredictRun, source: Source, kept: IO[bytes], form: str) -> None:
    begin = kept.tell()
    text = _tsv if form == "tsv" else _jsonl
    try:
        for records, values in run.rows(source):
            kept.write("".join(text(run, *row) for row in zip(records, values, strict=True)).encode())
    except InputError:
        kept.seek(begin)
        kept.truncate()
        raise


def _tsv(run: PredictRun, record: Record, values: Floats) -> str:
    numbers = ("NA" if math.isnan(value) else f"{value:.6f}" for value in values.tolist())
    return "\t".join([record.name, *numbers]) + "\n"


def _jsonl(run: PredictRun, record: Record, values: Floats) -> str:
    numbers = (None if math.isnan(value) else round(value, 6) for value in values.tolist())
    return json.dumps({"sequence_name": record.name, **dict(zip(run.labels, numbers, strict=True))}) + "\n"
