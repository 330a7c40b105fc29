# %% [markdown]
# # Vanishing gradients
#
# **Goal.** See how much the last output of a recurrent network knows of an input a hundred steps back, and what helps
# it to know more.
#
# **What you will see.** A network learns by gradients: how would the output change if this input were a little
# different? Along a chain of letters that is a product with one factor for each step between them (Bengio, Simard &
# Frasconi 1994, doi 10.1109/72.279181; Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063). A hundred factors of a half
# are as good as nothing, a hundred factors of one and a half are astronomical. Nothing is trained here: it is about the
# start.

# %%
import math
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch import nn

from bioconv.models.recurrent import Recurrent, RecurrentConfig
from bioconv.runtime import set_torch_threads
from bioconv.training.config import TrainConfig
from bioconv.training.initialization import initialize

set_torch_threads(1)
print(f"a hundred factors of 0.5: {0.5**100:.0e}; of 1.5: {1.5**100:.0e}")

# %% [markdown]
# ## Three cells
#
# - A **plain** cell: its new state is tanh of the letter and of the old state times a matrix. Each step back multiplies
#   the gradient with that matrix, and with slopes of tanh that are 1 at most.
# - An **LSTM** keeps a second state that is not squeezed. A forget gate, a number between 0 and 1, says how much of it
#   stays.
# - A **GRU** mixes old and new state by one gate.
#
# What can be done at the start: scale the matrix of the plain cell (its *gain*), make it the identity (Le, Jaitly &
# Hinton 2015, arXiv 1504.00941), or open the gates that carry the state, for as long as things are to be remembered
# (Tallec & Ollivier 2018, arXiv 1804.11188).

# %%
LENGTH, HIDDEN, SEQUENCES = 100, 64, 64
SMALL, LARGE = 0.5, 3.0


def scaled(network, gain):
    """Give a cell orthogonal recurrent weights times a gain: every singular value is the gain."""
    nn.init.orthogonal_(network.stack[0].forwards.get_parameter("weight_hh_l0"), gain=gain)


def identity(network):
    """Begin recurrent weights as the identity, the others small."""
    initialize(network, TrainConfig(initialization="identity"))


def remembering(network):
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


def unchanged(network):
    """Begin as `bioconv train` does: orthogonal recurrent weights, an LSTM's forget biases 1."""


CHAINS = {
    f"tanh, recurrent gain {SMALL:g}": ("rnn", partial(scaled, gain=SMALL)),
    f"tanh, recurrent gain {LARGE:g}": ("rnn", partial(scaled, gain=LARGE)),
    "tanh, identity": ("rnn", identity),
    "LSTM, forget bias 1": ("lstm", unchanged),
    "LSTM, open gates": ("lstm", remembering),
    "GRU, update bias 0": ("gru", unchanged),
    "GRU, open gates": ("gru", remembering),
}


def build(name, seed=0):
    """Return the network of a chain: one layer, read at its last state; double precision holds what single cannot."""
    cell, start = CHAINS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Recurrent(RecurrentConfig(cell=cell, hidden=HIDDEN, bidirectional=False, pooling="last"))
        start(network)
    return network.double()


def letters(count, length):
    """Return random sequences (N, L), the same each time."""
    return torch.randint(4, (count, length), generator=torch.Generator().manual_seed(1))


# %% [markdown]
# ## How much is left of a letter?
#
# The gradient of the last output with respect to each input, its length averaged over 64 random sequences (the
# geometric mean), as a share of the last letter's.


# %%
def input_gradients(network, codes):
    """Return the norm of the gradient of the last output (the first logit) by the steps back to an input, (L,)."""
    values = network.vectors(codes, None).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(network.classify(values, None)[:, 0].sum(), values)
    return slopes.norm(dim=2).log().mean(1).exp().flip(0).numpy()


chains = {name: input_gradients(build(name), letters(SEQUENCES, LENGTH)) for name in CHAINS}
print(f"{'chain':24s} {'1 step':>8s} {'50 steps':>9s} {'99 steps':>9s}  factor per step")
for name, norms in chains.items():
    shares = norms / norms[0]
    print(f"{name:24s} {shares[1]:8.2g} {shares[50]:9.2g} {shares[99]:9.2g}  {shares[99] ** (1 / 99):.3f}")

# %%
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
figure, axes = plt.subplots(figsize=(7.4, 3.6), layout="constrained")
for colour, (name, norms) in zip(COLOURS, chains.items(), strict=True):
    axes.plot(norms / norms[0], color=colour, linestyle="--" if name.startswith("tanh") else "-", label=name)
axes.set(xlabel="steps back from the end", ylabel="gradient, the last letter's = 1", yscale="log")
axes.set_title("What the last output knows of an input", loc="left")
figure.legend(loc="outside right", frameon=False, fontsize="small")
plt.show()

# %% [markdown]
# With a small gain nothing is left after fifty steps: such a network cannot learn that the first letter matters. With a
# large one the gradient explodes. The identity keeps it. LSTM and GRU depend on their gates: a GRU as usually started
# forgets too, though more slowly; with open gates it remembers.
#
# ## Explosion, and its cure
#
# An exploding gradient makes one huge step that ruins the network. The cure is simple: a gradient that is longer than
# some bound is shortened to it (*clipped*). Its direction stays.

# %%
CLIP = 1.0


def weight_gradients(network, codes):
    """Return the norm of the gradient of a step by all weights, before and after it is clipped."""
    targets = torch.arange(len(codes)) % 2
    network.zero_grad()
    whole = torch.full((len(codes),), codes.shape[1])
    torch.autograd.backward(nn.functional.cross_entropy(network(codes, whole), targets))
    before = float(nn.utils.clip_grad_norm_(network.parameters(), CLIP))
    after = math.sqrt(sum(float((one.grad**2).sum()) for one in network.parameters() if one.grad is not None))
    return before, after


exploding = build(f"tanh, recurrent gain {LARGE:g}")
clipped = {length: weight_gradients(exploding, letters(SEQUENCES, length)) for length in range(20, LENGTH + 1, 20)}
print("letters  gradient  clipped")
for length, (before, after) in clipped.items():
    print(f"{length:7d} {before:9.2g} {after:8.2f}")

# %% [markdown]
# ## What to check
#
# - How far back does your problem reach? A dependence over ten letters needs none of this.
# - The norm of the gradient during training. `bioconv train lstm` clips it to 1 unless told otherwise.
# - Precision: half precision (float16) holds nothing below 6e-8. The smallest gradients above would be exactly zero.
#
# ## What not to conclude
#
# - That a gradient which arrives is put to use. It is a condition for learning, not learning.
# - That open gates are always better. They make the network remember everything, noise included.
# - Training moves all of this. The figure shows the first step only.
#
# ## Exercises
#
# 1. For which gain of the plain cell does the gradient neither vanish nor explode? Why is it not exactly 1?
# 2. Set the forget biases of the LSTM to 0 and to 3. Which factor per step do you expect from the sigmoid, and which do
#    you find?
# 3. Make the chain 400 letters long. Which cells still know the first letter?
#
# ## In practice
#
#     bioconv train lstm sequences.csv --clip-norm 1 --initialization identity -o model.safetensors
#
# [Sequence models](../docs/sequence-models.md).
