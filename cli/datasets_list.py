"""`bioconv datasets list`."""

from __future__ import annotations

import json

import click
from bioconv.cli.options import log_options


@click.command(name="list")
@click.argument("pattern", default="")
@click.option("--kind", default="", help="Keep sets of this kind: sequences, images, motifs, models, ...")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@log_options
def command(pattern: str, kind: str, as_json: bool) -> None:
    """List the data sets that bioconv knows, or those that PATTERN is a part of.

    Sizes are in bytes. `installed` is yes, partly or no.
    """
    from bioconv.datasets.facts import short_facts
    from bioconv.datasets.registry import KINDS, search, sources

    from bioconv.errors import OptionError
    from bioconv.runtime import logger

    if kind and kind not in KINDS:
        message = f"--kind {kind!r} is none of {', '.join(KINDS)}"
        raise OptionError(message)
    rows = [short_facts(source) for source in search(pattern, kind=kind)]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif rows:
        click.echo("\n".join("\t".join(map(str, row)) for row in (rows[0], *(row.values() for row in rows))))
    logger.info("%d of %d data sets", len(rows), len(sources()))
