"""Q-values against scipy's Benjamini-Hochberg, and against the definition written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from bioconv.sequence.scanning import qvalues
from bioconv.sequence.scanning.qvalues import FalseDiscovery

LEVELS = [1e-300, 1e-9, 1e-4, 0.003, 0.003000001, 0.02, 0.5, 1.0]


def by_definition(p: list[float], tests: int) -> list[float]:
    """The smallest p' m / rank(p') over the p' >= p, at most 1."""
    return [min([1.0, *(other * tests / sum(x <= other for x in p) for other in p if other >= value)]) for value in p]


def compute(parts: list[list[tuple[int, float]]], tests: list[int]) -> list[list[float]]:
    discovery = FalseDiscovery()
    arrays = [
        (np.array([m for m, _ in part], dtype=np.int32), np.array([p for _, p in part], dtype=np.float64))
        for part in parts
    ]
    for motifs, p in arrays:
        discovery.add(motifs, p)
    q_values = discovery.finish(np.array(tests, dtype=np.int64))
    return [q_values.of(motifs, p).tolist() for motifs, p in arrays]


HITS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(LEVELS) | st.floats(1e-12, 1)), max_size=25)


@pytest.mark.parametrize("room", [0, 10, 1 << 21])
@settings(max_examples=200, deadline=None)
@given(parts=st.lists(HITS, max_size=5), more=st.integers(0, 1000))
def test_q_values_follow_the_definition_however_they_are_compressed(room, parts, more):
    every = [hit for part in parts for hit in part]
    tests = [sum(m == motif for m, _ in every) + more * motif for motif in range(4)]
    expected = {}
    for motif in range(4):
        p = [p for m, p in every if m == motif]
        expected |= {(motif, one): q for one, q in zip(p, by_definition(p, tests[motif]), strict=True)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qvalues, "_COMPRESS", room)
        found = compute(parts, tests)
    for part, values in zip(parts, found, strict=True):
        assert values == pytest.approx([expected[hit] for hit in part], rel=1e-12)


@settings(max_examples=200, deadline=None)
@given(p=st.lists(st.sampled_from(LEVELS) | st.floats(1e-12, 1), min_size=1, max_size=60))
def test_all_reported_is_scipys_benjamini_hochberg(p):
    assert compute([[(0, x) for x in p]], [len(p)])[0] == pytest.approx(false_discovery_control(p), rel=1e-12)


@settings(max_examples=200, deadline=None)
@given(p=st.lists(st.floats(1e-6, 1), min_size=2, max_size=60), cut=st.floats(1e-5, 1))
def test_q_values_of_a_truncated_list_are_never_too_small(p, cut):
    """What lies beyond the threshold is not seen; where it would not lower a q-value, nothing changes."""
    full = dict(zip(p, false_discovery_control(p).tolist(), strict=True))
    kept = [x for x in p if x <= cut]
    values = compute([[(0, x) for x in kept]], [len(p)])[0]
    assert all(q >= full[x] * (1 - 1e-12) for x, q in zip(kept, values, strict=True))
    assert all(q >= x * (1 - 1e-12) for x, q in zip(kept, values, strict=True))
    beyond = [full[x] for x in p if x > cut]
    for x, q in zip(kept, values, strict=True):
        assert q == pytest.approx(full[x], rel=1e-12) or q > min(beyond)


def test_nothing_found():
    q_values = FalseDiscovery().finish(np.array([5, 0]))
    assert len(q_values.of(np.empty(0, dtype=np.int32), np.empty(0))) == 0


def test_many_motifs_and_ties_at_scale():
    rng = np.random.default_rng(0)
    motifs = rng.integers(0, 50, 20_000).astype(np.int32)
    p = rng.choice(np.geomspace(1e-9, 1e-3, 300), 20_000)
    discovery = FalseDiscovery()
    for rows in np.array_split(np.arange(20_000), 7):
        discovery.add(motifs[rows], p[rows])
    found = discovery.finish(np.full(50, 10_000_000)).of(motifs, p)
    for motif in range(50):
        mine = p[motifs == motif]
        padded = np.concatenate([mine, np.ones(10_000_000 // 1000)])
        q = false_discovery_control(padded)[: len(mine)] * (10_000_000 / len(padded))
        np.testing.assert_allclose(found[motifs == motif], np.minimum(q, 1), rtol=1e-9)
