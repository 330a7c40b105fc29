"""The shipped segmenters: complete, small, as good as their cards say, and right on images anybody has."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
import skimage.data

import bioconv
from bioconv.evaluation import dice
from bioconv.evaluation.objects import ap_table
from bioconv.images.masks import read_mask
from bioconv.images.reader import read_image
from bioconv.models.model_file import read_model
from bioconv.segmentation.model import load_segmentation_model
from bioconv.segmentation.objects.instances import split_instances
from bioconv.zoo import packaged, resolve

NAMES = sorted(name for name, model in packaged().items() if model.task == "segment")
LICENCES = {"nuclei": "CC0-1.0", "vessels": "CC-BY-4.0"}


def test_both_are_there():
    assert NAMES == ["nuclei", "vessels"]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_users_need(name):
    path = resolve(name)
    assert path.stat().st_size < 8_000_000
    facts = read_model(path).metadata
    assert facts["licence"] == LICENCES[name]
    assert "doi" in facts["citation"]
    assert re.fullmatch("[0-9a-f]{64}", facts["training"]["data"]["sha256"])
    figure, low, high = facts["metrics"]["test_ap50" if name == "nuclei" else "test_dice"]
    assert 0.5 < low < figure < high < 1
    model = load_segmentation_model(path)
    assert model.geometry is not None  # tiled exactly
    assert max(model.geometry.reach) < 200


def test_one_cell_is_found_whole():
    found = bioconv.segment(skimage.data.cell(), axes="YX", model="nuclei")
    largest = np.bincount(found.labels.ravel())[1:].argmax() + 1
    ys, xs = np.nonzero(found.labels == largest)
    # The bright disc of the picture: its middle and diameter, read off by eye.
    assert np.hypot(ys.mean() - 374, xs.mean() - 430) < 15
    assert 2 * np.sqrt(len(ys) / np.pi) == pytest.approx(122, abs=18)


def test_beside_brown_the_counterstain_is_read():
    picture = skimage.data.immunohistochemistry()
    found = bioconv.segment(picture, axes="YXS", model="nuclei")
    assert any("the blue counterstain is read" in warning for warning in found.warnings)
    chosen = bioconv.segment(picture, axes="YXS", model="nuclei", channel="counterstain")
    assert np.array_equal(found.labels, chosen.labels)
    assert not chosen.warnings
    as_it_is = bioconv.segment(picture, axes="YXS", model="nuclei", channel="rgb")
    assert 4 * as_it_is.objects < found.objects


def test_nuclei_of_stained_tissue_by_their_stain():
    picture = skimage.data.immunohistochemistry()
    found = bioconv.segment(picture, axes="YXS", model="nuclei")
    assert found.objects > 150
    red, _, blue = (picture[..., number].astype(float) for number in range(3))
    inside = found.labels > 0
    assert (blue - red)[inside].mean() > (blue - red)[~inside].mean() + 20  # blue among brown and white
    assert tuple(found.measure().columns)[-5:] == tuple(
        f"{what}_counterstain" for what in ("mean", "std", "min", "max", "sum")
    )


def test_vessels_of_a_retina_are_dark_thin_and_connected():
    photograph = skimage.data.retina()
    found = bioconv.segment(photograph, axes="YXS", model="vessels").labels > 0
    inside = photograph[..., 0] > 60
    assert 0.04 < found[inside].mean() < 0.2
    assert found[~inside].mean() < 0.01
    green = photograph[..., 1].astype(float)
    from scipy import ndimage

    around = ndimage.uniform_filter(green, 41)
    assert (green < around)[found].mean() > 0.9
    sizes = np.bincount(ndimage.label(found, np.ones((3, 3)))[0].ravel())[1:]
    assert sizes.max() > 0.3 * sizes.sum()


def test_nuclei_of_the_test_part_are_as_the_card_says(shared_data):
    folder = shared_data("dsb2018-bbbc038/index.csv").parent
    path = resolve("nuclei")
    model = load_segmentation_model(path)
    with (folder / "index.csv").open() as stream:
        names = [row["id"] for row in csv.DictReader(stream) if row["split"] == "test"]
    pairs = []
    for name in names:
        image = read_image(folder / "images" / f"{name}.png")
        pixels = image.pixels if "C" in image.info.axes else image.pixels[None]
        maps = model.maps(model.prepare(pixels, model.intensity(pixels)))
        pairs.append((split_instances(maps, model.settings), read_mask(folder / "labels" / f"{name}.png")))
    found = ap_table(pairs, thresholds=(0.5,)).pooled().average_precision()[0]
    assert found == pytest.approx(read_model(path).metadata["metrics"]["test_ap50"][0], abs=2e-3)


def test_vessels_of_four_patients_are_as_the_card_says(shared_data):
    folder = shared_data("chase-db1/README.md").parent
    path = resolve("vessels")
    model = load_segmentation_model(path)
    found, truth = [], []
    for patient in (11, 12, 13, 14):
        for side in "LR":
            name = f"Image_{patient}{side}"
            pixels = read_image(folder / "images" / f"{name}.jpg").pixels
            view = read_mask(folder / "fov" / f"{name}.png") == 0  # 0 inside, 255 outside
            maps = model.maps(model.prepare(pixels, model.intensity(pixels)))
            found.append((maps[0] >= model.threshold)[view])
            truth.append((read_mask(folder / "vessels_1st" / f"{name}.png") > 0)[view])
    figure = dice(np.concatenate(found), np.concatenate(truth))
    assert figure == pytest.approx(read_model(path).metadata["metrics"]["test_dice"][0], abs=2e-3)
