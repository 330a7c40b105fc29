"""How long an epoch of training takes with batches of similar lengths, beside random batches.

Claimed: batches of similar lengths, the trainer's way, take less time than random ones, whether those are padded to
the longest sequence of all or each to its own longest.

Run: python benchmarks/recurrent_bucketing.py DATA [--rounds 5] [--hidden 64] [--most 3072] (see README.md)
DATA is the folder that holds `splice-junction-13k` and `uci-protein-secondary-structure`. The three ways train the same
network on the same sequences with the trainer; a sequence's output does not depend on padding, so only the company of
a batch differs.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import timing
import torch
from numpy.typing import NDArray
from recurrent_models import read_splice13k, read_structure
from torch.nn import functional

from bioconv.models.recurrent import Recurrent, RecurrentConfig
from bioconv.sequence.recurrent.data import SequenceData
from bioconv.sequence.recurrent.samples import SequenceSamples
from bioconv.training import TrainConfig, Trainer
from bioconv.training.bucketing import bucketed_order
from bioconv.training.data import Batch
from bioconv.training.draws import epoch_order
from bioconv.training.losses import MISSING, build_loss
from bioconv.version import __version__

OURS = "similar lengths (the trainer's way)"
OWN = "random, padded to the batch's longest"
ALL = "random, padded to the longest of all"


class RandomSamples:
    """The same samples without their lengths, so that batches come as drawn; padded to so many letters at least."""

    def __init__(self, samples: SequenceSamples, least: int = 0) -> None:
        self.samples, self.least = samples, least

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        found = self.samples.batch(indices, epoch)
        codes, lengths = found.inputs
        more = (0, max(0, self.least - codes.shape[1]))
        targets = found.targets if found.targets.ndim == 1 else functional.pad(found.targets, more, value=MISSING)
        return Batch((functional.pad(codes, more), lengths), targets, found.weights)

    def classes(self) -> NDArray[np.int64] | None:
        return self.samples.classes()


def train_epoch(network: Recurrent, samples: SequenceSamples | RandomSamples, config: TrainConfig) -> None:
    of_letters = build_loss(config)
    if network.config.pooling == "none":
        Trainer(network, samples, config, loss=lambda outputs, y: of_letters(outputs.movedim(-1, 1), y)).fit()
    else:
        Trainer(network, samples, config, loss=of_letters).fit()


def paddings(data: SequenceData, config: TrainConfig) -> dict[str, float]:
    """Return the share of letters that is padding in an epoch of each way."""
    lengths, size = data.lengths, config.batch_size
    drawn = epoch_order(config.seed, 0, len(lengths), None)
    orders = {OURS: bucketed_order(drawn, lengths, size, seed=config.seed, epoch=0), OWN: drawn}
    room = {
        name: sum(len(part) * lengths[part].max() for part in np.split(order, range(size, len(order), size)))
        for name, order in orders.items()
    }
    room[ALL] = len(lengths) * lengths.max()
    return {name: 1 - lengths.sum() / letters for name, letters in room.items()}


def measure(data: SequenceData, network: RecurrentConfig, config: TrainConfig, rounds: int) -> list[list[str]]:
    """Return the rows of the table, a way of making batches each."""
    samples = SequenceSamples(data)
    ways = {OURS: samples, OWN: RandomSamples(samples), ALL: RandomSamples(samples, int(data.lengths.max()))}
    torch.manual_seed(0)
    tasks = {name: partial(train_epoch, Recurrent(network), way, config) for name, way in ways.items()}
    seconds = timing.interleave(tasks, rounds, clock=time.process_time)
    shares = paddings(data, config)
    return [
        [
            name, f"{100 * shares[name]:.0f} %", timing.shown_seconds(took),
            "" if name == OURS else timing.shown_ratio(took, seconds[OURS]),
        ]
        for name, took in seconds.items()
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--most", type=int, default=3072, help="sequences of each set, drawn once")
    parser.add_argument("--note", default="", help="a sentence for the head of the report")
    given = parser.parse_args()
    torch.set_num_threads(1)
    proteins = read_structure(given.data)
    chains = proteins.of([place for place, part in enumerate(proteins.parts) if part != "test"])
    sets = {"splice-junction-13k": (read_splice13k(given.data), 64), "uci-protein-secondary-structure": (chains, 8)}
    parts = [
        f"# Batches of similar lengths in training\n\n{timing.machine()}; torch {torch.__version__}, "
        f"bioconv {__version__}; one thread. LSTM of {given.hidden} units in both directions over one-hot letters; "
        f"an epoch, {given.rounds} interleaved rounds, processor seconds: median and range. {given.note}".rstrip()
    ]
    for name, (data, rows) in sets.items():
        draw = np.random.default_rng(0).permutation(len(data.names))[: given.most]
        data = data.of(draw)
        pooling = "none" if data.per_position else "attention"
        how = "an answer per letter" if data.per_position else "attention pooling"
        network = RecurrentConfig(len(data.alphabet), hidden=given.hidden, pooling=pooling, outputs=len(data.classes))
        config = TrainConfig(epochs=1, batch_size=rows, loss="cross-entropy", clip_norm=1.0, workers=0)
        lengths = data.lengths
        about = (
            f"{len(lengths)} sequences of {lengths.min()} to {lengths.max()} letters (median {np.median(lengths):g})"
        )
        columns = ["batches", "padding", "processor seconds an epoch", "times the trainer's way"]
        found = timing.table(columns, measure(data, network, config, given.rounds))
        parts.append(f"## {name}\n\n{about}; {rows} a batch, {how}.\n\n{found}")
    timing.write_report(__file__, parts)


if __name__ == "__main__":
    main()
