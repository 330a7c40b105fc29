"""The folder beside a model: to resume where nothing was kept is to begin, and that is said."""

from __future__ import annotations

import logging

import pytest

from bioconv.training.run_folder import begun_run, has_state, run_folder
from bioconv.training.splits import Split


def begin(output, *, resume):
    made = Split({"a": "train", "b": "dev"}, {})
    with begun_run(output, lambda: made, split_file=None, device="cpu", resume=resume) as split:
        return split


@pytest.mark.parametrize("kept", [(), ("split.tsv",)])
def test_resumed_where_nothing_was_kept(tmp_path, caplog, kept):
    caplog.set_level(logging.INFO, logger="bioconv")
    output = tmp_path / "m.safetensors"
    folder = run_folder(output)
    if kept:  # killed before its first state
        begin(output, resume=False)
    assert not caplog.records
    assert begin(output, resume=True).parts == {"a": "train", "b": "dev"}
    assert caplog.messages == [f"{folder} holds nothing to resume: the training begins from the start"]


@pytest.mark.parametrize("state", ["last.safetensors", "held-out/last.safetensors", "search.tsv"])
def test_nothing_is_said_of_what_goes_on(tmp_path, caplog, state):
    caplog.set_level(logging.INFO, logger="bioconv")
    output = tmp_path / "m.safetensors"
    path = run_folder(output) / state
    path.parent.mkdir(parents=True)
    path.touch()
    begin(output, resume=True)
    assert not caplog.records


def test_the_state_of_one_training(tmp_path):
    assert not has_state(None)
    assert not has_state(tmp_path / "absent")
    (tmp_path / "last.safetensors").touch()
    assert has_state(tmp_path)
