"""`bioconv models`: list, describe and download models; the other subcommands are in files of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.models_files import export, import_
from bioconv.cli.models_look import features, summary
from bioconv.cli.models_retrain import retrain, retraining

from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.zoo import Model, ModelSet

_FIELDS = ("name", "protein", "type", "species", "family", "experiment", "details", "cite", "about", "task")

_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def _log(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that decide what is said on stderr."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors on stderr.")
    verbose = click.option("-v", "--verbose", count=True, help="Say more on stderr.")
    return quiet(verbose(command))


def _show_log(quiet: bool, verbose: int) -> None:
    from bioconv import runtime

    runtime.show_log(quiet=quiet, verbose=verbose)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, describe, download, look into, train again, import and export models."""


command.add_command(summary)
command.add_command(features)
command.add_command(retrain)
command.add_command(import_)
command.add_command(export)


@command.command("list")
@click.argument("pattern", default="")
@click.option("--protein", default="", help="Keep models of this protein.")
@click.option("--species", default="", help="Keep models of this species.")
@click.option("--experiment", default="", help="Keep models trained on this kind of experiment.")
@_json
@_log
def list_(pattern: str, as_json: bool, quiet: bool, verbose: int, **filters: str) -> None:
    """List known models, or those that match PATTERN in any field.

    Text matches a part of a field; with *, ? or [...] it must match the whole. Case does not matter.
    """
    from bioconv.runtime import logger
    from bioconv.zoo import location, search
    from bioconv.zoo.registry import models, near_names

    _show_log(quiet, verbose)
    found = search(pattern, **filters)
    # Only looked for, not hashed: a list must stay fast where the cache is on a network disk.
    rows = [_described(model) | {"installed": location(model).is_file()} for model in found]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        columns = (*_FIELDS[:7], "installed")
        table = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
        click.echo("\n".join("\t".join(line) for line in table))
    near = "" if found else near_names(pattern)
    logger.info("%d of %s%s", len(found), counted(len(models()), "model"), near)


def _cell(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@command.command()
@click.argument("name")
@_json
@_log
def info(name: str, as_json: bool, quiet: bool, verbose: int) -> None:
    """Describe a model, a set of models, or a model file."""
    from bioconv.zoo import ModelSet, find

    _show_log(quiet, verbose)
    if Path(name).is_file():
        facts = _file_facts(Path(name))
    else:
        entry = find(name)
        facts = _set_facts(entry) if isinstance(entry, ModelSet) else _model_facts(entry)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    card = facts.pop("metadata", {})  # what the file says of itself, each on a line of its own
    for key, value in {**facts, **{key: value for key, value in card.items() if key not in facts}}.items():
        click.echo(f"{key}: {_readable(value)}")


def _readable(value: object) -> str:
    if isinstance(value, bool):
        return _cell(value)
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value).rstrip().replace("\n", "\n  ")


def _described(model: Model) -> dict[str, Any]:
    """Return the fields that describe a model; all of them, so that every row has the same keys."""
    return {field: getattr(model, field) for field in _FIELDS}


def _model_facts(model: Model) -> dict[str, Any]:
    from bioconv.zoo import installed, location, sets

    facts = {key: value for key, value in _described(model).items() if value}
    facts |= {"path": str(location(model)), "installed": installed(model.name)}
    if not model.set:
        return facts | _file_facts(location(model)) | {"retrain": retraining(model.name)}
    if facts["installed"]:
        facts["header"] = _published_header(location(model))
    origin = sets()[model.set]
    facts |= {"set": model.set, "size": model.size, "sha256": model.sha256, "url": origin.remote(model).url}
    return facts | _origin_facts(origin)


def _set_facts(origin: ModelSet) -> dict[str, Any]:
    from bioconv.zoo import installed

    facts = {"name": origin.name, "title": origin.title, "about": origin.about, "models": len(origin.models)}
    files = [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in origin.files]
    facts |= {"installed": installed(origin.name), "url": origin.url, "mirror_files": files}
    return facts | _origin_facts(origin) | {"notice": origin.notice}


def _origin_facts(origin: ModelSet) -> dict[str, Any]:
    fields = ("source", "address_checked", "address_note", "citation", "doi", "licence", "terms")
    return {field: getattr(origin, field) for field in fields}


def _file_facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        published = stream.read(10) == b"# deepbind"
    if published:
        return {"path": str(path), "format": "published DeepBind parameters", **_published_header(path)}
    return {"path": str(path), **_model_file_facts(path)}


def _published_header(path: Path) -> dict[str, int]:
    """Return the whole numbers at the head of a published parameter file; the weights follow them."""
    facts: dict[str, int] = {}
    for line in path.read_text("ascii", errors="replace").splitlines()[1:]:
        key, _, value = line.partition("=")
        if not value.strip().isdecimal():
            break
        facts[key.strip()] = int(value)
    return facts


def _model_file_facts(path: Path) -> dict[str, Any]:
    """Return what a bioconv model file says about itself, weights left out."""
    from importlib import import_module
    from importlib.util import find_spec

    from bioconv.errors import ModelError

    if not find_spec("bioconv.models.model_file"):
        message = f"{path} does not begin with '# deepbind': not a published parameter file, nor any other known"
        raise ModelError(message)
    model: Any = import_module("bioconv.models.model_file").read_model(path)
    fields = {key: getattr(model, key) for key in getattr(model, "__dataclass_fields__", vars(model))}
    return {key: value for key, value in fields.items() if _is_plain_value(value)}


def _is_plain_value(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


@command.command()
@click.argument("name")
@_json
@_log
def get(name: str, as_json: bool, quiet: bool, verbose: int) -> None:
    """Download a model or a set of models, and print where it lies.

    BIOCONV_CACHE sets the folder, BIOCONV_DATA_MIRROR a folder or URL to use in place of the internet.
    """
    from bioconv.runtime import logger
    from bioconv.zoo import ModelSet, find, install, sets

    _show_log(quiet, verbose)
    entry = find(name)
    origin = entry if isinstance(entry, ModelSet) else sets().get(entry.set)
    if origin:
        rights = next(line for line in origin.notice.splitlines() if line.startswith("Copyright"))
        logger.info("%s: %s. %s\n%s", origin.name, origin.licence, rights, origin.terms)
        logger.info("Cite: %s, doi %s", origin.citation, origin.doi)
    path = install(name)
    if not as_json:
        click.echo(str(path))
        return
    facts = {
        "name": name,
        "path": str(path),
        "models": len(entry.models) if isinstance(entry, ModelSet) else 1,
    }
    if origin:
        facts |= {"licence": origin.licence, "citation": origin.citation, "doi": origin.doi}
    click.echo(json.dumps(facts, indent=1))
