"""`bioconv datasets make`: synthetic data whose truth is known by construction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from bioconv.cli.options import log_options

from bioconv import runtime

_CODES = "Exit codes: 0 done, 1 error, 2 usage. Same options, same bytes."


@click.group(name="make", context_settings={"help_option_names": ["-h", "--help"]}, epilog=_CODES)
def command() -> None:
    """Make labelled synthetic data: for tests, demonstrations and teaching. Every file says that it is synthetic."""


def _made(count: int, what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the options that all kinds have."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        options = (
            click.option("-o", "--output", required=True, metavar="FOLDER", help="A new folder."),
            click.option("--count", type=click.IntRange(min=1), default=count, show_default=True, help=what),
            click.option(
                "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, other data."
            ),
            log_options,
        )
        for option in reversed(options):
            function = option(function)
        return function

    return add


@command.command()
@_made(1000, "Sequences.")
@click.option(
    "--grammar", default="TGACTCA 4-8 GATAAG", show_default=True, metavar="TEXT",
    help="Motifs of IUPAC letters in their order, and the fewest and most letters between them.",
)  # fmt: skip
@click.option("--length", type=click.IntRange(min=1), default=100, show_default=True, help="Letters of a sequence.")
def motifs(output: str, **settings: Any) -> None:
    """Sequences with planted motifs: CSV and FASTA with labels, and a table of all sites.

    Every second sequence holds the grammar, on either strand. Of the others half hold the same motifs in other places,
    so that telling them apart takes the grammar; no motif occurs by chance.
    """
    from bioconv.datasets.synthetic_motifs import make_motifs

    _say(make_motifs(output, **settings))


@command.command()
@_made(20, "Images.")
@click.option("--size", type=click.IntRange(min=32), default=256, show_default=True, help="Rows and columns.")
@click.option("--nuclei", type=click.IntRange(min=0), default=30, show_default=True, help="Of an image, on average.")
@click.option(
    "--radius", type=click.FloatRange(min=3), default=10.0, show_default=True, help="Mean radius of a nucleus, pixels."
)
def cells(output: str, **settings: Any) -> None:
    """Images of nuclei, touching ones among them, with instance masks and a table of all nuclei."""
    from bioconv.datasets.synthetic_cells import make_cells

    _say(make_cells(output, **settings))


@command.command()
@_made(20, "Women, four views each.")
@click.option("--size", type=click.IntRange(min=82), default=256, show_default=True, help="Rows of a picture.")
@click.option(
    "--contrast", type=click.FloatRange(min=0, min_open=True), default=0.7, show_default=True, help="Of a mass."
)
@click.option(
    "--share", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Of women with a mass in one breast."
)
def breasts(output: str, **settings: Any) -> None:
    """Mammograms of asymmetric phantoms, some with a mass: pictures, the table of exams, boxes of the masses."""
    from bioconv.datasets.synthetic_breasts import make_breasts

    _say(make_breasts(output, **settings))


def _say(folder: Path) -> None:
    runtime.logger.info("wrote %s: synthetic data, see %s", folder, folder / "README.txt")
