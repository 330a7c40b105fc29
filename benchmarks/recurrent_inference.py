"""How fast recurrent models run on the processor, beside plain `nn.LSTM` on packed batches sorted by length.

Claimed: at least as fast, with the same logits.

Run: python benchmarks/recurrent_inference.py FASTA|CSV ... [--rounds 7] [--hidden 64] (see README.md)
A CSV has a column `sequence` (or its sequences in the last column). `varied` is the first input cut to all lengths
from a third of a sequence to the whole, by a fixed draw.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from functools import partial
from pathlib import Path

import numpy as np
import timing
import torch
from numpy.typing import NDArray
from torch import nn

from bioconv.models.recurrent import Recurrent, RecurrentConfig
from bioconv.sequence.fasta import encode
from bioconv.sequence.recurrent.inference import logits_of
from bioconv.version import __version__

Codes = NDArray[np.uint8]
BATCHES = (64, 256)


class Plain(nn.Module):
    """`nn.LSTM` in both directions over one-hot letters, packed; maximum over positions; a linear head."""

    def __init__(self, network: Recurrent) -> None:
        super().__init__()
        config, (layer,) = network.config, network.layers
        self.lstm = nn.LSTM(config.letters, config.hidden, bidirectional=True)
        self.head, self.one_hot = network.head, network.one_hot
        for ending, cell in (("", layer.forwards), ("_reverse", layer.backwards)):
            for name, parameter in cell.named_parameters():
                getattr(self.lstm, name + ending).data.copy_(parameter.data)

    def logits(self, sequences: list[Codes], rows: int) -> torch.Tensor:
        """Return the logits (n, outputs), computed in batches of so many rows, longest first."""
        order = sorted(range(len(sequences)), key=lambda row: -len(sequences[row]))
        found = torch.empty(len(sequences), self.head.out_features)
        with torch.inference_mode():
            for first in range(0, len(order), rows):
                batch = order[first : first + rows]
                lengths = torch.tensor([len(sequences[row]) for row in batch])
                letters = [torch.from_numpy(sequences[row].astype(np.int64)) for row in batch]
                padded = self.one_hot[nn.utils.rnn.pad_sequence(letters)]
                packed = nn.utils.rnn.pack_padded_sequence(padded, lengths)
                states, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], padding_value=-torch.inf)
                found[batch] = self.head(states.amax(0))
        return found


def read(path: Path, most: int) -> list[Codes]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    if text.startswith(">"):
        found = ["".join(record.split("\n")[1:]) for record in text.split(">")[1:]]
    else:
        head, *rows = csv.reader(text.splitlines())
        column = head.index("sequence") if "sequence" in head else -1
        found = [row[column].strip() for row in rows]
    chosen = np.random.default_rng(0).permutation(len(found))[:most]
    return [encode(found[row]) for row in chosen.tolist()]


def cut(sequences: list[Codes]) -> list[Codes]:
    draw = np.random.default_rng(1)
    return [codes[: draw.integers(len(codes) // 3, len(codes) + 1)] for codes in sequences]


def measure(sequences: list[Codes], hidden: int, rounds: int) -> list[list[str]]:
    """Return the rows of the table: the network as it is used, then the plain one by batch size."""
    torch.manual_seed(0)
    network = Recurrent(RecurrentConfig(hidden=hidden)).eval()
    plain = Plain(network).eval()
    tasks = {"bioconv": partial(logits_of, network, sequences)}
    tasks |= {f"nn.LSTM, packed, {rows} a batch": partial(plain.logits, sequences, rows) for rows in BATCHES}
    seconds = timing.interleave(tasks, rounds, clock=time.process_time)
    expected = plain.logits(sequences, BATCHES[0]).numpy()
    off = float(np.abs(np.stack(logits_of(network, sequences)) - expected).max())
    letters = sum(map(len, sequences))
    rows = []
    for name, took in seconds.items():
        faster = "" if name == "bioconv" else timing.shown_ratio(took, seconds["bioconv"])
        rate = f"{letters / float(np.median(took)) / 1e6:.2f}"
        rows.append([name, timing.shown_seconds(took), rate, faster, f"{off:.0e}" if faster else ""])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("inputs", type=Path, nargs="+", metavar="FASTA|CSV")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--most", type=int, default=2048, help="sequences of each input")
    parser.add_argument("--note", default="", help="a sentence for the head of the table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    sets = {path.name.split(".fa")[0].split(".csv")[0]: read(path, given.most) for path in given.inputs}
    sets["varied"] = cut(next(iter(sets.values())))
    head = (
        f"# Recurrent models on the processor\n\n{timing.machine()}; torch {torch.__version__}, bioconv {__version__}; "
    )
    head += (
        f"one thread. LSTM of {given.hidden} units in both directions over one-hot letters, maximum over positions.\n\n"
    )
    head += f"{given.rounds} interleaved rounds, processor seconds: median and range; `varied` is the first input with "
    head += f"its sequences cut to different lengths. {given.note}"
    parts = [head.rstrip()]
    columns = [
        "how",
        "processor seconds",
        "million letters per second",
        "bioconv is times faster",
        "largest difference of logits",
    ]
    for name, sequences in sets.items():
        lengths = sorted({len(codes) for codes in sequences})
        known = f"{lengths[0]} to {lengths[-1]}" if len(lengths) > 2 else " and ".join(map(str, lengths))
        about = f"## {name}\n\n{len(sequences)} sequences of {known} letters.\n\n"
        parts.append(about + timing.table(columns, measure(sequences, given.hidden, given.rounds)))
    timing.write_report(__file__, parts)


if __name__ == "__main__":
    main()
