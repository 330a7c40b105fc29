"""Gradients along a chain of 100 letters: how they vanish or explode in plain recurrent cells, and what cures them.

The gradient of the last output with respect to an earlier input is a product of one matrix per step between them
(Bengio, Simard & Frasconi 1994, doi 10.1109/72.279181; Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063). In a tanh
cell no factor is larger than its recurrent matrix: with gains below 1 the product vanishes, with larger ones it grows
until the states saturate, and often on. The cures: recurrent weights that begin as the identity (Le, Jaitly & Hinton
2015, arXiv 1504.00941); gates that carry a state along, an LSTM's as far as its forget gates are open, for which their
biases may begin by the lengths to be remembered (Tallec & Ollivier 2018, arXiv 1804.11188); against explosion, the
gradient of a step clipped to a norm.

Run: python examples/vanishing_gradients.py [--quick] [--output vanishing_gradients.png]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from bioconv.models.recurrent import Recurrent, RecurrentConfig
from bioconv.runtime import set_torch_threads
from bioconv.training.config import TrainConfig
from bioconv.training.initialization import initialize

Floats = NDArray[np.float64]
Start = Callable[[Recurrent], None]

LENGTH, HIDDEN = 100, 64
SMALL, LARGE = 0.5, 3.0
CLIP = 1.0
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


def scaled(network: Recurrent, gain: float) -> None:
    """Give a cell orthogonal recurrent weights times a gain: every singular value is the gain."""
    weights = network.stack[0].forwards.get_parameter("weight_hh_l0")
    nn.init.orthogonal_(weights, gain=gain)


def identity(network: Recurrent) -> None:
    """Begin recurrent weights as the identity, the others small."""
    initialize(network, TrainConfig(initialization="identity"))


def remembering(network: Recurrent) -> None:
    """Open the gates that carry the state, each unit's for a span drawn between 2 steps and the whole chain.

    The share kept per step is then about 1 - 1/span; an LSTM's input gate begins with the rest.
    """
    cell = network.stack[0].forwards
    size = cell.hidden_size
    # Gates in torch's order: input, forget, cell, output of an LSTM; reset, update, new of a GRU.
    bias = cell.get_parameter("bias_ih_l0")
    with torch.no_grad():
        bias[size : 2 * size] = torch.empty(size).uniform_(1, LENGTH - 1).log()
        if isinstance(cell, nn.LSTM):
            bias[:size] = -bias[size : 2 * size]


def unchanged(network: Recurrent) -> None:
    """Begin as `bioconv train` does: orthogonal recurrent weights, an LSTM's forget biases 1."""


CHAINS: dict[str, tuple[str, Start]] = {
    f"tanh, recurrent gain {SMALL:g}": ("rnn", partial(scaled, gain=SMALL)),
    f"tanh, recurrent gain {LARGE:g}": ("rnn", partial(scaled, gain=LARGE)),
    "tanh, identity": ("rnn", identity),
    "LSTM, forget bias 1": ("lstm", unchanged),
    "LSTM, open gates": ("lstm", remembering),
    "GRU, update bias 0": ("gru", unchanged),
    "GRU, open gates": ("gru", remembering),
}


def build(name: str, seed: int = 0) -> Recurrent:
    """Return the network of a chain: one layer, read at its last state; double precision holds what single cannot."""
    cell, start = CHAINS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Recurrent(RecurrentConfig(cell=cell, hidden=HIDDEN, bidirectional=False, pooling="last"))
        start(network)
    return network.double()


def letters(count: int, length: int) -> torch.Tensor:
    """Return random sequences (N, L), the same each time."""
    return torch.randint(4, (count, length), generator=torch.Generator().manual_seed(1))


def input_gradients(network: Recurrent, codes: torch.Tensor) -> Floats:
    """Return the norm of the gradient of the last output by the steps back to an input, (L,).

    The output is the first logit; the geometric mean over sequences.
    """
    values = network.vectors(codes, None).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(network.classify(values, None)[:, 0].sum(), values)
    return np.asarray(slopes.norm(dim=2).log().mean(1).exp().flip(0).numpy())


def weight_gradients(network: Recurrent, codes: torch.Tensor) -> tuple[float, float]:
    """Return the norm of the gradient of a step by all weights, before and after it is clipped."""
    targets = torch.arange(len(codes)) % 2
    network.zero_grad()
    whole = torch.full((len(codes),), codes.shape[1])
    torch.autograd.backward(nn.functional.cross_entropy(network(codes, whole), targets))
    before = float(nn.utils.clip_grad_norm_(network.parameters(), CLIP))
    after = math.sqrt(sum(float((one.grad**2).sum()) for one in network.parameters() if one.grad is not None))
    return before, after


def plot(chains: dict[str, Floats], clipped: dict[int, tuple[float, float]], path: Path) -> None:
    """Draw gradients by steps back, and those of a step by length of the chain, before and after clipping."""
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    for colour, (name, norms) in zip(COLOURS, chains.items(), strict=True):
        style = "--" if name.startswith("tanh") else "-"
        left.plot(norms / norms[0], color=colour, linestyle=style, label=name)
    left.set(xlabel="steps back from the end", ylabel="gradient by the input, the last one's = 1", yscale="log")
    left.set_title("What the last output knows of an input", loc="left")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    for place, (name, style) in enumerate((("as computed", "--"), (f"clipped to a norm of {CLIP:g}", "-"))):
        right.plot([*clipped], [pair[place] for pair in clipped.values()], style, marker="o", color="k", label=name)
    right.set(xlabel="letters of the chain", ylabel="norm of the gradient by all weights", yscale="log")
    right.set_title(f"A step of the cell of gain {LARGE:g}", loc="left")
    right.legend(frameon=False, fontsize="small")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print the gradients and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer sequences")
    parser.add_argument("--output", type=Path, default=Path("vanishing_gradients.png"))
    given = parser.parse_args()
    set_torch_threads(1)
    count = 8 if given.quick else 64
    chains = {name: input_gradients(build(name), letters(count, LENGTH)) for name in CHAINS}
    print("chain", "1 step back", f"{LENGTH // 2} steps", f"{LENGTH - 1} steps", "factor per step", sep="\t")
    for name, norms in chains.items():
        shares = norms / norms[0]
        rate = shares[-1] ** (1 / (LENGTH - 1))
        print(name, *(f"{shares[back]:.3g}" for back in (1, LENGTH // 2, LENGTH - 1)), f"{rate:.4f}", sep="\t")
    exploding = build(f"tanh, recurrent gain {LARGE:g}")
    clipped = {length: weight_gradients(exploding, letters(count, length)) for length in range(10, LENGTH + 1, 10)}
    print("letters", "norm of the gradient by all weights", "clipped", sep="\t")
    for length, pair in clipped.items():
        print(length, *(f"{value:.4g}" for value in pair), sep="\t")
    plot(chains, clipped, given.output)
    print(f"plot: {given.output}")


if __name__ == "__main__":
    main()
