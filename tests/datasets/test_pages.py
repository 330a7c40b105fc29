from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bioconv.datasets.pages import page
from bioconv.datasets.recipes import commands
from bioconv.datasets.registry import sources

from bioconv.zoo.registry import packaged

ROOT = Path(__file__).parent.parent.parent


def test_the_page_is_current() -> None:
    """Else: python -m bioconv.datasets.pages > docs/datasets.md."""
    assert (ROOT / "docs/datasets.md").read_text() == page()


def test_the_page_has_every_set() -> None:
    text = (ROOT / "docs/datasets.md").read_text()
    for source in sources().values():
        section = text.split(f"\n### {source.name}\n")[1].split("\n### ")[0]
        assert all(fact in section for fact in (source.citation, source.licence, source.terms, source.address))
        assert all(result.value in section for result in source.results)


def test_the_python_of_the_page_runs(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/datasets.md").read_text(), re.DOTALL)[-1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BIOCONV_CACHE": str(tmp_path / "cache")}
    environment["BIOCONV_DATA_MIRROR"] = str(shared_data("drive").parent)
    code += "print(len(eyes), tuple(eyes[0][0].shape))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == "16 (3, 960, 999)\n"
    assert (tmp_path / "rest.csv").read_text().startswith("name,sequence,label,split\nseq_00001_peak,GCCAGGTGCGG")


@pytest.mark.parametrize("name", packaged())
def test_every_packaged_model_has_commands_that_parse(name: str) -> None:
    from bioconv.cli.main import cli

    assert commands(name)[-1].split("-o ")[1].split()[0] == packaged()[name].file
    for command in commands(name):
        _, family, *words = shlex.split(command)
        train = cli.get_command(None, "train")
        context = train.get_command(None, family).make_context(family, words)
        given = [one for value in context.params.values() for one in (value if isinstance(value, tuple) else [value])]
        data = next(value for value in given if str(value).startswith("dataset:"))
        source, _, subset = data.removeprefix("dataset:").partition("/")
        assert source in sources()
        assert not sources()[source].accept
        assert subset in sources()[source].subsets if subset else not sources()[source].subsets
