"""`bioconv datasets info`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from bioconv.cli.options import check_paths, log_options

_MARK = b": inspection</title>"  # in the head of every page that this command writes
_HEAD = 4096


@click.command(name="info", epilog="Exit codes: 0 done, 1 error, 2 usage, 4 there is no such file or folder.")
@click.argument("target", metavar="NAME|FOLDER")
@click.option("--split", type=click.Path(dir_okay=False), metavar="TSV", help="Of a folder: look for leaks in a split.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), metavar="PAGE.html", help="Of a folder: a page with pictures."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@log_options
@click.pass_context
def command(context: click.Context, /, target: str, split: str | None, output: str | None, as_json: bool) -> None:
    """Describe a data set by name: what it is, its terms, source, split and published figures.

    Or tell what is in a FOLDER (or file) of your own: numbers, sizes, balance, spacing, duplicates, unreadable files,
    leaks in a given split. If it has the name of a set, write ./NAME.
    """
    from bioconv.datasets.facts import facts
    from bioconv.datasets.registry import find, sources

    from bioconv.errors import OptionError
    from bioconv.runtime import logger
    from bioconv.wording import unreadable

    places = {source.place for source in sources().values()}
    if target and target not in sources() and target not in places and Path(target).exists():
        _inspect(Path(target), split, output, as_json)
        return
    if "." in target or os.sep in target:  # no set has such a name
        logger.error("%s", unreadable(target, FileNotFoundError()))
        context.exit(4)
    if split or output:
        message = f"--split and -o are for a folder of your own, and {target!r} is none"
        raise OptionError(message)
    found = [facts(source) for source in find(target)]
    if as_json:
        click.echo(json.dumps(found[0] if len(found) == 1 else found, indent=1))
    else:
        click.echo("\n\n".join(map(_text, found)))


def _text(known: dict[str, Any]) -> str:
    known = dict(known)
    files, results, expected, lacking = (known.pop(key) for key in ("files", "results", "expected", "results_note"))
    lines = [f"{key}: {_readable(value)}" for key, value in known.items() if value not in ("", [])]
    if expected:
        looked = ", ".join(f"{one['count']} or more of {one['pattern']}" for one in expected)
        lines.append(f"files: not fetched by bioconv; a copy is looked through for {looked}")
    else:
        lines.append(f"files: {len(files)}")
    for one in results:
        lines.append(f"published: {one['who']}, {one['measure']}: {one['value']} ({one['source']})")
    return "\n".join([*lines, *([f"published: {lacking}"] if lacking else [])])


def _readable(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _inspect(path: Path, split: str | None, output: str | None, as_json: bool) -> None:
    from bioconv.datasets.inspection import inspect_folder

    check_paths((str(path), split), {"-o": output})
    if output:
        _check_page(Path(output))
    found = inspect_folder(path, split=split)
    click.echo(json.dumps(found.to_json(), indent=1) if as_json else found.to_text())
    if output:
        found.write_page(output)


def _check_page(output: Path) -> None:
    """Refuse to write over what is no page: it may well be one of the files that are looked at."""
    from bioconv.errors import OptionError

    if output.suffix.casefold() not in {".html", ".htm"}:
        message = f"-o {output}: the page is HTML; give a name that ends in .html"
        raise OptionError(message)
    if output.is_file():
        with output.open("rb") as stream:
            begin = stream.read(_HEAD)
        if begin and _MARK not in begin:
            message = f"-o {output} is there and is no page of this command; give another name, or take it away"
            raise OptionError(message)
