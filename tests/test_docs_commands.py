"""Every command and every snippet of the README and of docs/ is run, and shows what its page says."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.documents import places, reasons
from tests.documents.blocks import ROOT, RUN, SHOWN, Block, Step, blocks, pages, statements, steps
from tests.documents.running import NotAsWritten, PageRun, alike, compare


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of all commands: a cache of its own, `bioconv` and `python` of this checkout first."""
    folder = tmp_path_factory.mktemp("documents")
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("bioconv", "-m bioconv"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    mirror = places.shared("").resolve()
    return {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "BIOCONV_CACHE": str(folder / "cache"),
        "MPLBACKEND": "Agg",
        **({"BIOCONV_DATA_MIRROR": str(mirror)} if mirror.is_dir() else {}),
    }


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


RUNNING = [page for page in pages() if any(isinstance(step, Step) for step in steps(page))]


@pytest.mark.parametrize("page", RUNNING)
def test_page_runs(
    page: str, environment: Mapping[str, str], shelf: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    run = PageRun(page, tmp_path, shelf, environment)
    for step in steps(page):
        if isinstance(step, Block):
            run.write(step)
            continue
        with subtests.test(msg=f"{page}:{step.line}"):
            if why := reasons.reason(step):
                pytest.skip(f"{page}:{step.line}: {why}")
            run.run(step)


def test_every_block_is_run_or_is_none() -> None:
    """A fence without a language, or indented code, would be neither run nor known to be no command."""
    unknown = [
        f"{block.page}:{block.line}: {block.language or 'no language'}"
        for page in pages()
        for block in blocks(page)
        if block.language not in RUN | SHOWN
    ]
    assert not unknown, "say which language the block has, see tests/documents/blocks.py"


def test_reasons_and_short_cuts_are_needed() -> None:
    everything = [step for page in pages() for step in steps(page) if isinstance(step, Step)]
    unused = [one for one in reasons.NOT_RUN if not any(one.matches(step) for step in everything)]
    unused += [one for one in reasons.SHORTER if not any(one.matches(step) for step in everything)]
    assert not unused


def test_most_is_run() -> None:
    """Left out for good: installation, the archive, whole trainings of shipped models, the page of clusters."""
    never = [one for one in reasons.NOT_RUN if one.missing is None]
    everything = [step for page in pages() for step in steps(page) if isinstance(step, Step)]
    left_out = [step for step in everything if any(one.matches(step) for one in never)]
    assert len(everything) - len(left_out) > 100
    assert len(left_out) < 60


def test_statements_are_those_of_bash() -> None:
    text = "a 'b\nc'\nfor x in 1 2; do\n  echo $x\ndone\nd \\\n  e &&\n  f\ncat <<END\ng\nEND\n"
    found = list(statements(text))
    assert [line for line, _ in found] == [0, 2, 5, 8]
    assert [one for _, one in found][1] == "for x in 1 2; do\n  echo $x\ndone"


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a 0.9752", "a 0.9751", True),
        ("a 0.9752", "a 0.9750", False),
        ("a 12", "a 13", False),
        ("# bioconv ... command=...", "# bioconv 1 seed=0 command=x y", True),
        ("a b", "a b c", False),
    ],
)
def test_lines_are_alike_to_the_last_digit(shown: str, printed: str, same: bool) -> None:
    assert alike(shown, printed) is same


def test_what_is_not_printed_in_order_is_found(tmp_path: Path) -> None:
    step = Step("page", 1, "console", "x", ("one", "...", "two"))
    compare(step, "one\nbetween\ntwo\n", "here", tmp_path)
    with pytest.raises(NotAsWritten, match="two"):
        compare(step, "two\none\n", "here", tmp_path)


def test_a_step_that_ends_otherwise_is_found(environment: Mapping[str, str], shelf: Path, tmp_path: Path) -> None:
    run = PageRun("page", tmp_path, shelf, environment)
    run.run(Step("page", 1, "sh", "bioconv scan missing.fa -m examples/data/crp_lexa.meme", status=4))
    with pytest.raises(NotAsWritten, match="exit code 4, expected 0"):
        run.run(Step("page", 1, "sh", "bioconv scan missing.fa -m examples/data/crp_lexa.meme"))
    with pytest.raises(NotAsWritten, match="exit code 3, expected 0"):
        run.run(Step("page", 2, "sh", "true | (exit 3)"))
    with pytest.raises(NotAsWritten, match="NameError"):
        run.run(Step("page", 3, "python", "undefined"))
