# %% [markdown]
# # A PWM is a convolution
#
# **Goal.** Scan a plasmid for the binding sites of a repressor, first by hand with a convolution, then with `bioconv`,
# and find out how surprising a hit is.
#
# **What you will see.** Letters become numbers (one-hot), the motif becomes a filter, and scanning is the convolution
# of [the tutorial before this one](convolve_by_hand.py), in one dimension with four channels. The p-value of a hit can
# be computed exactly. It needs no sampling, and we check it by sampling.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from Bio import SeqIO

import bioconv
from bioconv.report.logos import draw_logo
from bioconv.sequence.motifs import read_motifs
from bioconv.sequence.scanning.options import ScanOptions
from bioconv.sequence.scanning.pvalues import score_tail, scoring_matrix

DATA = Path(bioconv.__file__).parents[1] / "examples" / "data"  # of a clone of the repository

# %% [markdown]
# ## The motif
#
# LexA keeps the SOS genes of *E. coli* silent. Its motif was counted from 14 known sites: at each of 18 positions, how
# often A, C, G and T occur.

# %%
lexa = next(motif for motif in read_motifs(DATA / "crp_lexa.meme") if motif.name == "LexA")
figure, axes = plt.subplots(figsize=(6, 1.8), layout="constrained")
draw_logo(axes, lexa.frequencies)
axes.set(ylabel="bits", xlabel="position", title="LexA: tall letters matter, small ones hardly do")
plt.show()

# %% [markdown]
# A score compares two stories about a word: it was drawn from the motif, or from the background, where each letter has
# a quarter. The logarithm turns the product over positions into a sum. A tenth of a site is added everywhere, so that a
# letter never seen among 14 sites is unlikely, but not impossible.

# %%
sites, added = lexa.sites, 0.1
odds = (lexa.frequencies * sites + added * 0.25) / ((sites + added) * 0.25)
pwm = np.log2(odds)
print("PWM:", pwm.shape, "positions x letters")
print("best word:", "".join("ACGT"[k] for k in pwm.argmax(axis=1)), f"scores {pwm.max(axis=1).sum():.2f} bits")

# %% [markdown]
# ## The sequence as numbers
#
# One-hot: four rows, A, C, G and T; a 1 says which letter is there. The plasmid is pPCP1 of *Yersinia pestis*.

# %%
plasmid = str(SeqIO.read(DATA / "NC_005816.fna", "fasta").seq)
codes = np.array(["ACGT".index(letter) for letter in plasmid])
one_hot = np.eye(4)[codes].T
print(plasmid[:12])
print(one_hot[:, :12].astype(int))

# %% [markdown]
# ## The scan
#
# The PWM is laid over every place; multiplying with the one-hot columns picks one number per position, and they are
# added up. That is what a convolution layer does. For the other strand the *filter* is turned: its positions backwards,
# and A and T, C and G exchanged. The sequence stays.

# %%
signal = torch.from_numpy(one_hot)[None]
filters = np.stack([pwm.T, pwm[::-1, ::-1].T])
forward, reverse = torch.nn.functional.conv1d(signal, torch.from_numpy(filters))[0].numpy()
print("letters:", len(plasmid), " windows:", len(forward))
place = int(max(forward.max(), reverse.max()) == reverse.max()), int(np.maximum(forward, reverse).argmax())
print(f"best window starts at {place[1]}, strand {'+-'[place[0]]}: {max(forward.max(), reverse.max()):.3f} bits")

# %% [markdown]
# `bioconv.scan` gives the windows whose p-value is small enough. Their scores are those of our convolution, up to the
# grid of a thousandth of a bit on which it rounds each number of the PWM. In Python places count from 0, as here; the
# tables of the command `bioconv scan` count from 1.

# %%
hits = list(bioconv.scan(DATA / "NC_005816.fna", motifs=DATA / "crp_lexa.meme", options=ScanOptions(p=1e-4)))
hits = sorted((hit for hit in hits if hit.motif_id == "LexA"), key=lambda hit: hit.p_value)
ours = {"+": forward, "-": reverse}
print("start  strand  score  by convolution  p-value  site")
for hit in hits[:5]:
    by_hand = ours[hit.strand][hit.start]
    print(
        f"{hit.start:5d}  {hit.strand:>6s} {hit.score:6.3f}  {by_hand:14.3f}  {hit.p_value:.1e}  {hit.matched_sequence}"
    )
furthest = max(abs(hit.score - ours[hit.strand][hit.start]) for hit in hits)
print(f"{len(hits)} hits; scores differ by {furthest:.4f} bits at most")

