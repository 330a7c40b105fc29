"""Detectors as motifs: against a loop over windows, planted motifs, and the closed form of the weights' own motif."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.conv import reference_detectors as definition
from bioconv.conv.detectors import Detectors, record_scores
from bioconv.errors import InputError, OptionError
from bioconv.sequence import detector_motifs as module
from bioconv.sequence.detector_matches import (
    MatchOptions,
    draw_logos,
    json_rows,
    match_detectors,
    rank_detectors,
    table_lines,
)
from bioconv.sequence.detector_motifs import detector_motifs
from bioconv.sequence.fasta import encode
from bioconv.sequence.motifs import Motif
from bioconv.sequence.motifs.compare import gather_targets
from bioconv.sequence.motifs.information import column_bits

ONE, ZERO = np.ones(1), np.zeros(1)


def detectors_of(filters, thresholds, *, both=True, weights=None) -> Detectors:
    count = len(filters)
    weights = np.ones(count) if weights is None else np.array(weights, float)
    return Detectors(np.array(filters), np.array(thresholds), False, weights[:, None], ZERO, None, 0.0, both)


def word_detector(word: str, margin: float = 0.5) -> tuple[np.ndarray, float]:
    """A filter that counts matching letters; its response to the word itself is `margin`."""
    return np.eye(4)[encode(word)].T, margin - len(word)


def by_hand(sequences, detectors):
    """Return, per detector, the frequencies before trimming and the responses."""
    m = detectors.length
    counts = np.full((detectors.count, m, 4), 1e-4)
    responses: list[list[float]] = [[] for _ in range(detectors.count)]
    for codes in sequences:
        if detectors.reverse_complement and np.argmax(record_scores(codes, detectors, backend="reference")) == 1:
            codes = definition.reverse_complement(codes)
        letters = np.pad(definition.LETTERS[codes], ((m - 1, m - 1), (0, 0)), constant_values=0.25)
        values = definition.responses(letters, detectors)
        for d, row in enumerate(values):
            if row.max() > 0:
                counts[d] += letters[row.argmax() : row.argmax() + m]
                responses[d].append(row.max())
    return counts / counts.sum(axis=2, keepdims=True), responses


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_motifs_are_those_of_a_loop(seed, both):
    rng = np.random.default_rng(seed)
    filters, thresholds = rng.normal(size=(3, 4, 5)), rng.normal(size=3) - 2.5
    detectors = detectors_of(filters, thresholds, both=both, weights=rng.normal(size=3))
    lengths = rng.integers(1, 25, size=20)
    sequences = [rng.choice(5, p=[0.24] * 4 + [0.04], size=n).astype(np.uint8) for n in lengths]
    expected, responses = by_hand(sequences, detectors)
    for d, found in enumerate(detector_motifs(detectors, sequences, name="net")):
        assert (found.detector, found.sites, found.share) == (d + 1, len(responses[d]), len(responses[d]) / 20)
        if found.sites:
            assert found.mean_response == pytest.approx(np.mean(responses[d]), abs=1e-4)
            assert found.max_response == pytest.approx(np.max(responses[d]), abs=1e-4)
        if found.motif:
            # Where several windows of unknown letters tie, so may the letters beside them: compare the rest.
            np.testing.assert_allclose(found.motif.frequencies, expected[d][found.begin : found.end], atol=0.3)
            bits = column_bits(expected[d])
            limit = max(0.1, 0.1 * bits.max())
            if abs(bits - limit).min() > 1e-3:
                kept = np.flatnonzero(bits >= limit)
                assert (found.begin, found.end) == (kept[0], kept[-1] + 1)
                np.testing.assert_allclose(found.motif.frequencies, expected[d][found.begin : found.end], atol=1e-5)


def plant(rng, word: str, count: int, *, length: int = 60, turned: bool = False) -> list[np.ndarray]:
    sequences = rng.integers(0, 4, size=(count, length)).astype(np.uint8)
    for k, place in enumerate(rng.integers(0, length - len(word), size=count)):
        code = encode(word)
        if turned and k % 2:
            code = definition.reverse_complement(code)
        sequences[k, place : place + len(word)] = code
    return list(sequences)


def test_planted_words_are_found_on_both_strands():
    rng = np.random.default_rng(1)
    words = ["GATTACAGC", "CCGTAACTG"]
    filters, thresholds = zip(*map(word_detector, words), strict=True)
    sequences = plant(rng, words[0], 40, turned=True) + plant(rng, words[1], 20, turned=True)
    found = detector_motifs(detectors_of(filters, thresholds), sequences)
    assert [each.consensus for each in found] == words
    assert [each.sites for each in found] == [40, 20]
    assert [each.importance for each in found] == pytest.approx([0.5 * 40 / 60, 0.5 * 20 / 60])
    averaged = replace(detectors_of(filters, thresholds), strand_pooling="mean")
    mean = detector_motifs(averaged, sequences)
    assert [each.sites for each in mean] == [40, 20]
    assert [each.importance for each in mean] == pytest.approx([0.25 * 40 / 60, 0.25 * 20 / 60])
    one_strand = detector_motifs(detectors_of(filters, thresholds, both=False), sequences)
    assert [each.sites for each in one_strand] == [20, 10]


def test_importance_is_the_fall_of_the_mean_score():
    """Zeroing a feature is the same as zeroing its weight in the head."""
    rng = np.random.default_rng(2)
    weights = rng.normal(size=3)
    detectors = detectors_of(rng.normal(size=(3, 4, 6)), rng.normal(size=3), weights=weights)
    sequences = list(rng.integers(0, 4, size=(30, 40)).astype(np.uint8))
    scores = np.mean([record_scores(codes, detectors).max() for codes in sequences])
    for d, found in enumerate(detector_motifs(detectors, sequences)):
        less = detectors_of(detectors.filters, detectors.thresholds, weights=np.where(np.arange(3) == d, 0, weights))
        without = np.mean([record_scores(codes, less).max() for codes in sequences])
        assert found.importance == pytest.approx(scores - without, abs=1e-4)


def test_lots_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    detectors = detectors_of(rng.normal(size=(4, 4, 6)), rng.normal(size=4))
    sequences = list(rng.integers(0, 4, size=(50, 40)).astype(np.uint8))
    whole = detector_motifs(detectors, sequences)
    monkeypatch.setattr(module, "_LOT", 7)
    for a, b in zip(whole, detector_motifs(detectors, sequences[::-1]), strict=True):
        assert (a.sites, a.begin, a.end) == (b.sites, b.begin, b.end)
        np.testing.assert_array_equal(a.motif.frequencies, b.motif.frequencies)
        assert a.importance == pytest.approx(b.importance)


def test_unknown_letters_count_a_quarter():
    filters, threshold = word_detector("ACGT", margin=2.0)
    found = detector_motifs(detectors_of([filters], [threshold], both=False), [encode("TTACNTTT"), encode("ACGT")])[0]
    expected = np.array([[2, 0, 0, 0], [0, 2, 0, 0], [0.25, 0.25, 1.25, 0.25], [0, 0, 0, 2]]) + 1e-4
    np.testing.assert_allclose(found.motif.frequencies, expected / expected.sum(axis=1, keepdims=True))


def test_vague_edges_are_cut():
    """Only the two middle columns have weights, the others hold whatever is there."""
    filters = np.zeros((1, 4, 6))
    filters[0, [0, 1], [2, 3]] = 1
    rng = np.random.default_rng(4)
    sequences = list(rng.integers(0, 4, size=(3000, 60)).astype(np.uint8))
    found = detector_motifs(detectors_of(filters, [-1.5], both=False), sequences)[0]
    assert (found.begin, found.end, found.consensus) == (2, 4, "AC")


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.integers(12, 30))
def test_weights_alone_make_a_motif_of_given_rarity(seed, scale, length):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(1, 4, length))
    found = detector_motifs(detectors_of(weights * scale, [0]))[0]
    frequencies = found.motif.frequencies
    # A column is a softmax: its log-frequencies are the weights, times one sharpness, plus anything.
    logs = np.log(frequencies)
    columns = weights[0].T[found.begin : found.end]
    centred = [x - x.mean(axis=1, keepdims=True) for x in (logs, columns)]
    sharpness = (centred[0] * centred[1]).sum() / (centred[1] ** 2).sum()
    np.testing.assert_allclose(centred[0], sharpness * centred[1], atol=1e-6 * abs(centred[0]).max() + 1e-4)
    whole = np.exp(sharpness * weights[0].T)
    assert column_bits(whole / whole.sum(axis=1, keepdims=True)).sum() == pytest.approx(np.log2(1e4), abs=0.01)
    assert (found.sites, found.importance) == (None, None)


def test_words_in_the_top_ten_thousandth_have_the_letters_of_the_weights_motif():
    """The reason for that rarity: all 4^8 words, of which the best by response are counted."""
    rng = np.random.default_rng(7)
    weights = rng.normal(size=(4, 8)).astype(np.float32)
    words = np.stack(np.meshgrid(*[np.arange(4)] * 8, indexing="ij"), -1).reshape(-1, 8)
    responses = weights[words, np.arange(8)].sum(axis=1)
    best = words[np.argsort(-responses)[: round(4**8 * 1e-3)]]
    counted = np.array([(best == letter).mean(axis=0) for letter in range(4)]).T
    found = detector_motifs(detectors_of([weights], [0]))[0]
    expected = counted[found.begin : found.end]
    assert np.corrcoef(found.motif.frequencies.ravel(), expected.ravel())[0, 1] > 0.95


def test_weights_that_cannot_be_so_rare_are_as_sharp_as_can_be():
    filters, threshold = word_detector("ACG")
    assert detector_motifs(detectors_of([filters], [threshold]))[0].bits == pytest.approx(6, abs=0.01)
    flat = detector_motifs(detectors_of(np.ones((1, 4, 5)), [0]))[0]
    assert (flat.motif, flat.bits, flat.consensus) == (None, 0, "")


def test_nothing_to_read_is_refused():
    detectors = detectors_of(np.ones((1, 4, 5)), [0])
    with pytest.raises(InputError, match="there are no sequences"):
        detector_motifs(detectors, [])
    with pytest.raises(InputError, match="sequence 2 is empty"):
        detector_motifs(detectors, [encode("ACG"), encode("")])


def test_silent_detectors_have_no_motif():
    found = detector_motifs(detectors_of(np.ones((1, 4, 5)), [-9]), [encode("ACGTACGT")])[0]
    assert (found.motif, found.sites, found.importance, found.max_response) == (None, 0, 0, 0)
    filters, threshold = word_detector("ACGT")
    alone = detector_motifs(detectors_of([filters, filters], [threshold, -4.0]))
    assert [each.consensus for each in alone] == ["ACGT", ""]


@pytest.fixture
def found():
    words = ["GATTACAGC", "CCGTAACTG", "AC", "TTTTTTTTT"]
    filters, thresholds = zip(*(word_detector(word) for word in words), strict=True)
    filters = [np.pad(each, ((0, 0), (0, 9 - each.shape[1]))) for each in filters]
    sequences = plant(np.random.default_rng(5), words[0], 20) + plant(np.random.default_rng(6), words[1], 40)
    return detector_motifs(detectors_of(filters, thresholds, weights=[1, 1, -1, 1]), sequences)


def test_ranking(found):
    assert [each.detector for each in rank_detectors(found)] == [2, 1, 4, 3]
    assert [each.detector for each in rank_detectors(found, 1)] == [2]
    unknown = detector_motifs(detectors_of(np.ones((2, 4, 5)), [0, 0]))
    assert [each.detector for each in rank_detectors(unknown)] == [1, 2]
    with pytest.raises(OptionError, match="importance is measured on sequences"):
        rank_detectors(unknown, 1)
    with pytest.raises(OptionError, match="give 1 or more"):
        rank_detectors(found, 0)


def test_table_json_and_logos(found, tmp_path):
    targets = gather_targets([Motif("K1", "Known", np.eye(4)[encode("GCTGTAATC")], 20, "")])
    rows = match_detectors(found, targets, MatchOptions(matches=2))
    header, *lines = (line.split("\t") for line in table_lines(rows, matched=True))
    table = [dict(zip(header, line, strict=True)) for line in lines]
    assert [row["match_id"] for row in table] == ["K1", "K1", "NA", "NA"]
    first = table[0]
    assert (first["detector"], first["nsites"], first["width"]) == ("detector01", "20", "9")
    assert (first["match_name"], first["offset"], first["orientation"]) == ("Known", "0", "-")
    assert [row.vague for row in rows] == [False, False, True, False]
    for plain, row in zip(json_rows(rows), table, strict=True):
        assert plain["detector"] == row["detector"]
        assert [match["p-value"] for match in plain["matches"]] == pytest.approx(
            [float(row["p-value"])] if row["p-value"] != "NA" else [], rel=1e-3
        )
    assert len(next(iter(table_lines(rows, matched=False))).split("\t")) == 9
    paths = draw_logos(rows, tmp_path / "logos", title="net", both=True)
    assert sorted(path.name for path in paths) == sorted(path.name for path in (tmp_path / "logos").iterdir())
    assert [path.name for path in paths] == ["overview.svg", *(f"detector0{k}.svg" for k in (1, 2, 3))]
