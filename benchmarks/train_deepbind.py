"""How long a model takes to train, beside a plain PyTorch loop, and many settings side by side beside one by one.

    python benchmarks/train_deepbind.py DATA/REST_..._AC.seq.gz > benchmarks/train_deepbind.md

1. One training with bioconv's recipe: the same batches, network, optimiser and schedule in bioconv's trainer and in a
   plain loop (one-hot letters, `conv1d` on both strands), in turns.
2. Fifteen settings of the published recipe at once and one by one.
3. From the raw file to the model file, all included (held-out part, training on all, null distribution).
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from timing import interleave, machine, shown_ratio, shown_seconds
from torch import nn

from bioconv import runtime
from bioconv.conv.pooling import one_hot
from bioconv.models.deepbind import DeepBind
from bioconv.sequence.binding.data import read_binding
from bioconv.sequence.binding.defaults import DEFAULTS
from bioconv.sequence.binding.fit import BindingPlan
from bioconv.sequence.binding.published import PublishedPlan, calibrate
from bioconv.sequence.binding.recipe import Recipe, fit_network, new_network, train_samples
from bioconv.sequence.binding.training_run import train_to_file
from bioconv.training.draws import epoch_order
from bioconv.training.schedules import Progress, learning_rate_factor
from bioconv.version import __version__

STEPS = 500
SETTINGS_STEPS = 200
ROUNDS = 3


class Plain(nn.Module):
    """The same network as one would write it."""

    def __init__(self, network: DeepBind) -> None:
        super().__init__()
        config = network.config
        self.detectors = nn.Conv1d(4, config.detectors, config.length, padding=0)
        self.hidden = nn.Linear(2 * config.detectors, config.hidden)
        self.out = nn.Linear(config.hidden, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.pad = config.length - 1
        with torch.no_grad():
            self.detectors.weight.copy_(network.filters)
            self.detectors.bias.copy_(network.thresholds)
            self.hidden.weight.copy_(network.weights1.T)
            self.hidden.bias.copy_(network.biases1)
            self.out.weight.copy_(network.weights2[None])
            self.out.bias.copy_(network.bias2)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        letters = one_hot(codes)
        both = torch.cat([letters, letters.flip(1, 2)])
        values = self.detectors(nn.functional.pad(both, (self.pad, self.pad), value=0.25)).relu()
        pooled = torch.stack([values.amax(2), values.mean(2)], dim=2).flatten(1)
        scores = self.out(self.hidden(self.dropout(pooled)).relu())[:, 0]
        return scores.reshape(2, -1).mean(0)


def plain_loop(samples, recipe, config) -> np.ndarray:
    """Train as a tutorial does."""
    model = Plain(new_network(recipe, config.seed))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.l2)
    loss = nn.BCEWithLogitsLoss()
    order = epoch_order(config.seed, 0, len(samples))
    losses = []
    for step in range(config.max_steps):
        batch = samples.batch(order[step * config.batch_size : (step + 1) * config.batch_size], 0)
        factor = learning_rate_factor(config, Progress(step, 0, len(samples) // config.batch_size, config.max_steps, 0))
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * factor
        optimizer.zero_grad()
        value = loss(model(batch.inputs), batch.targets)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return np.array(losses)


def row(what: str, seconds: dict[str, list[float]]) -> str:
    """Return a table row of two tasks that were timed in turns."""
    ours, other = seconds.values()
    return f"| {what} | {shown_seconds(ours)} | {shown_seconds(other)} | {shown_ratio(other, ours)} |"


def main(path: str) -> None:
    torch.set_num_threads(runtime.thread_count())
    data, recipe = read_binding(path), Recipe()
    places = np.arange(len(data.names))
    config = replace(DEFAULTS, epochs=1, max_steps=STEPS)
    samples = train_samples(data, places, replace(recipe, per_epoch=STEPS * config.batch_size), 0)
    one = interleave(
        {"bioconv": lambda: fit_network(samples, recipe, config), "plain": lambda: plain_loop(samples, recipe, config)},
        ROUNDS,
    )
    plan = PublishedPlan(settings=15, folds=2, steps=SETTINGS_STEPS, checkpoints=1, hidden=(0,))
    alone = replace(plan, side_by_side=1)
    many = interleave(
        {"together": lambda: calibrate(data.codes, plan), "alone": lambda: calibrate(data.codes, alone)}, ROUNDS
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        plan = BindingPlan(recipe=recipe, config=DEFAULTS, ranked=True, refit=True)
        run = train_to_file(read_binding(path), plan, Path(folder) / "model.safetensors")
        whole = time.perf_counter() - start
    print("# Training a DeepBind model\n")
    print(f"bioconv {__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads; {machine()}")
    print(f"{Path(path).name}; `benchmarks/train_deepbind.py`. Medians of {ROUNDS} rounds in turns.\n")
    print("| what | bioconv, s | beside it, s | ratio |\n|---|---|---|---|")
    print(row(f"{STEPS} steps of bioconv's recipe, beside a plain PyTorch loop", one))
    print(row(f"15 published settings, 2 folds, {SETTINGS_STEPS} steps: side by side, beside one by one", many))
    steps = sum(entry.history[-1]["step"] for entry in run.runs)
    area = run.metrics["dev"]["auroc"].value
    print(
        f"\nFrom the raw file to the model file: {whole:.0f} s ({steps:,} steps, null distribution and report included;"
    )
    print(f"held-out AUROC {area:.3f}).")


if __name__ == "__main__":
    main(sys.argv[1])
