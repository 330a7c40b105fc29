"""`bioconv datasets`: one subcommand per file, imported when it is used."""

from __future__ import annotations

import click
from bioconv.cli.lazy import LazyGroup

SUBCOMMANDS = {
    "list": ("bioconv.cli.datasets_list", "List the data sets that bioconv knows."),
    "info": ("bioconv.cli.datasets_info", "Describe a data set, or what is in a folder of your own."),
    "get": ("bioconv.cli.datasets_get", "Download data sets, verified, after their terms were shown."),
    "verify": ("bioconv.cli.datasets_verify", "Compare files with the sizes and sums that are known."),
    "split": ("bioconv.cli.datasets_split", "Divide records into parts, by group and class; refuse leaks."),
    "make": ("bioconv.cli.datasets_make", "Make synthetic data whose truth is known."),
}


@click.group(cls=LazyGroup, table=SUBCOMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Real data by name, splits without leaks, synthetic data.

    BIOCONV_CACHE sets the folder of downloads, BIOCONV_DATA_MIRROR a folder or URL to use in place of the internet.
    """
