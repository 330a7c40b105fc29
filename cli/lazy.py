"""Groups of commands that are imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that knows its commands' names and help without importing them.

    Parameters
    ----------
    table
        Name of a command to its module, which has a `command`, and its help in one line.
    heading
        What the help calls them.
    """

    def __init__(self, *words: Any, table: Mapping[str, tuple[str, str]], heading: str = "Commands", **said: Any):
        super().__init__(*words, **said)
        self.table, self.heading = table, heading

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.table:
            return None
        command: click.Command = import_module(self.table[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; of a name that is none say which ones are near."""
        if args[0] not in self.table and not ctx.resilient_parsing:
            from difflib import get_close_matches

            if near := get_close_matches(args[0], self.table):
                ctx.fail(f"No such command {args[0]!r}. Did you mean {' or '.join(map(repr, near))}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        with formatter.section(self.heading):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in self.table.items()])
