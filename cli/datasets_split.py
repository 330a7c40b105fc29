"""`bioconv datasets split`: who trains, who validates, who is asked once at the end; and whether a split leaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from bioconv.cli.options import check_paths, log_options

from bioconv import runtime
from bioconv.errors import InputError, OptionError

if TYPE_CHECKING:
    from bioconv.datasets.listing import Listing

_CODES = "Exit codes: 0 done, 1 error (a leak is one), 2 usage, 4 the data cannot be read."


def _shares(context: click.Context, parameter: click.Parameter, text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    try:
        pairs = [word.split("=") for word in text.split(",")]
        shares = {part.strip(): float(share) for part, share in pairs}
    except ValueError as error:
        message = f"{text!r} is no list of shares, such as train=0.7,dev=0.15,test=0.15"
        raise click.BadParameter(message) from error
    if len(shares) != len(pairs):
        message = f"{text!r} names a part twice"
        raise click.BadParameter(message)
    return shares


@click.command(name="split", epilog=_CODES)
@click.argument("data", metavar="TABLE|FASTA|FOLDER")
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="TSV", help="Write here instead of stdout.")
@click.option(
    "--fractions", callback=_shares, metavar="PART=SHARE,...",
    help="Parts (train, train-dev, dev, test) and their shares.  [train=0.7,dev=0.15,test=0.15]",
)  # fmt: skip
@click.option("--folds", type=click.IntRange(min=2), metavar="N", help="Folds of a cross-validation instead of parts.")
@click.option(
    "--group", metavar="COLUMN",
    help="What must not be divided, a patient say.  [group or patient; of a folder's images: folder, if named]",
)  # fmt: skip
@click.option("--stratify", metavar="COLUMN", help="Classes of which every part gets its share.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another split.")
@click.option(
    "--check", type=click.Path(dir_okay=False), metavar="TSV", help="Write nothing: say whether this split leaks."
)
@log_options
@click.pass_context
def command(
    context: click.Context,
    /,
    data: str,
    output: str | None,
    fractions: dict[str, float] | None,
    folds: int | None,
    check: str | None,
    **columns: str | None,
) -> None:
    """Write a split file of sequences or images, or check one.

    A table (CSV, TSV) has a column sequence, or a column image with paths relative to it, or names alone; a FOLDER is
    searched for images. Samples of one group, identical and reverse-complement sequences and copies of an image (also
    turned, mirrored, scaled, brighter, compressed) are never divided; cut-outs of one image are not recognised.
    """
    from bioconv.datasets.splitting import check_data, split_data

    from bioconv.training.splits import read_split, write_split

    check_paths((data, check), {"-o": output})
    if check is not None:
        if output or fractions or folds or columns["stratify"]:
            message = "--check writes nothing: leave out -o, --fractions, --folds and --stratify"
            raise OptionError(message)
        given = read_split(check)
        for line in check_data(_read(context, data, columns), given, group=columns["group"]):
            runtime.logger.info("%s", line)
        return
    listing = _read(context, data, columns)
    split, said = split_data(listing, fractions=fractions, folds=folds, **columns)  # type: ignore[arg-type]
    for line in said:
        runtime.logger.info("%s", line)
    write_split(output or "-", split)
    counts = {part: len(split.names(part)) for part in dict.fromkeys(split.parts.values())}
    runtime.logger.info("%s", ", ".join(f"{part} {counts[part]}" for part in sorted(counts)))


def _read(context: click.Context, data: str, columns: dict[str, str | None]) -> Listing:
    """Read the samples; columns are looked for before images are opened."""
    from bioconv.datasets.listing import read_listing, with_thumbnails

    try:
        listing = read_listing(data)
    except InputError as error:
        runtime.logger.error("%s", error)
        context.exit(4)
    for name in (columns["group"], columns["stratify"]):
        if name:
            listing.column(name)
    try:
        return with_thumbnails(listing)
    except InputError as error:
        runtime.logger.error("%s", error)
        context.exit(4)
