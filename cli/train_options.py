"""The options of a training: one per field of `TrainConfig`, and `--config`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any, TypeVar

import click

from bioconv.training import config as known
from bioconv.training.config import TrainConfig
from bioconv.training.config_file import field_help, read_config

_Command = TypeVar("_Command", bound=Callable[..., Any])
_NONE = "none"  # what is typed for None

_CHOICES = {
    "optimizer": known.OPTIMIZERS,
    "schedule": known.SCHEDULES,
    "initialization": known.INITIALIZATIONS,
    "precision": known.PRECISIONS,
    "loss": known.LOSSES,
    "class_weights": ("none", "balanced"),
}


def resume_option(command: _Command) -> _Command:
    """Add `--resume`."""
    said = "Go on with an interrupted training; where there is none, begin."
    return click.option("--resume", is_flag=True, help=said)(command)


def _or_none(number: type[int] | type[float]) -> Callable[[Any], Any]:
    """Return a reader of a number, or of `none`."""

    def read(text: Any) -> Any:
        if text == _NONE:
            return _NONE
        try:
            return number(text)
        except ValueError as error:
            message = f"{text!r} is no {number.__name__}, and not none"
            raise click.BadParameter(message) from error

    return read


def train_options(command: _Command) -> Callable[..., Any]:
    """Add the options with `TrainConfig`'s own defaults in their help; see `recipe_options`."""
    return recipe_options(TrainConfig())(command)


def recipe_options(usual: TrainConfig) -> Callable[[_Command], Callable[..., Any]]:
    """Return a decorator that adds an option per field of `TrainConfig`, and `--config`.

    The command gets them as one argument, `settings`: a dict of only what was given, on the command line or
    else in the file, for `bioconv.training.config_file.complete_config` to complete with a recipe's defaults.
    What is `usual` in that recipe is said in the help.
    """
    return functools.partial(_add_options, usual)


def _add_options(usual: TrainConfig, command: _Command) -> Callable[..., Any]:
    said = {field.name: field for field in fields(TrainConfig)}

    @functools.wraps(command)
    def run(*words: Any, config: str | None, **values: Any) -> Any:
        settings = {} if config is None else read_config(config)
        for name in said:
            value = values.pop(name)
            if value is not None:
                optional = "None" in str(said[name].type)
                settings[name] = None if optional and value == _NONE else value
        return command(*words, settings=settings, **values)

    described = field_help()
    wrapped: Callable[..., Any] = run
    for field in reversed(list(said.values())):
        wrapped = _option(field, described[field.name], getattr(usual, field.name))(wrapped)
    return click.option(
        "--config", type=click.Path(dir_okay=False), metavar="FILE.toml",
        help="Take training options from this file; those given here count more.",
    )(wrapped)  # fmt: skip


def _said(text: str, default: Any) -> str:
    for name in ("LOSSES", "OPTIMIZERS", "SCHEDULES", "INITIALIZATIONS", "PRECISIONS"):
        text = text.replace(f"One of `{name}`; ", "").replace(f"; one of `{name}`", "")
    # A name that is typed, and the k of a formula, keep their small letter.
    first = text[0] if text[0] == "`" or text[1] == " " else text[0].upper()
    said = f"{first}{text[1:]}".replace("`", "").replace("None:", "none:").replace("_", "-")
    if isinstance(default, bool):
        default = "on" if default else "off"
    return f"{said} [usually: {_NONE if default is None else default}]"


def _option(field: Field[Any], text: str, usual: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag, wanted = f"--{field.name.replace('_', '-')}", str(field.type)
    told: dict[str, Any] = {"default": None, "help": _said(text, usual)}
    if wanted == "bool":
        return click.option(f"{flag}/--no-{flag[2:]}", field.name, **told)
    if field.name in _CHOICES:
        return click.option(flag, field.name, type=click.Choice(_CHOICES[field.name]), **told)
    kinds: dict[str, Any] = {"int": int, "float": float, "str": str}
    kind = kinds[wanted.partition(" ")[0]]
    metavar = {"int": "N", "float": "X", "str": "TEXT"}[kind.__name__]
    return click.option(flag, field.name, type=_or_none(kind) if "None" in wanted else kind, metavar=metavar, **told)


def table_of(argument: str) -> str:
    """Turn `dataset:NAME` or `dataset:NAME/SUBSET` into the table of its records; leave all else as it is."""
    if not argument.startswith("dataset:"):
        return argument
    from bioconv.datasets import loading

    return loading.table_of(argument)
