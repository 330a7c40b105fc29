"""Training options from a TOML file and from the docstring of their fields. No torch here."""

from __future__ import annotations

import difflib
import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from bioconv.errors import OptionError
from bioconv.training.config import TrainConfig
from bioconv.wording import unreadable


def read_config(path: str | Path) -> dict[str, Any]:
    """Read training options: the fields of `TrainConfig` by name, at the top of the file.

    `-` and `_` are alike in names; the string "none" stands for None, which TOML does not have.

    Returns
    -------
    dict
        Only what the file says; `complete_config` completes it.

    Raises
    ------
    OptionError
        If the file cannot be read, is no TOML, or names or types in it are not those of the options.
    """
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(unreadable(path, error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: is no TOML: {error}; write one option a line, for example learning_rate = 0.001"
        raise OptionError(message) from error
    types = {field.name: str(field.type) for field in fields(TrainConfig)}
    settings: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in types:
            near = difflib.get_close_matches(name, types, n=3) or list(types)
            message = f"{path}: unknown training option {key!r}; did you mean {' or '.join(near)}?"
            raise OptionError(message)
        if name in settings:
            message = f"{path}: training option {name} is given twice, with - and with _; keep one"
            raise OptionError(message)
        settings[name] = _value(value, types[name])
    try:
        TrainConfig.from_json(settings)
    except OptionError as error:
        message = f"{path}: {error}"
        raise OptionError(message) from error
    return settings


def complete_config(defaults: Mapping[str, Any], settings: Mapping[str, Any]) -> TrainConfig:
    """Return the configuration of a recipe's defaults with what a user has set.

    Raises
    ------
    OptionError
        If a value makes no sense.

    Examples
    --------
    >>> config = complete_config({"epochs": 5, "loss": "mse"}, {"epochs": 7})
    >>> config.epochs, config.loss, config.batch_size
    (7, 'mse', 64)
    """
    return TrainConfig.from_json({**defaults, **settings})


def field_help() -> dict[str, str]:
    """Return what the docstring of `TrainConfig` says of each of its fields, in one line."""
    found: dict[str, str] = {}
    names: list[str] = []
    _, _, text = inspect.cleandoc(TrainConfig.__doc__ or "").partition("Parameters\n----------\n")
    for line in text.partition("\n\nRaises\n")[0].splitlines():
        if line.startswith(" "):
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
        else:
            names = [name.strip() for name in line.split(",")]
    return found


def _value(value: Any, wanted: str) -> Any:
    if value == "none" and "None" in wanted:
        return None
    if wanted == "str" and type(value) is int:  # freeze = 3
        return str(value)
    return value
