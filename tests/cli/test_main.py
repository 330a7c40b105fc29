from __future__ import annotations

import click
import pytest
from bioconv.cli import main as program

from bioconv.errors import TrainingInterrupted


@pytest.mark.parametrize(
    ("error", "said"),
    [(KeyboardInterrupt(), "interrupted"), (TrainingInterrupted("resume with --resume"), "resume with --resume")],
)
def test_interrupted_ends_with_130(error, said, monkeypatch, capsys) -> None:
    def invoke(context):
        raise error

    monkeypatch.setattr(program.sys, "argv", ["bioconv", "models"])
    monkeypatch.setattr(program.cli, "invoke", invoke)
    monkeypatch.setattr(program.signal, "signal", lambda *words: None)
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 130
    assert capsys.readouterr().err.splitlines() == [said]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("scna", "No such command 'scna'. Did you mean 'scan'?"),
        ("datasets lsit", "No such command 'lsit'. Did you mean 'list' or 'split'?"),
        ("train deepbnid x.fa", "No such command 'deepbnid'. Did you mean 'deepbind'?"),
        ("zzzz", "No such command 'zzzz'."),
    ],
)
def test_a_command_that_is_mistyped(words, said) -> None:
    with pytest.raises(click.UsageError) as wrong:
        program.cli.main(words.split(), standalone_mode=False)
    assert wrong.value.format_message() == said
    assert wrong.value.exit_code == 2
