"""Hyper-parameters out of a model file, checked by name and type before a network is built of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

from bioconv.errors import ModelError

LARGEST = 65536
"""No number of channels, levels or blocks is larger: a damaged file must not ask for all memory."""
LONGEST = 32
"""No list is longer."""

Config = TypeVar("Config")


def read_config(config_class: type[Config], facts: Mapping[str, Any]) -> Config:
    """Build a dataclass of hyper-parameters from what a file says.

    Parameters
    ----------
    config_class
        A dataclass whose fields are int, float, bool, str or tuple[int, ...].
    facts
        Name to value, as JSON holds them; what is left out has its default.

    Raises
    ------
    ModelError
        If a name is not known, or a value has another type or makes no sense; the message names it.

    Examples
    --------
    >>> from bioconv.models.unet import UNetConfig
    >>> read_config(UNetConfig, {"widths": [8, 16], "outputs": 3}).widths
    (8, 16)
    """
    known = [field.name for field in fields(config_class)]  # type: ignore[arg-type]
    if unknown := sorted(set(facts) - set(known)):
        message = f"{', '.join(unknown)} is not known; known are {', '.join(known)}"
        raise ModelError(message)
    types = get_type_hints(config_class)
    values = {name: _value(name, value, types[name]) for name, value in facts.items()}
    try:
        return config_class(**values)
    except ValueError as error:
        raise ModelError(str(error)) from error


def _value(name: str, value: Any, wanted: Any) -> Any:
    if wanted == tuple[int, ...]:
        fits = isinstance(value, list | tuple) and len(value) <= LONGEST and all(map(_whole, value))
        expected = f"a list of at most {LONGEST} whole numbers up to {LARGEST}"
    elif wanted is int:
        fits, expected = _whole(value), f"a whole number up to {LARGEST}"
    elif wanted is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        expected = "a number"
    else:
        fits, expected = isinstance(value, wanted), {bool: "true or false", str: "a text"}[wanted]
    if not fits:
        message = f"{name} is {value!r}; expected {expected}"
        raise ModelError(message)
    return tuple(value) if isinstance(value, list) else value


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