# %% [markdown]
# ## How surprising is a hit?
#
# The p-value of a score is the chance that a random word of 18 letters scores as high or higher. There are 4¹⁸ words,
# 69 billion. But positions are independent, so the distribution of the sum can be built up column by column: take the
# distribution so far, shift it by what each letter costs, and average. That is a convolution once more, with four taps.

# %%
background = np.full(4, 0.25)
rounded = scoring_matrix(lexa.frequencies, sites, background=background)
distribution = np.ones(1)  # chance of each loss against the best word, in thousandths of a bit
for losses in rounded.losses:
    grown = np.zeros(len(distribution) + losses.max())
    for loss, chance in zip(losses, background, strict=True):
        grown[loss : loss + len(distribution)] += chance * distribution
    distribution = grown
p_of_loss = np.cumsum(distribution)
print(f"{len(distribution):,} possible sums; their chances add up to {p_of_loss[-1]:.6f}")

# %%
exact = {hit.start: p_of_loss[rounded.best - round(hit.score / rounded.grid)] for hit in hits}
for hit in hits[:3]:
    print(f"site at {hit.start}: by hand {exact[hit.start]:.4e}, bioconv {hit.p_value:.4e}")

# %% [markdown]
# Now by force: two million random words. A p-value of one in ten thousand is then met about 200 times.

# %%
rng = np.random.default_rng(0)
words = rng.integers(0, 4, (2_000_000, len(pwm)), dtype=np.int8)
lost = np.zeros(len(words), np.int64)
for position, losses in enumerate(rounded.losses):
    lost += losses[words[:, position]]
sampled = np.sort(lost)
tail = score_tail(rounded, background, 0.1)
wanted = (1e-1, 1e-2, 1e-3, 1e-4)
print("exact p   words as good  sampled p")
compared = []
for p in wanted:
    level = tail.losses[np.searchsorted(tail.p, p, side="right") - 1]
    count = np.searchsorted(sampled, level, side="right")
    compared.append((p_of_loss[level], count / len(words)))
    print(f"{p_of_loss[level]:.3e} {count:14,d}  {count / len(words):.3e}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
scores = (rounded.best - np.arange(len(distribution))) * rounded.grid
seen = np.searchsorted(sampled, np.arange(len(distribution)), side="right") / len(words)
step = slice(None, None, 50)
axes.plot(scores[step], p_of_loss[step], color="k", label="exact")
axes.plot(
    scores[step], np.where(seen > 0, seen, np.nan)[step], color="#d55e00", lw=3, alpha=0.6, label="2 million words"
)
for hit in hits:
    axes.plot(hit.score, hit.p_value, "o", color="#0072b2", label="sites found" if hit is hits[0] else None)
axes.set(xlim=(-40, scores[0]), ylim=(1e-11, 2), yscale="log", xlabel="score (bits)", ylabel="p-value")
axes.set_title("Chance of a score: sampling does not reach the best site", loc="left")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# Sampling confirms what it can reach. The best site lies far beyond it.

# %%
print(f"words to draw until one is as good as the best site: about {1 / hits[0].p_value / 1e6:.0f} million")

# %% [markdown]
#
# ## What to check
#
# - Which background? A quarter for each letter is wrong for a genome of few G and C; `--background input` takes the
#   composition of the sequences.
# - How many windows were looked at? Each is a chance to be lucky. The q-value accounts for that.

# %%
windows = 2 * len(forward)
print(f"{windows:,} windows on both strands, {len(hits)} hits at p <= 1e-4; by chance alone {windows * 1e-4:.1f}")
for hit in hits[:3]:
    print(f"site at {hit.start}: p-value {hit.p_value:.1e}, q-value {hit.q_value:.1e}")

# %% [markdown]
# ## What not to conclude
#
# - A small p-value says that random letters would hardly look like this. It does not say that LexA binds there, and
#   even less that binding does anything.
# - Real DNA is not random letters: repeats and stretches of A and T give more good words than the p-value says.
# - A PWM adds positions up. If two positions depend on each other, it cannot know.
#
# ## Exercises
#
# 1. Scan with CRP, the other motif of the file. Why has its best hit a larger p-value?
# 2. Compute the exact p-values with the plasmid's own letters as background. Which hits move most?
# 3. Shuffle the plasmid's letters and scan again, a hundred times. How many hits do you get on average, and how many
#    does the p-value promise?
#
# ## In practice
#
#     bioconv scan plasmid.fna --motifs motifs.meme -p 1e-4
#
# [Scanning](../docs/scanning.md), [p-values](../docs/p-values.md).
