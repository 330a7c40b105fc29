"""Peaks against the slow definition: windows one by one, features zeroed one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv import detector_peaks as module
from bioconv.conv import reference_detectors as definition
from bioconv.conv.detector_peaks import detector_peaks
from bioconv.conv.detectors import Detectors, record_scores


def network(rng, *, count=3, length=4, hidden=0, average=False, both=True, pooling="max") -> Detectors:
    width = hidden or 1
    return Detectors(
        filters=rng.normal(size=(count, 4, length)),
        thresholds=rng.normal(size=count) - 1,
        average_pooling=average,
        weights1=rng.normal(size=(count * (1 + average), width)),
        biases1=rng.normal(size=width),
        weights2=rng.normal(size=hidden) if hidden else None,
        bias2=0.3 if hidden else 0.0,
        reverse_complement=both,
        strand_pooling=pooling,
    )


def by_hand(codes, detectors):
    """Return score, strand of each detector, rectified maxima and the fall without each detector."""
    m = detectors.length
    scores, tops, without = [], [], []
    for strand in range(detectors.strands):
        read = definition.reverse_complement(codes) if strand else codes
        letters = np.pad(definition.LETTERS[read], ((m - 1, m - 1), (0, 0)), constant_values=0.25)
        values = definition.responses(letters, detectors)
        pooled = definition.pool(values, detectors)
        scores.append(definition.head(pooled, detectors))
        tops.append(np.maximum(values.max(axis=1), 0))
        each = []
        for d in range(detectors.count):
            silenced = pooled.reshape(detectors.count, -1).copy()
            silenced[d] = 0
            each.append(definition.head(silenced.ravel(), detectors))
        without.append(each)
    if detectors.strand_pooling == "mean":
        best = np.argmax(tops, axis=0)
        return np.mean(scores), 1 - 2 * best, np.max(tops, axis=0), np.mean(scores) - np.mean(without, axis=0)
    best = int(np.argmax(scores))
    return scores[best], np.full(detectors.count, 1 - 2 * best), tops[best], scores[best] - np.max(without, axis=0)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(1, 6),
    st.sampled_from([0, 3]),
    st.booleans(),
    st.sampled_from(["one strand", "max", "mean"]),
)
def test_peaks_are_the_definitions(seed, n, length, hidden, average, pooling):
    rng = np.random.default_rng(seed)
    both = {"both": pooling != "one strand", "pooling": "mean" if pooling == "mean" else "max"}
    detectors = network(rng, length=length, hidden=hidden, average=average, **both)
    records = rng.choice(5, p=[0.23] * 4 + [0.08], size=(4, n)).astype(np.uint8)
    peaks = detector_peaks(records, detectors)
    for k, codes in enumerate(records):
        score, strand, top, fall = by_hand(codes, detectors)
        strands = record_scores(codes, detectors, backend="reference")
        np.testing.assert_allclose(peaks.score[k], score, atol=1e-4)
        np.testing.assert_allclose(peaks.score[k], detectors.pool_strands(strands[None])[0], atol=1e-4)
        np.testing.assert_allclose(peaks.fall[k], fall, atol=1e-4)
        if pooling == "max":
            if np.ptp(strands) < 1e-4:
                continue  # either strand
            assert (peaks.strand[k] == strand).all()
        np.testing.assert_allclose(peaks.response[k], top, atol=1e-4)
        # Several windows may be equal (of unknown letters, or palindromes): the one found must give the response.
        padded = np.pad(codes, length - 1, constant_values=4)
        for d in np.flatnonzero(top > 1e-3):
            begin = int(peaks.start[k, d]) + length - 1
            site = padded[begin : begin + length]
            site = definition.reverse_complement(site) if peaks.strand[k, d] < 0 else site
            value = definition.responses(definition.LETTERS[site], detectors)[d, 0]
            np.testing.assert_allclose(value, top[d], atol=1e-4)


@pytest.mark.parametrize("average", [False, True])
def test_blocks_change_nothing(monkeypatch, average):
    rng = np.random.default_rng(3)
    detectors = network(rng, hidden=4, average=average)
    records = rng.integers(0, 4, size=(7, 50)).astype(np.uint8)
    whole = detector_peaks(records, detectors)
    monkeypatch.setattr(module, "_BLOCK", 20)  # a record at a time, in three pieces
    pieces = detector_peaks(records, detectors)
    for name in ("response", "score", "fall"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), atol=1e-5)
    assert (pieces.start == whole.start).all()
    assert (pieces.strand == whole.strand).all()


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_the_other_strand_gives_the_mirror_image(pooling):
    rng = np.random.default_rng(4)
    detectors = network(rng, length=10, pooling=pooling)  # no word occurs twice
    records = rng.integers(0, 4, size=(9, 30)).astype(np.uint8)
    here, there = detector_peaks(records, detectors), detector_peaks(definition.reverse_complement(records), detectors)
    np.testing.assert_allclose(here.score, there.score, atol=1e-5)
    fires = here.response > 0
    assert fires.any()
    assert (here.strand == -there.strand)[fires].all()
    assert (here.start == 30 - 10 - there.start)[fires].all()


def test_silent_detectors_matter_exactly_nothing():
    rng = np.random.default_rng(5)
    detectors = network(rng, hidden=4)
    detectors = replace(detectors, thresholds=detectors.thresholds - [0, 100, 0])
    fall = detector_peaks(rng.integers(0, 4, size=(9, 30)).astype(np.uint8), detectors).fall
    assert (fall[:, 1] == 0).all()
    assert (fall[:, 0] != 0).any()
