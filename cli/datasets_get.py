"""`bioconv datasets get`."""

from __future__ import annotations

from pathlib import Path

import click
from bioconv.cli.options import check_paths, log_options

_CODES = "Exit codes: 0 all is there and verified, 1 error (what is there stays, and is gone on with), 2 usage."


@click.command(name="get", epilog=_CODES)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--accept-licence", is_flag=True, help="You have read the terms of the sets that ask for it, and agree.")
@click.option(
    "--table", type=click.Path(dir_okay=False), metavar="FILE.csv", help="Also write the records, to train on."
)
@click.option("--subset", default="", help="Of --table: one experiment, such as REST_GM12878.")
@click.option("--part", default="", help="Of --table: a part, such as train or test.")
@log_options
def command(names: tuple[str, ...], accept_licence: bool, table: str | None, subset: str, part: str) -> None:
    """Download data sets and print where they lie.

    Licence and terms are shown first. Every file is verified by its sha256; an interrupted download is gone on with.
    """
    from bioconv.datasets.files import check_terms, get, notice
    from bioconv.datasets.loading import load
    from bioconv.datasets.records import table_separator
    from bioconv.datasets.registry import find

    from bioconv.errors import OptionError
    from bioconv.runtime import logger

    wanted = list(dict.fromkeys(source for name in names for source in find(name)))
    if (subset or part) and not table:
        message = "--subset and --part say what --table writes; give --table FILE.csv"
        raise OptionError(message)
    if table and len(wanted) != 1:
        message = f"--table takes one data set, not {len(wanted)}"
        raise OptionError(message)
    if table:
        check_paths((), {"--table": table})
        table_separator(Path(table))
        records = load(wanted[0].name, subset=subset, part=part)  # nothing is read yet
    for source in wanted:
        logger.info("%s", notice(source))
    for source in wanted:  # all terms before the first byte
        check_terms(source, accepted=accept_licence)
    folders = list(dict.fromkeys(get(source, accept_licence=accept_licence) for source in wanted))
    if table:
        records.write_table(table)
        logger.info("wrote %s", table)
    for folder in folders:
        click.echo(str(folder))
