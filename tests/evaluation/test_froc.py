"""Marks and lesions by brute force: loops over every mark, lesion and threshold, images copied for resamples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.evaluation import Detections, Lesions, Marks, froc_curve, match_marks
from bioconv.evaluation.figures import Settings
from bioconv.evaluation.froc import RATES
from bioconv.evaluation.froc_summary import summarise_froc

IMAGES = 4
PLACE = st.tuples(st.integers(0, IMAGES - 1), st.integers(0, 6), st.integers(0, 6), st.integers(1, 4))
"""Image, x, y, and a score or radius: few values, so that ties and overlaps are common."""
MARKS, LESIONS = st.lists(PLACE, max_size=20), st.lists(PLACE, min_size=1, max_size=6)
DISC = st.booleans()


def made(marks, lesions, disc):
    image, x, y, size = np.array(lesions, float).T
    scored = np.array(marks, float).reshape(-1, 4).T
    box = np.stack([x - size, y - size, x + size, y + size], axis=1)
    return Marks(scored[0].astype(int), *scored[1:]), Lesions(image.astype(int), box, disc)


def brute(marks, lesions, disc):
    """The best score of each lesion, and the false marks as (image, score)."""
    best, false = [-math.inf] * len(lesions), []
    for image, x, y, score in marks:
        hits = []
        for number, (where, u, v, size) in enumerate(lesions):
            distance = math.sqrt((x - u) ** 2 + (y - v) ** 2)
            inside = distance <= size if disc else abs(x - u) <= size and abs(y - v) <= size
            if image == where and inside:
                hits.append((distance, number))
        if hits:
            best[min(hits)[1]] = max(best[min(hits)[1]], score)
        else:
            false.append((image, score))
    return best, false


def best_under(rate, best, false, images):
    """The highest sensitivity of any threshold with no more false positives than the rate."""
    thresholds = [math.inf, *{score for _, score in false}, *best]
    return max(
        sum(one >= t for one in best if one > -math.inf) / len(best)
        for t in thresholds
        if t > -math.inf and sum(score >= t for _, score in false) <= rate * images
    )


@given(MARKS, LESIONS, DISC)
def test_matching_and_curve(marks, lesions, disc):
    found = match_marks(*made(marks, lesions, disc), IMAGES)
    best, false = brute(marks, lesions, disc)
    assert found.lesion_score.tolist() == best
    assert sorted(zip(found.false_image.tolist(), found.false_score.tolist(), strict=True)) == sorted(false)
    curve = froc_curve(found)
    assert curve.thresholds[0] == math.inf
    assert curve.thresholds.tolist()[1:] == sorted({s for s in best if s > -math.inf} | {s for _, s in false})[::-1]
    for t, rate, share in zip(curve.thresholds, curve.false_positives, curve.sensitivity, strict=True):
        assert rate == sum(score >= t for _, score in false) / IMAGES
        assert share == sum(score >= t for score in best) / len(best)
        if np.isfinite(t):
            assert found.at_threshold(t) == pytest.approx((share, rate))
    rates = np.array([0.0, 0.25, 0.5, 1.0, 2.5, 8.0])
    expected = [best_under(rate, best, false, IMAGES) for rate in rates]
    assert found.sensitivity_at(rates).tolist() == pytest.approx(expected)


@given(MARKS, LESIONS, DISC)
def test_figure_of_merit_by_pairs(marks, lesions, disc):
    found = match_marks(*made(marks, lesions, disc), IMAGES)
    best, false = brute(marks, lesions, disc)
    normal = sorted(set(range(IMAGES)) - {one[0] for one in lesions})
    if not normal:
        with pytest.raises(InputError, match="no image without one"):
            found.figure_of_merit()
        return
    highest = [max((score for image, score in false if image == one), default=-math.inf) for one in normal]
    wins = [(a > b) + 0.5 * (a == b) for a, b in itertools.product(best, highest)]
    assert found.figure_of_merit() == pytest.approx(sum(wins) / len(wins))


@given(MARKS, LESIONS, st.lists(st.integers(0, 3), min_size=IMAGES, max_size=IMAGES))
def test_a_resample_is_the_images_copied(marks, lesions, times):
    found = match_marks(*made(marks, lesions, True), IMAGES)
    copied, place = ([], []), 0
    for image, count in enumerate(times):
        for _ in range(count):
            for rows, store in ((marks, copied[0]), (lesions, copied[1])):
                store += [(place, *row[1:]) for row in rows if row[0] == image]
            place += 1
    rates = np.array([0.0, 0.25, 0.5, 1.0, 8.0])
    if not copied[1]:
        for call in (
            lambda: found.sensitivity_at(rates, np.array(times)),
            lambda: found.at_threshold(2, np.array(times)),
        ):
            with pytest.raises(InputError, match="no lesion in these images"):
                call()
        return
    again = match_marks(*made(*copied, True), place)
    assert found.sensitivity_at(rates, np.array(times)).tolist() == pytest.approx(again.sensitivity_at(rates).tolist())
    assert found.at_threshold(2, np.array(times)) == pytest.approx(again.at_threshold(2))
    if any(times[i] for i in set(range(IMAGES)) - {one[0] for one in lesions}):
        assert found.figure_of_merit(np.array(times)) == pytest.approx(again.figure_of_merit())


def test_the_rules_one_by_one():
    """Several marks on a lesion count once; a mark in two finds the nearer; the edge belongs to the lesion."""
    lesions = Lesions(np.array([0, 0]), np.array([[0, 0, 4, 4], [2, 0, 6, 4.0]]), True)
    marks = Marks(np.array([0, 0, 0, 0]), np.array([1, 2, 6, 6.1]), np.array([2, 2, 2, 2.0]), np.array([1, 3, 2, 9.0]))
    found = match_marks(marks, lesions, 1)
    assert found.lesion_score.tolist() == [3, 2]
    assert found.false_score.tolist() == [9]
    assert match_marks(marks, Lesions(lesions.image, lesions.box, False), 1).lesion_score.tolist() == [3, 2]
    corner = Marks(np.array([0]), np.array([0.0]), np.array([0.0]), np.array([1.0]))
    assert match_marks(corner, lesions, 1).lesion_score.tolist() == [-np.inf, -np.inf]
    assert match_marks(corner, Lesions(lesions.image, lesions.box, False), 1).lesion_score.tolist() == [1, -np.inf]


def detections(images=40, seed=0):
    rng = np.random.default_rng(seed)
    lesion_image = rng.integers(images // 2, size=30)
    scores = np.where(rng.random(30) < 0.2, -np.inf, rng.normal(1, 1, 30))
    return Detections(images, lesion_image, scores, rng.integers(images, size=90), rng.normal(size=90))


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_are_those_of_images_drawn_by_hand(grouped):
    """Another generator, many resamples: the same ends within the error of drawing."""
    found = detections()
    groups = [f"p{i // 2}" for i in range(40)] if grouped else None
    figures = summarise_froc(found, Settings(4000, groups=groups, threshold=0.5))["models"]["marks"]
    rng, drawn = np.random.default_rng(99), []
    for _ in range(4000):
        picked = rng.integers(20, size=20) if grouped else rng.integers(40, size=40)
        times = np.bincount(picked, minlength=20 if grouped else 40)
        drawn.append(found.sensitivity_at(np.array(RATES), np.repeat(times, 2) if grouped else times))
    for number, rate in enumerate(RATES):
        entry = figures[f"sensitivity_at_{rate:g}"]
        ends = np.quantile(np.array(drawn)[:, number], [0.025, 0.975])
        assert [entry["low"], entry["high"]] == pytest.approx(ends, abs=0.025)
    assert figures["mean_sensitivity"]["value"] == pytest.approx(found.sensitivity_at(np.array(RATES)).mean())
    assert (figures["sensitivity"]["value"], figures["false_positives_per_image"]["value"]) == found.at_threshold(0.5)
    assert figures["jafroc"]["value"] == found.figure_of_merit()
    assert {one["method"] for one in figures.values() if one["low"] is not None} == {
        "bootstrap of groups" if grouped else "bootstrap of images"
    }


def test_one_image_has_no_interval():
    found = Detections(1, np.array([0]), np.array([1.0]), np.array([0]), np.array([2.0]))
    result = summarise_froc(found, Settings(20))
    assert result["models"]["marks"]["sensitivity_at_1"]["low"] is None
    assert "jafroc" not in result["models"]["marks"]
