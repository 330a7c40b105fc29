"""Trains in as many processes as asked for, as `torchrun` would start them: `two_processes.py FOLDER WORLD PORT`."""

from __future__ import annotations

import faulthandler
import os
import sys
import traceback
from pathlib import Path

import torch
from torch import nn

from bioconv.training.config import TrainConfig
from bioconv.training.data import ArraySamples
from bioconv.training.trainer import Trainer

# 45 samples in batches of 11: the last batch is a single sample, of which the second process has no share.
CONFIG = TrainConfig(
    epochs=3, batch_size=11, accumulate=2, optimizer="adam", learning_rate=0.02, schedule="cosine",
    class_weights="balanced", clip_norm=1.0, workers=0,
)  # fmt: skip


def train(folder: Path) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(45, 4, generator=generator)
    samples = ArraySamples(inputs, (inputs.sum(1) > 0.5).float())
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    Trainer(model, samples, CONFIG, validation=samples, folder=folder, validate_every=1).fit()


def main(folder: Path, world: int, port: str) -> None:
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # loads what every child would load for itself
    children = []
    for rank in range(world):
        child = os.fork()
        if not child:
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            faulthandler.dump_traceback_later(100, exit=True)  # processes that wait for each other would for ever
            status = 1
            try:
                train(folder)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
