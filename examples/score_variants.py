# %% [markdown]
# # Score disease variants
#
# **Goal.** Ask a trained model what single letters do to the binding of a transcription factor, for two mutations found
# in many tumours.
#
# **What you will see.** The promoter of *TERT*, the gene of telomerase, is silent in most cells. Two mutations, known
# as C228T and C250T, switch it on in melanoma, glioma and many other tumours (Huang et al. 2013, doi
# 10.1126/science.1229259; Horn et al. 2013, doi 10.1126/science.1230062). They make a new site of ETS factors, and the
# one that binds is GABP (Bell et al. 2015, doi 10.1126/science.aab0015). A model of GABPA that comes with bioconv has
# never heard of any of this. It was trained on the letters of the reference genome, where they do not occur. What does
# it say?

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import bioconv
from bioconv.sequence.variants import VariantOptions
from bioconv.zoo import packaged

# The promoter, chr5:1295060-1295189 of GRCh38, on the + strand; TERT itself is read on the - strand.
FIRST = 1295060
PROMOTER = (
    "CGAGGAGAGGGCGGGGCCGCGGAAAGGAAGGGGAGGGGCTGGGAGGGCCCGGAGGGGGCTGGGCC"
    "GGGGACCCGGGAGGGGTCGGGACGGGGCGGGGTCCGCGCGGAGGAGGCGGAGCTGGAAGGTGAAG"
)
KNOWN = {"C228T": 1295113, "C250T": 1295135}
MODEL = "encode-gabpa-gm12878"
print(len(PROMOTER), "letters")
for name, place in KNOWN.items():
    around = PROMOTER[place - FIRST - 7 : place - FIRST + 6]
    print(f"{name}: G>A on the + strand in {around[:7]}[{around[7]}]{around[8:]}")

# %% [markdown]
# The names count on the strand of the gene (C to T); the genome is written on the other (G to A). Take care: much
# confusion about variants is about strands, and about counting from 0 or from 1.
#
# ## Every letter changed
#
# A mutation map scores the sequence, then each of its single substitutions, one by one.

# %%
found = bioconv.mutation_map(PROMOTER, model=MODEL, device="cpu")
deltas = found.deltas()
changed = np.arange(4) != found.codes[:, None]
print(f"score of the promoter: {found.score:.2f}; substitutions: {changed.sum()}")

