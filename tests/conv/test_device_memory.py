"""Pieces that shrink when memory runs out, by a function that runs out of it on purpose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioconv.conv import packing
from bioconv.conv.device_memory import PieceSize, Stager, in_pieces
from bioconv.errors import OptionError


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 64), st.integers(1, 64), st.integers(0, 5))
def test_pieces_tile_the_range_whatever_fits(begin, length, size, fits, changes):
    asked = []

    def work(a, b):
        asked.append((a, b))
        if b - a > max(1, fits - (len(asked) % 7 if changes else 0)):
            raise torch.OutOfMemoryError
        return list(range(a, b))

    piece = PieceSize(size, smallest=1)
    done = [item for part in in_pieces(work, begin, begin + length, piece=piece, device="cpu") for item in part]
    assert done == list(range(begin, begin + length))
    if length > fits and size > fits and not changes:
        assert piece.size <= fits  # and the next call begins with what fitted
        assert any(b - a > fits for a, b in asked)


def test_smallest_piece_that_does_not_fit_is_an_error_that_says_what_to_do():
    def work(a, b):
        raise torch.OutOfMemoryError

    with pytest.raises(OptionError, match=r"cuda:1: out of memory even with pieces of 4.*--device cpu"):
        list(in_pieces(work, 0, 100, piece=PieceSize(64, smallest=4), device="cuda:1"))


def test_other_errors_pass():
    def work(a, b):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_pieces(work, 0, 100, piece=PieceSize(64), device="cpu"))


def test_stager_gives_what_was_copied_ahead_or_copies_now():
    codes = np.random.default_rng(0).integers(0, 5, 100).astype(np.uint8)
    stager = Stager(codes, "cpu")
    stager.ahead(8, 50)
    for begin, end in ((8, 50), (50, 100), (8, 20)):
        found = packing.unpack(stager.take(begin, end).numpy(), end - begin)
        np.testing.assert_array_equal(found, codes[begin:end])
    stager.ahead(0, 64)  # halved meanwhile: what was copied ahead is not what is asked for
    np.testing.assert_array_equal(packing.unpack(stager.take(0, 32).numpy(), 32), codes[:32])
