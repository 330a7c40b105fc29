"""`bioconv mutation-map`: every single substitution of a sequence, as table and picture."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from bioconv.cli.options import (
    check_paths,
    device_options,
    index_files,
    log_options,
    models_option,
    no_header_option,
    output_option,
    reference_option,
)

from bioconv import runtime
from bioconv.errors import InputError, OptionError

if TYPE_CHECKING:
    from bioconv.sequence.mutation_map import MutationMap


@click.command(name="mutation-map", epilog="Exit codes: 0 done, 1 error, 2 usage, 4 the sequence could not be read.")
@click.argument("sequence", metavar="SEQUENCE|FASTA|REGION")
@models_option
@reference_option(required=False)
@output_option
@click.option(
    "--plot",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Draw it too: .svg, .png or .pdf; one model, up to 500 letters.",
)
@click.option(
    "--gated",
    is_flag=True,
    help="Changes as the DeepBind authors' program draws them: 0 where neither sequence scores above 0.",
)
@no_header_option
@device_options
@log_options
@click.pass_context
def command(
    context: click.Context,
    /,
    sequence: str,
    model: tuple[str, ...],
    reference: str | None,
    output: str | None,
    plot: str | None,
    gated: bool,
    no_header: bool,
    device: str,
    threads: int | None,
) -> None:
    """Score every single substitution of a sequence.

    The sequence is given as letters, as a FASTA file with one record (- is stdin), or with -r as a region
    chr:start-end, 1-based with both ends included as samtools takes it. Up to 10,000 letters, scored whole as `predict`
    does. One row per place and other letter, after one for the sequence itself (`.`); positions are 1-based.
    """
    from bioconv.outputs import open_output, provenance
    from bioconv.sequence.mutation_map import map_mutations, read_target
    from bioconv.sequence.predictors import load_predictors

    check_paths((sequence, *index_files(reference), *model), {"-o": output, "--plot": plot})
    _check_plot(plot, model)
    predictors = load_predictors(model, device=device)
    try:
        read = read_target(sequence, reference)
    except InputError as error:
        runtime.logger.error("%s", error)
        context.exit(4)
    maps = [map_mutations(read, predictor) for predictor in predictors]
    if plot:
        _draw(maps[0], plot, gated)
    facts = {key: value for predictor in predictors for key, value in predictor.facts().items()}
    head = provenance(**facts, gated=gated or None, command=shlex.join(["bioconv", *sys.argv[1:]]))
    with open_output(output) as stream:
        if not no_header:
            stream.write(f"# {head}\n".encode())
        stream.write(b"sequence_name\tposition\tref\talt\tmodel\tscore\tdelta\n")
        for found in maps:
            stream.writelines(row.encode() for row in _rows(found, gated))


def _check_plot(plot: str | None, model: tuple[str, ...]) -> None:
    if plot is None:
        return
    from bioconv.report.mutation_map import picture_format

    picture_format(plot)
    if len(model) > 1:
        message = "--plot draws one model: give one --model"
        raise OptionError(message)


def _rows(found: MutationMap, gated: bool) -> Iterator[str]:
    deltas = found.deltas(gated=gated)
    yield f"{found.name}\t.\t.\t.\t{found.model}\t{found.score:.6f}\t{0:.6f}\n"
    for place, ref in enumerate(found.sequence):
        for letter, alt in enumerate("ACGT"):
            if alt != ref:
                numbers = (round(float(table[place, letter]), 6) + 0.0 for table in (found.scores, deltas))
                cells = (
                    found.name,
                    str(found.start + place + 1),
                    ref,
                    alt,
                    found.model,
                    *(f"{x:.6f}" for x in numbers),
                )
                yield "\t".join(cells) + "\n"


def _draw(found: MutationMap, plot: str, gated: bool) -> None:
    from bioconv.outputs import open_output
    from bioconv.report.mutation_map import MapPicture, draw_mutation_map, picture_format

    title = f"{found.name}, {found.model}: score {found.score:.3f}"
    deltas, importance = found.deltas(gated=gated), found.importance(gated=gated)
    picture = MapPicture(title, found.sequence, found.start + 1, deltas, importance)
    with open_output(plot) as stream:
        draw_mutation_map(picture, stream, form=picture_format(plot))
