from __future__ import annotations

import numpy as np
import pytest

from bioconv.evaluation.figures import Settings
from bioconv.evaluation.object_summary import object_rows, summarise_objects
from bioconv.evaluation.objects import ap_table, match_objects

SETTINGS = Settings(resamples=400, seed=3, level=0.9)


def pairs(count: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images of squares of which some are lost and all are shaken; the last has none."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        truth = np.kron(np.arange(1, 17).reshape(4, 4), np.pad(np.ones((6, 6), int), 1)) * (number < count - 1)
        shaken = np.where(np.isin(truth, rng.integers(1, 17, rng.integers(0, 9))), 0, truth)
        found.append((np.roll(shaken, rng.integers(0, 3), 0), truth))
    return found


@pytest.mark.parametrize("empties", ["perfect", "skip", "zero"])
def test_figures(empties):
    images = pairs(12)
    table = ap_table(images)
    figures = summarise_objects(table, SETTINGS, empties=empties)
    assert (figures["samples"], figures["empty_images"]) == (12, 1)
    matchings = [match_objects(*image) for image in images]
    tp, fp, fn = (sum(getattr(one, key) for one in matchings) for key in ("tp", "fp", "fn"))
    pooled, means = figures["models"]["pooled"], figures["models"]["image mean"]
    assert pooled["ap50"]["value"] == pytest.approx(tp / (tp + fp + fn))
    assert pooled["f1"]["value"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert pooled["pq"]["value"] == pytest.approx(pooled["f1"]["value"] * pooled["matched_iou"]["value"])
    each = [one.tp / (one.tp + one.fp + one.fn) for one in matchings[:-1]]
    each += {"perfect": [1], "zero": [0], "skip": []}[empties]
    assert means["ap50"]["value"] == pytest.approx(np.mean(each))
    assert means["mean_ap"]["value"] == pytest.approx(table.image_mean(empties=empties).mean())
    for figure in (*pooled.values(), *means.values()):
        assert figure["low"] <= figure["value"] <= figure["high"]
    rows = list(object_rows([str(number) for number in range(12)], table, empties=empties))
    assert [row["tp"] for row in rows] == [one.tp for one in matchings]
    assert rows[-1]["ap50"] == {"perfect": 1, "zero": 0, "skip": None}[empties]


def test_interval_of_the_image_mean():
    """The standard error of a mean over images is known without drawing."""
    table = ap_table(pairs(30)[:-1])
    each = table.counts.average_precision()[:, 0]
    error = summarise_objects(table, Settings(resamples=4000), empties="zero")["models"]["image mean"]["ap50"]["error"]
    assert error == pytest.approx(each.std() / np.sqrt(len(each)), rel=0.05)


def test_one_image():
    figures = summarise_objects(ap_table(pairs(2)[:1]), SETTINGS)
    assert figures["models"]["pooled"]["ap50"]["method"] == "one image"
    assert figures["models"]["pooled"]["ap50"]["low"] is None
