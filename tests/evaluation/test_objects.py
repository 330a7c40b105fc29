from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bioconv.errors import InputError, OptionError
from bioconv.evaluation.object_counts import average_precision
from bioconv.evaluation.objects import (
    THRESHOLDS,
    aggregated_jaccard,
    ap_table,
    match_objects,
    object_overlap,
)

VALUES = st.sampled_from([0, 0, 1, 2, 3, 90_000])
PAIRS = st.sampled_from([(1, 6), (5, 5), (2, 3, 4)]).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.int64, shape, elements=VALUES)] * 2)
)


def iou_matrix(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (predicted objects, true objects) IoUs, from sets of pixels."""
    sets = [
        [set(np.flatnonzero(labels.ravel() == value)) for value in np.unique(labels[labels > 0])]
        for labels in (predicted, truth)
    ]
    return np.array([[len(a & b) / len(a | b) for b in sets[1]] for a in sets[0]]).reshape(len(sets[0]), len(sets[1]))


def best_matching(ious: np.ndarray, threshold: float) -> tuple[int, float]:
    """Return the most pairs and the largest sum of IoUs with so many, from all assignments."""
    wide = ious if ious.shape[0] <= ious.shape[1] else ious.T
    best = (0, 0.0)
    for columns in permutations(range(wide.shape[1]), wide.shape[0]):
        chosen = wide[range(wide.shape[0]), columns]
        chosen = chosen[chosen >= threshold]
        best = max(best, (len(chosen), round(chosen.sum(), 9)))
    return best


@given(PAIRS, st.sampled_from([0.01, 0.2, 0.5, 0.6, 1.0]))
def test_matching_equals_all_assignments(pair, threshold):
    matching = match_objects(*pair, threshold=threshold)
    ious = iou_matrix(*pair)
    assert (matching.tp, round(matching.ious.sum(), 9)) == best_matching(ious, threshold)
    assert (matching.predicted, matching.truth) == ious.shape
    labels = [np.unique(one[one > 0]).tolist() for one in pair]
    for (predicted, truth), iou in zip(matching.pairs.tolist(), matching.ious, strict=True):
        assert iou == ious[labels[0].index(predicted), labels[1].index(truth)] >= threshold
    for side in matching.pairs.T.tolist():
        assert len(set(side)) == len(side)


@given(PAIRS)
def test_panoptic_quality_equals_monai(pair):
    """MONAI matches above 0.5, so a pair at exactly 0.5 must not decide."""
    from monai.metrics.panoptic_quality import compute_panoptic_quality

    counts = match_objects(*pair, threshold=0.5000001).counts
    tensors = [torch.from_numpy(one) for one in pair]
    for metric, value in (
        ("pq", counts.panoptic_quality(empties="zero")),
        ("sq", counts.matched_iou(empties="zero")),
        ("rq", counts.f1(empties="zero")),
    ):
        assert float(compute_panoptic_quality(*tensors, metric_name=metric)) == pytest.approx(float(value), abs=1e-5)
    expected = compute_panoptic_quality(*tensors, output_confusion_matrix=True).tolist()
    assert [counts.tp, counts.fp, counts.fn, counts.iou_sum] == pytest.approx(expected, abs=1e-5)


def test_panoptic_quality_equals_monai_of_3d():
    from monai.metrics.panoptic_quality import PanopticQualityMetric

    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 9, (3, 4, 4)), np.ones((3, 3, 3), int))
    predicted = np.where(rng.random(truth.shape) < 0.2, rng.integers(0, 9, truth.shape), truth)
    metric = PanopticQualityMetric(num_classes=1)
    metric(*(torch.from_numpy(np.stack([one, np.ones_like(one)])[None]) for one in (predicted, truth)))
    value = match_objects(predicted, truth).counts.panoptic_quality()
    assert 0.3 < float(value) < 1
    assert float(metric.aggregate()) == pytest.approx(float(value), abs=1e-5)


def stardist_figures(ious: np.ndarray, threshold: float) -> dict[str, float]:
    """Return the figures as the docstrings of StarDist's matching define them: 0 whenever nothing matches."""
    tp, total = best_matching(ious, threshold)
    fp, fn = ious.shape[0] - tp, ious.shape[1] - tp
    if tp == 0:
        return dict.fromkeys(("precision", "recall", "average_precision", "f1", "matched_iou", "panoptic_quality"), 0)
    return {
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "average_precision": tp / (tp + fp + fn),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "matched_iou": total / tp,
        "panoptic_quality": total / (tp + fp / 2 + fn / 2),
    }


@given(st.lists(PAIRS, min_size=1, max_size=3))
def test_table_equals_stardist(pairs):
    table = ap_table(pairs)
    assert table.thresholds == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95) == THRESHOLDS
    for column in (0, 2, 9):
        each = [stardist_figures(iou_matrix(*pair), table.thresholds[column]) for pair in pairs]
        for name in each[0]:
            mean = table.image_mean(name, empties="zero")[column]
            assert mean == pytest.approx(np.mean([one[name] for one in each]))
        tp = sum(best_matching(iou_matrix(*pair), table.thresholds[column])[0] for pair in pairs)
        objects = sum(sum(iou_matrix(*pair).shape) for pair in pairs)
        pooled = table.pooled().average_precision(empties="zero")[column]
        assert pooled == pytest.approx(tp / (objects - tp) if objects else 0)


