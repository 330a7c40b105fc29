"""Probabilities along sequences: windows one by one, letters of the whole record; and the files made of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.errors import OptionError
from bioconv.sequence.fasta import Record
from bioconv.sequence.records import whole_records
from bioconv.sequence.recurrent import inference, positions
from bioconv.sequence.recurrent.positions import PositionBlock, PositionRun, predict_positions
from bioconv.sequence.recurrent.tracks import PositionFiles
from tests.sequence.recurrent.recurrent_models import (
    expected,
    model_path,
    random_texts,
    reverse_complement,
    sequence_model,
)

DONOR = {"type": "five_prime_cis_splice_site", "offset": 5, "length": 2}


@pytest.fixture
def in_pieces(monkeypatch):
    """Records over 100 letters come in pieces, and are worked on a few letters at a time."""
    monkeypatch.setattr(positions, "whole_records", lambda chunks: whole_records(chunks, longest=100))
    monkeypatch.setattr(positions, "_STRETCH", 37)
    monkeypatch.setattr(inference, "BLOCK", 41)


@pytest.mark.parametrize("window", [1, 8, 150])
def test_windows_on_both_strands(tmp_path, in_pieces, window):
    texts = random_texts([30, 8, 7, 0, 300, 101])
    path, model = model_path(tmp_path, window=window), sequence_model(window=window)
    found = {(one.name, one.strand): one.values for one in predict_positions(texts, model=path)}
    wanted = [name for name, text in texts.items() if len(text) >= window]
    assert list(found) == [(name, strand) for name in wanted for strand in "+-"]
    for name in wanted:
        windows = [texts[name][at : at + window] for at in range(len(texts[name]) - window + 1)]
        for strand, turn in (("+", str), ("-", reverse_complement)):
            values = [expected(model, turn(text)) for text in windows]
            np.testing.assert_allclose(found[name, strand], values, rtol=0, atol=1e-6)
    run = PositionRun(sequence_model(window=window), strand="-")
    assert {block.strand for block in run.blocks(texts)} == {"-"}
    assert (run.records, run.bases) == (6, 446)
    assert run.short == len([text for text in texts.values() if len(text) < window])


@pytest.mark.parametrize("alphabet", ["dna", "protein"])
def test_letters_of_whole_records(tmp_path, in_pieces, alphabet):
    config = {"pooling": "none", "layers": 2, "kmer": 2, "embedding": 2}
    path = model_path(tmp_path, alphabet=alphabet, config=config)
    model = sequence_model(alphabet=alphabet, config=config)
    texts = random_texts([30, 1, 0, 333, 101])
    found = list(predict_positions(texts, model=path))
    assert [(one.name, one.strand) for one in found] == [
        (name, "+" if alphabet == "dna" else ".") for name, text in texts.items() if text
    ]
    for one in found:
        np.testing.assert_allclose(one.values, expected(model, texts[one.name]), rtol=0, atol=1e-6)


def test_models_that_cannot_be_moved_along():
    with pytest.raises(OptionError, match="m was trained on whole sequences of different lengths"):
        PositionRun(sequence_model())
    with pytest.raises(OptionError, match="--strand -: model m reads records as they are given"):
        PositionRun(sequence_model(config={"pooling": "none"}), strand="-")
    with pytest.raises(OptionError, match="reads records as they are given"):
        PositionRun(sequence_model(alphabet="protein", window=9), strand="both")
    with pytest.raises(OptionError, match="expected both"):
        PositionRun(sequence_model(window=9), strand="x")
    with pytest.raises(OptionError, match="--threshold is 0"):
        PositionFiles("x", PositionRun(sequence_model(window=9)), threshold=0)


def read_track(path, length):
    """The value at each letter; each at most once, none outside."""
    values, seen = np.zeros(length), np.zeros(length, int)
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            _, begin, end, value = line.split("\t")
            values[int(begin) : int(end)] = float(value)
            seen[int(begin) : int(end)] += 1
            assert 0 <= int(begin) < int(end) <= length
    assert seen.max(initial=0) <= 1
    return values


def read_features(path):
    lines = path.read_text().splitlines()
    assert lines[0] == "##gff-version 3"
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert all(row[0] == "s0" and row[1] == "bioconv" and row[7] == "." for row in rows)
    return [(row[8].removeprefix("Name="), row[2], int(row[3]), int(row[4]), row[6], float(row[5])) for row in rows]


def test_windows_are_placed_at_their_feature(tmp_path):
    """A donor 5 letters into a window of 12, two letters long; on the other strand counted from the other end."""
    model = sequence_model(window=12, features={"yes": DONOR}, background="N")
    text = random_texts([200])["s0"]
    plus = [expected(model, text[at : at + 12])[1] for at in range(189)]
    minus = [expected(model, reverse_complement(text[at : at + 12]))[1] for at in range(189)]
    threshold = float(np.median([*plus, *minus]))  # of an even number of values: between two of them
    run = PositionRun(model)
    with PositionFiles(str(tmp_path / "out"), run, threshold=threshold) as files:
        for block in run.blocks({"s0": text}):
            files.add(block)
        files.write("how")
    names = ["no.minus", "no.plus", "yes.minus", "yes.plus"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.gff3", *(f"out.{n}.bedGraph" for n in names)]
    track = read_track(tmp_path / "out.yes.plus.bedGraph", 200)
    np.testing.assert_allclose(track[5 : 5 + 189], plus, rtol=0, atol=1e-4)
    assert not track[:5].any()
    track = read_track(tmp_path / "out.yes.minus.bedGraph", 200)
    np.testing.assert_allclose(track[6 : 6 + 189], minus, rtol=0, atol=1e-4)  # 12 - 1 - 5 letters from the left
    found = [one for one in read_features(tmp_path / "out.gff3") if one[0] == "yes"]
    wanted = []
    for strand, values, first in (("+", plus, 5), ("-", minus, 5)):
        at = 0
        while at < len(values):
            end = at
            while end < len(values) and values[end] >= threshold:
                end += 1
            if end > at:
                best = at + int(np.argmax(values[at:end]))
                # Of a window that starts at `best`: letters 6 and 7 (1-based) read from the strand's own start.
                wanted.append((best + first, strand, values[best]))
            at = max(end, at + 1)
    wanted = sorted((start + 1, start + 2, strand, value) for start, strand, value in wanted)
    assert len(wanted) > 4
    assert [one[1] for one in found] == ["five_prime_cis_splice_site"] * len(wanted)
    assert [one[2:5] for one in found] == [one[:3] for one in wanted]
    np.testing.assert_allclose([one[5] for one in found], [one[3] for one in wanted], rtol=1e-3)


class Blocks:
    """A run whose probabilities are given."""

    def __init__(self, model, strands):
        self.model, self.strands = model, strands


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 0.00001, 0.3, 0.5, 0.7, 0.71, 1.0]), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    offset=st.integers(-3, 3),
    known=st.booleans(),
)
def test_blocks_do_not_matter(tmp_path_factory, values, cuts, offset, known):
    """However a record is cut, the track has each value at its letter, and the runs are those of the whole."""
    features = {"yes": {"type": "stop", "offset": offset, "length": 2}} if known else {}
    model = sequence_model(config={"pooling": "none"}, labels=("N", "yes"), background="N", features=features)
    folder = tmp_path_factory.mktemp("tracks")
    array = np.array(values)
    bounds = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    with PositionFiles(str(folder / "a"), Blocks(model, ("+",)), threshold=0.5) as files:
        for begin, end in pairwise(bounds):
            part = np.stack([1 - array[begin:end], array[begin:end]], axis=1)
            files.add(PositionBlock(Record("s0", "x"), "+", begin, part, end == len(values)))
        files.write()
    np.testing.assert_allclose(read_track(folder / "a.yes.plus.bedGraph", len(values)), array.round(4))
    wanted, at = [], 0
    while at < len(values):
        end = at
        while end < len(values) and values[end] >= 0.5:
            end += 1
        best = max(range(at, end), key=lambda letter: values[letter], default=None)
        if best is not None:
            begin, stop = (best + offset, best + offset + 2) if known else (at, end)
            if begin >= 0 and stop <= len(values):
                wanted.append((begin + 1, stop, values[best]))
        at = max(end, at + 1)
    kind = "stop" if known else "sequence_feature"
    assert read_features(folder / "a.gff3") == [("yes", kind, *one[:2], "+", one[2]) for one in wanted]


def test_what_was_added_since_a_mark_can_be_dropped(tmp_path):
    model = sequence_model(window=9, labels=("a b", "a/b"))
    run = PositionRun(model, strand="+")
    with (
        PositionFiles(str(tmp_path / "kept"), run, threshold=0.1) as kept,
        PositionFiles(str(tmp_path / "both"), run, threshold=0.1) as both,
    ):
        for block in run.blocks(random_texts([50])):
            kept.add(block)
            both.add(block)
        mark = both.mark()
        others = {f"other {name}": text for name, text in random_texts([40, 30, 50], seed=1).items()}
        for block in list(run.blocks(others))[:-1]:
            both.add(block)
        both.forget_since(mark)
        kept.write()
        both.write()
    assert [path.name for path in kept.paths] == ["kept.a_b.1.plus.bedGraph", "kept.a_b.2.plus.bedGraph", "kept.gff3"]
    for one, two in zip(kept.paths, both.paths, strict=True):
        assert one.read_bytes() == two.read_bytes()
        assert one.stat().st_size > 100
