from __future__ import annotations

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
