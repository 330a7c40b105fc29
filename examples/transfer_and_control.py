# %% [markdown]
# # Transfer learning with its control
#
# **Goal.** Find out whether a model learned something on one task that helps with another. That needs more than a
# comparison with training from scratch: it needs a control.
#
# **What you will see.** A network learns to find masses in synthetic mammograms. Then it is to find fainter ones, with
# labels of ten women only. Three starts are compared, equal in everything else:
#
# | start | what it has seen |
# |---|---|
# | scratch | nothing |
# | source | the first task, with its labels |
# | control | the same images for as long, with **labels that changed places** |
#
# The control has seen breasts too. It knows how bright they are and how large, and its weights have the right scale.
# All it lacks is what the labels say. Only what `source` has over `control` was learned from the task.
#
# **The women are synthetic**: ellipses with blurred discs as masses. They know nothing about cancer, and no figure on
# this page is about mammography.

# %%
import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bioconv.datasets.synthetic_breasts import make_breasts
from PIL import Image

from bioconv.mammography.learning.data import Reading, read_data
from bioconv.mammography.learning.fit import ClassificationPlan, train_classification
from bioconv.mammography.learning.recipe import AUGMENTATIONS, DEFAULTS
from bioconv.mammography.preparation import Preparation
from bioconv.models.model_file import write_model
from bioconv.runtime import set_torch_threads
from bioconv.training.splits import Split

set_torch_threads(1)

# %% [markdown]
# ## Two tasks
#
# Source: 72 women with clear masses. Target: 100 other women, whose masses are fainter. Half of the women have a mass,
# in one breast, seen in both of its views.

# %%
folder = Path(tempfile.mkdtemp())
make_breasts(folder / "source", count=72, size=96, contrast=0.7, seed=1)
make_breasts(folder / "target", count=100, size=96, contrast=0.5, seed=2)


def rows_of(name):
    """Return the rows of a table of exams."""
    with (folder / name / "synthetic-exams.csv").open() as stream:
        return list(csv.DictReader(line for line in stream if not line.startswith("#")))


figure, panels = plt.subplots(1, 4, figsize=(7, 2.4), layout="constrained")
shown = [(name, row) for name in ("source", "target") for row in rows_of(name) if row["label"] == "1"]
for axes, (name, row) in zip(panels, (*shown[:2], *shown[-2:]), strict=True):
    axes.imshow(np.asarray(Image.open(folder / name / row["path"])), cmap="gray")
    axes.set_title(f"{name}: {row['laterality']} {row['view']}", fontsize="small")
    axes.axis("off")
figure.suptitle("Breasts with a mass, none of them real", x=0.02, ha="left")
plt.show()

# %% [markdown]
# ## The first task, and its control
#
# For the control the labels of whole breasts change places at random: both views of a breast keep the same label, and
# as many breasts have a mass as before. A quarter of the women is held out.


# %%
def shuffled(name, seed):
    """Write the table again, with the labels of breasts in another order; return its path."""
    rows = rows_of(name)
    labels = {(row["patient"], row["laterality"]): row["label"] for row in rows}
    others = dict(zip(labels, np.random.default_rng(seed).permutation([*labels.values()]), strict=True))
    path = folder / name / "shuffled.csv"
    with path.open("w", newline="") as stream:
        table = csv.DictWriter(stream, rows[0])
        table.writeheader()
        table.writerows(row | {"label": others[row["patient"], row["laterality"]]} for row in rows)
    return path


PREPARATION = Preparation(size=(64, 48))
CONFIG = replace(DEFAULTS, epochs=14, batch_size=16, learning_rate=5e-3, warmup_steps=10, ema=None)


def fit(data, parts, *, start=None, config=CONFIG):
    """Train on women of the part `train`; return the run."""
    split = Split({image.name: parts[image.group] for image in data.images}, {})
    plan = ClassificationPlan(
        network={"width": 0.5, "blocks": (1, 1)}, augmentation=AUGMENTATIONS["none"], config=config, start=start,
        domain="synthetic women; it knows nothing about cancer",
    )  # fmt: skip
    return train_classification(data, plan, split=split)


