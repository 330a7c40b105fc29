"""Where `bioconv classify` gets its mammograms: from files, or from an archive that speaks DICOMweb."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bioconv import runtime
from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.mammography.finding import Failure
    from bioconv.mammography.identifiers import Identifiers
    from bioconv.mammography.views import View

_Command = TypeVar("_Command", bound=Callable[..., Any])


def archive_options(command: _Command) -> _Command:
    """Add the options of DICOMweb, and `--dicom-out`."""
    for option in reversed([
        click.option("--dicomweb", metavar="URL", help="Fetch a study from this DICOMweb server, in place of PATH."),
        click.option("--study", metavar="UID", help="StudyInstanceUID of the study to fetch."),
        click.option(
            "--token-file", type=click.Path(dir_okay=False), metavar="FILE",
            help="One line: a bearer token, or `Basic` and its value. Sent to that server only.",
        ),
        click.option(
            "--ca", type=click.Path(dir_okay=False), metavar="FILE",
            help="PEM certificates to trust, in place of the system's.",
        ),
        click.option(
            "--dicom-out", is_flag=True, help="Write heat maps as DICOM Secondary Captures too, into dicom/."
        ),
    ]):  # fmt: skip
        command = option(command)
    return command


def check_sources(paths: Sequence[str], given: dict[str, Any]) -> None:
    """Refuse files and an archive together, neither of them, and options of an archive without one.

    Raises
    ------
    click.UsageError
    """
    archive = [f"--{name.replace('_', '-')}" for name in ("dicomweb", "study", "token_file", "ca") if given[name]]
    message = ""
    if paths and archive:
        message = f"give PATH or {archive[0]}, not both"
    elif not paths and not archive:
        message = "nothing to classify: give PATH, or --dicomweb URL --study UID"
    elif archive and not (given["dicomweb"] and given["study"]):
        message = f"{archive[0]} goes with --dicomweb URL --study UID; both are needed"
    elif archive and not given["output"] and not given["dry_run"]:
        message = "-o FOLDER is needed with --dicomweb: there is no folder to put results beside"
    elif archive and (given["shard"] or given["dask"]):
        message = "--shard and --dask share out files, not the one study that --dicomweb fetches"
    elif archive and given["labels"]:
        message = "--labels goes with a table that has a column `label`, not with --dicomweb"
    if message:
        raise click.UsageError(message)


@contextmanager
def found_views(paths: Sequence[Path], given: dict[str, Any]) -> Iterator[tuple[list[View], list[Failure]]]:
    """Find the mammograms; those of an archive are there until the block ends."""
    if given["dicomweb"]:
        from bioconv.mammography.dicomweb.address import open_server
        from bioconv.mammography.dicomweb.study import fetch_study

        token, ca = (Path(given[name]) if given[name] else None for name in ("token_file", "ca"))
        server = open_server(given["dicomweb"], token_file=token, ca=ca)
        runtime.logger.info("fetching study %s from %s", given["study"], server.url)
        with fetch_study(server, given["study"], force=given["force"]) as found:
            yield found
        return
    from bioconv.mammography.finding import find_views

    yield find_views(paths, force=given["force"])


def shard_of(found: tuple[list[View], list[Failure]], shard: str | None) -> tuple[list[View], list[Failure]]:
    """Return what is a shard's: whole women, in the order of the tables, and its share of what could not be read.

    Raises
    ------
    OptionError
    """
    from bioconv.shards import parse_shard

    views, bad = found
    which = parse_shard(shard)
    everyone = {view.patient for view in views} | {one.view.patient for one in bad if one.view is not None}
    patients = set(which.stretch(sorted(everyone)))
    unknown = which.stretch([one for one in bad if one.view is None])
    own = [one for one in bad if one.view is not None and one.view.patient in patients]
    return [view for view in views if view.patient in patients], [*own, *unknown]


def warn_of_pictures(views: Sequence[View], given: dict[str, Any]) -> None:
    """Say of which images `--dicom-out` cannot write anything."""
    from bioconv.mammography.captures import can_be_captured

    others = sum(not view.excluded and not can_be_captured(view) for view in views)
    if given["dicom_out"] and others:
        said = "--dicom-out: nothing is written of %s no SOPInstanceUID to be referred to by"
        runtime.logger.warning(said, counted(others, "image", does=("that has", "that have")))


def said_command(command: str, given: dict[str, Any], identifiers: Identifiers) -> str:
    """Return the command line for records, the study's UID replaced where names are."""
    study = given["study"]
    return identifiers.without(command, {study: identifiers.of(study)}) if study else command
