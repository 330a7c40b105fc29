# %% [markdown]
# # Train one factor and read its motifs
#
# **Goal.** Train a DeepBind model on sequences that a factor binds, see how good it is on new ones, and read from its
# filters what it has learned.
#
# **What you will see.** The model is shown sequences and a label, bound or not, and no motif. It finds the motif of the
# factor by itself. A second motif is in all sequences, bound or not, and the model leaves it alone: it learns what
# tells the two kinds apart, not what is there.
#
# **The data are synthetic.** Random letters with sites planted in them, so that the truth is known. They say nothing
# about real cells.

# %%
import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bioconv.datasets.synthetic import planted_motifs

import bioconv
from bioconv.evaluation import auroc
from bioconv.report.logos import draw_logo
from bioconv.runtime import set_torch_threads
from bioconv.sequence.binding.defaults import DEFAULTS
from bioconv.sequence.binding.recipe import NETWORK, Recipe, scores
from bioconv.sequence.deepbind import from_model_file
from bioconv.sequence.detector_motifs import detector_motifs
from bioconv.sequence.fasta import encode
from bioconv.sequence.motifs import read_motifs
from bioconv.sequence.motifs.compare import compare, gather_targets

set_torch_threads(1)
DATA = Path(bioconv.__file__).parents[1] / "examples" / "data"  # of a clone of the repository
motifs = {motif.name: motif for motif in read_motifs(DATA / "crp_lexa.meme")}

# %% [markdown]
# ## The data
#
# CRP is our factor: each bound sequence has a site of it, drawn letter by letter from its motif, on either strand. LexA
# is the distractor: every sequence has a site of it.


# %%
def sequences(count, share, seed):
    """Join a part with a CRP site (or, with share 0, without) and a part with a LexA site."""
    crp, _ = planted_motifs([motifs["CRP"]], sequences=count, length=40, share=share, seed=seed)
    lexa, _ = planted_motifs([motifs["LexA"]], sequences=count, length=40, share=1, seed=seed + 1)
    first = np.random.default_rng(seed).random(count) < 0.5
    pairs = zip(crp.values(), lexa.values(), first, strict=True)
    return [one + other if order else other + one for one, other, order in pairs]


train = sequences(1000, 1, seed=0), sequences(1000, 0, seed=10)
test = sequences(500, 1, seed=20), sequences(500, 0, seed=30)
folder = Path(tempfile.mkdtemp())
with (folder / "train.csv").open("w", newline="") as stream:
    table = csv.writer(stream)
    table.writerow(["name", "sequence", "label"])
    for label, group in zip((1, 0), train, strict=True):
        table.writerows((f"synthetic_{label}_{number}", letters, label) for number, letters in enumerate(group))
print(len(train[0]), "bound and", len(train[1]), "unbound sequences of", len(train[0][0]), "letters to train on")

# %% [markdown]
# ## Training
#
# 16 filters of 24 letters. A filter's best place in the sequence counts, and the mean over places; a small network
# weighs what all filters say. A tenth of the sequences is held out and chooses the best epoch.

# %%
recipe = Recipe(network=replace(NETWORK, detectors=16), rank_scale=None, per_epoch=None)
config = replace(DEFAULTS, epochs=8, learning_rate=5e-3, warmup_steps=20)
run = bioconv.train("deepbind", folder / "train.csv", recipe=recipe, config=config, device="cpu")
for row in run.runs[0].history:
    print(f"epoch {row['epoch']:2.0f}: loss {row['train_loss']:.3f}, AUROC on held-out sequences {row['auroc']:.3f}")

# %% [markdown]
# ## How good is it, and how good could it be?
#
# An AUROC of 1/2 is chance, 1 is perfect. Here we know the best that is possible: a model that knows CRP's true motif.
# Some planted sites look like random letters, so that nobody can find them all.

# %%
codes = [np.stack([encode(letters) for letters in group]) for group in test]
labels = np.repeat([1, 0], [len(group) for group in codes])
learned = np.concatenate([scores(run.network, group) for group in codes])