def test_two_halves_of_a_whole_match_once():
    whole, halves = np.ones((2, 4), int), np.repeat([[1, 1, 2, 2]], 2, axis=0)
    matching = match_objects(halves, whole, threshold=0.5)
    assert (matching.tp, matching.fp, matching.fn) == (1, 1, 0)


def test_count_goes_before_iou():
    """The pair of IoU 7/13 would leave one pair; 3/13 and 3/10 are two, of a smaller sum."""
    truth = np.array([[1] * 10 + [2] * 6])
    predicted = np.array([[5] * 3 + [4] * 10 + [0] * 3])
    matching = match_objects(predicted, truth, threshold=0.2)
    assert matching.pairs.tolist() == [[5, 1], [4, 2]]
    np.testing.assert_allclose(matching.ious, [3 / 10, 3 / 13])
    assert match_objects(predicted, truth, threshold=0.25).pairs.tolist() == [[4, 1]]


@pytest.mark.parametrize(("empties", "value"), [("perfect", 1), ("skip", np.nan), ("zero", 0)])
def test_empties(empties, value):
    none, one = np.zeros((3, 3), int), np.ones((3, 3), int)
    counts = match_objects(none, none).counts
    for name in ("average_precision", "precision", "recall", "f1", "matched_iou", "panoptic_quality"):
        np.testing.assert_equal(float(getattr(counts, name)(empties=empties)), value)
        for pair in ((one, none), (none, one)):  # nothing to argue about: wrong
            assert getattr(match_objects(*pair).counts, name)(empties=empties) == 0
    np.testing.assert_equal(aggregated_jaccard(none, none, empties=empties), value)
    assert aggregated_jaccard(one, none) == aggregated_jaccard(none, one) == 0
    mean = ap_table([(none, none), (one, one), (one, none)], thresholds=[0.5]).image_mean(empties=empties)
    assert mean == {"perfect": pytest.approx(2 / 3), "skip": 0.5, "zero": pytest.approx(1 / 3)}[empties]
    np.testing.assert_equal(ap_table([(none, none)]).image_mean(empties=empties), [value] * 10)
    assert ap_table([(none, none), (one, one), (one, none)]).pooled().average_precision()[0] == 0.5


def jaccard_by_hand(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Return the index as the paper's algorithm 1 has it, object by object; None where a choice is open."""
    common = union = 0
    used = set()
    for value in np.unique(truth[truth > 0]):
        mine = truth == value
        ious = {
            int(other): (mine & (predicted == other)).sum() / (mine | (predicted == other)).sum()
            for other in np.unique(predicted[mine & (predicted > 0)])
        }
        if not ious:
            union += mine.sum()
            continue
        best = min(ious, key=lambda other: (-ious[other], other))
        common += (mine & (predicted == best)).sum()
        union += (mine | (predicted == best)).sum()
        used.add(best)
    union += sum((predicted == value).sum() for value in np.unique(predicted[predicted > 0]) if value not in used)
    return float(common / union) if union else 1.0


@given(PAIRS)
def test_aggregated_jaccard_equals_the_paper(pair):
    assert aggregated_jaccard(*pair) == pytest.approx(jaccard_by_hand(*pair))


def test_many_objects_and_huge_labels():
    """Both ways to count, by table and by sorting, and labels far above the number of pixels."""
    rng = np.random.default_rng(1)
    truth = np.arange(1, 40_001).reshape(200, 200)
    predicted = np.where(rng.random(truth.shape) < 0.5, truth, 0) * 1_000_000_007
    overlap = object_overlap(predicted, truth)
    matching = overlap.match(1.0)
    assert matching.tp == matching.predicted == np.count_nonzero(predicted)
    np.testing.assert_array_equal(matching.pairs[:, 0], matching.pairs[:, 1] * 1_000_000_007)
    assert overlap.aggregated_jaccard() == pytest.approx(np.count_nonzero(predicted) / 40_000)


def test_average_precision_of_arrays():
    np.testing.assert_allclose(average_precision([1, 0], [1, 0], [2, 4]), [0.25, 0])


def test_refuses():
    with pytest.raises(InputError, match=r"shape \(2,\), the true ones \(3,\)"):
        match_objects([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="float64"):
        match_objects([0.5], [1])
    with pytest.raises(InputError, match="0 for background"):
        match_objects([-1], [1])
    with pytest.raises(OptionError, match="threshold is 0"):
        match_objects([1], [1], threshold=0)
    with pytest.raises(OptionError, match="'nought'; expected one of perfect, skip, zero"):
        average_precision(1, 0, 0, empties="nought")
