from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import metrics

from bioconv.errors import InputError
from bioconv.evaluation.regions import information_score, pixel_error, rand_score, variation_of_information

PAIRS = st.sampled_from([(1, 6), (4, 5), (2, 3, 3)]).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.int64, shape, elements=st.sampled_from([0, 1, 2, 7]))] * 2)
)


@given(PAIRS, st.booleans())
def test_rand_equals_all_pairs_of_pixels(pair, background):
    """With replacement, as the paper has it: every pixel makes a pair with itself too."""
    predicted, truth = (one.ravel() for one in pair)
    counted = np.flatnonzero((truth != 0) | background)
    assume(len(counted))
    together = [(predicted[a] == predicted[b], truth[a] == truth[b]) for a, b in product(counted, counted)]
    both, found, true = (sum(map(one, together)) for one in (all, lambda two: two[0], lambda two: two[1]))
    score = rand_score(*pair, background=background)
    assert (score.precision, score.recall) == pytest.approx((both / found, both / true))
    assert score.error == pytest.approx(1 - 2 * both / (found + true))


@pytest.mark.parametrize("seed", range(5))
def test_rand_of_a_large_image_equals_skimage(seed):
    """Scikit-image draws without replacement: on a large image that hardly differs."""
    rng = np.random.default_rng(seed)
    predicted, truth = (np.kron(rng.integers(0, 5, (6, 6)), np.ones((60, 60), int)) for _ in range(2))
    error, precision, recall = metrics.adapted_rand_error(truth, predicted, ignore_labels=[0])
    score = rand_score(predicted, truth)
    # What it calls precision is the share of the true pairs, the paper's recall.
    assert (score.error, score.precision, score.recall) == pytest.approx((error, recall, precision), abs=1e-3)


@given(PAIRS, st.booleans())
def test_information_equals_skimage(pair, background):
    predicted, truth = pair
    assume(background or truth.any())
    found = variation_of_information(predicted, truth, background=background)
    split, merge = metrics.variation_of_information(truth, predicted, ignore_labels=() if background else (0,))
    assert (found.split, found.merge) == pytest.approx((split, merge), abs=1e-9)


def mutual_information(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Return mutual information and both entropies, straight from the definitions."""
    total = len(truth)
    names = [np.unique(one) for one in (predicted, truth)]
    share = {(a, b): np.mean((predicted == a) & (truth == b)) for a in names[0] for b in names[1]}
    p = [{a: np.mean(one == a) for a in some} for one, some in zip((predicted, truth), names, strict=True)]
    assert total
    mutual = sum(value * np.log(value / (p[0][a] * p[1][b])) for (a, b), value in share.items() if value)
    return mutual, *(-sum(value * np.log(value) for value in one.values()) for one in p)


@given(PAIRS)
def test_information_score_by_definition(pair):
    predicted, truth = (one.ravel() for one in pair)
    assume(truth.any())
    mutual, of_found, of_true = mutual_information(predicted[truth != 0], truth[truth != 0])
    score = information_score(*pair)
    expected = [mutual / one if one > 1e-12 else 1 for one in (of_found, of_true)]
    assert (score.precision, score.recall) == pytest.approx(tuple(expected), abs=1e-9)


def test_merge_and_cut_by_hand():
    """Two cells of 4 pixels with a membrane between them."""
    truth = np.array([[1, 1, 0, 2, 2]] * 2)
    merged, cut = np.ones_like(truth), np.array([[1, 1, 0, 2, 3]] * 2)
    score = rand_score(merged, truth)
    assert (score.precision, score.recall, score.f) == (0.5, 1, pytest.approx(2 / 3))
    score = rand_score(cut, truth)
    assert (score.precision, score.recall) == (1, 24 / 32)
    assert rand_score(truth, truth).error == 0
    assert rand_score(cut, truth, background=True).recall == pytest.approx(28 / 36)
    assert (variation_of_information(merged, truth).merge, variation_of_information(merged, truth).split) == (1, 0)
    assert (variation_of_information(cut, truth).merge, variation_of_information(cut, truth).split) == (0, 0.5)
    # What lies on true membranes does not matter.
    np.testing.assert_equal(rand_score(np.where(truth, merged, 9), truth), rand_score(merged, truth))


def test_predicted_background_is_a_part():
    truth, predicted = np.ones((1, 4), int), np.array([[1, 1, 0, 0]])
    assert rand_score(predicted, truth).recall == 0.5


def test_nothing_counts():
    for score in (rand_score, information_score):
        assert score([1, 2], [0, 0]).error == 0
        assert score(np.zeros((0, 3)), np.zeros((0, 3))).error == 0
    assert variation_of_information([1, 2], [0, 0]).total == 0
    assert pixel_error([], []) == 0


def test_pixel_error():
    truth = np.array([[0, 255], [255, 0]], np.uint8)
    assert pixel_error(truth > 0, truth) == 0
    assert pixel_error([[1, 1], [1, 0]], truth) == 0.25


def test_refuses():
    with pytest.raises(InputError, match=r"shape \(2,\), the true one \(3,\)"):
        rand_score([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="fractions"):
        information_score([0.5, 1], [1, 1])
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        pixel_error([1, 2], [1, 2, 3])
