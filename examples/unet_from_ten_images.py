# %% [markdown]
# # U-Net from ten images
#
# **Goal.** Train a network that finds nuclei from ten labelled images, and measure it on images it has not seen.
#
# **What you will see.** A U-Net answers for every pixel. It first shrinks the image, to see what is around a pixel, and
# then enlarges it again, to say exactly where. Ten images are few for a network, but they hold many patches, each of
# which can be turned, mirrored and made brighter or darker.
#
# **The images are synthetic**: nuclei drawn by a program, with the blur and noise of a camera. Their outlines are known
# exactly, which no annotator's are.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bioconv.datasets.synthetic_cells import make_cells, synthetic_cells
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
# A mask has 0 for the background and one number for each nucleus. The numbers matter: many nuclei touch, and where two
# touch, a mask of inside and outside would make them one.

# %%
folder = Path(tempfile.mkdtemp()) / "cells"
make_cells(folder, count=10, size=128, nuclei=14, radius=8.0, seed=0)
print(*sorted(path.name for path in folder.iterdir()))
new = [synthetic_cells((100, number), shape=(128, 128), nuclei=14, radius=8.0) for number in range(12)]
print(sum(image.count for image in new), "nuclei in", len(new), "other images to judge by")

# %% [markdown]
# ## The network
#
# Four levels: 8 channels at full resolution, 64 where the image is an eighth as wide. Small, so that a processor trains
# it in under a minute.

# %%
WIDTHS = (8, 16, 32, 64)
network = UNet(UNetConfig(channels_in=1, outputs=3, widths=WIDTHS))
print(f"{sum(parameter.numel() for parameter in network.parameters()):,} numbers to learn")

# %% [markdown]
# ## Training
#
# In each step the network sees eight patches of 64 x 64 pixels, cut at random and changed at random. It learns three
# maps: inside a nucleus or not; how deep inside; and where two nuclei touch. The last two part what touches. One or two
# of the ten images are held out to choose the best epoch.

# %%
plan = SegmentationPlan(
    network={"widths": WIDTHS},
    patches=PatchPlan(size=64, per_epoch=160),
    augmentation=AUGMENTATIONS["exact"],
    config=replace(DEFAULTS, epochs=20, learning_rate=6e-3, warmup_steps=20, ema=0.97),
)
run = bioconv.train("segment", (folder / "images", folder / "masks"), kind="instances", recipe=plan, device="cpu")
print("trained on", len(run.split.names("train")), "images, held out", len(run.split.names("dev")))
for row in run.run.history[::4]:
    print(f"epoch {row['epoch']:2.0f}: loss {row['train_loss']:.2f}, score on held-out images {row['score']:.2f}")

# %% [markdown]
# ## Judged on new images
#
# A nucleus counts as found if the overlap with what was found is at least half of what both cover together (IoU of 0.5).
# The score is found / (found + missed + wrong). Beside the network stands Otsu's threshold: bright is nucleus, and what
# hangs together is one.

# %%
model = from_model_file(run.model)


def by_network(pixels):
    """Return labels by the trained network."""
    return bioconv.segment(pixels, model=model, device="cpu").labels


def by_threshold(pixels):
    """Return labels by Otsu's threshold."""
    return label(pixels > threshold_otsu(pixels))


scores = {}
print("method      found  missed  wrong  score")
for name, method in (("threshold", by_threshold), ("U-Net", by_network)):
    matchings = [match_objects(method(image.pixels), image.labels, threshold=0.5) for image in new]
    found, missed, wrong = (sum(int(getattr(one, kind)) for one in matchings) for kind in ("tp", "fn", "fp"))
    scores[name] = found / (found + missed + wrong)
    print(f"{name:10s} {found:6d} {missed:7d} {wrong:6d} {scores[name]:6.2f}")

# %%
figure, panels = plt.subplots(2, 4, figsize=(7.6, 4.1), layout="constrained")
colours = plt.get_cmap("tab20")(np.arange(256) % 20)
colours[0] = (0, 0, 0, 1)
for row, image in zip(panels, new[:2], strict=True):
    row[0].imshow(image.pixels, cmap="gray")
    for axes, shown in zip(row[1:], (image.labels, by_threshold(image.pixels), by_network(image.pixels)), strict=True):
        axes.imshow(colours[shown % 256], interpolation="nearest")
for axes, title in zip(panels[0], ("image", "truth", "threshold", "U-Net"), strict=True):
    axes.set_title(title, fontsize="medium")
for axes in panels.flat:
    axes.axis("off")
figure.suptitle("Two images that the network has not seen", x=0.02, ha="left")
plt.show()
