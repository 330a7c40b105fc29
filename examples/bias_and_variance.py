# %% [markdown]
# # Bias, variance and what to do next
#
# **Goal.** Read two errors, that on the training data and that on new data, and know from them what to try next.
#
# **What you will see.** A model that is too small does badly on everything: *bias*. A model with too few examples does
# well on what it saw and badly on the rest: *variance*. They need opposite remedies. We train some forty small networks
# and try each remedy on both patients, also those that do not help.
#
# **The data are synthetic**: sequences of random letters, half of them with a site of CRP. So the best possible error
# is known too.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bioconv.datasets.synthetic import planted_motifs

import bioconv
from bioconv.evaluation import auroc
from bioconv.models.deepbind import DeepBindConfig
from bioconv.report.next_step import next_step
from bioconv.runtime import set_torch_threads
from bioconv.sequence.binding.recipe import Recipe, fit_network, scores
from bioconv.sequence.binding.samples import FixedSamples
from bioconv.sequence.fasta import encode
from bioconv.sequence.motifs import read_motifs
from bioconv.training import TrainConfig

set_torch_threads(1)
DATA = Path(bioconv.__file__).parents[1] / "examples" / "data"  # of a clone of the repository
crp = next(motif for motif in read_motifs(DATA / "crp_lexa.meme") if motif.name == "CRP")


