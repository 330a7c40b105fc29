"""Arrays too large to hold: kept in memory while they are small, else in a file without a name."""

from __future__ import annotations

import math
import os
import tempfile
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bioconv.errors import OutputError

Window = tuple[slice, ...]


class ArrayStore:
    """An array (K, *shape), zero at first, written and read by windows.

    In a file it is neither mapped nor cached by this process, so that it does not count as its memory; the file has
    no name, so that a killed process leaves nothing behind.

    Parameters
    ----------
    channels : int
        Number of channels of the maps, K.
    shape : tuple of int
    dtype
    folder : path, optional
        Where the file is put; None: in memory.

    Examples
    --------
    >>> store = ArrayStore(1, (4, 6), np.uint8)
    >>> store.write((slice(1, 3), slice(0, 2)), np.ones((1, 2, 2), np.uint8))
    >>> int(store.read((slice(0, 4), slice(0, 6))).sum())
    4
    """

    def __init__(self, channels: int, shape: tuple[int, ...], dtype: DTypeLike, *, folder: Path | None = None) -> None:
        self.channels, self.shape, self.dtype = channels, tuple(shape), np.dtype(dtype)
        self._array: NDArray[Any] | None = None
        self._file: IO[bytes] | None = None
        # Rows of all channels lie together: what is read in strips is read in one piece.
        self._layout = (self.shape[0], channels, *self.shape[1:])
        if folder is None:
            self._array = np.zeros(self._layout, self.dtype)
            return
        size = math.prod(self._layout) * self.dtype.itemsize
        try:
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by `close`
            os.truncate(self._file.fileno(), size)
        except OSError as error:
            message = f"cannot keep {size / 1e9:.1f} GB of maps in {folder}: {error.strerror}; make room or use -o"
            raise OutputError(message) from error

    @property
    def whole(self) -> Window:
        """The window of everything."""
        return tuple(slice(0, size) for size in self.shape)

    def read(self, window: Window | None = None) -> NDArray[Any]:
        """Return a window, (K, *window); a copy."""
        window = window or self.whole
        if self._array is not None:
            return np.moveaxis(self._array[(window[0], slice(None), *window[1:])], 1, 0).copy()
        found = np.empty([self.channels, *(part.stop - part.start for part in window)], self.dtype)
        rows = np.moveaxis(found, 1, 0)  # (rows, K, ...)
        if window[1:] == self.whole[1:]:
            block = np.empty(rows.shape, self.dtype)
            self._pread(block.reshape(-1).view(np.uint8).data, self._offset((window[0].start, 0)))
            rows[...] = block
            return found
        run = np.empty(window[-1].stop - window[-1].start, self.dtype)
        for place, offset in self._runs(window):
            self._pread(run.view(np.uint8).data, offset)
            rows[place] = run
        return found

    def rows(self, rows: slice) -> NDArray[Any]:
        """Return all of some rows of the first axis, (K, rows, ...)."""
        return self.read((rows, *self.whole[1:]))

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Put values (K, *window) into a window."""
        rows = np.moveaxis(values, 1, 0)
        if self._array is not None:
            self._array[(window[0], slice(None), *window[1:])] = rows
            return
        rows = np.ascontiguousarray(rows, self.dtype)
        if window[1:] == self.whole[1:]:
            self._pwrite(rows.reshape(-1).view(np.uint8).data, self._offset((window[0].start, 0)))
            return
        for place, offset in self._runs(window):
            self._pwrite(rows[place].view(np.uint8).data, offset)

    def add(self, window: Window, values: NDArray[Any]) -> None:
        """Add values (K, *window) to a window."""
        self.write(window, self.read(window) + values.astype(self.dtype))

    def _runs(self, window: Window) -> list[tuple[tuple[int, ...], int]]:
        """Return each piece of a window that lies in one piece: its place in (rows, K, ...), its offset in bytes."""
        axes = [range(window[0].start, window[0].stop), range(self.channels)]
        axes += [range(part.start, part.stop) for part in window[1:-1]]
        starts = (window[0].start, 0, *(part.start for part in window[1:-1]))
        return [
            (
                tuple(at - start for at, start in zip(place, starts, strict=True)),
                self._offset((*place, window[-1].start)),
            )
            for place in product(*axes)
        ]

    def _offset(self, place: tuple[int, ...]) -> int:
        flat = 0
        for number, size in enumerate(self._layout):
            flat = flat * size + (place[number] if number < len(place) else 0)
        return flat * self.dtype.itemsize

    def _pread(self, buffer: memoryview, offset: int) -> None:
        while len(buffer):
            count = os.preadv(self._descriptor, [buffer], offset)
            buffer, offset = buffer[count:], offset + count

    def _pwrite(self, data: memoryview, offset: int) -> None:
        try:
            while len(data):
                count = os.pwrite(self._descriptor, data, offset)
                data, offset = data[count:], offset + count
        except OSError as error:
            message = f"cannot keep maps on the disk of the output: {error.strerror}; make room or use -o elsewhere"
            raise OutputError(message) from error

    @property
    def _descriptor(self) -> int:
        assert self._file is not None
        return self._file.fileno()

    def close(self) -> None:
        """Forget the array."""
        self._array = None
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> ArrayStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()
