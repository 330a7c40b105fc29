"""Listings as the site shows them: long commands in several lines, tables of tabs in columns.

Files of the repository keep commands in one line, and output as it was printed.
"""

from __future__ import annotations

import re

WIDTH = 100
"""Letters of a line that a page shows without scrolling."""
_FENCE = re.compile(r"^( {0,3})(`{3,})(\w*)\s*$")
_PLACES = re.compile(
    r"""(?P<fold>(?<=['"])\ |\ (?=--?[A-Za-z]|\|\ ))|(?P<comment>(?<=\s)\#)|'[^']*'|"[^"]*\"""", re.VERBOSE
)
_COMMANDS = ("bioconv ", "$ ", "bedtools ")


def site_listings(text: str) -> str:
    """Return a page's Markdown with listings of commands and their output that fit its width."""
    lines: list[str] = []
    block: list[str] = []
    language = fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if not fence and found:
            fence, language = found[2], found[3]
            lines.append(line)
        elif fence and line.strip() == fence:
            lines += [*_shown(block, language), line]
            block, fence = [], ""
        else:
            (block if fence else lines).append(line)
    return "\n".join(_plain_listings([*lines, *block]))


def _shown(block: list[str], language: str) -> list[str]:
    if language not in ("sh", "console"):
        return block
    lines = [part for line in block for part in (fold(line) if line.startswith(_COMMANDS) else [line])]
    return columns(lines) if language == "console" else lines


def _plain_listings(lines: list[str]) -> list[str]:
    """Fold the commands of indented listings too."""
    return [part for line in lines for part in (fold(line) if line.startswith("    bioconv ") else [line])]


def fold(command: str, width: int = WIDTH) -> list[str]:
    r"""Return a command in lines no longer than `width` where that is possible, each but the last with ` \` behind it.

    A line ends before an option or a pipe, or behind quotes, never in them. A command with a
    comment behind it stays as it is: comments stand below each other.

    Examples
    --------
    >>> fold("bioconv scan peaks.fa --motifs jaspar.meme", width=30)
    ['bioconv scan peaks.fa \\', '    --motifs jaspar.meme']
    """
    marks = [*_PLACES.finditer(command)]
    if len(command) <= width or any(mark["comment"] for mark in marks):
        return [command]
    start = len(command) - len(command.lstrip())
    places = [mark.start() for mark in marks if mark["fold"]]
    lines, begin, margin = [], 0, ""
    while len(margin) + len(command) - begin > width:
        # Two letters for the sign that the line goes on.
        fitting = [place for place in places if place > begin and len(margin) + place - begin + 2 <= width]
        later = [place for place in places if place > begin]
        if not later:
            break
        pipes = [place for place in fitting if command[place + 1] == "|" and 2 * (place - begin) > width]
        place = (pipes or fitting or later[:1])[-1]
        lines.append(f"{margin}{command[begin:place]} \\")
        begin, margin = place + 1, " " * (start + 4)
    return [*lines, margin + command[begin:]]


def columns(lines: list[str]) -> list[str]:
    """Return lines with those that tabs divide in columns of even width, each table by itself."""
    shown: list[str] = []
    table: list[list[str]] = []
    for line in [*lines, ""]:
        if "\t" in line:
            table.append(line.split("\t"))
            continue
        widths = [max(len(row[k]) for row in table if k < len(row)) for k in range(max(map(len, table), default=0))]
        shown += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
        shown.append(line)
        table = []
    return shown[:-1]
