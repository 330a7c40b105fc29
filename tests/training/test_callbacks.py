from __future__ import annotations

import csv
import dataclasses
import json
import logging
import signal
import sys
import types
from pathlib import Path

import pytest

from bioconv import runtime
from bioconv.errors import MissingDependencyError, OutputError, TrainingInterrupted
from bioconv.training.callbacks import Callback, Events, Progress, TensorBoard, standard_callbacks
from bioconv.training.config import TrainConfig
from bioconv.training.trainer import Trainer

CONFIG = TrainConfig(epochs=2, batch_size=10, learning_rate=0.01, workers=0)  # 5 steps an epoch


class Interrupts(Callback):
    def on_step(self, step) -> None:
        if step.step == 7:
            signal.raise_signal(signal.SIGINT)


def test_log_has_every_validation_once_across_a_resume(tmp_path, model, samples) -> None:
    def fit(*callbacks, resume=False):
        return Trainer(
            model(), samples(), CONFIG, validation=samples(), folder=tmp_path, callbacks=callbacks, validate_every=2
        ).fit(resume=resume)

    with pytest.raises(TrainingInterrupted):
        fit(Interrupts())
    run = fit(resume=True)
    with (tmp_path / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["2", "4", "6", "8", "10"]
    assert [{name: str(value) for name, value in entry.items()} for entry in run.history] == rows


def test_events(tmp_path, model, samples) -> None:
    path = tmp_path / "events.jsonl"

    def fit(*callbacks, resume=False):
        data, values = samples(), {"loss": float("nan")}
        return Trainer(
            model(), data, CONFIG, folder=tmp_path / "run", callbacks=[Events(path, every=0), *callbacks],
            validate=lambda model: values,
        ).fit(resume=resume)  # fmt: skip

    with pytest.raises(TrainingInterrupted):
        fit(Interrupts())
    fit(resume=True)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    names = [event["event"] for event in events]
    first = ["start", *["step"] * 5, "validation", *["step"] * 2]
    assert names == [*first, "resume", *["step"] * 3, "validation", "end"]
    assert events[len(first)]["step"] == 7
    assert {event["loss"] for event in events if event["event"] == "validation"} == {None}
    assert events[-1]["reason"] == "all 2 epochs are done"
    assert all("time" in event for event in events)


def test_events_are_throttled(tmp_path, model, samples) -> None:
    path = tmp_path / "events.jsonl"
    Trainer(model(), samples(), CONFIG, callbacks=[Events(path, every=1e6)]).fit()
    assert path.read_text().count('"event": "step"') == 1


def test_events_that_cannot_be_written(tmp_path, model, samples) -> None:
    with pytest.raises(OutputError, match=r"cannot write the events to .*nowhere"):
        Trainer(model(), samples(), CONFIG, callbacks=[Events(tmp_path / "nowhere" / "x")]).fit()


def test_plain_lines_in_the_log(model, samples, caplog) -> None:
    caplog.set_level(logging.INFO, logger="bioconv")
    Trainer(model(), samples(), CONFIG, validation=samples(), callbacks=[Progress("trial")]).fit()
    lines = caplog.messages
    assert lines[0].startswith("epoch 1/2  step 5  learning_rate 0.01  train_loss 0.")
    assert lines[-1] == "trial ended: all 2 epochs are done"
    assert len(lines) == 3


def test_bar_on_a_terminal(model, samples, monkeypatch, capsys) -> None:
    """The bar counts steps of the whole training and is gone at the end; forced, as there is no terminal here."""
    from tqdm import tqdm

    bars = []

    def bar(total, description, *, unit):
        bars.append(tqdm(total=total, desc=description, unit=unit, disable=False, leave=False, mininterval=0))
        return bars[-1]

    monkeypatch.setattr(runtime, "progress", bar)
    Trainer(model(), samples(), CONFIG, validation=samples(), callbacks=[Progress("trial")]).fit()
    assert (bars[0].n, bars[0].total) == (10, 10)
    shown = capsys.readouterr().err
    assert "trial:  50%" in shown
    assert "epoch=1/2" in shown
    assert shown.endswith("\r")


def test_tensorboard(tmp_path, model, samples, monkeypatch) -> None:
    """Against a stand-in that notes what it gets: the package need not be there."""
    scalars: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int | None) -> None:
            scalars.append((Path(folder).name, 0.0, purge_step or 0))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            scalars.append((name, value, step))

        def add_text(self, name: str, text: str) -> None:
            scalars.append((text, 0.0, 0))

        def close(self) -> None:
            scalars.append(("closed", 0.0, 0))

    stand_in = types.ModuleType("torch.utils.tensorboard")
    stand_in.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    run = Trainer(model(), samples(), CONFIG, validation=samples(), callbacks=[TensorBoard(tmp_path / "tb")]).fit()
    names = [name for name, _, _ in scalars]
    assert names[0] == "tb"
    assert names.count("step/loss") == 10
    assert ("validation/loss", run.history[1]["loss"], 10) in scalars
    assert names[-2:] == ["all 2 epochs are done", "closed"]


def test_without_tensorboard(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingDependencyError, match="pip install tensorboard"):
        TensorBoard(tmp_path)
    kinds = [type(callback) for callback in standard_callbacks(tmp_path, events=tmp_path / "e")]
    assert kinds == [Progress, Events]


def test_callbacks_change_nothing(model, samples, tmp_path) -> None:
    config = dataclasses.replace(CONFIG, ema=0.9)
    one, other = model(dropout=0.5), model(dropout=0.5)
    a = Trainer(one, samples(), config).fit()
    watched = [Progress(), Events(tmp_path / "e")]
    b = Trainer(other, samples(), config, folder=tmp_path / "run", callbacks=watched).fit()
    assert all(bool((a.weights[name] == b.weights[name]).all()) for name in a.weights)
