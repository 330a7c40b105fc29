"""Stores against plain arrays: whatever is written where, memory and file hold the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import OutputError
from bioconv.segmentation.inference.stores import ArrayStore


@st.composite
def writes(draw):
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=2, max_size=3)))
    windows = []
    for _ in range(draw(st.integers(1, 4))):
        starts = [draw(st.integers(0, size - 1)) for size in shape]
        windows.append(
            tuple(slice(at, draw(st.integers(at + 1, size))) for at, size in zip(starts, shape, strict=True))
        )
    return shape, draw(st.integers(1, 3)), windows, draw(st.integers(0, 1000))


@pytest.mark.parametrize("kept", ["memory", "file"])
@given(case=writes())
def test_store_is_an_array(kept, case, tmp_path_factory):
    shape, channels, windows, seed = case
    rng = np.random.default_rng(seed)
    truth = np.zeros((channels, *shape), np.uint16)
    folder = tmp_path_factory.getbasetemp() if kept == "file" else None
    with ArrayStore(channels, shape, np.uint16, folder=folder) as store:
        for window in windows:
            values = rng.integers(0, 999, (channels, *(part.stop - part.start for part in window)), dtype=np.uint16)
            store.write(window, values)
            truth[(slice(None), *window)] = values
            store.add(window, values)
            truth[(slice(None), *window)] += values
        np.testing.assert_array_equal(store.read(), truth)
        for window in windows:
            np.testing.assert_array_equal(store.read(window), truth[(slice(None), *window)])
            np.testing.assert_array_equal(store.rows(window[0]), truth[:, window[0]])


def test_what_is_read_is_a_copy():
    store = ArrayStore(1, (2, 2), np.uint8)
    store.read()[:] = 7
    assert not store.read().any()


def test_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="GB of maps"):
        ArrayStore(1, (2, 2), np.uint8, folder=tmp_path / "none")
    with ArrayStore(1, (2, 2), np.uint8, folder=tmp_path):
        assert not list(tmp_path.iterdir())
