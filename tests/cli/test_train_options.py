from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import click
import pytest
from bioconv.cli.train_options import train_options
from click.testing import CliRunner, Result

from bioconv.errors import OptionError
from bioconv.training.config import TrainConfig


@click.command()
@click.argument("name")
@train_options
def command(name: str, settings: dict[str, object]) -> None:
    click.echo(json.dumps([name, settings]))


def run(*words: str) -> Result:
    return CliRunner().invoke(command, ["x", *words])


def settings(*words: str) -> dict[str, object]:
    result = run(*words)
    assert result.exit_code == 0, result.output
    name, given = json.loads(result.output)
    assert name == "x"
    return dict(given)


def test_every_field_has_one_option_and_every_option_one_field() -> None:
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options] == ["config", *(field.name for field in fields(TrainConfig))]
    for option in options[1:]:
        assert option.opts == [f"--{str(option.name).replace('_', '-')}"]
        assert option.help


def test_only_what_was_given() -> None:
    assert settings() == {}
    assert settings("--learning-rate", "1e-2", "--no-balanced-sampling", "--clip-norm", "none", "--freeze", "none") == {
        "learning_rate": 0.01, "balanced_sampling": False, "clip_norm": None, "freeze": "none",
    }  # fmt: skip


def test_every_option_takes_its_value() -> None:
    """All at once, each with a value other than usual; the configuration they make says the same."""
    other = {
        "epochs": 2, "max_steps": 3, "batch_size": 4, "accumulate": 5, "loss": "focal", "optimizer": "rmsprop",
        "learning_rate": 0.5, "momentum": 0.25, "beta2": 0.75, "epsilon": 0.125, "l1": 1.5, "l2": 2.5,
        "clip_norm": 3.5, "clip_value": 4.5, "schedule": "cosine", "warmup_steps": 6, "decay": 0.375,
        "decay_every": 7, "plateau_patience": 8, "initialization": "xavier", "init_deviation": 5.5, "ema": 0.875,
        "precision": "bfloat16", "class_weights": "balanced", "balanced_sampling": True, "label_smoothing": 0.0625,
        "focal_gamma": 6.5, "monitor": "auroc", "patience": 9, "time_budget": 7.5, "freeze": "all-but-head",
        "unfreeze_at": 10, "layer_decay": 0.1875, "seed": 11, "workers": 12,
    }  # fmt: skip
    words = [
        word
        for name, value in other.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
        if value is not True
    ]
    given = settings(*words, "--balanced-sampling")
    assert given == other
    assert TrainConfig.from_json(given).to_json() == other
    usual = TrainConfig().to_json()
    assert all(usual[name] != value for name, value in other.items())


def test_command_line_counts_more_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("epochs = 3\nema = 0.5\nl2 = 0.1\n")
    given = settings("--config", str(path), "--epochs", "4", "--ema", "none")
    assert given == {"epochs": 4, "ema": None, "l2": 0.1}


def test_bad_values() -> None:
    for words in (["--epochs", "x"], ["--ema", "x"], ["--epochs", "none"], ["--loss", "x"], ["--max-steps", "1.5"]):
        assert run(*words).exit_code == 2
    result = run("--config", "nothing.toml")
    assert isinstance(result.exception, OptionError)


@pytest.mark.parametrize("word", ["none: ", "[usually: adamw]", "--no-balanced-sampling", "FILE.toml"])
def test_help(word: str) -> None:
    assert word in CliRunner().invoke(command, ["--help"], terminal_width=500).output