def best_word(group, motif):
    """Return the best score of a motif in each sequence, both strands."""
    odds = np.log2((motif.frequencies + 0.005) / 1.02 / 0.25)
    tables = odds, odds[::-1, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(group, len(odds), axis=1)
    return np.max([one[np.arange(len(odds)), windows].sum(axis=2).max(axis=1) for one in tables], axis=0)


areas = {"the model": auroc(learned, labels)}
for name, motif in motifs.items():
    areas[f"the true motif of {name}"] = auroc(np.concatenate([best_word(group, motif) for group in codes]), labels)
for name, area in areas.items():
    print(f"{name:23s} AUROC {area:.3f} on {len(labels)} new sequences")

# %% [markdown]
# ## What has it learned?
#
# For each filter, take the place in each bound sequence where it answers most strongly, and count the letters there.
# That is its motif. How much it matters is measured too: switch the filter off and see how far the scores fall.

# %%
model = from_model_file(run.model)
found = detector_motifs(model.detectors, list(codes[0]), name="crp")
found = sorted((one for one in found if one.motif), key=lambda one: -one.importance)
targets = gather_targets(list(motifs.values()))
matches = {one.name: compare(one.motif, targets)[0] for one in found}
print("filter      importance  sites  most like  p-value  consensus")
for one in found[:8]:
    match = matches[one.name]
    print(f"{one.name} {one.importance:11.2f} {one.sites:6d}  {match.target.name:9s} {match.p:8.0e}  {one.consensus}")
best, match = found[0], matches[found[0].name]

# %%
truth = match.target.frequencies if match.orientation == "+" else match.target.frequencies[::-1, ::-1]
figure, panels = plt.subplots(2, 1, figsize=(6.4, 3.2), layout="constrained", sharex=True)
draw_logo(panels[0], best.motif.frequencies)
draw_logo(panels[1], truth, offset=match.offset)
panels[0].set_title(f"learned: the filter that matters most ({best.name})", loc="left", fontsize="medium")
panels[1].set_title("planted: CRP", loc="left", fontsize="medium")
panels[1].set_xlim(min(0, match.offset) - 0.5, max(len(best.motif.frequencies), match.offset + len(truth)) - 0.5)
panels[1].set_xticks(range(0, len(best.motif.frequencies), 2))
for axes in panels:
    axes.set_ylabel("bits")
plt.show()

# %% [markdown]
# The filters that matter have CRP's motif; several found it, since nothing keeps them apart. The others have a part of
# it or no motif to speak of, and switching them off changes little. LexA is in every sequence and of no use: no filter
# that matters has its motif.
#
# ## What to check
#
# - The AUROC of new sequences, not of those trained on. The held-out part chose the epoch, so it flatters a little.
# - What the negatives are. A model learns whatever tells the two kinds apart: with unbound sequences of fewer G and C
#   it would learn to count G and C.
# - Importance before beauty: a fine logo of a filter that hardly matters is of no use.
#
# ## What not to conclude
#
# - This was easy. Sites were planted in random letters, one in every bound sequence. Real peaks lack the site, have
#   others, or are bound through a partner.
# - A motif found in a filter is a pattern that helps to tell apart. That the factor itself binds it is another claim.
# - A p-value of a match with two known motifs is rough; with a whole database it means more.
#
# ## Exercises
#
# 1. Leave LexA out of the unbound sequences. What does the best filter look like now, and how good is the model?
# 2. Train with 50 bound and 50 unbound sequences. Is the motif still there?
# 3. Give the model one filter instead of 16, with five different seeds (`replace(config, seed=1)`). How often does it
#    find the motif?
#
# ## In practice
#
#     bioconv train deepbind peaks.narrowPeak --genome hg38.fa --ranked -o factor.safetensors
#     bioconv motifs factor.safetensors --sequences peaks.fa --match JASPAR2024.meme --logos logos/
#
# [Training](../docs/training.md), [motifs of a model](../docs/motifs.md).
