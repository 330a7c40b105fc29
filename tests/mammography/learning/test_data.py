"""Tables of labelled mammograms: what is read, and every fault named before anything is learnt."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from bioconv.errors import InputError, ModelError
from bioconv.mammography.learning.data import Reading, as_floats, data_hash, read_data
from bioconv.mammography.preparation import prepare
from bioconv.mammography.views import read_pixels
from tests.mammography import phantoms

PREPARATION = phantoms.PREPARATION


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return phantoms.write_pictures(folder, range(3), split=lambda number: ("train", "dev", "test")[number])


@pytest.fixture
def table(pictures, tmp_path):
    """Return a function that writes the table anew, changed line by line, beside the pictures."""

    def write(change=lambda cells: cells, header=phantoms.COLUMNS):
        for path in pictures.parent.glob("*.png"):
            if not (tmp_path / path.name).exists():
                shutil.copy(path, tmp_path)
        lines = [line.split(",") for line in pictures.read_text().splitlines()[1:]]
        return phantoms.write_table(tmp_path / "t.csv", [change(cells) for cells in lines], header)

    return write


def test_images_are_prepared_as_in_use(pictures):
    data = read_data(pictures, Reading(also=(("density", 0.3),)), PREPARATION)
    assert len(data.images) == 12
    assert [(head.name, head.classes, head.weight) for head in data.objective.heads] == [
        ("label", ("0", "1"), 1.0), ("density", ("a", "b"), 0.3),
    ]  # fmt: skip
    image = data.images[3]
    pixels, view = read_pixels(image.view)
    expected = prepare(pixels, view, PREPARATION).pixels[0]
    assert np.abs(as_floats(image.pixels) - expected).max() <= 0.5 / 65535 + 1e-7
    assert (image.group, image.part, image.answers) == ("woman 0", "train", {"label": "1", "density": "a"})


def test_the_hash_is_of_pixels_and_answers_not_of_order(table):
    first = data_hash(read_data(table(), Reading(), PREPARATION))
    lines = (table().parent / "t.csv").read_text().splitlines()
    turned = table().parent / "turned.csv"
    turned.write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    assert data_hash(read_data(turned, Reading(), PREPARATION)) == first
    changed = table(lambda cells: [*cells[:5], "1" if cells[0] == "w1-LCC.png" else cells[5], *cells[6:]])
    assert data_hash(read_data(changed, Reading(), PREPARATION)) != first


@pytest.mark.parametrize(
    ("words", "positive", "expected"),
    [
        (("0", "1"), None, "1"),
        (("benign", "MALIGNANT"), None, "MALIGNANT"),
        (("normal", "cancer"), None, "cancer"),  # not the last in order
        (("no", "yes"), None, "yes"),
        (("b", "a"), "b", "b"),
        (("1", "0"), "0", "0"),
    ],
)
def test_which_answer_scores_speak_for(table, words, positive, expected):
    path = table(lambda cells: [*cells[:5], words[int(cells[5])], *cells[6:]])
    head = read_data(path, Reading(positive=positive), PREPARATION).objective.heads[0]
    assert head.classes[1] == expected
    assert set(head.classes) == set(words)


def test_empty_cells_are_not_known(table):
    path = table(lambda cells: [*cells[:5], "" if cells[3] == "MLO" else cells[5], *cells[6:]])
    data = read_data(path, Reading(), PREPARATION)
    assert sum(not image.answers["label"] for image in data.images) == 6


@pytest.mark.parametrize(
    ("change", "reading", "said"),
    [
        (None, Reading("finding"), r"no column 'finding'; the header has path, patient"),
        (None, Reading(also=(("birads", 1.0),)), r"no column 'birads'"),
        (None, Reading(positive="2"), r"answers 0, 1: '2' is none of them; give --positive 0 or --positive 1"),
        (lambda c: [*c[:5], "ab"[int(c[5])], *c[6:]], Reading(), r"a, b: which one scores speak for is not said"),
        (lambda c: [*c[:5], "", *c[6:]], Reading(), r"answers none; two are expected, and empty cells"),
        (lambda c: [*c[:5], c[0][1], *c[6:]], Reading(), r"answers 0, 1, 2; two are expected"),
        (lambda c: [*c[:6], "a", c[7]], Reading(also=(("density", 1.0),)), r"density has 1 answers; 2 to 32"),
        (lambda c: [*c[:7], "trian"], Reading(), r"line 2: split 'trian'; expected one of train, dev, test"),
        (lambda c: [c[0].replace("w1", "w9"), *c[1:]], Reading(), r"4 of 12 images of .* cannot be .*w9-RCC"),
        (lambda c: [*c[:3], "ML", *c[4:]], Reading(), r"12 of 12 .*view ML; .* leave the line out"),
        (lambda c: [*c[:2], "B", *c[3:]], Reading(), r"laterality 'B'; expected L, R"),
    ],
)  # fmt: skip
def test_what_is_refused(table, change, reading, said):
    path = table(change) if change else table()
    with pytest.raises(InputError, match=f"(?s){said}"):
        read_data(path, reading, PREPARATION)


def test_a_woman_in_two_groups_is_refused(table):
    header = [*phantoms.COLUMNS, "group"]
    path = table(lambda cells: [*cells, cells[3]], header)
    with pytest.raises(InputError, match="patient woman 0 is in the groups CC, MLO; give all her images one group"):
        read_data(path, Reading(), PREPARATION)


def test_one_column_is_one_head(table):
    with pytest.raises(ModelError, match="different names"):
        read_data(table(), Reading(also=(("label", 1.0),)), PREPARATION)
