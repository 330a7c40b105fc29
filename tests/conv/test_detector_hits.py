"""Hits against a version written with loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv import reference_detectors as definition
from bioconv.conv.detector_hits import detector_hits, scorable
from bioconv.conv.detectors import Detectors, window_scores


def make_detectors(rng, *, average, hidden, strands):
    features = 8 if average else 4
    return Detectors(
        filters=rng.integers(-2, 3, (4, 4, 3)),  # whole numbers: ties happen
        thresholds=np.zeros(4),
        average_pooling=average,
        weights1=rng.integers(-1, 3, (features, hidden or 1)),
        biases1=rng.integers(-1, 2, hidden or 1),
        weights2=rng.integers(-1, 3, hidden) if hidden else None,
        bias2=0.0,
        reverse_complement=strands == 2,
    )


def loop_hits(codes, detectors, window, padded, threshold, limit):
    scores = window_scores(codes, detectors, window=window, padded=padded)
    clusters, previous = [], None
    for i in range(min(len(scores), limit)):
        if max(scores[i]) < threshold or sum(codes[i : i + window] >= 4) > window / 2:
            continue
        if previous is None or i - previous >= window:
            clusters.append([])
        clusters[-1].append(i)
        previous = i
    hits = []
    for members in clusters:
        start = max(members, key=lambda i: max(scores[i]))  # the first of equals
        strand = 1 if scores[start, 0] == max(scores[start]) else -1
        hits.append((members[0], members[-1], start, max(scores[start]), strand))
    return hits


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    average=st.booleans(),
    hidden=st.sampled_from([0, 5]),
    strands=st.integers(1, 2),
    padded=st.booleans(),
    window=st.integers(3, 12),
    limit=st.integers(0, 150),
    share=st.sampled_from([0.5, 0.9, 1]),
)
def test_clusters_are_those_of_a_loop(seed, average, hidden, strands, padded, window, limit, share):
    rng = np.random.default_rng(seed)
    detectors = make_detectors(rng, average=average, hidden=hidden, strands=strands)
    codes = rng.integers(0, 4, 120).astype(np.uint8)
    codes[rng.random(120) < 0.2] = 4
    scores = window_scores(codes, detectors, window=window, padded=padded)
    threshold = float(np.quantile(scores.max(axis=1), share))
    mode = {"window": window, "padded": padded}
    hits = detector_hits(codes, detectors, **mode, threshold=threshold, limit=limit)
    expected = loop_hits(codes, detectors, window, padded, threshold, limit)
    # The scores of a shorter chunk may differ in the last digit where means are summed.
    tolerance = 1e-6
    assert len(hits) == len(expected) or average
    if len(hits) == len(expected) and not average:
        names = ["first", "last", "start", "score", "strand"]
        for name, column in zip(names, zip(*expected, strict=True), strict=False):
            np.testing.assert_allclose(hits[name], column, rtol=0, atol=tolerance)
    for hit in hits:
        check_match(codes, detectors, hit, window, padded)


def check_match(codes, detectors, hit, window, padded):
    """The detector whose removal costs most, and its maximum, by removing one after the other."""
    codes = codes[hit["start"] : hit["start"] + window]
    stretch = codes if hit["strand"] > 0 else definition.reverse_complement(codes)
    outside = 2 if padded else 0
    letters = np.pad(definition.LETTERS[stretch], ((outside, outside), (0, 0)), constant_values=0.25)
    values = definition.responses(letters, detectors)
    falls = []
    for d in range(4):
        pooled = definition.pool(values, detectors).reshape(4, -1).copy()
        pooled[d] = 0
        falls.append(hit["score"] - definition.head(pooled.ravel(), detectors))
    assert falls[hit["detector"]] == pytest.approx(max(falls), abs=1e-5)
    places = [p - outside for p in range(values.shape[1]) if values[hit["detector"], p] == max(values[hit["detector"]])]
    spans = [(p, p + 3) if hit["strand"] > 0 else (window - p - 3, window - p) for p in places]
    spans = [(max(a, 0), min(b, window)) for a, b in spans]
    assert (hit["match_start"] - hit["start"], hit["match_end"] - hit["start"]) in spans


def test_windows_more_than_half_unknown_are_left_out():
    detectors = Detectors(np.zeros((1, 4, 2)), np.ones(1), False, np.ones((1, 1)), np.zeros(1), None, 0.0, False)
    codes = np.array([4, 4, 4, 0, 0, 0, 4, 4, 4, 4], np.uint8)
    hits = detector_hits(codes, detectors, window=4, padded=False, threshold=0, limit=100)
    assert hits[["first", "last", "start"]].tolist() == [(1, 4, 1)]  # three of four unknown: out, two: in
    assert scorable(codes, 4).tolist() == [False, True, True, True, True, False, False]


def test_a_break_is_in_no_window():
    codes = np.array([0, 1, 2, 5, 0, 1, 4, 3], np.uint8)
    assert scorable(codes, 3).tolist() == [True, False, False, False, True, True]
    assert scorable(codes[:2], 3).tolist() == []


def test_nothing_in_nothing_out():
    detectors = make_detectors(np.random.default_rng(0), average=False, hidden=0, strands=2)
    empty = np.zeros(0, np.uint8)
    hits = detector_hits(empty, detectors, window=5, padded=True, threshold=-1e9, limit=10)
    assert len(hits) == 0
