"""How the site shows commands, their output, options and docstrings."""

from __future__ import annotations

import importlib
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs"))  # where the site's own pages are made
commands = importlib.import_module("generator.commands")
listings = importlib.import_module("generator.listings")

COMMANDS = sorted(
    {
        line
        for path in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "cookbook").glob("*.md")]
        for line in path.read_text("utf-8").splitlines()
        if line.startswith(("bioconv ", "$ bioconv "))
        and len(line) > 60
        and "#" not in line
        and not line.endswith("\\")
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folded_command_is_the_same_to_a_shell(command: str) -> None:
    lines = listings.fold(command, width=60)
    assert len(lines) > 1 or len(shlex.split(command)) < 4 or " -" not in command
    assert all(line.endswith(" \\") for line in lines[:-1])
    # A shell takes a backslash and the end of its line away before it does anything else.
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(command)


def test_quotes_are_not_folded_and_comments_stay() -> None:
    quoted = "bioconv train x --domain 'a -b --c | d and more of it' --size 9"
    assert "'a -b --c | d and more of it'" in "\n".join(listings.fold(quoted, width=30))
    assert listings.fold("bioconv scan x -m y     # why --it goes on", width=20) == [
        "bioconv scan x -m y     # why --it goes on"
    ]


def test_tables_of_tabs_stand_in_columns() -> None:
    page = "```console\n$ x\na\tbbb\nlong\tc\n\n1\t2\n```\na\tb\n"
    shown = listings.site_listings(page).split("\n")
    assert shown == ["```console", "$ x", "a     bbb", "long  c", "", "1  2", "```", "a\tb", ""]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Detectors.  [128; published: 16]  [x>=1]", ("Detectors.", "128; published: 16; x>=1")),
        ("Letters.  [default: 101; x>=8]", ("Letters.", "101; x>=8")),
        ("Share.  [x>0]  [that of the data]", ("Share.", "that of the data; x>0")),
        ("Nothing in brackets.", ("Nothing in brackets.", "")),
    ],
)
def test_what_stands_in_brackets_leaves_the_meaning(said: str, expected: tuple[str, str]) -> None:
    assert commands._split(("--it INTEGER RANGE", said)) == ("--it INTEGER", *expected)


def test_options_in_a_text_are_code() -> None:
    assert commands._cell("With --sort p, `--a|b` and a*b") == r"With `--sort` p, `--a\|b` and a\*b"
