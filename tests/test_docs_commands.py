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
