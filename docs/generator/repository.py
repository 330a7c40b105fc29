"""Pages of the site that lie outside docs/, and links that hold in the repository turned into links of the site."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PROJECT = {"CONTRIBUTING.md": "project/contributing", "CHANGELOG.md": "project/changelog"}
_CONTENTS = "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
_FENCE = re.compile(r"^(```|~~~)")
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()<?([^)\s>]+)>?(\))")


def outside_pages() -> dict[str, Path]:
    """Return page of the site -> file, of the pages that lie outside docs/."""
    pages = {f"benchmarks/{path.stem}": path for path in sorted((ROOT / "benchmarks").glob("*.md"))}
    pages |= {f"project/{path.parent.name}": path for path in sorted((ROOT / "examples").glob("*/README.md"))}
    return pages | {page: ROOT / name for name, page in PROJECT.items()}


def page_of(path: Path) -> str | None:
    """Return the page of the site that a file of the repository is, None if it is none."""
    if path == ROOT / "README.md":
        return "index"
    for page, source in outside_pages().items():
        if source == path:
            return page
    if path.suffix == ".md" and path.is_relative_to(DOCS):
        return path.relative_to(DOCS).with_suffix("").as_posix()
    return None


def file_of(page: str) -> Path:
    """Return the file of the repository that a page was written in."""
    return outside_pages().get(page, DOCS / f"{page}.md")


def site_links(text: str, page: str) -> str:
    """Return a page's Markdown with links that hold on the site.

    A link to a page stays one, wherever its file lies; one to another file of the repository becomes a download.
    """
    home = file_of(page).parent
    here = (DOCS / page).parent

    def turn(match: re.Match[str]) -> str:
        target, _, anchor = match[2].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        path = (home / target).resolve()
        if path.is_dir() and (path / "README.md").is_file():
            path /= "README.md"
        other = page_of(path)
        name = f"/{other}.md" if other else os.path.relpath(path, here)
        return match[1] + name + (f"#{anchor}" if anchor else "") + match[3]

    # A link may go on in the next line, so that what lies between two fences is looked at as a whole.
    parts = [""]
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line.lstrip()):
            parts.append("")
        parts[-1] += line
    return "".join(part if place % 2 else _LINK.sub(turn, part) for place, part in enumerate(parts))


def write(page: str, text: str) -> None:
    """Write a page below docs/; one that is the same already keeps its time, so that it is not built again."""
    path = DOCS / f"{page}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def write_outside_pages() -> None:
    """Copy the pages that lie outside docs/ into it."""
    for page, source in outside_pages().items():
        text = source.read_text("utf-8")
        write(page, text + _CONTENTS if page == "benchmarks/README" else text)