def make(count, seed, length=80):
    """Return codes and labels of sequences: half with a site of CRP, half without, in any order."""
    texts, labels = [], np.random.default_rng(seed).permutation(np.arange(count) % 2)
    for label in (0, 1):
        found, _ = planted_motifs([crp], sequences=count // 2, length=length, share=label, seed=2 * seed + label)
        texts.append(iter(found.values()))
    return np.stack([encode(next(texts[label])) for label in labels]), labels.astype(np.float32)


train, dev = make(4 * 1600, seed=1), make(2000, seed=2)
print(len(train[0]), "sequences to train on,", len(dev[0]), "others to judge by")

# %% [markdown]
# ## One number for the error
#
# The error is 1 - AUROC: how often a sequence without a site scores higher than one with. Chance has 0.5. The motif
# itself, which the networks must find, has the error below. It is not zero: some sites look like random letters. This
# is the **reference**, what one can hope for.


# %%
def error(found, labels):
    """Return 1 - AUROC."""
    return 1 - auroc(found, labels)


odds = np.log2((crp.frequencies + 0.005) / 1.02 / 0.25)
windows = np.lib.stride_tricks.sliding_window_view(dev[0], len(odds), axis=1)
best = np.max([one[np.arange(len(odds)), windows].sum(2).max(1) for one in (odds, odds[::-1, ::-1])], axis=0)
reference = error(best, dev[1])
print(f"error of the true motif: {reference:.4f}")

# %% [markdown]
# ## Two models
#
# Both are DeepBind networks. The large one has 16 filters of 20 letters and hidden units. The small one has 4 filters
# of 6 letters, though the site has 19. `fit` trains on the first sequences of a share of the data and returns the error
# on them, the error on `dev`, and the network.

# %%
LARGE, SMALL = {"detectors": 16, "length": 20, "hidden": 16}, {"detectors": 4, "length": 6, "hidden": 0}
STEPS, REPEATS = 300, 3


def fit(count, network, *, share=0, start=0, steps=STEPS, decay=0.0):
    """Train on `count` sequences of a share of the training data."""
    own = slice(share * 1600, share * 1600 + count) if count <= 1600 else slice(count)
    codes, labels = train[0][own], train[1][own]
    config = TrainConfig(
        max_steps=steps, epochs=10_000, batch_size=32, learning_rate=5e-3, l2=decay, schedule="cosine", decay=0.0,
        warmup_steps=20, seed=start,
    )  # fmt: skip
    recipe = Recipe(network=DeepBindConfig(**network))
    trained = fit_network(FixedSamples(codes, labels), recipe, config).network
    return error(scores(trained, codes), labels), error(scores(trained, dev[0]), dev[1]), trained


def repeat(count, network, **choices):
    """Train on each share of the data with a start of its own; return (repeats, 2) errors."""
    return np.array([fit(count, network, share=k, start=k, **choices)[:2] for k in range(REPEATS)])


# %% [markdown]
# ## Learning curves
#
# The same training with more and more sequences. Each dot is a training on other sequences; lines join the medians.

# %%
sizes = (100, 400, 1600)
curves = {name: np.array([repeat(n, network) for n in sizes]) for name, network in (("large", LARGE), ("small", SMALL))}
print("model  sequences  training error  error on new ones")
for name, curve in curves.items():
    for count, (on_train, on_dev) in zip(sizes, np.median(curve, axis=1), strict=True):
        print(f"{name:5s} {count:10d} {on_train:15.3f} {on_dev:18.3f}")

# %%
figure, panels = plt.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained", sharey=True)
for axes, (name, curve) in zip(panels, curves.items(), strict=True):
    for part, (label, colour) in enumerate((("training", "#0072b2"), ("new sequences", "#d55e00"))):
        axes.plot(sizes, np.median(curve[:, :, part], axis=1), color=colour, label=label)
        axes.plot(np.repeat(sizes, REPEATS), curve[:, :, part].ravel(), "o", color=colour, markersize=3, alpha=0.5)
    axes.axhline(reference, color="0.5", linestyle=":", label="the true motif")
    axes.set(xscale="log", xlabel="training sequences")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_title(f"{name} model", loc="left", fontsize="medium")
panels[0].set_ylabel("error (1 - AUROC)")
panels[0].legend(frameon=False, fontsize="small")
figure.suptitle("Variance closes with data, bias does not", x=0.02, ha="left")
plt.show()

# %% [markdown]
# On the left a wide gap that closes as data come in: **variance**. The training error is 0 from the start and says
# nothing. On the right two lines that come close, but far above the reference: **bias**. More sequences bring the lines
# together, not down.
#
# ## Two patients
#
# The large model with 100 sequences, the small one with 1600. bioconv's reports name the widest gap and what narrows
# it:

# %%
patients = {"large model, 100 sequences": curves["large"][0], "small model, 1600 sequences": curves["small"][2]}
for name, errors in patients.items():
    on_train, on_dev = np.median(errors, axis=0)
    print(f"{name}: training error {on_train:.3f}, dev error {on_dev:.3f}")
    print("   ", next_step(on_train, None, on_dev, reference))

# %% [markdown]
# ## Remedies for variance

# %%
variance = {
    "as it is": patients["large model, 100 sequences"],
    "four times the data": curves["large"][1],
    "weight decay": repeat(100, LARGE, decay=1.0),
    "dropout": repeat(100, {**LARGE, "dropout": 0.5}),
    "a third of the steps": repeat(100, LARGE, steps=STEPS // 3),
}


def show(remedies):
    """Print the median errors of each remedy, and the range on new sequences."""
    print("remedy                  training   new   (range)")
    for name, errors in remedies.items():
        (on_train, on_dev), low, high = np.median(errors, axis=0), errors[:, 1].min(), errors[:, 1].max()
        print(f"{name:24s} {on_train:7.3f} {on_dev:5.3f}   ({low:.3f} to {high:.3f})")


show(variance)

# %% [markdown]
# More data helps most. With weight decay and with dropout the error stays within the range that other shares of the
# data give: three repeats cannot say whether they help. Stopping earlier is no remedy here: at a third of the steps the
# large network has not found the motif, though its training error is 0 already. A training error of 0 says nothing
# about what was learned.
#
# An **ensemble** needs no more data: three networks that differ in their start only, and the mean of what they say.

# %%
members = [fit(100, LARGE, start=start) for start in range(3)]
alone = [member[1] for member in members]
together = error(np.mean([scores(member[2], dev[0]) for member in members], axis=0), dev[1])
print("errors alone:", *(f"{one:.3f}" for one in alone), f" together: {together:.3f}")

# %% [markdown]
# ## Remedies for bias

# %%
bias = {
    "as it is": patients["small model, 1600 sequences"],
    "four times the data": np.array([fit(6400, SMALL, start=start)[:2] for start in range(REPEATS)]),
    "weight decay": repeat(1600, SMALL, decay=1.0),
    "filters as long as sites": repeat(1600, {**SMALL, "length": 20}),
    "the large model": curves["large"][2],
}
show(bias)

# %% [markdown]
# Four times the data, the first thing one thinks of, hardly helps. Weight decay does nothing here: variance is not the
# problem. What helps is a network that can express the motif: filters as long as sites.
#
# ## A third gap: other data
#
# The large model with 1600 sequences has neither problem left. Now it is asked about sequences of 400 letters. It was
# trained on 80: more letters, more words that look like a site by chance.

# %%
longer = make(2000, seed=3, length=400)
on_train, on_dev, trained = fit(1600, LARGE)
on_longer = error(scores(trained, longer[0]), longer[1])
print(f"training {on_train:.3f}, new ones of 80 letters {on_dev:.3f}, of 400 letters {on_longer:.3f}")
print(next_step(on_train, on_dev, on_longer, reference))

# %% [markdown]
# This gap is no variance: more sequences of 80 letters would not close it. Some of it may not close at all, since the
# task itself is harder. A reference for the new data would tell.
#
# ## What to check
#
# - Both errors and a reference, before anything is changed. Without a reference, bias cannot be told from a hard task.
# - Repeat with other seeds and other shares of the data. A single training per remedy would have shown the ranges above
#   as differences.
# - One thing at a time.
#
# ## What not to conclude
#
# - That the same remedies help everywhere. What each one is worth depends on task, model and data; the way of finding
#   out does not.
# - Nothing about a third set. We looked at `dev` some forty times. Choosing the best of forty makes its error too good:
#   the last word has a test set that nobody looked at.
#
# ## Exercises
#
# 1. Train the small model with one filter of 20 letters and no hidden units. Is bias gone? Why?
# 2. Turn some labels of the training data around (one in ten). Which of both errors answers first, and which remedy
#    helps?
# 3. Keep 1000 of `dev` apart. Choose the best of ten weight decays on the rest, then compare its error on both halves.
#
# ## In practice
#
# The report of every training has this table, with `train`, `train-dev` and `dev`:
#
#     bioconv train deepbind peaks.fa --ranked --reference 0.95 -o factor.safetensors
#
# [Training: the report](../docs/training.md).
