"""Women who do not exist, as pictures with a table: half of them with a mass, in the left or in the right breast."""

from __future__ import annotations

import csv
from dataclasses import replace

from bioconv.datasets.mammography_phantom import synthetic_mammograms
from PIL import Image

from bioconv.mammography.learning.data import Reading, read_data
from bioconv.mammography.learning.fit import ClassificationPlan, train_classification
from bioconv.mammography.learning.recipe import AUGMENTATIONS, DEFAULTS
from bioconv.mammography.preparation import Preparation
from tests.mammography.samples import stored_values

SHAPE = (96, 80)
PREPARATION = Preparation(size=(64, 48))
CONFIG = replace(DEFAULTS, epochs=14, batch_size=16, learning_rate=5e-3, warmup_steps=10, ema=None)
COLUMNS = ("path", "patient", "laterality", "view", "study", "label", "density", "split")
DOMAIN = "synthetic women; it knows nothing about cancer"


def women(first, count):
    """(number, views, laterality of the mass or empty): two with one, two without, and so on."""
    for number in range(first, first + count):
        side = ("L", "", "R", "")[number % 4]
        yield number, synthetic_mammograms(number, shape=SHAPE, masses={side: 0.7} if side else None), side


def write_pictures(folder, numbers, *, split=None):
    """Write PNG of 12 bits in 16 and `exams.csv`; `split` gives the part of a woman by her number."""
    rows = []
    for number, views, side in women(numbers.start, len(numbers)):
        for view in views:
            name = f"w{number}-{view.laterality}{view.view}.png"
            Image.fromarray(stored_values(view.pixels, 12)).save(folder / name)
            label = int(view.laterality == side)
            part = "" if split is None else split(number)
            rows.append(
                (name, f"woman {number}", view.laterality, view.view, f"s{number}", label, "ab"[number % 2], part)
            )
    return write_table(folder / "exams.csv", rows)


def write_table(path, rows, columns=COLUMNS):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])
    return path


def part_of(number):
    return ("train", "dev", "train", "dev", "test", "dev")[number // 4 % 6]


def train(folder):
    """Train the smallest of networks; returns the run and the data."""
    table = write_pictures(folder, range(84), split=part_of)
    data = read_data(table, Reading(also=(("density", 0.1),)), PREPARATION)
    plan = ClassificationPlan(
        network={"width": 0.5, "blocks": (1, 1)}, augmentation=AUGMENTATIONS["none"], config=CONFIG, domain=DOMAIN,
        name="masses",
    )  # fmt: skip
    return train_classification(data, plan), data
