"""Figures of classes against scikit-learn and brute force, of sequences and of letters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score, log_loss, recall_score, roc_auc_score

from bioconv.evaluation import wilson_interval
from bioconv.sequence.alphabets import DNA
from bioconv.sequence.recurrent.data import SequenceData
from bioconv.sequence.recurrent.scoring import part_scores, summarise, temperature_of, validated


def drawn(*, per_position=False, classes=3, size=60, groups=None, seed=0):
    """Data and logits that are right more often than not."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, size)
    targets = [rng.integers(0, classes, length if per_position else 1) for length in lengths]
    logits = [rng.normal(size=(len(own), classes)) + 2 * np.eye(classes)[own] for own in targets]
    if per_position:
        for own in targets:
            own[rng.random(len(own)) < 0.2] = -100
    names = tuple(f"s{n}" for n in range(size))
    codes = tuple(np.zeros(length, np.uint8) for length in lengths)
    own = names if groups is None else tuple(f"g{n % groups}" for n in range(size))
    labels = tuple("abcdef"[:classes])
    data = SequenceData(names, codes, tuple(targets), own, ("",) * size, labels, DNA, per_position)
    return data, [one if per_position else one[0] for one in logits]


@pytest.mark.parametrize("per_position", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_figures_are_scikit_learns(per_position, classes):
    data, logits = drawn(per_position=per_position, classes=classes)
    scores = part_scores(data, logits)
    known = np.concatenate(data.targets) >= 0
    truth, values = np.concatenate(data.targets)[known], np.concatenate([np.atleast_2d(one) for one in logits])[known]
    found = values.argmax(1)
    checked, figures = validated(scores), summarise(scores)
    assert checked["loss"] == pytest.approx(log_loss(truth, np.exp(log_softmax(values, axis=1))))
    assert checked["accuracy"] == figures["accuracy"].value == pytest.approx(accuracy_score(truth, found))
    recalls = recall_score(truth, found, average=None)
    assert [figures[f"error {name}"].value for name in data.classes] == pytest.approx(list(1 - recalls))
    assert ("auroc" in checked) == (classes == 2)
    if classes == 2:
        expected = roc_auc_score(truth, values[:, 1] - values[:, 0])
        assert checked["auroc"] == pytest.approx(expected)
        assert ("auroc" in figures) != per_position
        assert per_position or figures["auroc"].value == pytest.approx(expected)
    assert all(one.low <= one.value <= one.high for one in figures.values())


def test_sequences_of_their_own_have_wilsons_interval():
    scores = part_scores(*drawn())
    right = int((scores.found == scores.truth).sum())
    assert summarise(scores)["accuracy"] == wilson_interval(right, 60)


def test_letters_of_one_sequence_are_not_independent():
    """Every letter of a sequence alike: the interval is that of the few sequences, not of the many letters."""
    data, _ = drawn(per_position=True, size=30)
    data = SequenceData(
        data.names, tuple(np.zeros(50, np.uint8) for _ in data.names), tuple(np.full(50, n % 2) for n in range(30)),
        data.groups, data.parts, ("a", "b"), DNA, True,
    )  # fmt: skip
    logits = [np.tile(np.eye(2)[(n % 2) ^ (n % 5 == 0)], (50, 1)) for n in range(30)]
    found = summarise(part_scores(data, logits))["accuracy"]
    assert found.value == pytest.approx(0.8)
    deviation = np.sqrt(0.8 * 0.2 / 30)
    assert found.error == pytest.approx(deviation, rel=0.15)
    assert found.high - found.low == pytest.approx(4 * deviation, rel=0.2)


def test_one_group_has_an_interval_still():
    assert summarise(part_scores(*drawn(groups=1)))["accuracy"].high < 1
    assert summarise(part_scores(*drawn(groups=1, classes=2)))["auroc"].low > 0.5


def test_groups_are_drawn_whole():
    data, logits = drawn(groups=6)
    assert summarise(part_scores(data, logits))["accuracy"] != wilson_interval(1, 2)
    few, many = (summarise(part_scores(*drawn(groups=own)))["accuracy"] for own in (6, 60))
    assert few.value == many.value
    assert few != many


def test_a_class_that_is_not_there():
    data, logits = drawn()
    some = [place for place, own in enumerate(data.targets) if own[0] != 1]
    figures = summarise(part_scores(data.of(some), [logits[place] for place in some]))
    assert set(figures) == {"accuracy", "error a", "error c"}
    binary, values = drawn(classes=2)
    ones = [place for place, own in enumerate(binary.targets) if own[0] == 1]
    alone = part_scores(binary.of(ones), [values[place] for place in ones])
    assert "auroc" not in summarise(alone)
    assert np.isnan(validated(alone)["auroc"])


def test_temperature_by_a_grid():
    scores = part_scores(*drawn(size=300))
    temperature, why = temperature_of(scores)
    assert not why
    grid = np.linspace(0.2, 5, 4801)
    losses = [-log_softmax(scores.logits / t, axis=1)[np.arange(300), scores.truth].mean() for t in grid]
    assert temperature == pytest.approx(grid[int(np.argmin(losses))], abs=2e-3)
    np.testing.assert_allclose(
        scores.probabilities(temperature), np.exp(log_softmax(scores.logits / temperature, axis=1)), rtol=1e-9
    )


def test_no_temperature():
    data, _ = drawn(size=20)
    sure = [8.0 * np.eye(3)[own[0]] for own in data.targets]
    temperature, why = temperature_of(part_scores(data, sure))
    assert temperature == 1
    assert "every sample is right" in why
    assert temperature_of(part_scores(data, [-one for one in sure]))[0] == 1
