"""`bioconv predict --per-position`: probabilities along sequences, as tracks and features."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bioconv import runtime
from bioconv.errors import InputError, OptionError, OutputError
from bioconv.wording import counted

if TYPE_CHECKING:
    from bioconv.cli.options import Failures

    from bioconv.sequence.recurrent.positions import PositionRun
    from bioconv.sequence.recurrent.tracks import PositionFiles

_Command = TypeVar("_Command", bound=Callable[..., Any])


def position_options(command: _Command) -> _Command:
    """Add `--per-position`, `--strand` and `--threshold`."""
    said = "Of a recurrent model: write what it says of each letter, as PREFIX.CLASS.bedGraph and PREFIX.gff3."
    for option in (
        click.option(
            "--threshold", type=float, metavar="P",
            help="With --per-position: lowest probability of a feature in the GFF3.  [default: 0.5]",
        ),
        click.option(
            "--strand", type=click.Choice(["both", "+", "-"]),
            help="Strands to read, with --per-position and a model of windows of DNA.  [default: both]",
        ),
        click.option("--per-position", metavar="PREFIX", help=said),
    ):  # fmt: skip
        command = option(command)
    return command


def check_choices(*, strand: str | None, threshold: float | None, per_position: str | None, table: bool) -> None:
    """Refuse options of one kind of output with the other.

    Parameters
    ----------
    table
        An option that is about the table of records was given.

    Raises
    ------
    OptionError
    OutputError
        If files cannot be written where the prefix says: better now than when all is read.
    """
    message = ""
    if per_position is None and (strand or threshold is not None):
        message = "--strand and --threshold are for --per-position"
    elif per_position is not None and table:
        message = "--per-position writes files of its own in place of the table: leave out -o, --format and --shard"
    elif per_position == "":
        message = "--per-position: the prefix is empty"
    elif per_position is not None and per_position.endswith("/"):
        message = f"--per-position {per_position}: names of files begin with the prefix; add a name behind the folder"
    if message:
        raise OptionError(message)
    if per_position is not None and not Path(per_position).parent.is_dir():
        message = f"--per-position {per_position}: there is no folder {Path(per_position).parent}; make it"
        raise OutputError(message)


def write_positions(
    sources: tuple[str, ...], models: tuple[str, ...], failures: Failures, *, prefix: str, given: dict[str, Any]
) -> None:
    """Write the tracks and features of all inputs, and print the files' names; nothing if no input could be read.

    Parameters
    ----------
    given
        `strand`, `threshold`, `device`, `no_header`.
    """
    from bioconv.cli.options import check_paths

    from bioconv.outputs import provenance
    from bioconv.sequence.recurrent.model import load_sequence_model
    from bioconv.sequence.recurrent.positions import PositionRun
    from bioconv.sequence.recurrent.tracks import PositionFiles
    from bioconv.zoo import resolve

    if len(models) > 1:
        message = "--per-position takes one --model at a time: give another prefix for each"
        raise OptionError(message)
    run = PositionRun(load_sequence_model(resolve(models[0])), strand=given["strand"], device=given["device"])
    threshold = 0.5 if given["threshold"] is None else given["threshold"]
    with PositionFiles(prefix, run, threshold=threshold) as files:
        check_paths((*sources, *models), {f"--per-position ({path.name})": str(path) for path in files.paths})
        for source in sources:
            with failures.guard(source):
                _add(run, source, files)
        if failures.all:
            return
        facts = {**run.facts(), "threshold": threshold, "command": shlex.join(["bioconv", *sys.argv[1:]])}
        files.write("" if given["no_header"] else provenance(**facts))
    run.warn()
    runtime.logger.info("%s, %s", counted(run.records, "sequence"), counted(run.bases, "letter"))
    for path in files.paths:
        click.echo(path)


def _add(run: PositionRun, source: str, files: PositionFiles) -> None:
    mark = files.mark()
    try:
        for block in run.blocks(source):
            files.add(block)
    except InputError:
        files.forget_since(mark)
        raise
