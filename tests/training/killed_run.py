"""Trains in child processes that are killed, until one comes to its end: `killed_run.py FOLDER STEP...`.

The first child is killed at the first step given, the next one at the second, and so on; a step `save:N` kills
in the middle of writing the state of step N, between the file's bytes and its new name. Prints after which step each
child started, then the number of kills.
Forks before any thread starts: loading torch once is what takes the time.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path

import torch
from torch import nn

from bioconv.training.callbacks import Callback, Plan, Step
from bioconv.training.config import TrainConfig
from bioconv.training.data import ArraySamples
from bioconv.training.trainer import Trainer

CONFIG = TrainConfig(
    epochs=3, batch_size=6, accumulate=2, optimizer="adam", learning_rate=0.01, schedule="cosine", warmup_steps=3,
    ema=0.9, clip_norm=0.5, l2=0.001, balanced_sampling=True, seed=5, workers=1,
)  # fmt: skip


def trainer(folder: Path, callbacks: tuple[Callback, ...] = ()) -> Trainer:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(47, 4, generator=generator)
    samples = ArraySamples(inputs, (inputs.sum(1) > 0).float())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 1), nn.Flatten(0))
    return Trainer(
        model, samples, CONFIG, validation=samples, folder=folder, callbacks=callbacks, save_every_steps=2
    )  # fmt: skip


class Starts(Callback):
    """Says after which step a child goes on."""

    def on_start(self, plan: Plan) -> None:
        os.write(1, f"{plan.step}\n".encode())


class Killer(Callback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_step(self, step: Step) -> None:
        if step.step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)


class KillerWhileSaving(Callback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_step(self, step: Step) -> None:
        if step.step == self._step:
            Path.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]


def attempt(folder: Path, when: str | None) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        killers: tuple[Callback, ...] = (Starts(),)
        if when is not None:
            kind = KillerWhileSaving if when.startswith("save:") else Killer
            killers = (
                Starts(),
                kind(int(when.removeprefix("save:"))),
            )
        trainer(folder, killers).fit(resume=(folder / "last.safetensors").exists())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main(folder: Path, steps: list[str]) -> None:
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # loads what every child would load for itself
    kills = 0
    for when in [*steps, None]:
        status = attempt(folder, when)
        kills += status == -signal.SIGKILL
        if status not in {0, -signal.SIGKILL}:
            sys.exit(f"a child ended with {status}")
    os.write(1, f"{kills}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
