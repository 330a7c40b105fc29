"""`bioconv datasets`: one subcommand per file, imported when it is used."""

from __future__ import annotations

from importlib import import_module

import click

SUBCOMMANDS = {
    "list": ("bioconv.cli.datasets_list", "List the data sets that bioconv knows."),
    "info": ("bioconv.cli.datasets_info", "Describe a data set, or what is in a folder of your own."),
    "get": ("bioconv.cli.datasets_get", "Download data sets, verified, after their terms were shown."),
    "verify": ("bioconv.cli.datasets_verify", "Compare files with the sizes and sums that are known."),
    "split": ("bioconv.cli.datasets_split", "Divide records into parts, by group and class; refuse leaks."),
    "make": ("bioconv.cli.datasets_make", "Make synthetic data whose truth is known."),
}


class _Subcommands(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        command: click.Command = import_module(SUBCOMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in SUBCOMMANDS.items()])


@click.group(cls=_Subcommands, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Real data by name, splits without leaks, synthetic data.

    BIOCONV_CACHE sets the folder of downloads, BIOCONV_DATA_MIRROR a folder or URL to use in place of the internet.
    """
