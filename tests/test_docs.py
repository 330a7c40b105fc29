"""The documentation's links, pictures and generated pages; and that nothing public is undocumented."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

import bioconv

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs"))  # where the site's own pages are made
commands = importlib.import_module("generator.commands")
interface = importlib.import_module("generator.interface")
repository = importlib.import_module("generator.repository")


def markdown_files() -> list[str]:
    """Every Markdown file of the repository, new ones included, generated ones not."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    return sorted(set(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()))


@cache
def anchors(path: Path) -> frozenset[str]:
    """Anchors of a page's headings, as forges and MyST form them."""
    slugs: list[str] = []
    seen: Counter[str] = Counter()
    tokens = MarkdownIt("commonmark").parse(path.read_text("utf-8"))
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in tokens[place + 1].children or () if child.type != "html_inline")
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            slugs.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return frozenset(slugs)


def links(path: Path) -> list[str]:
    """Targets of a page's links and pictures."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text("utf-8")):
        for child in token.children or ():
            found += [str(child.attrs[name]) for name in ("href", "src") if name in child.attrs]
    return found


def dead_links(path: Path) -> list[str]:
    dead = []
    for link in links(path):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        other = (path.parent / target).resolve() if target else path
        if not other.exists() or (anchor and other.suffix == ".md" and anchor not in anchors(other)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("name", markdown_files())
def test_links_lead_somewhere(name: str) -> None:
    assert not dead_links(ROOT / name)


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A b, `c`\n\n[1](#a-b-c) [2](#a-c) [3](page.md#a-b-c) ![4](no.png)\n\n| [5](no.md) |\n|---|\n")
    assert dead_links(page) == ["#a-c", "no.png", "no.md"]


def test_links_of_the_site_are_those_of_the_repository() -> None:
    turn = repository.site_links
    assert turn("[x](../benchmarks/startup.md#a)", "scanning") == "[x](/benchmarks/startup.md#a)"
    assert turn("[x](../docs/tiling.md)", "benchmarks/startup") == "[x](/tiling.md)"
    assert turn("[x](../examples/data)", "scanning") == "[x](/project/data.md)"
    assert turn("[x](scan_peers.py)", "benchmarks/startup") == "[x](../../benchmarks/scan_peers.py)"
    untouched = "[x](https://doi.org/1) [y](#here)\n```sh\n[x](../benchmarks/startup.md)\n```\n"
    assert turn(untouched, "scanning") == untouched


def public() -> list[tuple[str, str]]:
    return [
        (module, name)
        for _, modules in interface.MODULES.values()
        for entry in modules
        for module, names in [interface.public_names(entry)]
        for name in names
        if name != "__version__"
    ]


def test_the_reference_has_what_is_public() -> None:
    listed = {f"{module}.{name}" for module, name in public()}
    assert {f"bioconv.{name}" for name in bioconv.__all__ if name != "__version__"} <= listed
    assert len(listed) > 150


def members(thing: Any) -> list[tuple[str, Any]]:
    """A function or class, and the public methods and properties that a class defines itself."""
    if not inspect.isclass(thing):
        return [(thing.__name__, thing)]
    own = [(name, getattr(value, "__func__", value)) for name, value in vars(thing).items() if name[0] != "_"]
    methods = [
        (f"{thing.__name__}.{name}", one) for name, one in own if inspect.isfunction(one) or isinstance(one, property)
    ]
    return [(thing.__name__, thing), *methods]


@pytest.mark.parametrize(("module", "name"), public())
def test_public_names_are_documented(module: str, name: str) -> None:
    """Each has a summary; a parameter that a docstring of sections leaves out is one that its name explains."""
    thing = getattr(importlib.import_module(module), name)
    if not callable(thing):
        pytest.skip("a constant")
    for where, one in members(thing):
        text = inspect.getdoc(one) or ""
        summary = text.strip().partition("\n")[0]
        inherited = inspect.isclass(thing) and where == thing.__name__ and not thing.__doc__
        assert len(summary) > 5, f"{module}.{where} has no docstring"
        assert not inherited, f"{module}.{where} has its parent's docstring"
        if inspect.isfunction(one):
            unknown = set(documented(text)) - {
                "**" * (p.kind is p.VAR_KEYWORD) + "*" * (p.kind is p.VAR_POSITIONAL) + p.name
                for p in inspect.signature(one).parameters.values()
            }
            assert not unknown, f"{module}.{where} documents parameters that it has not: {unknown}"


def documented(text: str) -> list[str]:
    """Names of a docstring's section Parameters."""
    found = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^(\S.*)$", found[1], re.MULTILINE) if found else []
    return [name.strip() for line in lines for name in line.partition(" :")[0].split(",")]


def test_documented_parameters_are_found() -> None:
    assert documented("A.\n\nParameters\n----------\na, b : int\n    Text.\n**c\n\nRaises\n------\nX\n") == [
        "a",
        "b",
        "**c",
    ]


COMMANDS = [(words, command, context) for words, command, context in commands.commands()]


@pytest.mark.parametrize(("words", "command", "context"), COMMANDS, ids=[one[0] for one in COMMANDS])
def test_commands_have_a_page_with_all_options(words: str, command: Any, context: Any) -> None:
    text = commands.section(command, context, 1)
    assert text.startswith(f"# {words}\n\n")
    for parameter in command.get_params(context):
        for option in parameter.opts if parameter.param_type_name == "option" and not parameter.hidden else ():
            assert f"`{option}" in text or f" {option}" in text, option


def test_modules_that_pages_name_exist() -> None:
    named = set()
    for name in markdown_files():
        if name.startswith(("README", "docs/")):
            named |= set(re.findall(r"`(bioconv(?:\.[A-Za-z_]\w*)+)(?:\(.*?)?`", (ROOT / name).read_text("utf-8")))
    assert len(named) > 20
    for dotted in sorted(named):
        parts, thing = dotted.split("."), None
        for end in range(len(parts), 0, -1):
            try:
                thing = importlib.import_module(".".join(parts[:end]))
            except ModuleNotFoundError:
                continue
            for part in parts[end:]:
                thing = getattr(thing, part)
            break
        assert thing is not None


PICTURES = sorted((ROOT / "docs/gallery").iterdir())


def test_the_gallery_is_what_its_script_makes() -> None:
    text = (ROOT / "docs/gallery.md").read_text()
    made = re.findall(r'^    "([\w.-]+)": draw_', (ROOT / "examples/gallery.py").read_text(), re.MULTILINE)
    assert sorted(made) == [path.name for path in PICTURES]
    assert sorted(re.findall(r"\(gallery/(\S+?)\)", text)) == sorted(made)
    assert all(path.stat().st_size < 150_000 for path in PICTURES)
    assert sum(path.stat().st_size for path in PICTURES) < 1_200_000
