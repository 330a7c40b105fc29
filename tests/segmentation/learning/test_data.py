"""Pairs of images and masks: found by name or table, understood or refused with a list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

from bioconv.errors import InputError
from bioconv.segmentation.learning.data import Reading, find_pairs, read_data
from bioconv.segmentation.preprocessing import COLOUR

RNG = np.random.default_rng(0)


def write(path: Path, array) -> Path:
    path.parent.mkdir(exist_ok=True)
    imsave(path, np.asarray(array), check_contrast=False)
    return path


def picture(size=(12, 14)):
    return RNG.integers(0, 255, size).astype(np.uint8)


def mask(*values, size=(12, 14)):
    labels = np.zeros(size, np.uint8)
    for place, value in enumerate(values):
        labels[2 * place : 2 * place + 2, :4] = value
    return labels


def folders(tmp_path, masks, images=None):
    """Write images and masks a, b, ... and return the two folders."""
    for place, labels in enumerate(masks):
        name = "abcdefghijklmnop"[place]
        write(tmp_path / "images" / f"{name}.png", picture(labels.shape) if images is None else images[place])
        write(tmp_path / "masks" / f"{name}.tif", labels)
    return tmp_path / "images", tmp_path / "masks"


def read(tmp_path, masks, images=None, **reading):
    return read_data(find_pairs(*folders(tmp_path, masks, images)), Reading(**reading))


def test_binary_masks_whatever_their_value(tmp_path):
    data = read(tmp_path, [mask(255), mask(0, 255)])
    assert data.names == ["a", "b"]
    assert (data.objective.kind, data.objective.labels, data.inputs) == ("binary", ("foreground",), ("gray",))
    for image, labels in zip(data.images, [mask(1), mask(0, 1)], strict=True):
        np.testing.assert_array_equal(image.labels, labels)
        assert image.pixels.shape == (1, 12, 14)


def test_classes_in_the_order_given_with_their_names(tmp_path):
    data = read(
        tmp_path, [mask(7, 3), mask(3)], kind="classes", classes=(0, 7, 3), class_names=("none", "seven", "three")
    )
    np.testing.assert_array_equal(data.images[0].labels, mask(1, 2))
    np.testing.assert_array_equal(data.images[1].labels, mask(2))
    assert data.objective.labels == ("none", "seven", "three")


def test_instances_keep_their_borders_and_unknown_pixels(tmp_path):
    data = read(tmp_path, [mask(9, 5, 200)], kind="instances", ignore=200)
    np.testing.assert_array_equal(data.images[0].labels, np.where(mask(0, 0, 1) == 1, -1, mask(2, 1).astype(int)))


def test_what_masks_hold_is_not_guessed(tmp_path):
    with pytest.raises(InputError, match=r"--kind instances .* --kind classes"):
        read(tmp_path, [mask(1, 2)])
    with pytest.raises(InputError, match="binary masks hold two"):
        read(tmp_path, [mask(1, 2)], kind="binary")


def test_everything_wrong_is_listed_at_once(tmp_path):
    images, masks = folders(tmp_path, [mask(1), mask(1), mask(1)])
    write(masks / "b.tif", mask(1, size=(10, 14)))
    (images / "c.png").write_bytes(b"not an image")
    with pytest.raises(InputError) as caught:
        read_data(find_pairs(images, masks))
    assert "2 faults, images and masks" in str(caught.value)
    assert "b.tif: size (10, 14)" in str(caught.value)
    assert "c.png" in str(caught.value)


def test_empty_masks_are_refused_unless_allowed(tmp_path):
    with pytest.raises(InputError, match=r"(?s)1 fault, masks.*--allow-empty.*b\.tif: empty"):
        read(tmp_path, [mask(1), mask()])
    assert len(read(tmp_path, [mask(1), mask()], allow_empty=True).images) == 2


def test_unknown_values_are_refused_with_the_files(tmp_path):
    with pytest.raises(InputError, match=r"(?s)classes \[0, 1\].*b\.tif: values \[2\]"):
        read(tmp_path, [mask(1), mask(1, 2)], classes=(0, 1))


def test_names_that_do_not_pair(tmp_path):
    images, masks = folders(tmp_path, [mask(1), mask(1)])
    (masks / "b.tif").rename(masks / "c.tif")
    with pytest.raises(InputError, match=r"(?s)b\.png: no mask b\.\*.*c\.tif: no image c"):
        find_pairs(images, masks)
    (masks / "c.tif").rename(masks / "b.tif")
    write(images / "b.tif", picture())
    with pytest.raises(InputError, match="2 files of this name"):
        find_pairs(images, masks)


def test_masks_beside_their_images(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / "all" / f"{name}.png", picture())
        write(tmp_path / "all" / f"{name}_mask.png", mask(1))
    pairs = find_pairs(tmp_path / "all", tmp_path / "all", mask_suffix="_mask")
    assert [(pair.image.name, pair.mask.name) for pair in pairs] == [("a.png", "a_mask.png"), ("b.png", "b_mask.png")]


def test_a_table_with_strata_groups_and_parts(tmp_path):
    folders(tmp_path, [mask(1), mask(1)])
    table = tmp_path / "pairs.csv"
    table.write_text(
        "image,mask,stratum,group,split\nimages/a.png,masks/a.tif,x,p1,train\nimages/b.png,masks/b.tif,y,p2,dev\n"
    )
    pairs = find_pairs(table)
    assert [(pair.name, pair.stratum, pair.group, pair.part) for pair in pairs] == [
        ("images/a.png", "x", "p1", "train"),
        ("images/b.png", "y", "p2", "dev"),
    ]
    table.write_text("image,mask\nimages/a.png,masks/z.tif\n")
    with pytest.raises(InputError, match=r"z\.tif: no such file; check the path"):
        find_pairs(table)


def test_grey_and_colour_together_are_colour(tmp_path):
    colour = RNG.integers(0, 255, (12, 14, 3)).astype(np.uint8)
    data = read(tmp_path, [mask(1), mask(1)], images=[colour, picture()])
    assert data.inputs == COLOUR
    assert [len(image.pixels) for image in data.images] == [3, 1]
    np.testing.assert_array_equal(data.images[0].pixels, np.moveaxis(colour, 2, 0))


def test_one_channel_of_colour(tmp_path):
    colour = RNG.integers(0, 255, (12, 14, 3)).astype(np.uint8)
    data = read(tmp_path, [mask(1)], images=[colour], channel="1")
    assert data.inputs == ("gray",)
    np.testing.assert_array_equal(data.images[0].pixels[0], colour[..., 1])
