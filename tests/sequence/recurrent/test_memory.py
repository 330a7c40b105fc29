"""Logits where memory runs out: those of each sequence by itself, whatever fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv import runtime
from bioconv.errors import OptionError
from bioconv.models.recurrent import CELLS, POOLINGS, Recurrent
from bioconv.sequence.recurrent import inference
from bioconv.sequence.recurrent.inference import LongSequence, logits_of, rows_to_begin_with, window_logits
from bioconv.sequence.recurrent.positions import predict_positions
from tests.sequence.recurrent.recurrent_models import model_path, random_texts
from tests.sequence.recurrent.test_inference import build, by_itself, random_codes


class Fits:
    """Lets a network read so many letters at once, rows and padding included, and notes what is asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, letters: float, *, after: int = 0) -> None:
        self.letters, self.after, self.asked = letters, after, []
        vectors = Recurrent.vectors

        def limited(network, tokens, *args):
            self.asked.append(tuple(tokens.shape))
            if tokens.numel() > self.letters and len(self.asked) > self.after:
                raise torch.OutOfMemoryError
            return vectors(network, tokens, *args)

        monkeypatch.setattr(Recurrent, "vectors", limited)


@pytest.fixture
def fits(monkeypatch):
    monkeypatch.setattr(runtime, "_warned", set())
    monkeypatch.setattr(inference, "_SMALLEST", 4)
    return lambda letters, **options: Fits(monkeypatch, letters, **options)


@pytest.mark.parametrize("letters", [20_000, 900, 250, 61, 16, 8])
@pytest.mark.parametrize("pooling", ["attention", "none", "max"])
def test_fewer_side_by_side(pooling, letters, fits, caplog):
    """Down to blocks of a sequence that does not fit by itself."""
    network = build(pooling=pooling, layers=2)
    sequences = [random_codes(length, length) for length in (30, 1, 30, 7, 300, 61, 30, 4)] * 5
    expected = [by_itself(network, codes) for codes in sequences]
    memory = fits(letters)
    for found, wanted in zip(logits_of(network, sequences), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    assert any(rows * length > letters for rows, length in memory.asked) == (letters < 20_000)
    said = [record.message for record in caplog.records]
    assert said == ["cpu is out of memory: going on in smaller pieces, results as before"] * (letters < 20_000)


@settings(max_examples=60, deadline=None)
@given(
    pooling=st.sampled_from(POOLINGS),
    cell=st.sampled_from(sorted(CELLS)),
    pool=st.integers(1, 3),
    bidirectional=st.booleans(),
    length=st.integers(1, 60),
    after=st.integers(0, 12),
    letters=st.integers(12, 40),
)
def test_blocks_are_halved_wherever_it_happens(pooling, cell, pool, bidirectional, length, after, letters):
    front = {"kmer": 3, "embedding": 2, "filters": 4, "filter_length": 6}
    pool = pool if pooling != "none" else 1
    config = {"pooling": pooling, "cell": cell, "layers": 2, "bidirectional": bidirectional, "pool": pool}
    network, codes = build(**front, **config).double(), random_codes(length)
    wanted = by_itself(network, codes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "_SMALLEST", 1)
        # A block is read with the letters around it that its own depend on.
        memory = Fits(patch, letters + 10, after=after)
        found = LongSequence(network, codes, block=41).logits()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    assert memory.asked


def test_letters_are_yielded_once(fits):
    """Memory runs out when some blocks have been given out already."""
    network, codes = build(pooling="none"), random_codes(200)
    wanted = by_itself(network, codes)
    memory = fits(20, after=9)  # 5 blocks are swept from the end, and 4 given out
    found = list(LongSequence(network, codes, block=40).position_logits())
    np.testing.assert_allclose(np.concatenate(found), wanted, rtol=0, atol=1e-5)
    assert [len(part) for part in found] == [40] * 4 + [20] * 2
    assert memory.asked[9] == (1, 40)


def test_windows_keep_what_fits(fits):
    network, windows = build(), np.stack([random_codes(12, seed) for seed in range(200)])
    expected = [by_itself(network, codes) for codes in windows]
    memory, rows = fits(12 * 20), rows_to_begin_with(network)
    for _ in range(2):
        np.testing.assert_allclose(window_logits(network, windows, rows=rows), expected, rtol=0, atol=1e-5)
    assert memory.asked == [(64, 12), (32, 12), *([(16, 12)] * 12 + [(8, 12)]) * 2]
    assert window_logits(network, windows[:0]).shape == (0, 3)


@pytest.mark.parametrize("config", [{}, {"pooling": "none", "layers": 2}])
def test_along_records(config, fits, tmp_path):
    per_position = config.get("pooling") == "none"
    path = model_path(tmp_path, config=config) if per_position else model_path(tmp_path, window=20)
    texts = random_texts([30, 8, 300, 101])
    expected = list(predict_positions(texts, model=path))
    memory = fits(25)
    found = list(predict_positions(texts, model=path))
    assert [(one.name, one.strand) for one in found] == [(one.name, one.strand) for one in expected]
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, wanted.values, rtol=0, atol=1e-6)
    assert max(rows * length for rows, length in memory.asked) > 25


def test_nothing_fits(fits):
    network = build()
    fits(0)
    for work in (
        lambda: logits_of(network, [random_codes(30)]),
        lambda: LongSequence(network, random_codes(30), block=8).logits(),
        lambda: window_logits(network, random_codes(30)[None]),
    ):
        with pytest.raises(OptionError, match=r"device cpu: out of memory even with pieces of .*--device cpu"):
            work()
