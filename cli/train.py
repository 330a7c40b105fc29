"""`bioconv train`: one subcommand per family of models, imported when it is used."""

from __future__ import annotations

from importlib import import_module

import click

FAMILIES = {
    "deepbind": ("bioconv.cli.train_deepbind", "A motif detector network: which sequences a protein binds."),
    "lstm": ("bioconv.cli.train_lstm", "A recurrent network: classes of sequences, or of each of their letters."),
    "segment": ("bioconv.cli.train_segment", "A segmenter: objects, structures or classes of pixels in images."),
    "classify": ("bioconv.cli.train_classify", "A classifier of mammograms, with calibration and thresholds."),
}


class _Families(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(FAMILIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in FAMILIES:
            return None
        command: click.Command = import_module(FAMILIES[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Families"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in FAMILIES.items()])


@click.group(cls=_Families, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Train a model and write it to one file.

    Beside the file a folder `NAME.run/` keeps the state to resume from, the log, the split and report.html.
    """
