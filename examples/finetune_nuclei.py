# %% [markdown]
# # Fine-tune a shipped model on ten images
#
# **Goal.** Take a model that comes with bioconv to a kind of image it has never seen, with ten labelled examples. And
# find out whether starting from that model was worth it: by training a second one from scratch, on the same images and
# for as long.
#
# **What you will see.** The model `nuclei` was trained on several hundred real images in which the whole nucleus is
# stained. Our images show the envelope only, as a stain of lamin does: rings. The model does not know rings.
#
# **The images are synthetic**, drawn by a program.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bioconv.datasets.synthetic_cells import synthetic_cells
from PIL import Image
from scipy import ndimage
from skimage.segmentation import find_boundaries

import bioconv
from bioconv.evaluation import match_objects
from bioconv.runtime import set_torch_threads
from bioconv.segmentation.learning.fit import SegmentationPlan
from bioconv.segmentation.learning.recipe import AUGMENTATIONS, DEFAULTS
from bioconv.segmentation.learning.samples import PatchPlan
from bioconv.segmentation.model import from_model_file, load_segmentation_model
from bioconv.zoo import resolve

set_torch_threads(1)

# %% [markdown]
# ## Rings
#
# The program that drew nuclei for [the tutorial before](unet_from_ten_images.py) gives the outlines; we light up the
# envelopes, blur them and count photons.


# %%
def ring_image(number):
    """Return an image of nuclear envelopes, and the number of the nucleus at each pixel."""
    labels = synthetic_cells((8, number), shape=(128, 128), nuclei=10, radius=10.0).labels
    rng = np.random.default_rng(number)
    light = ndimage.gaussian_filter(find_boundaries(labels, mode="inner").astype(float), 0.8)
    light *= rng.uniform(0.6, 1.0, int(labels.max()) + 1)[labels] + 0.05
    return np.clip(rng.poisson((light + 0.05) * 120) * 1.6, 0, 255).astype(np.uint8), labels


folder = Path(tempfile.mkdtemp())
for name in ("images", "masks"):
    (folder / name).mkdir()
for number in range(10):
    pixels, labels = ring_image(number)
    Image.fromarray(pixels).save(folder / "images" / f"synthetic-{number}.png")
    Image.fromarray(labels).save(folder / "masks" / f"synthetic-{number}.png")
new = [ring_image(number) for number in range(100, 110)]
print(sum(int(labels.max()) for _, labels in new), "nuclei in", len(new), "new images to judge by")

# %% [markdown]
# ## The model as it is
#
# A nucleus is found if what was found overlaps it with an IoU of at least 0.5. The score is found / (found + missed +
# wrong).


# %%
def judge(model):
    """Return the score of a model on the new images, and what it found in them."""
    results = [bioconv.segment(pixels, model=model, device="cpu").labels for pixels, _ in new]
    matchings = [match_objects(one, labels, threshold=0.5) for one, (_, labels) in zip(results, new, strict=True)]
    found, missed, wrong = (sum(int(getattr(one, kind)) for one in matchings) for kind in ("tp", "fn", "fp"))
    return found / (found + missed + wrong), (found, missed, wrong), results


shipped = load_segmentation_model(resolve("nuclei"))
judged = {"as shipped": judge(shipped)}
print("score of the shipped model:", f"{judged['as shipped'][0]:.2f}")

# %% [markdown]
# ## Two trainings, equal in all but the start
#
# Same images, same network, same patches in the same order, same number of steps. One begins with the weights of
# `nuclei`, the other with random ones.

# %%
plan = SegmentationPlan(
    network={name: getattr(shipped.network.config, name) for name in ("widths", "decoder_convolutions")},
    preprocessing=shipped.preprocessing,
    colour=True,
    patches=PatchPlan(size=64, per_epoch=96),
    augmentation=AUGMENTATIONS["exact"],
    config=replace(DEFAULTS, epochs=5, warmup_steps=10, ema=0.9),
)
pairs, losses = (folder / "images", folder / "masks"), {}
for name, start in (("fine-tuned", "nuclei"), ("from scratch", None)):
    run = bioconv.train("segment", pairs, kind="instances", init=start, recipe=plan, device="cpu")
    losses[name] = [row["train_loss"] for row in run.run.history]
    judged[name] = judge(from_model_file(run.model))
    print(f"{name:12s} {run.run.history[-1]['step']:.0f} steps, loss", *(f"{loss:.2f}" for loss in losses[name]))

# %%
print("model         found  missed  wrong  score")
for name, (score, counts, _) in judged.items():
    print(f"{name:12s} {counts[0]:6d} {counts[1]:7d} {counts[2]:6d} {score:6.2f}")

# %%
figure, panels = plt.subplots(2, 5, figsize=(8.4, 3.7), layout="constrained")
colours = plt.get_cmap("tab20")(np.arange(256) % 20)
colours[0] = (0, 0, 0, 1)
for number, row in enumerate(panels):
    pixels, labels = new[number]
    row[0].imshow(pixels, cmap="gray")
    for axes, shown in zip(row[1:], (labels, *(results[number] for _, _, results in judged.values())), strict=True):
        axes.imshow(colours[shown % 256], interpolation="nearest")
for axes, title in zip(panels[0], ("image", "truth", *judged), strict=True):
    axes.set_title(title, fontsize="medium")
for axes in panels.flat:
    axes.axis("off")
figure.suptitle("Two new images of a kind that the shipped model does not know", x=0.02, ha="left")
plt.show()

# %% [markdown]
# The shipped model finds what it knows: something bright is a nucleus, so it takes the ring for the thing. After sixty
# steps it fills the rings and parts those that touch. The network from scratch is still learning what a nucleus is.
# Edges, contours, blobs: what the first layers of `nuclei` see, rings are made of too, and only the last steps have to
# be learned anew.
#
# ## What to check
#
# - The start of the loss. Fine-tuned, it begins where the training from scratch has not arrived at its end.
# - Images that were in no training. The ten were seen; one of them chose the epoch.
# - The old kind of image. A fine-tuned model may have forgotten it: score it there too before you replace a model.
#
# ## What not to conclude
#
# - That training from scratch fails. Give it twenty times the steps and it may come as far. *At equal budget* is what
#   was compared, with one rate of learning and one seed.
# - That ten images are enough for real ones. These were drawn by one program; real images differ from dish to dish. On
#   real images ten gave less: [the benchmark](../benchmarks/segment_finetune.md).
# - A perfect score on synthetic images is a property of the images.
#
# ## Exercises
#
# 1. Fine-tune on two images instead of ten, then on one.
# 2. Freeze all but the last layers (`config=replace(plan.config, freeze="all-but-head")`). Is that enough to fill
#    rings?
# 3. Make images with whole nuclei (`synthetic_cells((9, number))`) and score both models on them. What was forgotten?
#
# ## In practice
#
#     bioconv train segment images/ masks/ --kind instances --from nuclei -o mine.safetensors
#     bioconv segment plate/ --model mine.safetensors
#
# [Training segmenters](../docs/training-segmenters.md).
