"""Options and habits that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from bioconv import runtime
from bioconv.errors import InputError, OptionError, OutputError
from bioconv.outputs import is_stdout
from bioconv.wording import unwritable

_Command = TypeVar("_Command", bound=Callable[..., Any])


def log_options(command: _Command) -> _Command:
    """Add `--quiet` and `-v`; they act when they are parsed, before the command runs."""
    said: dict[str, Any] = {"expose_value": False, "is_eager": True, "callback": _set_log}
    command = click.option("-v", "--verbose", count=True, help="Say more on stderr.", **said)(command)
    return click.option("--quiet", is_flag=True, help="Only errors on stderr.", **said)(command)


def _set_log(context: click.Context, parameter: click.Parameter, value: int | bool) -> None:
    said = context.meta.setdefault("bioconv.log", {"quiet": False, "verbose": 0})
    said[parameter.name or ""] = value
    runtime.show_log(quiet=bool(said["quiet"]), verbose=int(said["verbose"]))


def output_option(command: _Command) -> _Command:
    """Add `-o`."""
    return click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write here instead of stdout.")(
        command
    )


def failures_option(command: _Command) -> _Command:
    """Add `--max-failures`."""
    return click.option(
        "--max-failures", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
        help="Exit 0 if no more than N inputs failed (they are still listed).",
    )(command)  # fmt: skip


def events_option(command: _Command) -> _Command:
    """Add `--events`."""
    return click.option(
        "--events", type=click.Path(dir_okay=False), metavar="FILE", help="Append progress to this file as JSON lines."
    )(command)


def models_option(command: _Command) -> _Command:
    """Add `--model`, required and repeatable."""
    return click.option(
        "--model", multiple=True, required=True, metavar="NAME|FILE",
        help="A model: a file, or a name of `bioconv models list`; repeatable.",
    )(command)  # fmt: skip


def reference_option(*, required: bool) -> Callable[[_Command], _Command]:
    """Add `-r`."""
    return click.option(
        "-r", "--reference", required=required, type=click.Path(dir_okay=False), metavar="FASTA",
        help="The genome, plain or bgzip; a missing index is made.",
    )  # fmt: skip


def no_header_option(command: _Command) -> _Command:
    """Add `--no-header`."""
    text = "Leave out the `#` line that says how the output was made."
    return click.option("--no-header", is_flag=True, help=text)(command)


def device_option(command: _Command) -> _Command:
    """Add `--device`."""
    return click.option(
        "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]", help="Where models run."
    )(command)


def threads_option(command: _Command) -> _Command:
    """Add `--threads`."""
    said = "Default: the processors there are. Results do not depend on it."
    return click.option("--threads", type=int, help=said)(command)


def training_threads_option(command: _Command) -> _Command:
    """Add `--threads` to a training."""
    said = "Default: the processors there are. With another number the weights differ in their last digits."
    return click.option("--threads", type=int, help=said)(command)


def shard_option(which: str) -> Callable[[_Command], _Command]:
    """Add `--shard`; `which` says what is shared out, and how."""
    return click.option("--shard", metavar="I/N", help=f"Only the I-th of N parts, counted from 1: {which}.")


def dask_option(command: _Command) -> _Command:
    """Add `--dask`."""
    return click.option(
        "--dask", metavar="SCHEDULER",
        help="Work on the workers of this dask.distributed scheduler: its address, or the file it wrote.",
    )(command)  # fmt: skip


def check_sharing(shard: str | None, dask: str | None) -> None:
    """Refuse a shard on a cluster.

    Raises
    ------
    OptionError
    """
    if shard is not None and dask is not None:
        message = "--shard and --dask both share out the work: give one of them"
        raise OptionError(message)


def check_paths(inputs: Sequence[str | None], targets: Mapping[str, str | None]) -> None:
    """Refuse what no work could mend: an empty name, stdin given twice, an output that is an input or has no folder.

    Two outputs that go to one file are refused as well.

    Parameters
    ----------
    inputs
        Names of all files that are read, models too; None: not given.
    targets
        Option -> name of the file it writes.

    Raises
    ------
    OptionError
    OutputError
        If there is no folder to write a file to.
    """
    read = [name for name in inputs if name is not None]
    written = {option: name for option, name in targets.items() if name is not None}
    if "" in {*read, *written.values()}:
        message = "a file name is empty"
        raise OptionError(message)
    if read.count("-") > 1:
        message = "stdin (-) can be read once"
        raise OptionError(message)
    # Not pathlib, which raises at a name that is longer than names can be (a sequence's letters), and starts slowly.
    for option, target in written.items():
        for name in read:
            if os.path.isfile(target) and os.path.exists(name) and os.path.samefile(name, target):  # noqa: PTH110, PTH113, PTH121
                message = f"{option} {target} is one of the inputs; give another name"
                raise OptionError(message)
    files: dict[str, str] = {}
    for option, name in written.items():
        target = "-" if is_stdout(name) else name
        if os.path.exists(target) and not os.path.isfile(target):  # noqa: PTH110, PTH113 - /dev/null takes everything
            continue
        other = files.setdefault(os.path.realpath(target), option)
        if other != option:
            place = "stdout" if target == "-" else target
            message = f"{other} and {option} both go to {place}; give two names"
            raise OptionError(message)
        if target != "-" and not os.path.isdir(os.path.dirname(target) or "."):  # noqa: PTH112, PTH120
            message = f"cannot write {target}: {unwritable(target, FileNotFoundError())}; nothing was done"
            raise OutputError(message)


def index_files(reference: str | None) -> tuple[str | None, ...]:
    """Return a genome and the files of its index, for `check_paths`."""
    return (None,) if reference is None else (reference, f"{reference}.fai", f"{reference}.gzi")


class Failures:
    """Counts the inputs that failed, while the others go on; notes each input in the events file, if there is one."""

    def __init__(self, inputs: int, allowed: int, events: str | None = None) -> None:
        self._inputs = inputs
        self._allowed = allowed
        self._events = events
        self._failed = 0
        self._note(event="start", inputs=inputs)

    @contextmanager
    def guard(self, source: str) -> Iterator[None]:
        """Log and count an `InputError` raised inside."""
        try:
            yield
        except InputError as error:
            self._failed += 1
            runtime.logger.error("%s", error)
            self._note(event="failed", input=source, reason=str(error))
        else:
            self._note(event="done", input=source)

    def _note(self, **facts: object) -> None:
        if self._events is None:
            return
        import json
        from datetime import UTC, datetime

        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts})
        try:
            with Path(self._events).open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        except OSError as error:
            message = f"cannot write the events to {self._events}: {unwritable(self._events, error)}"
            raise OutputError(message) from error

    @property
    def all(self) -> bool:
        """Whether no input could be read."""
        return self._failed == self._inputs > 0  # a shard may have none

    @property
    def exit_code(self) -> int:
        """0 (all well, or few enough failures), 3 (some inputs failed) or 4 (none could be read)."""
        if self.all:
            return 4
        return 3 if self._failed > self._allowed else 0