starts = {"scratch": None}
for name, table in (("source", folder / "source/synthetic-exams.csv"), ("control", shuffled("source", 0))):
    data = read_data(table, Reading(), PREPARATION)
    women = sorted({image.group for image in data.images})
    run = fit(data, {woman: "dev" if number % 4 == 3 else "train" for number, woman in enumerate(women)})
    starts[name] = folder / f"{name}.safetensors"
    write_model(starts[name], run.model)
    print(f"{name:8s} AUROC on held-out images of the first task: {run.metrics['dev']['image']['auroc'].value:.2f}")

# %% [markdown]
# ## The second task
#
# 60 women are the test set, the same each time. Of the other 40, ten are trained on and six choose the epoch, half of
# them with a mass; which ones is drawn three times. Each draw trains all three starts, with the same settings.

# %%
target = read_data(folder / "target/synthetic-exams.csv", Reading(), PREPARATION)
women = sorted({image.group for image in target.images})
sick = {image.group for image in target.images if image.answers["label"] == "1"}
areas = {name: [] for name in starts}
for draw in range(3):
    rng = np.random.default_rng(draw)
    groups = ([woman for woman in women[60:] if (woman in sick) == has_mass] for has_mass in (True, False))
    order = [woman for pair in zip(*map(rng.permutation, groups), strict=True) for woman in pair]
    # A part with a number takes no part.
    parts = dict.fromkeys(women[:60], "test") | dict.fromkeys(order, "0")
    parts |= dict.fromkeys(order[:10], "train") | dict.fromkeys(order[10:16], "dev")
    for name, start in starts.items():
        run = fit(target, parts, start=start, config=replace(CONFIG, epochs=5, learning_rate=2e-3, seed=draw))
        areas[name].append(run.metrics["test"]["breast"]["auroc"].value)

print("start     AUROC of breasts in three draws   mean")
for name, found in areas.items():
    print(f"{name:8s}", *(f"{area:10.3f}" for area in found), f"{np.mean(found):7.3f}")

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
for place, (name, colour) in enumerate(zip(areas, ("0.6", "#0072b2", "#d55e00"), strict=True)):
    axes.plot([place - 0.2, place + 0.2], [np.mean(areas[name])] * 2, color=colour, linewidth=3)
    axes.plot([place - 0.08, place, place + 0.08], areas[name], "o", color=colour)
axes.axhline(0.5, color="0.3", linewidth=0.8, linestyle=":")
axes.set_xticks(range(3), [*areas])
axes.set(ylabel="AUROC of breasts, test women", ylim=(0.4, 1.02))
axes.set_title("Ten women to learn from: dots are draws, bars means", loc="left", fontsize="medium")
plt.show()

# %% [markdown]
# What is usually reported is the gain of `source` over `scratch`, and it would be called transfer. But part of it the
# control has too, and the control knows nothing of masses: some of the gain is a better start, with weights of the
# right scale for such images. Only what `source` has over `control` was learned from the labels of the first task. Look
# at the spread as well: from scratch, which ten women are drawn and how the weights begin decides more than anything
# else.
#
# ## What to check
#
# - That the control failed at its own task: its AUROC there, on held-out images, must be near one half. If it is not,
#   labels have leaked.
# - That all starts had the same women, steps, settings and choice of epoch.
# - Several draws. Ten women are few, and which ones matters as much as the start.
#
# ## What not to conclude
#
# - That transfer always helps. The two tasks were made alike: the same discs, only fainter. On real mammograms, from
#   one collection to another, starting from a model beat the controls in one of three questions: [the
#   benchmark](../benchmarks/mammography_mias.md).
# - Anything from a control with other labels that mean something. Labels must change places at random, among whole
#   breasts and women, or the control can learn too.
# - That figures of synthetic women say anything about women.
#
# ## Exercises
#
# 1. Train on all 34 women that are left beside `dev`. Does the gap close?
# 2. Take another second task: is the breast large or small (columns of the picture that are not black)? Does `source`
#    help there?
# 3. Use a shipped model as the start: `--from mammo-ddsm` knows real breasts. What would its control be?
#
# ## In practice
#
#     bioconv train classify exams.csv --from mammo-ddsm -o mine.safetensors
#     bioconv evaluate --scores scores.csv --labels labels.csv
#
# [Mammography](../docs/mammography.md), research use only.
