"""Motif comparison: the null distribution by enumeration, p-values of random motifs, orientation, offsets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from bioconv.errors import MotifError, OptionError
from bioconv.sequence.motifs import Motif
from bioconv.sequence.motifs.compare import GRID, Match, benjamini_hochberg, compare, gather_targets
from bioconv.sequence.motifs.information import column_bits, reverse_complement


def motif(frequencies, name: str = "m") -> Motif:
    return Motif(name, "", np.array(frequencies, float), 20, "")


def random_motifs(seed: int, widths) -> list[Motif]:
    rng = np.random.default_rng(seed)
    return [motif(rng.dirichlet([0.2] * 4, width), f"m{k}") for k, width in enumerate(widths)]


def steps(score: str, a, b) -> int:
    if score == "euclidean":
        return round(-math.dist(a, b) / GRID)
    return round(float(np.corrcoef(a, b)[0, 1]) / GRID)


def by_enumeration(query: Motif, targets: list[Motif], *, score: str, min_overlap: int, both: bool) -> dict[str, tuple]:
    """Return p, offset, orientation, overlap and score of each target, every null sum counted one by one."""
    width = len(query.frequencies)
    pool = [column for target in targets for column in target.frequencies]
    pool += [column[::-1] for column in pool] if both else []
    tails: dict[tuple[int, int], list[int]] = {}
    for begin, end in itertools.combinations(range(width + 1), 2):
        levels = [[steps(score, column, drawn) for drawn in pool] for column in query.frequencies[begin:end]]
        tails[begin, end] = sorted(map(sum, itertools.product(*levels)))
    found = {}
    for target in targets:
        tried = []
        for orientation in "+-"[: 1 + both]:
            read = target.frequencies if orientation == "+" else target.frequencies[::-1, ::-1]
            for offset in range(1 - len(read), width):
                begin, end = max(0, offset), min(width, offset + len(read))
                if end - begin < min(min_overlap, width, len(read)):
                    continue
                total = sum(steps(score, query.frequencies[i], read[i - offset]) for i in range(begin, end))
                p = np.mean(np.array(tails[begin, end]) >= total)
                tried.append((p, offset, orientation, end - begin, pytest.approx(total * GRID)))
        p = min(one[0] for one in tried)
        found[target.name] = (1 - (1 - p) ** len(tried), [one[1:] for one in tried if one[0] <= p * (1 + 1e-9)])
    return found


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 3), st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.sampled_from(["euclidean", "pearson"]), st.integers(1, 3), st.booleans(),
)  # fmt: skip
def test_p_values_are_those_of_all_column_combinations(seed, width, widths, score, min_overlap, both):
    targets = random_motifs(seed, widths)
    query = random_motifs(seed + 1, [width])[0]
    assume(all(column_bits(each.frequencies).min() > 0.1 for each in [query, *targets]))  # flanks are not cut
    expected = by_enumeration(query, targets, score=score, min_overlap=min_overlap, both=both)
    matches = compare(query, gather_targets(targets), score=score, min_overlap=min_overlap, both_orientations=both)
    assert sorted(match.target.name for match in matches) == sorted(expected)
    for match in matches:
        p, ways = expected[match.target.name]
        assert match.p == pytest.approx(p, rel=1e-9)
        assert (match.offset, match.orientation, match.overlap, match.score) in ways
        assert match.e == pytest.approx(p * len(targets))


def drawn_collection(seed: int, count: int, width: int) -> list[Motif]:
    """Motifs whose columns are drawn, independently, from few distinct ones."""
    rng = np.random.default_rng(seed)
    pool = rng.dirichlet([0.3] * 4, 400)
    return [motif(pool[rng.integers(len(pool), size=width)], f"m{k}") for k in range(count)]


def test_p_values_of_random_targets_are_uniform():
    """One alignment only (equal widths, full overlap): no correction, so uniform and not merely safe."""
    targets = drawn_collection(1, 3000, 6)
    query = motif(np.random.default_rng(2).dirichlet([0.3] * 4, 6), "query")
    p = [m.p for m in compare(query, gather_targets(targets), min_overlap=6, both_orientations=False)]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert np.histogram(p, 10, (0, 1))[0] == pytest.approx([300] * 10, abs=75)


def test_corrected_p_values_of_random_targets_are_safe_and_not_wasteful():
    """With many alignments tried, P(p <= a) is at most a (to sampling error), and not far below."""
    targets = drawn_collection(3, 4000, 8)
    query = motif(np.random.default_rng(4).dirichlet([0.3] * 4, 8), "query")
    p = np.array([match.p for match in compare(query, gather_targets(targets))])
    for level in (0.01, 0.05, 0.2, 0.5):
        error = 4 * math.sqrt(level / len(p))
        assert 0.4 * level - error < np.mean(p <= level) < level + error


@pytest.mark.parametrize("score", ["euclidean", "pearson"])
def test_a_motif_matches_itself_best(score):
    known = random_motifs(5, [8, 10, 12, 9, 15, 6, 11, 7] * 8)
    targets = gather_targets(known)
    for query in known[:8]:
        best = compare(query, targets, score=score)[0]
        assert (best.target.name, best.offset, best.orientation) == (query.name, 0, "+")
        assert best.overlap == len(query.frequencies)
        assert best.p < 1e-5
        turned = compare(reverse_complement(query), targets, score=score)[0]
        assert (turned.target.name, turned.offset, turned.orientation) == (query.name, 0, "-")
        assert turned.p == pytest.approx(best.p)


@pytest.mark.parametrize(("left", "right"), [(2, 0), (0, 3), (-2, -1), (3, -2)])
def test_offsets_count_from_the_query(left, right):
    """Flat columns added (positive) or columns cut (negative) on either side of the query."""
    known = random_motifs(6, [10] * 40)
    whole = known[7].frequencies
    core = whole[max(-left, 0) : len(whole) - max(-right, 0)]
    padded = np.pad(core, ((max(left, 0), max(right, 0)), (0, 0)), constant_values=0.25)
    for query, orientation, offset in (
        (motif(padded), "+", left),
        (reverse_complement(motif(padded)), "-", right),
    ):
        best = compare(query, gather_targets(known))[0]
        assert (best.target.name, best.orientation, best.offset) == ("m7", orientation, offset)


def test_flat_flanks_change_nothing():
    known = random_motifs(7, [8, 9, 12] * 20)
    query = known[4]
    padded = motif(np.pad(query.frequencies, ((3, 2), (0, 0)), constant_values=0.25), query.name)
    same = [motif(np.pad(each.frequencies, ((4, 1), (0, 0)), constant_values=0.25), each.name) for each in known]
    plain = compare(query, gather_targets(known))
    flanked = compare(padded, gather_targets(same))
    names = [match.target.name for match in plain]
    assert names == [match.target.name for match in flanked]
    assert [match.p for match in plain] == [match.p for match in flanked]
    assert flanked[0].offset == 3 - 4


def test_order_ties_and_flat_motifs():
    known = [motif(np.eye(4)[[0, 1, 2, 3, 0, 2]], "twice"), motif(np.eye(4)[[0, 1, 2, 3, 0, 2]], "same")]
    known += random_motifs(8, [6] * 30)
    matches = compare(known[0], gather_targets(known))
    assert [match.target.name for match in matches[:2]] == ["twice", "same"]
    assert [match.p for match in matches] == sorted(match.p for match in matches)
    flat = compare(motif(np.full((6, 4), 0.25)), gather_targets(known))
    assert len(flat) == len(known)
    assert all(isinstance(match, Match) and 0 < match.p <= 1 for match in flat)


def test_q_values_are_scipys():
    p = np.random.default_rng(9).random(500) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    matches = compare(random_motifs(10, [7])[0], gather_targets(random_motifs(11, [7] * 50)))
    expected = stats.false_discovery_control([match.p for match in matches])
    np.testing.assert_allclose([match.q for match in matches], expected)


def test_refusals():
    with pytest.raises(MotifError, match="no motifs to compare with"):
        gather_targets([])
    targets = gather_targets(random_motifs(0, [5]))
    with pytest.raises(OptionError, match=r"'cosine'.*euclidean"):
        compare(targets.motifs[0], targets, score="cosine")
    with pytest.raises(OptionError, match="overlap of 0"):
        compare(targets.motifs[0], targets, min_overlap=0)
