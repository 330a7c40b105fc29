from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score

from bioconv.errors import InputError
from bioconv.evaluation.overlap import class_overlap, dice, iou

MASKS = arrays(np.uint8, (2, 4, 5), elements=st.integers(0, 3))


@given(MASKS)
def test_overlap_is_scikit_learns(pair):
    found, truth = pair
    flat = truth.ravel(), found.ravel()
    for value in (1, 2, 3):
        one = [mask == value for mask in flat]
        expected = [score(*one, zero_division=1) for score in (f1_score, jaccard_score)]
        assert [dice(one[1], one[0]), iou(one[1], one[0])] == pytest.approx(expected)
        overlap = class_overlap(found, truth, classes=[value])
        assert [overlap.dice[0], overlap.iou[0]] == pytest.approx(expected)
        assert [overlap.predicted[0], overlap.truth[0]] == [one[1].sum(), one[0].sum()]
    everything = class_overlap(found, truth)
    assert set(everything.classes) == set(np.unique(pair)) - {0}
    if everything.classes:
        labels = list(everything.classes)
        assert everything.mean_dice == pytest.approx(f1_score(*flat, labels=labels, average="macro"))
        assert everything.mean_iou == pytest.approx(jaccard_score(*flat, labels=labels, average="macro"))


@given(MASKS)
def test_dice_and_iou_agree(pair):
    d, j = dice(*pair), iou(*pair)
    assert d == pytest.approx(2 * j / (1 + j))
    assert (dice(*pair[::-1]), dice(pair[0], pair[0])) == (d, 1)


def test_empty_masks_agree():
    empty, full = np.zeros((3, 3)), np.ones((3, 3))
    assert (dice(empty, empty), iou(empty, empty)) == (1, 1)
    assert (dice(full, empty), iou(empty, full)) == (0, 0)
    overlap = class_overlap(empty, empty)
    assert (overlap.classes, overlap.mean_dice, overlap.mean_iou) == ((), 1, 1)
    assert class_overlap(empty, full, classes=[1, 7]).dice.tolist() == [0, 1]


def test_any_foreground_value():
    assert dice(np.array([[255, 0]], np.uint8), [[True, False]]) == 1


def test_refuses():
    with pytest.raises(InputError, match=r"shape \(2, 2\), the true one \(2, 3\)"):
        dice(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(InputError, match="not finite"):
        iou([np.nan], [1])
    with pytest.raises(InputError, match="fractions"):
        class_overlap([0.5], [1])
    with pytest.raises(InputError, match="expected numbers"):
        dice(["a"], ["b"])