figure, axes = plt.subplots(figsize=(9, 2.4), layout="constrained")
reach = np.abs(deltas).max()
picture = axes.imshow(deltas.T, aspect="auto", cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
axes.set_yticks(range(4), list("ACGT"))
places = np.arange(10, len(PROMOTER), 20)
axes.set_xticks(places, [f"{FIRST + place - 1295000}" for place in places])
for name, place in KNOWN.items():
    axes.annotate(name, (place - FIRST, -0.4), (place - FIRST, -1.1), ha="center", arrowprops={"arrowstyle": "-"})
axes.set_xlabel("place on chr5, less 1,295,000")
figure.colorbar(picture, label="change of score")
figure.suptitle("GABPA in the TERT promoter: red gains, blue losses", x=0.02, ha="left")
plt.show()

# %% [markdown]
# Blue columns are letters that the score rests on now; red spots are letters that would make a new site. Where do the
# two mutations stand among all substitutions?

# %%
ranked = np.sort(deltas[changed])[::-1]
ranks = {}
for name, place in KNOWN.items():
    gain = deltas[place - FIRST, "ACGT".index("A")]
    ranks[name] = int((ranked > gain).sum()) + 1
    print(f"{name}: score {gain:+.2f}, place {ranks[name]} of {len(ranked)}")

# %% [markdown]
# ## From a VCF
#
# Variants usually come as a VCF, the genome as a FASTA file. Here the genome is our promoter. The third variant is a
# control: a letter between the two that nothing is known about.

# %%
folder = Path(tempfile.mkdtemp())
(folder / "promoter.fa").write_text(f">TERT_promoter\n{PROMOTER}\n")
rows = [(KNOWN["C228T"], "C228T", "G", "A"), (KNOWN["C250T"], "C250T", "G", "A"), (1295126, "control", "G", "A")]
lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
lines += [
    "\t".join(("TERT_promoter", str(place - FIRST + 1), name, *ref_alt, ".", ".", "."))
    for place, name, *ref_alt in rows
]
(folder / "variants.vcf").write_text("\n".join(lines) + "\n")

models = (MODEL, "encode-elk1-gm12878", "encode-rest-gm12878")
effects = list(
    bioconv.variants(
        folder / "variants.vcf",
        reference=folder / "promoter.fa",
        model=models,
        options=VariantOptions(context=101, device="cpu"),
    )
)
print("variant  model                 without   with  change")
for effect in effects:
    print(f"{effect.id:8s} {effect.model:20s} {effect.ref_score:8.2f} {effect.alt_score:6.2f} {effect.delta:+7.2f}")

# %% [markdown]
# Both ETS factors gain by both mutations, GABPA more. REST is a control: its motif has nothing to do with ETS sites.
# Its scores move too. No score ever stays exactly where it was, so a change says nothing until it is compared with
# others.
#
# ## What would other models say?
#
# Twelve models come with bioconv. For each, the places of both mutations among all 390 substitutions.

# %%
standing = {}
print("model                     C228T  C250T")
for name in sorted(name for name in packaged() if name.startswith("encode-")):
    one = bioconv.mutation_map(PROMOTER, model=name, device="cpu")
    every = one.deltas()[changed]
    gains = [one.deltas()[place - FIRST, 0] for place in KNOWN.values()]
    standing[name] = [int((every > gain).sum()) + 1 for gain in gains]
    print(f"{name:24s} {standing[name][0]:6d} {standing[name][1]:6d}")

# %% [markdown]
# The two ETS factors have both mutations among the first six. But CTCFL is not far behind, and MYC and REST have C250T
# among the first twenty. Ask twelve models about two variants, and some will have an opinion. Here the factor was known
# beforehand, and that is what makes the answer worth something.
#
# ## What to check
#
# - Does the letter of the VCF stand in the genome? `ref_match` says so. A wrong genome build shows there first.
# - Is the change large among all changes of the neighbourhood, not just other than 0?
# - Does the model belong to the question? Its factor must be there in the cells that you study.

# %%
print("every letter of the VCF stands in the genome:", all(effect.ref_match for effect in effects))
strongest = np.argsort(np.where(changed, deltas, -np.inf).ravel())[::-1][:6]
print("place    change        gain")
for number in strongest:
    place, letter = divmod(int(number), 4)
    known = [name for name, at in KNOWN.items() if at == FIRST + place and letter == 0]
    print(f"{FIRST + place} {PROMOTER[place]}>{'ACGT'[letter]} {deltas[place, letter]:+14.2f}", *known)

# %% [markdown]
# ## What not to conclude
#
# - **Binding is not disease.** In the table above a substitution that is not known from tumours stands between the two.
#   Most letters that change a model's score do nothing that anybody has noticed.
# - **Two cases are no benchmark.** They were chosen because the answer is known. Over all variants of this promoter,
#   the agreement of such models with measured activity is weak: see [the benchmark](../benchmarks/mpra_satmut.md).
# - **No change is no all-clear.** The model knows one factor. A variant can do its harm by another, by splicing, or far
#   away.
# - Never use such scores for a patient. They rank candidates for an experiment.
#
# ## Exercises
#
# 1. Map the promoter with C228T in it. Which letters matter now that did not before?
# 2. Is a second G>A at the other place worth as much when the first is there?
# 3. Draw a hundred random substitutions of the promoter as a VCF. How large must a change be to be in the top 1 %?
#
# ## In practice
#
#     bioconv variants calls.vcf.gz --reference hg38.fa --model encode-gabpa-gm12878 --context 101 -o effects.tsv
#     bioconv mutation-map chr5:1295060-1295189 --reference hg38.fa --model encode-gabpa-gm12878 --plot map.svg
#
# [Variants and mutation maps](../docs/variants.md).
