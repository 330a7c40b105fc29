"""Masks, crops and sides on digitised film."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bioconv.mammography.breast import find_breast
from bioconv.mammography.finding import find_views
from bioconv.mammography.preparation import Preparation, prepare
from bioconv.mammography.views import read_pixels


@pytest.fixture(scope="module")
def mias(shared_data):
    folder = shared_data("mini-mias-512")
    rows = list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))
    rows = [row for number, row in enumerate(rows) if row["x_1024"] or not number % 4]
    images = {row["image"]: np.asarray(Image.open(folder / "images" / f"{row['image']}.png")) for row in rows}
    return rows, {name: find_breast(image) for name, image in images.items()}


def test_lesions_lie_in_the_crop(mias):
    """Every one of the 119 outlined lesions' centres is in the crop box."""
    rows, breasts = mias
    places = [
        (row["image"], (1024 - float(row["y_1024_from_bottom"])) / 2, float(row["x_1024"]) / 2)
        for row in rows
        if row["x_1024"]
    ]
    assert len(places) == 119
    assert [name for name, y, x in places if not breasts[name].box.holds(y, x)] == []
    assert sum(breasts[name].mask[min(round(y), 511), min(round(x), 511)] for name, y, x in places) >= 117


def test_every_breast_is_found_and_smaller_than_the_image(mias):
    _, breasts = mias
    assert len(breasts) > 150
    assert all(breast.found for breast in breasts.values())
    shares = [np.prod(breast.box.shape) / 512**2 for breast in breasts.values()]
    assert 0.4 < np.median(shares) < 0.6


def test_sides_of_mias(mias):
    """Nearly all as labelled (319 of the 322 images); what is not sure says so."""
    rows, breasts = mias
    sides = {row["image"]: {"L": "left", "R": "right"}[row["laterality"]] for row in rows}
    wrong = [name for name, breast in breasts.items() if breast.side not in ("", sides[name])]
    unsure = [name for name, breast in breasts.items() if not breast.side]
    assert len(wrong) <= 1
    assert len(unsure) <= 4


def test_sides_of_ddsm(shared_data):
    """Films of site A hang the other way round; of those that are well scaled nearly all are told right."""
    path = shared_data("ddsm-cancer-cases-192/labels.csv")
    rows = {row["path"]: row for row in csv.DictReader(path.read_text().splitlines())}
    views, failures = find_views([path])
    assert (len(views), failures) == (3247, [])
    told = wrong = 0
    for view in views[::30]:
        row = rows[view.name]
        if row["dark"] == "1":
            continue
        prepared = prepare(read_pixels(view)[0], view, Preparation(size=(96, 64)))
        usual = {"L": "left", "R": "right"}[view.laterality]
        expected = usual if row["site"] != "A" else {"left": "right", "right": "left"}[usual]
        told += 1
        wrong += prepared.breast.side != expected
        assert view.laterality == row["side"][0]
        assert any("custom puts" in text for text in prepared.warnings) == (prepared.breast.side not in ("", usual))
    assert told > 90
    assert wrong / told < 0.03


def test_names_of_real_sets_are_paths(shared_data):
    views, _ = find_views([shared_data("ddsm-cancer-cases-192/labels.csv")])
    assert all(isinstance(view.path, Path) and view.path.is_file() for view in views[:50])
