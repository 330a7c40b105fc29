"""`bioconv datasets verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import log_options

if TYPE_CHECKING:
    from bioconv.datasets.files import Check

_CODES = (
    "Exit codes: 0 every file is as it should be, 1 error, 2 usage, 3 some files are missing or wrong, 4 all of them."
)
_SHOWN = 20


@click.command(name="verify", epilog=_CODES)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where your copy of the set lies.  [the cache]"
)
@click.option("--mirror", "in_mirror", is_flag=True, help="Check the folder BIOCONV_DATA_MIRROR.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@log_options
@click.pass_context
def command(
    context: click.Context, names: tuple[str, ...], folder: Path | None, in_mirror: bool, as_json: bool
) -> None:
    """Compare the files of data sets with their sizes and sha256.

    Without NAME, all sets of which there are files are checked. Files that no set names are left alone.
    """
    from bioconv.datasets.files import check, presence
    from bioconv.datasets.registry import find, sources

    from bioconv.download import cache_folder
    from bioconv.errors import OptionError
    from bioconv.runtime import logger

    if folder and (len(names) != 1 or in_mirror):
        message = "--folder is the folder of one set: give one NAME, and leave --mirror out"
        raise OptionError(message)
    root = _mirror_folder() if in_mirror else None
    wanted = [source for name in names for source in find(name)]
    if not names:
        known = [source for source in sources().values() if source.files]
        wanted = [one for one in known if ((root / one.place).is_dir() if root else presence(one) != "no")]
    if not wanted:
        message = f"there is no data set to check in {root or cache_folder()}; see: bioconv datasets get NAME"
        if as_json:
            click.echo("[]")
        raise OptionError(message)
    places = [(source, root / source.place if root else folder) for source in wanted]
    there = [(source, place) for source, place in places if place is None or place.is_dir()]
    for source, place in places:
        if place is not None and not place.is_dir():
            logger.error("%s: no such folder; expected the one that holds %s", place, source.name)
    checks = [check(source, place) for source, place in there]
    click.echo(json.dumps([_facts(one) for one in checks], indent=1) if as_json else "\n".join(map(_text, checks)))
    if len(checks) < len(wanted) or not all(one.complete for one in checks):
        context.exit(3 if any(one.good for one in checks) else 4)


def _mirror_folder() -> Path:
    from bioconv.download import mirror
    from bioconv.errors import OptionError

    if not mirror() or "://" in mirror():
        message = f"--mirror checks a folder, and BIOCONV_DATA_MIRROR is {mirror()!r}; set it to one"
        raise OptionError(message)
    return Path(mirror()).expanduser()


def _facts(found: Check) -> dict[str, Any]:
    return {
        "name": found.source.name,
        "folder": str(found.folder),
        "checked_by": found.by,
        "complete": found.complete,
        "good": found.good,
        "files": [vars(one) for one in found.files],
    }


def _text(found: Check) -> str:
    by = (
        ""
        if found.by == "sha256"
        else " (no sums are known: only names, numbers, formats and sizes of images were looked at)"
    )
    lines = [f"{found.source.name}: {found.good} of {len(found.files)} as they should be in {found.folder}{by}"]
    bad = [one for one in found.files if one.status != "ok"]
    lines += [f"  {one.status}: {one.name}" + (f" ({one.detail})" if one.detail else "") for one in bad[:_SHOWN]]
    if len(bad) > _SHOWN:
        lines.append(f"  and {len(bad) - _SHOWN} more; --json lists all")
    return "\n".join(lines)
