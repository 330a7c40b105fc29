# %% [markdown]
# # U-Net from ten images
#
# **Goal.** Train a network that finds nuclei from ten labelled images, and measure it on images it has not seen.
#
# **What you will see.** A U-Net answers for every pixel. It first shrinks the image, to see what is around a pixel, and
# then enlarges it again, to say exactly where. Ten images are few for a network, but they hold many patches, each of
# which can be turned, mirrored and made brighter or darker. You will also see what a good score can hide.
#
# **The images are synthetic**: nuclei drawn by a program, with the blur and noise of a camera. Their outlines are known
# exactly, which no annotator's are.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bioconv.datasets.synthetic_cells import synthetic_cells
from PIL import Image
from skimage.filters import threshold_otsu
from skimage.measure import label

import bioconv
from bioconv.evaluation import match_objects
from bioconv.models.unet import UNet, UNetConfig
from bioconv.runtime import set_torch_threads
from bioconv.segmentation.learning.fit import SegmentationPlan
from bioconv.segmentation.learning.recipe import AUGMENTATIONS, DEFAULTS
from bioconv.segmentation.learning.samples import PatchPlan
from bioconv.segmentation.model import from_model_file

set_torch_threads(1)

# %% [markdown]
# ## Ten images and their masks
#
# A mask is an image of the same size: 255 inside nuclei, 0 outside. Masks are paired with images by their names.


# %%
def make(first, count):
    """Return synthetic images of 14 nuclei each, with the number of the nucleus at each pixel."""
    return [
        synthetic_cells((7, number), shape=(128, 128), nuclei=14, radius=8.0) for number in range(first, first + count)
    ]


folder = Path(tempfile.mkdtemp())
for name in ("images", "masks"):
    (folder / name).mkdir()
for number, image in enumerate(make(0, 10)):
    Image.fromarray(image.pixels).save(folder / "images" / f"synthetic-{number}.png")
    Image.fromarray(np.where(image.labels > 0, 255, 0).astype(np.uint8)).save(
        folder / "masks" / f"synthetic-{number}.png"
    )
new = make(10, 12)
print(len(list((folder / "images").iterdir())), "images to train on,", len(new), "others to judge by")

# %% [markdown]
# ## The network
#
# Four levels: 8 channels at full resolution, 64 where the image is an eighth as wide. Small, so that a processor trains
# it in seconds.

# %%
WIDTHS = (8, 16, 32, 64)
network = UNet(UNetConfig(channels_in=1, outputs=1, widths=WIDTHS))
print(f"{sum(parameter.numel() for parameter in network.parameters()):,} numbers to learn")

# %% [markdown]
# ## Training
#
# In each step the network sees eight patches of 64 x 64 pixels, cut at random and changed at random. The loss is the
# sum of two: cross-entropy, pixel by pixel, and Dice, which looks at the overlap as a whole. One of the ten images is
# held out; it chooses the best epoch.

# %%
plan = SegmentationPlan(
    network={"widths": WIDTHS},
    patches=PatchPlan(size=64, per_epoch=160),
    augmentation=AUGMENTATIONS["exact"],
    config=replace(DEFAULTS, epochs=8, learning_rate=6e-3, warmup_steps=20, ema=0.95),
)
run = bioconv.train("segment", (folder / "images", folder / "masks"), recipe=plan, device="cpu")
print("trained on", len(run.split.names("train")), "images, held out:", len(run.split.names("dev")))
for row in run.run.history:
    print(f"epoch {row['epoch']:2.0f}: loss {row['train_loss']:.2f}, Dice on the held-out image {row['score']:.3f}")

# %% [markdown]
# ## Judged on new images
#
# Dice is twice the overlap over the sum of both areas: 1 is perfect. Beside the network stands Otsu's threshold, which
# divides the grey levels of an image in two and needs no training at all.

# %%
model = from_model_file(run.model)


def by_network(pixels):
    """Return what the trained network takes for nucleus."""
    return bioconv.segment(pixels, model=model, device="cpu").labels > 0


def by_threshold(pixels):
    """Return what is brighter than Otsu's threshold."""
    return pixels > threshold_otsu(pixels)


def dice(found, truth):
    """Return twice the overlap over the sum of areas."""
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


masks = {
    name: [method(image.pixels) for image in new]
    for name, method in (("threshold", by_threshold), ("U-Net", by_network))
}
overlaps = {
    name: [dice(mask, image.labels > 0) for mask, image in zip(own, new, strict=True)] for name, own in masks.items()
}
for name, values in overlaps.items():
    print(f"{name:10s} mean Dice {np.mean(values):.3f}, worst image {np.min(values):.3f}")

# %% [markdown]
# ## What Dice does not see
#
# Now count. Pixels that hang together make an object. A nucleus is found if an object overlaps it by at least half of
# what both cover together (IoU of 0.5).

# %%
counts = {}
print("method      nuclei  objects  nuclei found")
for name, own in masks.items():
    matchings = [match_objects(label(mask), image.labels, threshold=0.5) for mask, image in zip(own, new, strict=True)]
    found, missed, wrong = (sum(int(getattr(one, kind)) for one in matchings) for kind in ("tp", "fn", "fp"))
    counts[name] = found / (found + missed)
    print(f"{name:10s} {found + missed:7d} {found + wrong:8d} {counts[name]:13.0%}")

# %%
figure, panels = plt.subplots(2, 4, figsize=(7.6, 4.1), layout="constrained")
colours = plt.get_cmap("tab20")(np.arange(256) % 20)
colours[0] = (0, 0, 0, 1)
for number, row in enumerate(panels):
    row[0].imshow(new[number].pixels, cmap="gray")
    for axes, shown in zip(row[1:], (new[number].labels, *(label(own[number]) for own in masks.values())), strict=True):
        axes.imshow(colours[shown % 256], interpolation="nearest")
for axes, title in zip(panels[0], ("image", "truth", *masks), strict=True):
    axes.set_title(title, fontsize="medium")
for axes in panels.flat:
    axes.axis("off")
figure.suptitle("Two images that the network has not seen: a colour for each object", x=0.02, ha="left")
plt.show()

# %% [markdown]
# The network's outlines are clean, also those of dim nuclei that the threshold tears apart. But what touches is one
# object to both. A mask of inside and outside cannot say where one nucleus ends and the next begins: the network was
# never asked. Ask it: number the nuclei in the masks and train with `--kind instances`, as the model `nuclei` of [the
# next tutorial](finetune_nuclei.py) was.
#
# ## What to check
#
# - Look at the worst image, not at the mean.
# - Choose the measure by the question. For the stained area Dice is right, for a count it is not.
# - A simple method beside the network. Where a threshold does as well, take the threshold.
#
# ## What not to conclude
#
# - Ten images are not always enough. These are all alike: same program, same stain, same noise. Ten images of one plate
#   say nothing about the next microscope.
# - The held-out image chose the epoch, and it is a single one. Its Dice is no result.
# - Synthetic nuclei are easier than real ones. No figure of this page holds for your images.
#
# ## Exercises
#
# 1. Train on three images instead of ten, then without augmentation (`AUGMENTATIONS["none"]`). Which costs more?
# 2. Make the test images dimmer: `(image.pixels * 0.5).astype(np.uint8)`. Why does the network hardly mind?
# 3. Save `image.labels` as masks and train with `kind="instances"` and five times the epochs. Count again.
#
# ## In practice
#
#     bioconv train segment images/ masks/ --kind instances -o cells.safetensors
#     bioconv segment plate/ --model cells.safetensors
#
# [Training segmenters](../docs/training-segmenters.md), [segmentation](../docs/segmentation.md).
