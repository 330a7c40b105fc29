"""Docstrings and signatures as Sphinx is to read them."""

from __future__ import annotations

import re

from numpy.typing import ArrayLike
from sphinx.util.typing import stringify_annotation

_ARRAY = re.compile(
    r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], "
    r"~?(?:numpy\.)?dtype\[~?(?:numpy\.)?(\w+)(?:\[[^\]]*\])?\]\]"
)
_LIKE = [
    stringify_annotation(ArrayLike, mode) for mode in ("smart", "fully-qualified", "fully-qualified-except-typing")
]
_VALUES = {"attribute", "data", "property"}


def plain(what: str, lines: list[str]) -> None:
    """Let `|` and `*` stand for themselves: docstrings are words with backticks, not reStructuredText.

    Of an attribute napoleon takes what stands before a colon for its type; an empty comment before it keeps the
    sentence whole.
    """
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = re.split(r"(`[^`]*`)", line)
            lines[number] = "".join(one if one.startswith("`") else re.sub(r"([|*])", r"\\\1", one) for one in parts)
    if what in _VALUES and lines and ":" in re.sub(r"`[^`]*`", "", lines[0]):
        lines[:0] = ["..", ""]


def errors(text: str) -> str:
    """Return a line of fields in which errors without a word of their own lead to where each is described."""
    return re.sub(r"^(\s*:raises [^:]+:)\s*$", r"\1 As :py:mod:`bioconv.errors` says of each.", text)


def arrays(text: str) -> str:
    """Return a signature or a type with arrays named by the kind of their numbers, and `ArrayLike` by its name."""
    for written in _LIKE:
        text = text.replace(written, "ArrayLike")
    return _ARRAY.sub(r"NDArray[\1]", text)


def signature(text: str) -> str:
    """Return a signature that Sphinx can read: what a default factory makes has no words in Python."""
    return arrays(re.sub(r"<(?:factory|function|class)\b[^<>]*>", "...", text))
