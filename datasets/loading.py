"""Records by the names that commands take: a set, and what is chosen of it."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any

from bioconv.datasets.files import set_folder
from bioconv.datasets.records import Records
from bioconv.datasets.registry import Source, find, module_of

from bioconv.download import writing
from bioconv.errors import OptionError

PREFIX = "dataset:"


def load(name: str, *, subset: str = "", part: str = "") -> Records[Any]:
    """Return the records of a set; empty arguments are left to its own `load`.

    Raises
    ------
    InputError
        If there is no such set.
    OptionError
        If it has no records, or no such subset or part.
    DownloadError
        If its terms have not been accepted, or a file cannot be had.
    """
    source = _one(name)
    if not source.loader or source.kind not in {"sequences", "images"}:
        message = f"{name} holds {source.kind}, no records to train on; see: bioconv datasets info {name}"
        raise OptionError(message)
    read: Any = import_module(module_of(source)).load
    known = signature(read).parameters
    given = {key: value for key, value in (("subset", subset), ("part", part)) if value}
    if odd := sorted(set(given) - set(known)):
        message = f"{name} is not divided by {odd[0]}; leave {given[odd[0]]!r} out"
        raise OptionError(message)
    if "subset" in known and known["subset"].default is known["subset"].empty and not subset:
        message = f"{name} has several experiments; name one: {PREFIX}{name}/SUBSET. See: bioconv datasets info {name}"
        raise OptionError(message)
    records: Records[Any] = read(**given)
    return records


def table_of(argument: str) -> str:
    """Turn `dataset:NAME` or `dataset:NAME/SUBSET` into the table of its records, written in the cache.

    The table is the same, byte for byte, whenever it is written.

    Raises
    ------
    InputError, OptionError, DownloadError
        As `load`.
    """
    name, _, subset = argument.removeprefix(PREFIX).partition("/")
    records = load(name, subset=subset)
    folder = set_folder(_one(name)) / "tables"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return str(records.write_table(folder / f"{subset or name}.csv"))


def _one(name: str) -> Source:
    found = find(name)
    if len(found) > 1:
        message = f"{name} holds several sets; name one of {', '.join(source.name for source in found)}"
        raise OptionError(message)
    return found[0]
