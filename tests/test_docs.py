"""The documentation's links, pictures and generated pages; and that nothing public is undocumented."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property
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
    own = [(f"{thing.__name__}.{name}", value) for name, value in vars(thing).items() if name[0] != "_"]
    kinds = (property, cached_property, staticmethod, classmethod)
    return [(thing.__name__, thing), *(one for one in own if inspect.isfunction(one[1]) or isinstance(one[1], kinds))]


def sections(text: str) -> dict[str, str]:
    """A docstring's sections by title; what stands before them has none."""
    parts = re.split(r"^(\w[\w ]*)\n-+\n", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def entries(text: str) -> list[str]:
    """Names that a section is about."""
    lines = re.findall(r"^(\S.*)$", text, re.MULTILINE)
    return [name.strip() for line in lines for name in line.partition(" :")[0].split(",")]


def code(thing: Any) -> Any:
    """The function behind a property, a class method or a static one."""
    return getattr(thing, "fget", None) or getattr(thing, "func", None) or getattr(thing, "__func__", thing)


def parameters(thing: Any) -> list[str]:
    """What a function is given, `self` left out; of a class its fields, or what makes one."""
    if inspect.isclass(thing) and is_dataclass(thing):
        return [field.name for field in fields(thing) if field.name[0] != "_"]
    if inspect.isclass(thing) and "__init__" not in vars(thing):
        return list(getattr(thing, "_fields", ()))
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    given = inspect.signature(thing.__init__ if inspect.isclass(thing) else code(thing)).parameters.values()
    return [stars.get(one.kind, "") + one.name for one in given if one.name not in ("self", "cls")]


def raised(thing: Any) -> set[str]:
    """Errors that stand behind a `raise` in a function, or in what makes one of a class."""
    makers = ("__init__", "__new__", "__post_init__")
    bodies = [vars(thing).get(name) for name in makers] if inspect.isclass(thing) else [code(thing)]
    found = set()
    for body in bodies:
        # A dataclass's own __init__ has no source.
        text = inspect.getsource(body) if inspect.isfunction(body) and body.__code__.co_filename[0] != "<" else ""
        for node in ast.walk(ast.parse(textwrap.dedent(text))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                found.add(node.exc.func.id)
    return found - {"NotImplementedError"}


OTHER_WORDS = {"path": "file", "source": "set"}
"""What else a docstring without sections calls a parameter: `path` a file, the `source` of a data set the set."""


def says(text: str, name: str) -> bool:
    """Whether a text speaks of a parameter; a name as short as an article's only in backticks."""
    name = name.strip("*")
    if len(name) <= 2:
        return f"`{name}`" in text
    words = [name.replace("_", "[_ ]"), OTHER_WORDS.get(name, name)]
    return any(re.search(rf"\b{word}\b", text) for word in words)


def faults(thing: Any, *, owner: Any = None) -> list[str]:
    """What a docstring lacks, or says too much.

    Each parameter (field) stands in `Parameters`; where there are two at most, the text may name them instead. Errors
    that the body raises stand in `Raises`, or in that of the class. What comes back is said in the first line, or in
    `Returns` or `Yields`; a property's docstring is about nothing else.
    """
    found = sections(inspect.getdoc(thing) or "")
    summary = found[""].strip().partition("\n")[0]
    if len(summary) <= 5 or (inspect.isclass(thing) and not thing.__doc__):
        return ["has no docstring of its own"]
    names = parameters(thing)
    described = entries(found.get("Parameters", ""))
    attributes = entries(found.get("Attributes", "")) if inspect.isclass(thing) else []
    lacking = [name for name in names if name not in [*described, *attributes]]
    if len(names) <= 2:
        lacking = [name for name in lacking if not says(found[""], name)]
    errors = entries(found.get("Raises", "")) + entries(sections(inspect.getdoc(owner) or "").get("Raises", ""))
    wrong = [f"does not describe {name}" for name in lacking]
    wrong += [f"describes {name}, which it has not" for name in described if name not in names]
    wrong += [f"does not say when it raises {name}" for name in sorted(raised(thing) - set(errors))]
    if inspect.isroutine(code(thing)) and not isinstance(thing, (property, cached_property)):
        nothing = inspect.signature(code(thing)).return_annotation in ("None", inspect.Signature.empty)
        if not nothing and not found.keys() & {"Returns", "Yields"} and not re.search("(?i)return|yield", summary):
            wrong.append("does not say what it returns")
    return wrong


@pytest.mark.parametrize(("module", "name"), public())
def test_public_names_are_documented(module: str, name: str) -> None:
    thing = getattr(importlib.import_module(module), name)
    if not callable(thing):
        pytest.skip("a constant")
    wrong = [f"{where} {fault}" for where, one in members(thing) for fault in faults(one, owner=thing)]
    assert not wrong, f"{module}: {'; '.join(wrong)}"


def test_faults_of_docstrings_are_found() -> None:
    def several(first: int, *rest: int, a: int) -> int:
        """Return the first of several.

        Parameters
        ----------
        first, second : int
            Numbers.
        *rest
            More of them.
        """
        if a:
            message = "no"
            raise ValueError(message)
        return first

    def few(path: str, a: int) -> int:
        """Look at a file, a good one."""
        return len(path) + a

    @dataclass
    class Pair:
        """Two numbers, one of which is here.

        Raises
        ------
        ValueError
            If they are equal.
        """

        one: int
        other: int

        def __post_init__(self) -> None:
            if self.one == self.other:
                raise TypeError("equal")

        @property
        def ratio(self) -> float:
            """Their ratio."""
            if not self.other:
                raise ValueError("zero")
            return self.one / self.other

    assert faults(several) == [
        "does not describe a", "describes second, which it has not", "does not say when it raises ValueError",
    ]  # fmt: skip
    assert faults(few) == ["does not describe a", "does not say what it returns"]
    assert faults(Pair) == ["does not describe other", "does not say when it raises TypeError"]
    assert [name for name, _ in members(Pair)] == ["Pair", "Pair.ratio"]
    assert faults(Pair.ratio) == ["does not say when it raises ValueError"]
    assert not faults(Pair.ratio, owner=Pair)


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
