"""Options and habits that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from bioconv import runtime
from bioconv.errors import InputError

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


class Failures:
    """Counts the inputs that failed, while the others go on."""

    def __init__(self, inputs: int, allowed: int) -> None:
        self._inputs = inputs
        self._allowed = allowed
        self._failed = 0

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Log and count an `InputError` raised inside."""
        try:
            yield
        except InputError as error:
            self._failed += 1
            runtime.logger.error("%s", error)

    @property
    def all(self) -> bool:
        """Whether no input could be read."""
        return self._failed == self._inputs

    @property
    def exit_code(self) -> int:
        """0 (all well, or few enough failures), 3 (some inputs failed) or 4 (none could be read)."""
        if self.all:
            return 4
        return 3 if self._failed > self._allowed else 0
