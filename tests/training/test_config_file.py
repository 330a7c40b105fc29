from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import OptionError
from bioconv.training.config import TrainConfig
from bioconv.training.config_file import complete_config, field_help, read_config

ROOT = Path(__file__).parent.parent.parent


def written(folder: Path, text: str) -> Path:
    path = folder / "train.toml"
    path.write_text(text)
    return path


def test_only_what_is_given(tmp_path: Path) -> None:
    text = 'learning-rate = 0.5\nepochs = 3 # few\nclip_norm = "none"\nfreeze = 4\nbalanced_sampling = true\nl2 = 1\n'
    settings = read_config(written(tmp_path, text))
    assert settings == {
        "learning_rate": 0.5, "epochs": 3, "clip_norm": None, "freeze": "4", "balanced_sampling": True, "l2": 1,
    }  # fmt: skip
    config = complete_config({"epochs": 9, "clip_norm": 1.0, "loss": "mse"}, settings)
    assert (config.epochs, config.clip_norm, config.loss, config.batch_size) == (3, None, "mse", 64)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rat = 1", "unknown training option 'learning_rat'; did you mean learning_rate"),
        ("[train]\nepochs = 3", "unknown training option 'train'; did you mean"),
        ("epochs = 'three'", "epochs is 'three'; expected int"),
        ("epochs = 0", "epochs is 0; expected 1 to"),
        ("epochs = true", "epochs is True; expected int"),
        ("optimizer = 'adm'", "optimizer is 'adm'; expected one of sgd"),
        ("epochs = 'none'", "epochs is 'none'; expected int"),
        ("l-1 = 1", "unknown training option 'l-1'; did you mean l1"),
        ("batch-size = 1\nbatch_size = 2", "batch_size is given twice"),
        ("epochs 3", "is no TOML.*line 1"),
    ],
)
def test_faults_name_file_and_remedy(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=rf"(?s)train\.toml: .*{words}"):
        read_config(written(tmp_path, text))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nothing\.toml: no such file; check the path"):
        read_config(tmp_path / "nothing.toml")
    (tmp_path / "latin.toml").write_bytes(b'loss = "\xe9"')
    with pytest.raises(OptionError, match="is no TOML"):
        read_config(tmp_path / "latin.toml")


@given(st.text(alphabet="abc_-=[]\"' \n.0123456789einf#", max_size=40))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = written(tmp_path_factory.getbasetemp(), text)
    try:
        settings = read_config(path)
    except OptionError:
        return
    assert set(settings) <= {field.name for field in fields(TrainConfig)}


def test_whole_configuration_there_and_back(tmp_path: Path) -> None:
    config = TrainConfig(epochs=7, ema=0.5, schedule="cosine", balanced_sampling=True)
    words = {True: "true", False: "false", None: '"none"'}
    lines = [
        f"{name} = {words[value] if value is None or isinstance(value, bool) else repr(value)}"
        for name, value in config.to_json().items()
    ]
    assert complete_config({}, read_config(written(tmp_path, "\n".join(lines)))) == config


def test_every_field_is_described() -> None:
    described = field_help()
    assert list(described) == [field.name for field in fields(TrainConfig)]
    assert all(len(text) > 10 for text in described.values())


def test_configuration_needs_no_torch() -> None:
    code = "import sys, bioconv.training.config_file; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
