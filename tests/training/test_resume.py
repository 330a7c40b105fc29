from __future__ import annotations

import csv
import dataclasses
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from bioconv.errors import OutputError, TrainingError, TrainingInterrupted
from bioconv.training import state as state_module
from bioconv.training.callbacks import Callback, Step
from bioconv.training.config import TrainConfig
from bioconv.training.trainer import Trainer

ROOT = Path(__file__).parent.parent.parent
STEPS = 24  # of killed_run.py: 3 epochs of 8


def killed_run(folder: Path, *steps: str) -> tuple[list[int], int]:
    """Return after which steps the children started, and how many were killed."""
    folder.mkdir()
    driver = Path(__file__).parent / "killed_run.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(driver), str(folder), *steps]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    *starts, kills = map(int, run.stdout.split())
    return starts, kills


def tensors(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / f"{name}.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as stream:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]


def test_killed_and_resumed_is_bit_equal(tmp_path: Path) -> None:
    random_steps = sorted(random.Random(7).sample(range(1, STEPS), 5))
    steps = [str(step) for step in random_steps]
    steps.insert(3, f"save:{random_steps[2] + 1}")
    assert killed_run(tmp_path / "whole") == ([0], 0)
    starts, kills = killed_run(tmp_path / "killed", *steps)
    assert kills == len(steps)
    assert sum(start % 8 != 0 for start in starts) >= 3  # in the middle of an epoch
    for name in ("last", "best"):
        assert same(tensors(tmp_path / "whole", name), tensors(tmp_path / "killed", name))
    assert rows(tmp_path / "whole") == rows(tmp_path / "killed")
    assert [row["epoch"] for row in rows(tmp_path / "killed")] == ["1", "2", "3"]
    left = {path.name for path in (tmp_path / "whole").iterdir()}
    assert left == {"last.safetensors", "best.safetensors", "history.csv"}


class Sends(Callback):
    """Sends this process a signal at a step."""

    def __init__(self, number: int, step: int) -> None:
        self._number, self._step = number, step

    def on_step(self, step: Step) -> None:
        if step.step == self._step:
            signal.raise_signal(self._number)  # to this thread: two sent to the process may arrive as one


CONFIG = TrainConfig(epochs=2, batch_size=8, optimizer="adam", learning_rate=0.02, ema=0.5, workers=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_finishes_the_step_and_saves(number, tmp_path, model, samples) -> None:
    def before(number, frame):
        pytest.fail("this handler should not be in force")

    whole = Trainer(model(dropout=0.2), samples(), CONFIG, folder=tmp_path / "whole").fit()
    found = signal.signal(number, before)
    try:
        stopping = Trainer(model(dropout=0.2), samples(), CONFIG, folder=tmp_path / "cut", callbacks=[Sends(number, 9)])
        with pytest.raises(TrainingInterrupted, match=r"after step 9 \(epoch 2\).*--resume"):
            stopping.fit()
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, found)
    run = Trainer(model(dropout=0.2), samples(), CONFIG, folder=tmp_path / "cut").fit(resume=True)
    assert same(tensors(tmp_path / "whole"), tensors(tmp_path / "cut"))
    assert same(whole.weights, run.weights)


@pytest.fixture
def sigint_as_on_a_terminal():
    """Tests that run in the background begin with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint_as_on_a_terminal")
def test_second_sigint_ends_at_once(tmp_path, model, samples) -> None:
    twice = [Sends(signal.SIGINT, 3), Sends(signal.SIGINT, 3)]
    with pytest.raises(KeyboardInterrupt) as caught:
        Trainer(model(), samples(), CONFIG, folder=tmp_path, callbacks=twice).fit()
    assert not isinstance(caught.value, TrainingInterrupted)
    assert not (tmp_path / "last.safetensors").exists()


def test_interrupted_without_folder_says_so(model, samples) -> None:
    with pytest.raises(TrainingInterrupted, match="nothing was kept"):
        Trainer(model(), samples(), CONFIG, callbacks=[Sends(signal.SIGINT, 1)]).fit()


def trained(folder: Path, model, samples, config: TrainConfig = CONFIG) -> None:
    Trainer(model(), samples(), config, folder=folder).fit()


def test_truncated_state_is_refused(tmp_path, model, samples) -> None:
    trained(tmp_path, model, samples)
    path = tmp_path / "last.safetensors"
    whole = path.read_bytes()
    for size in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(TrainingError, match=r"last\.safetensors is no complete training state"):
            Trainer(model(), samples(), CONFIG, folder=tmp_path).fit(resume=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.5}, r"learning_rate was 0\.02 and is 0\.5"),
        ({"seed": 3, "l2": 1.0}, r"l2 was 0\.0 and is 1\.0; seed was 0 and is 3"),
    ],
)
def test_other_configuration_is_refused(change, words, tmp_path, model, samples) -> None:
    trained(tmp_path, model, samples)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=words):
        Trainer(model(), samples(), dataclasses.replace(CONFIG, **change), folder=tmp_path).fit(resume=True)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_other_length_is_refused_only_where_the_schedule_looks_ahead(tmp_path, model, samples) -> None:
    cosine = dataclasses.replace(CONFIG, schedule="cosine")
    trained(tmp_path / "cosine", model, samples, cosine)
    longer = Trainer(model(), samples(), dataclasses.replace(cosine, epochs=3), folder=tmp_path / "cosine")
    with pytest.raises(TrainingError, match="epochs was 2 and is 3"):
        longer.fit(resume=True)
    trained(tmp_path / "short", model, samples)
    three = dataclasses.replace(CONFIG, epochs=3)
    trained(tmp_path / "long", model, samples, three)
    Trainer(model(), samples(), three, folder=tmp_path / "short").fit(resume=True)
    assert same(tensors(tmp_path / "short"), tensors(tmp_path / "long"))


def test_other_data_and_model_are_refused(tmp_path, model, samples) -> None:
    trained(tmp_path, model, samples)
    with pytest.raises(TrainingError, match="data samples was 50 and is 51"):
        Trainer(model(), samples(51), CONFIG, folder=tmp_path).fit(resume=True)
    with pytest.raises(TrainingError, match="data fingerprint was"):
        Trainer(model(), samples(seed=1), CONFIG, folder=tmp_path).fit(resume=True)
    other = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Flatten(0))
    with pytest.raises(TrainingError, match=r"tensor 0\.weight was \(6, 4\) and is \(1, 4\)"):
        Trainer(other, samples(), CONFIG, folder=tmp_path).fit(resume=True)


def test_nothing_to_resume(tmp_path, model, samples) -> None:
    with pytest.raises(TrainingError, match="nothing to resume"):
        Trainer(model(), samples(), CONFIG, folder=tmp_path).fit(resume=True)


def test_other_thread_count_is_a_warning(tmp_path, model, samples, monkeypatch, caplog) -> None:
    trained(tmp_path, model, samples)
    monkeypatch.setattr(state_module.torch, "get_num_threads", lambda: 77)
    Trainer(model(), samples(), CONFIG, folder=tmp_path).fit(resume=True)
    assert "is 77: results may differ in the last bits" in caplog.text


def test_full_disk_leaves_the_state_before(tmp_path, model, samples) -> None:
    """A limit on file sizes makes the kernel refuse the write, as a full disk does."""
    import resource

    class Fills(Callback):
        def on_step(self, step: Step) -> None:
            if step.step == 4:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    training = Trainer(model(), samples(), CONFIG, folder=tmp_path, callbacks=[Fills()], save_every_steps=2)
    try:
        with pytest.raises(OutputError, match=r"cannot write .*last\.safetensors"):
            training.fit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name for path in tmp_path.iterdir()} == {"last.safetensors", "history.csv"}
    Trainer(model(), samples(), CONFIG, folder=tmp_path).fit(resume=True)
    trained(tmp_path / "whole", model, samples)
    assert same(tensors(tmp_path / "whole"), tensors(tmp_path))


def test_state_survives_as_it_was(tmp_path) -> None:
    """Ints as keys, tuples, infinities, shared and empty tensors, bfloat16."""
    shared = torch.arange(3.0)
    tree = {
        0: {"step": torch.tensor(3.0), "beta": (0.9, 0.999), "none": None, "on": True},
        "inf": float("inf"), "list": [1, "a", shared], "again": shared, "empty": torch.zeros(0, 2),
        "half": torch.ones(2, dtype=torch.bfloat16), "slanted": torch.arange(6).reshape(2, 3).T,
    }  # fmt: skip
    counters = state_module.Counters(step=3, loss=0.1 + 0.2, history=[{"loss": float("inf")}])
    path = tmp_path / "x.safetensors"
    state_module.write_state(path, state_module.State(counters, {"tree": tree}, CONFIG, {"samples": 1}))
    state = state_module.read_state(path, CONFIG, {"samples": 1})
    assert state.counters == counters
    back = state.trees["tree"]
    assert back[0]["beta"] == (0.9, 0.999)
    assert back[0]["none"] is None
    assert back[0]["on"] is True
    assert back["inf"] == float("inf")
    assert back["list"][:2] == [1, "a"]
    for one, other in [(back["list"][2], shared), *((back[key], tree[key]) for key in ("again", "empty", "half"))]:
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    assert torch.equal(back["slanted"], tree["slanted"])
    with safetensors.safe_open(str(path), framework="pt") as stream:
        assert len(stream.metadata()) == 1
    first = path.read_bytes()
    state_module.write_state(path, state)
    assert path.read_bytes() == first


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adamw"])
def test_every_optimiser_resumes(optimizer, tmp_path, model, samples) -> None:
    config = dataclasses.replace(CONFIG, optimizer=optimizer)
    Trainer(model(dropout=0.2), samples(), config, folder=tmp_path / "whole").fit()
    cut = Trainer(model(dropout=0.2), samples(), config, folder=tmp_path, callbacks=[Sends(signal.SIGINT, 5)])
    with pytest.raises(TrainingInterrupted):
        cut.fit()
    Trainer(model(dropout=0.2), samples(), config, folder=tmp_path).fit(resume=True)
    assert same(tensors(tmp_path / "whole"), tensors(tmp_path))


def test_float16_scaler_resumes(tmp_path, model, samples) -> None:
    config = dataclasses.replace(CONFIG, precision="float16")
    Trainer(model(), samples(), config, folder=tmp_path / "whole").fit()
    with pytest.raises(TrainingInterrupted):
        Trainer(model(), samples(), config, folder=tmp_path, callbacks=[Sends(signal.SIGINT, 5)]).fit()
    Trainer(model(), samples(), config, folder=tmp_path).fit(resume=True)
    assert same(tensors(tmp_path / "whole"), tensors(tmp_path))
