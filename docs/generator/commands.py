"""A page for every command, from what click knows of it: usage, help, options, defaults and exit codes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click
from bioconv.cli.main import cli

from generator.repository import write

_RANGE = re.compile(r"[^ ]*(?:[<>]=?x|x[<>]=?)[^ ]*")


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command and group below `bioconv`: its words, itself, and a context to ask it in."""
    yield from _below(cli, click.Context(cli, info_name="bioconv"))


def _below(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield inner.command_path, command, inner
        if isinstance(command, click.Group):
            yield from _below(command, inner)


def write_commands() -> None:
    """Write `reference/commands/*.md`: a page for each command of `bioconv`, with those below it."""
    pages: dict[str, list[str]] = {}
    for words, command, context in commands():
        name = words.split()[1]
        level = len(words.split()) - 1
        pages.setdefault(name, []).append(section(command, context, level))
    for name, sections in pages.items():
        write(f"reference/commands/{name}", "\n".join(sections))


def section(command: click.Command, context: click.Context, level: int) -> str:
    """Return one command as Markdown, its heading at this level."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * level} {context.command_path}", _prose(command.help or ""), f"```text\n{usage}\n```"]
    # Arguments without a help text are those of the usage line.
    records = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) and (record[1] or isinstance(parameter, click.Option))
    ]
    if records:
        rows = [
            f"| {_code(names)} | {_cell(said)} | {_cell(default)} |" for names, said, default in map(_split, records)
        ]
        parts.append("\n".join(["| option | meaning | default, range |", "|---|---|---|", *rows]))
    if isinstance(command, click.Group):
        parts.append("Commands: " + ", ".join(f"`{name}`" for name in command.list_commands(context)) + ".")
    if command.epilog:
        parts.append(_prose(command.epilog))
    return "\n\n".join(parts) + "\n"


def _split(record: tuple[str, str]) -> tuple[str, str, str]:
    """Take what stands in brackets behind a help text away from it: first defaults, then ranges."""
    names, said = record
    said, extra = said.strip(), ""
    while found := re.fullmatch(r"(.*?)(?:^|\s+)\[((?:[^\[\]]|\[[^\]]*\])*)\]", said, re.DOTALL):
        said, extra = found[1], f"{found[2]}; {extra}"
    parts = [part.removeprefix("default: ").removeprefix("usually: ") for part in extra.split("; ") if part]
    return names.replace(" RANGE", ""), said, "; ".join(sorted(parts, key=lambda part: bool(_RANGE.fullmatch(part))))


def _prose(text: str) -> str:
    """Return a help text as Markdown paragraphs."""
    return _escape(re.sub(r"\n{3,}", "\n\n", inspect.cleandoc(text.replace("\b", ""))))


def _escape(text: str) -> str:
    """Keep signs that Markdown would take as its own, outside backticks; options are put between them."""
    parts = re.split(r"(`[^`\n]*`)", text)
    return "".join(part if part.startswith("`") else _words(part) for part in parts)


def _words(text: str) -> str:
    return re.sub(r"(?<![\w-])--[a-z][a-z-]*", r"`\g<0>`", re.sub(r"([<>*_#|$\[\]])", r"\\\1", text))


def _cell(text: str) -> str:
    return re.sub(r"`[^`]*`", lambda code: code[0].replace("|", r"\|"), _escape(" ".join(text.split())))


def _code(text: str) -> str:
    text = re.sub(r"\[[^\s\]]{30,}\]", lambda choices: choices[0].replace("|", " | "), text)  # may be broken there
    return ", ".join(f"`{name}`" for name in text.replace("|", r"\|").split(", "))
