"""`bioconv models retrain`: a model of the package trained again, from data by name, by one command."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from bioconv.cli.options import device_option, events_option, log_options, training_threads_option

if TYPE_CHECKING:
    from bioconv.datasets.recipes import Step

_CODES = (
    "Exit codes: 0 done, 1 error, 2 usage, 4 no data could be read, 130 interrupted (go on with --resume). Under other "
    "numbers of threads, or on a GPU, the weights differ in their last digits, and so may the figures."
)


@click.command(name="retrain", epilog=_CODES)
@click.argument("name")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), metavar="FILE.safetensors",
    help="The model file to write.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with an interrupted run: what is finished is not done again.")
@click.option("--keep", is_flag=True, help="Keep the models in between, FILE-first.safetensors, and their folders.")
@click.option("--dry-run", is_flag=True, help="Print the commands, to be run one after the other, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@events_option
@device_option
@training_threads_option
@log_options
@click.pass_context
def retrain(context: click.Context, /, name: str, output: str, as_json: bool, **given: Any) -> None:
    """Train a model of the package again: fetch its data, run the trainings of its recipe.

    The terms of the data and the commands are shown first. Beside FILE, its folder NAME.run/ holds what `bioconv train`
    keeps: split, state, report. The models: bioconv models list; without those of deepbind-models-2015.
    """
    from bioconv.datasets.recipes import steps

    from bioconv.runtime import logger

    wanted = [_with_options(step, given) for step in steps(name, output)]
    lines = [step.line for step in wanted]
    facts: dict[str, Any] = {"model": name, "file": output, "commands": lines}
    if given["dry_run"]:
        click.echo(json.dumps(facts, indent=1) if as_json else "\n".join(lines))
        return
    _check(wanted, resume=given["resume"])
    for number, line in enumerate(lines, 1):
        logger.info("step %d of %d: %s", number, len(lines), line)
    _fetch(wanted)
    said = context.meta["bioconv.log"]
    loud = ["--quiet"] * bool(said["quiet"]) + ["-v"] * said["verbose"]
    for number, step in enumerate(wanted, 1):
        if _is_done(step.output):
            logger.info("step %d of %d is done: %s is there", number, len(wanted), step.output)
        else:
            logger.info("step %d of %d begins", number, len(wanted))
            _train(step, [*loud, *["--resume"] * given["resume"]])
    if not given["keep"]:
        for step in wanted[:-1]:
            _remove(step.output)
    click.echo(json.dumps(facts, indent=1) if as_json else output)


def _with_options(step: Step, given: dict[str, Any]) -> Step:
    """Add what was said of the machine; all else is the recipe's."""
    from dataclasses import replace

    words = ["--device", given["device"]] if given["device"] != "auto" else []
    words += ["--threads", str(given["threads"])] if given["threads"] else []
    words += ["--events", given["events"]] if given["events"] else []
    return replace(step, words=(*step.words, *words))


def _check(wanted: Sequence[Step], *, resume: bool) -> None:
    """Refuse before anything is fetched what some step would refuse, and to take anybody's file for a finished step."""
    from bioconv.errors import OptionError
    from bioconv.training.run_folder import check_output, run_folder

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        message = "retrain runs in one process; under torchrun start the commands of --dry-run one after the other"
        raise OptionError(message)
    for step in wanted:
        check_output(step.output, resume=resume)
        if step.output.exists() and not run_folder(step.output).is_dir():
            message = f"{step.output} is there, and nothing beside it says that it is of this training; take it away, "
            message += "or give another -o"
            raise OptionError(message)


def _fetch(wanted: Sequence[Step]) -> None:
    """Show the terms of the data and fetch what is missing, before hours are spent."""
    from bioconv.datasets.files import check_terms, notice
    from bioconv.datasets.loading import PREFIX, table_of
    from bioconv.datasets.registry import find

    from bioconv.runtime import logger

    for data in dict.fromkeys(step.data for step in wanted):
        (source,) = find(data.removeprefix(PREFIX).partition("/")[0])
        logger.info("%s", notice(source))
        check_terms(source, accepted=False)
        table_of(data)


def _is_done(output: Path) -> bool:
    """Say whether a step is finished: its report is the last that a training writes."""
    from bioconv.training.run_folder import run_folder

    return output.is_file() and (run_folder(output) / "report.html").is_file()


def _train(step: Step, loud: list[str]) -> None:
    from bioconv.cli.train import command

    words = [*step.words[1:], *loud]
    with _command_line(step.words), command.make_context("train", words) as context:
        command.invoke(context)


@contextmanager
def _command_line(words: Sequence[str]) -> Iterator[None]:
    """Have a training note down the command that it would be alone."""
    kept = sys.argv
    sys.argv = ["bioconv", *words]
    try:
        yield
    finally:
        sys.argv = kept


def _remove(output: Path) -> None:
    from bioconv.training.run_folder import run_folder

    output.unlink(missing_ok=True)
    shutil.rmtree(run_folder(output), ignore_errors=True)


def retraining(name: str) -> str:
    """Return the command that trains a model again; empty if it has no recipe."""
    from bioconv.datasets.recipes import recipe_names

    return shlex.join(["bioconv", "models", "retrain", name, "-o", f"{name}.safetensors"]) * (name in recipe_names())
