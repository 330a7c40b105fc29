"""`bioconv variants`: what the variants of a VCF do to a model's score."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from bioconv.cli.options import (
    Failures,
    check_paths,
    device_option,
    index_files,
    log_options,
    models_option,
    no_header_option,
    output_option,
    reference_option,
    threads_option,
)

from bioconv import runtime
from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.sequence.variant_run import VariantRun


@click.command(name="variants", epilog="Exit codes: 0 done, 1 error, 2 usage, 4 the VCF could not be read.")
@click.argument("vcf", metavar="VCF")
@reference_option(required=True)
@models_option
@output_option
@click.option(
    "--vcf-out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Also write the VCF with BIOCONV_DELTA_<model> in INFO; bgzip if the name ends in .gz.",
)
@click.option(
    "--ref-mismatch",
    type=click.Choice(["warn", "skip", "error"]),
    default="warn",
    show_default=True,
    help="Where the genome does not have a record's REF: score with it all the same, give no score, or stop.",
)
@click.option(
    "--context",
    type=click.IntRange(min=1),
    metavar="L",
    help="Score L letters around the variant as a whole, instead of the windows that touch it.",
)
@click.option("--window", type=click.IntRange(min=1), metavar="W", help="Letters of a window; default: the model's.")
@click.option("--gated", is_flag=True, help="Take a change where neither haplotype scores above 0 for none (delta 0).")
@no_header_option
@device_option
@threads_option
@log_options
@click.pass_context
def command(context: click.Context, /, vcf: str, **given: Any) -> None:
    """Score the variants of a VCF: alternative haplotype against reference.

    VCF is plain, gzip or bgzip; - is stdin. One row per record, alternative allele and model. By default a haplotype's
    score is that of its best window among those that touch the variant; --context scores a fixed stretch instead.
    Alleles without letters (*, <DEL>, breakends) keep their row, without scores; the column `flags` says why.
    """
    from bioconv.outputs import provenance
    from bioconv.sequence.variants import VariantOptions, build_run

    model, reference, output, vcf_out, no_header = (
        given.pop(name) for name in ("model", "reference", "output", "vcf_out", "no_header")
    )
    options = VariantOptions(**given)
    check_paths((vcf, *index_files(reference), *model), {"-o": output or "-", "--vcf-out": vcf_out})
    run = build_run(model, reference, options)
    failures = Failures(1, 0)
    facts = {key: value for scorer in run.scorers for key, value in scorer.facts().items()}
    head = provenance(**facts, reference=reference, command=shlex.join(["bioconv", *sys.argv[1:]]))
    with failures.guard(vcf):
        _write(run, vcf, (output, vcf_out), head if not no_header else "")
        run.close()
        runtime.logger.info(
            "%s, %s, %s scored",
            *(counted(run.records, "record"), counted(run.alleles, "alternative allele"), f"{run.scored:,}"),
        )
    context.exit(failures.exit_code)


def _write(run: VariantRun, vcf: str, targets: tuple[str | None, str | None], head: str) -> None:
    """Write table and VCF, both whole or neither."""
    import tempfile

    from bioconv.outputs import is_stdout, open_output
    from bioconv.sequence.variant_output import bgzip
    from bioconv.sequence.vcf import VcfReader

    output, vcf_out = targets
    with ExitStack() as stack:
        reader = stack.enter_context(VcfReader(vcf))
        table = stack.enter_context(open_output(output))
        annotated = stack.enter_context(open_output(vcf_out)) if vcf_out else None
        # What goes to stdout waits until the input has been read to its end.
        kept = [stack.enter_context(tempfile.TemporaryFile()) if is_stdout(name) else None for name in targets]
        packed = bgzip(annotated) if annotated and str(vcf_out).endswith(".gz") else None
        _write_rows(run, reader, (kept[0] or table, packed or kept[1] or annotated), head)
        if packed:
            packed.close()
        for spool, stream in zip(kept, (table, annotated), strict=True):
            if spool and stream:
                spool.seek(0)
                while text := spool.read(1 << 20):
                    stream.write(text)


def _write_rows(run: VariantRun, reader: Any, streams: tuple[BinaryIO, BinaryIO | None], head: str) -> None:
    from bioconv.sequence.variant_output import VcfAnnotator, table_head, table_row

    table, annotated = streams
    header, annotator = reader.read_header(), VcfAnnotator(run)
    table.write(((f"# {head}\n" if head else "") + table_head()).encode())
    if annotated:
        annotated.write(annotator.head(header, head))
    for record, alleles in run.effects(reader):
        table.write("".join(table_row(effect) for effects in alleles for effect in effects).encode())
        if annotated:
            annotated.write(annotator.line(record, alleles))
