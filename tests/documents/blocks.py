"""Fenced blocks of the README and of docs/, and the steps they are run in."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent.parent
GENERATED = ("docs/reference/", "docs/benchmarks/", "docs/project/")
RUN = {"sh", "console", "python"}
SHOWN = {"csv", "groovy", "ini", "javascript", "json", "text", "toml", "tsv", "yaml"}
_PLAIN = re.compile(r"bioconv [^|&;<>$`(){}\\]*")
_FILE = re.compile(r"(?:#|//) ([\w./-]*\w\.\w+|Snakefile|Dockerfile)(?=\s|,|:|$)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line of the page it begins in, and its language."""

    page: str
    line: int
    language: str
    text: str

    @property
    def file(self) -> str:
        """Name of the file that the block is, if its first line is a comment that begins with one."""
        found = _FILE.match(self.text)
        return found[1] if found else ""


@dataclass(frozen=True)
class Step:
    """What is run at once: a command, or a block of Python.

    `shown` is the output below a console command; `status` the exit code that is expected.
    """

    page: str
    line: int
    kind: str
    code: str
    shown: tuple[str, ...] = ()
    status: int = 0

    @property
    def plain(self) -> bool:
        """Whether this is a call of bioconv without anything that takes a shell."""
        without = re.sub(r"'[^']*'|\"[^\"$`]*\"", "", self.code)
        return self.kind != "python" and bool(_PLAIN.fullmatch(without))


def pages() -> list[str]:
    """Return the pages whose blocks are run, as paths in the repository.

    Those of tutorials are not among them: tests/test_tutorials.py runs the scripts that they are made of.
    """
    below = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))
    return ["README.md", *(page for page in below if not page.startswith((*GENERATED, "docs/tutorials/")))]


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """Return the fenced and indented blocks of a page; directives of the site (`{toctree}`) are none."""
    found = []
    for token in MarkdownIt("commonmark").parse((ROOT / page).read_text("utf-8")):
        if token.type in {"fence", "code_block"} and not token.info.startswith("{"):
            found.append(Block(page, token.map[0] + 1, token.info.strip(), token.content))
    return tuple(found)


def steps(page: str) -> Iterator[Step | Block]:
    """Yield what a page runs, in its order, and the blocks that are files (their first line says which)."""
    for block in blocks(page):
        if block.file and block.language not in {"sh", "console"}:
            yield block
        if block.language == "python" and not block.file:
            yield Step(page, block.line, "python", block.text)
        elif block.language == "sh":
            yield from _shell(block)
        elif block.language == "console":
            yield from _console(block)


def _shell(block: Block) -> Iterator[Step]:
    for line, text in statements(block.text):
        code, comment = without_comment(text)
        if code:
            yield Step(block.page, block.line + line + 1, "sh", code, status=_status(comment))


def _console(block: Block) -> Iterator[Step]:
    lines = block.text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        command, rest = lines[start][2:], lines[start + 1 : end]
        while rest and (command.endswith("\\") or not complete(command)):
            command += "\n" + rest.pop(0).removeprefix("> ")
        code, comment = without_comment(command)
        yield Step(block.page, block.line + start + 1, "console", code, tuple(rest), _status(comment))


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each whole statement of a shell text, with the number of its first line."""
    start, kept = 0, ""
    for number, line in enumerate(text.splitlines()):
        if not kept:
            start = number
        kept += line + "\n"
        if not line.endswith("\\") and complete(kept):
            yield start, kept.strip()
            kept = ""
    if kept.strip():
        yield start, kept.strip()


def complete(text: str) -> bool:
    """Say whether bash would begin to run this rather than wait for more."""
    if re.fullmatch(r"\s*bioconv [\w\s./:=,@%+-]*(#.*)?", text):
        return True
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
    # Of a document inside the command (<<END) that does not end, bash only warns.
    return done.returncode == 0 and "here-document" not in done.stderr


def without_comment(text: str) -> tuple[str, str]:
    """Divide a statement of one command from the comment behind it."""
    text = re.sub(r"\\\n\s*", " ", text).strip()
    if "\n" in text or "#" not in text:
        return text, ""
    for found in re.finditer(r"(?:^|(?<=\s))#", text):
        before = text[: found.start()]
        if before.count("'") % 2 == 0 and before.count('"') % 2 == 0:
            return before.strip(), text[found.start() :]
    return text, ""


def _status(comment: str) -> int:
    found = re.search(r"\bexit (?:code )?(\d+)\W*$", comment)
    return int(found[1]) if found else 0
