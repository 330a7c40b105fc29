"""Windows of uncompressed arrays in files: only their bytes are read, and none stays mapped."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioconv.images.axes import Window
from bioconv.images.limits import check_ratio

CACHE_BYTES = 128 << 20
"""Decoded segments kept: neighbouring windows share them."""


def check_stored(path: str | Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Check that a file is long enough for an uncompressed array.

    Raises
    ------
    InputError
        If it is not.
    """
    check_ratio(shape, dtype, max(Path(path).stat().st_size - offset, 0), ratio=1)


def read_stored(
    path: str | Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any], window: Window, *, order: Any = "C"
) -> NDArray[Any]:
    """Return a window of an uncompressed array, a copy in memory.

    The file is mapped for this one window, because pages of a lasting map count as this program's memory.
    """
    stored = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order=order)
    return np.array(stored[window], order="K")


class SegmentCache:
    """The decoded segments used last, up to a number of bytes (and always the very last one)."""

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, decode: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the segment of a key, decoded if it is not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        segment = decode()
        with self._lock:
            if key not in self._held:
                self._held[key] = segment
                self._bytes += segment.nbytes
            while self._bytes > self._most and len(self._held) > 1:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        return segment
