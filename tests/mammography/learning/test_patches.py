"""Patches: where they are cut, and the network of whole images that is built on one of patches."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.errors import InputError, OptionError
from bioconv.mammography.breast import Box
from bioconv.mammography.classifier import Classifier
from bioconv.mammography.learning.data import Reading, as_floats, read_data
from bioconv.mammography.learning.fit import ClassificationPlan, make_classification_split, train_classification
from bioconv.mammography.learning.patches import Patching, place_patches, read_boxes, read_patches
from bioconv.mammography.learning.recipe import AUGMENTATIONS
from bioconv.mammography.model import from_model_file
from bioconv.mammography.preparation import Placement
from bioconv.models.building import build_network
from bioconv.models.model_file import write_model
from bioconv.models.summary import summarise
from tests.mammography import phantoms

SIZE = 16
NETWORK = {"width": 0.25, "blocks": (1, 1)}
QUICK = replace(phantoms.CONFIG, epochs=1)


@pytest.fixture(scope="module")
def women(tmp_path_factory):
    """Twelve women and the boxes of their masses: 11 x 11 pixels around the middles that the phantoms say."""
    folder = tmp_path_factory.mktemp("women")
    table = phantoms.write_pictures(folder, range(12), split=lambda number: ("train", "dev", "test")[number // 4])
    rows = []
    for number, views, side in phantoms.women(0, 12):
        for view in views:
            if view.laterality == side:
                y, x = np.rint(view.mass).astype(int)
                name = f"w{number}-{view.laterality}{view.view}.png"
                rows.append((name, x - 5, y - 5, x + 6, y + 6, "round" if number % 8 else "oval"))
    return table, phantoms.write_table(folder / "boxes.csv", rows, ("image", "x0", "y0", "x1", "y1", "kind"))


@pytest.fixture(scope="module")
def patches(women):
    return read_patches(women[0], Reading(), phantoms.PREPARATION, Patching(women[1], SIZE, count=3))


@pytest.fixture(scope="module")
def trained(patches):
    plan = ClassificationPlan(network=NETWORK, augmentation=AUGMENTATIONS["none"], config=QUICK)
    return train_classification(patches, plan)


@pytest.fixture(scope="module")
def patch_model(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "patches.safetensors"
    write_model(path, trained.model)
    return path


def test_a_patch_is_cut_from_the_image_as_a_whole_network_sees_it(patches, women):
    whole = {image.name: image for image in read_data(women[0], Reading(), phantoms.PREPARATION).images}
    with women[1].open() as stream:
        boxes = list(csv.DictReader(stream))
    assert {image.view.path.name for image in patches.images} == {row["image"] for row in boxes}
    for row in boxes:
        own = [image for image in patches.images if image.view.path.name == row["image"]]
        answers = [image.answers["lesion"] for image in own]
        assert 1 <= answers.count("lesion") <= 3
        assert answers.count("background") == 3
        for image in own:
            window = image.name.removeprefix(row["image"]).strip("[]").split(",")
            (top, bottom), (left, right) = (map(int, part.split(":")) for part in window)
            np.testing.assert_array_equal(image.pixels, whole[row["image"]].pixels[top:bottom, left:right])
            assert image.pixels.shape == (SIZE, SIZE)
            assert image.group == whole[row["image"]].group
            # A mass of contrast 0.7 is the brightest thing of a breast without muscle.
            if image.view.view == "CC" and image.answers["lesion"] == "lesion":
                brightest = np.argwhere(image.pixels >= 0.95 * image.pixels.max()).mean(0)
                assert np.abs(brightest - (SIZE - 1) / 2).max() <= SIZE / 8 + 2


def prepared_of(flipped, mask):
    """A grid half as fine as the original one, with a margin; from there by hand."""
    from types import SimpleNamespace

    placement = Placement((80, 60), Box(10, 70, 4, 52), flipped, Box(3, 33, 0, 24), (36, 28))
    return SimpleNamespace(placement=placement, mask=mask)


@given(
    seed=st.integers(0, 2**32), flipped=st.booleans(),
    middles=st.lists(st.tuples(st.integers(14, 66), st.integers(8, 48)), min_size=1, max_size=3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_background_shows_no_lesion_and_lies_in_the_breast(seed, flipped, middles):
    mask = np.zeros((36, 28), bool)
    mask[4:32, :22] = True
    boxes = np.array([(y - 3, x - 3, y + 3, x + 3) for y, x in middles], float)
    found = place_patches(prepared_of(flipped, mask), boxes, Patching(None, 8, 2), np.random.default_rng(seed))
    assert [box for _, _, box in found if box >= 0] == [n for n in range(len(boxes)) for _ in range(2)]
    # By hand: rows (y - 10) / 2 + 3, columns (x - 4) / 2, counted from the other end where flipped.
    lesions = np.zeros((36, 28), bool)
    for y0, x0, y1, x1 in boxes:
        columns = sorted((x - 4) / 2 if not flipped else 24 - (x - 4) / 2 for x in (x0, x1))
        rows = [(y - 10) / 2 + 3 for y in (y0, y1)]
        lesions[
            int(np.floor(rows[0])) : int(np.ceil(rows[1])), int(np.floor(columns[0])) : int(np.ceil(columns[1]))
        ] = 1
    for top, left, box in found:
        assert 0 <= top <= 28
        assert 0 <= left <= 20
        patch = lesions[top : top + 8, left : left + 8]
        if box < 0:
            assert not patch.any()
            assert mask[top + 4, left + 4]
        else:
            y0, x0, y1, x1 = boxes[box]
            column = ((x0 + x1) / 2 - 4) / 2
            middle = ((y0 + y1) / 2 - 10) / 2 + 3, 24 - column if flipped else column
            inside = [4 <= m <= most - 4 for m, most in zip(middle, (36, 28), strict=True)]
            for start, m, free in zip((top, left), middle, inside, strict=True):
                assert not free or abs(start + 4 - m) <= 8 / 8 + 0.5


def test_the_first_patch_of_a_lesion_has_it_in_its_middle():
    mask = np.ones((36, 28), bool)
    for flipped, left in ((False, 8), (True, 8)):
        (first, *_) = place_patches(
            prepared_of(flipped, mask),
            np.array([[36.0, 26.0, 40.0, 30.0]]),
            Patching(None, 8, 2),
            np.random.default_rng(0),
        )
        assert first == [13, left, 0]  # middle (38, 28): row (38 - 10) / 2 + 3 = 17, column 12 from either end


def test_boxes_and_centres_are_the_same_box(tmp_path):
    forms = ("x0,y0,x1,y1\na,10,20,15,27\n", "x,y,size\na,12,23,5\n", "x,y,radius\na,12,23,2\n")
    found = []
    for number, text in enumerate(forms):
        path = tmp_path / f"{number}.csv"
        path.write_text("image," + text)
        found.append(read_boxes(path)[0].tolist())
    assert found == [[20, 10, 27, 15], [21, 10, 26, 15], [21, 10, 26, 15]]


def test_kinds_of_lesions_are_a_further_head(women):
    data = read_patches(women[0], Reading(also=(("kind", 0.5),)), phantoms.PREPARATION, Patching(women[1], SIZE))
    assert data.objective.heads[1].classes == ("background", "oval", "round")
    for image in data.images:
        assert (image.answers["kind"] == "background") == (image.answers["lesion"] == "background")
        if image.answers["lesion"] == "lesion":
            assert image.answers["kind"] == ("oval" if image.view.patient in ("woman 0", "woman 8") else "round")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["image,x0,y0", "w0-LCC.png,1,2"], "image, x0, y0; expected image and x0, y0, x1, y1; or x, y, size"),
        (["image,x,y,size", "w0-LCC.png,1,2,0"], "line 2: a box that holds no pixel"),
        (["image,x,y,size", "w0-LCC.png,1,b,3"], "line 2, column y: 'b' is not a finite number"),
        (["image,x,y,size", "no.png,30,30,3"], "no.png is not in"),
        (["image,x,y,size", "w0-LCC.png,900,30,3"], "w0-LCC.png: the box 899,29,902,32 .* is not in what was cut"),
        (["name,x,y,size", "w0-LCC.png,30,30,3"], "no column image"),
    ],
)  # fmt: skip
def test_boxes_that_make_no_sense(women, tmp_path, lines, said):
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=said):
        read_patches(women[0], Reading(), phantoms.PREPARATION, Patching(path, SIZE))


def test_other_things_that_are_refused(women, patches, trained):
    with pytest.raises(OptionError, match="patches of 128 pixels in prepared images of"):
        read_patches(women[0], Reading(), phantoms.PREPARATION, Patching(women[1], 128))
    for odd in (ClassificationPlan(matched=True), ClassificationPlan(network={"fusion": "views"})):
        with pytest.raises(OptionError, match="patches are told apart one by one: leave out --matched and --fusion"):
            train_classification(patches, odd)
    with pytest.raises(OptionError, match="model model tells patches of 16 pixels apart, not mammograms"):
        Classifier([from_model_file(trained.model)])


def test_women_and_copies_stay_on_one_side(patches, trained):
    split = make_classification_split(patches, 0)
    sides = {}
    for image in patches.images:
        sides.setdefault(image.group, set()).add(split.parts[image.name])
    assert all(len(parts) == 1 for parts in sides.values())
    assert set(trained.scores["dev"]) == {"image"}
    assert trained.model.metadata["classification"]["patch"] == SIZE
    stolen = next(image for image in patches.whole if image.part == "train")
    index = next(n for n, image in enumerate(patches.whole) if image.part == "dev")
    whole = list(patches.whole)
    whole[index] = replace(whole[index], pixels=stolen.pixels)
    with pytest.raises(InputError, match=rf"{stolen.name} \(train\) and {whole[index].name} \(dev\), correlation 1"):
        train_classification(replace(patches, whole=tuple(whole)), ClassificationPlan(network=NETWORK, config=QUICK))


def test_a_body_of_patches_sees_in_a_whole_image_what_it_sees_in_the_patch(trained, patches, women):
    """Where a value's whole receptive field lies in the patch, it is the same: the stride is 4, the field 23 pixels."""
    network = trained.network
    image = torch.from_numpy(as_floats(patches.whole[0].pixels))[None, None]
    with torch.no_grad():
        whole = network.body(image)
        top, left, side = 4, 8, 44  # multiples of the stride
        patch = network.body(image[:, :, top : top + side, left : left + side])
    # 3x3 of stride 2 (field 3, step 2); a level of two 3x3 (11); one of 3x3 of stride 2 and 3x3 (23, step 4).
    field = 3 + 2 * (2 + 2) + 2 * 2 + 4 * 2
    assert field == summarise_field(network)
    reach = (field - 1) // 2 + 1
    inner = [n for n in range(patch.shape[2]) if reach <= 4 * n < side - reach]
    assert inner
    for row in inner:
        for column in inner:
            torch.testing.assert_close(
                patch[0, :, row, column], whole[0, :, row + top // 4, column + left // 4], rtol=1e-4, atol=1e-5
            )
    assert not torch.allclose(patch[0, :, 0, 0], whole[0, :, top // 4, left // 4], rtol=1e-2, atol=1e-2)  # at the edge


def summarise_field(network):
    rows = summarise(network, (1, 64, 48)).layers
    return next(row.receptive_field[0] for row in reversed(rows) if row.layer.startswith("body"))


@pytest.mark.parametrize("top", [1, 2])
def test_blocks_on_top_halve_the_map_and_widen_what_is_seen(top):
    network = build_network("residual", {**NETWORK, "top": top}).eval()
    body = summarise_field(network)
    rows = [row for row in summarise(network, (1, 64, 48)).layers if row.layer.startswith("top")]
    assert rows[-1].output[1:] == (64 // 4 // 2**top, 48 // 4 // 2**top)
    # Only the 3x3 convolution of a block widens: by twice the step before it.
    fields = [row.receptive_field[0] for row in rows if "conv3" in row.layer]
    assert fields == [body + 2 * 4 * (2 ** (n + 1) - 1) for n in range(top)]
    # The gradient of one value says the same.
    image = torch.zeros(1, 1, 257, 9, requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in network.parameters():
            torch.nn.init.uniform_(parameter, 0.1, 0.2)  # no value that rectifiers could hide
    maps = network.features(image)
    maps[0, :, maps.shape[2] // 2].sum().backward()
    seen = torch.nonzero(image.grad.abs().sum((0, 1, 3)))
    assert int(seen.max() - seen.min()) + 1 == fields[-1]


def test_a_network_of_whole_images_stands_on_the_body_of_patches(trained, patch_model, women):
    data = read_data(women[0], Reading(), phantoms.PREPARATION)
    plan = ClassificationPlan(
        start=patch_model, network={"top": 1}, augmentation=AUGMENTATIONS["none"],
        config=replace(QUICK, freeze="all-but-head"),
    )  # fmt: skip
    first = train_classification(data, plan)
    before, after = trained.model.tensors, first.model.tensors
    body = [name for name in after if name.startswith("body.")]
    assert body
    for name in body:  # weights and the statistics of normalisations
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert {name.split(".")[0] for name in first.unmatched.kept} == {"top", "head"}  # a head behind blocks begins anew
    assert not np.array_equal(after["head.weight"], before["head.weight"])
    said = first.model.metadata
    assert said["preprocessing"] == trained.model.metadata["preprocessing"]
    assert "patch" not in said["classification"]
    Classifier([from_model_file(first.model)])
