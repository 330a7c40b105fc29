"""Writing pictures row by row as PNG and NPY: bounded memory, whatever their size."""

from __future__ import annotations

import struct
import zlib
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray


class RowWriter(Protocol):
    """Takes the rows of an array in order, all planes of it one after the other."""

    def write(self, rows: NDArray[Any]) -> None:
        """Write rows, (n, columns)."""

    def finish(self) -> None:
        """Write what comes after the last row."""


class PngRows:
    """Grey PNG of 8 or 16 bits."""

    def __init__(self, stream: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._stream, self._dtype = stream, dtype.newbyteorder(">")
        self._packer = zlib.compressobj(6)
        self._above = np.zeros(shape[-1] * dtype.itemsize, np.uint8)
        stream.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", shape[-1], shape[-2], 8 * dtype.itemsize, 0, 0, 0, 0))

    def write(self, rows: NDArray[Any]) -> None:
        """Write rows, (n, columns)."""
        current = rows.astype(self._dtype).view(np.uint8).reshape(len(rows), -1)
        before = np.concatenate([self._above[None], current[:-1]])
        # Filter 2, the difference to the row above: mostly zeros in a mask
        filtered = np.concatenate([np.full((len(rows), 1), 2, np.uint8), current - before], axis=1)
        self._above = current[-1].copy()
        if data := self._packer.compress(filtered.tobytes()):
            self._chunk(b"IDAT", data)

    def finish(self) -> None:
        """Write what comes after the last row."""
        self._chunk(b"IDAT", self._packer.flush())
        self._chunk(b"IEND", b"")

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self._stream.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


class NpyRows:
    """NPY in C order."""

    def __init__(self, stream: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._stream = stream
        header = {"descr": dtype.newbyteorder("<").str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        self._dtype = dtype.newbyteorder("<")

    def write(self, rows: NDArray[Any]) -> None:
        """Write rows, (n, columns)."""
        self._stream.write(rows.astype(self._dtype).tobytes())

    def finish(self) -> None:
        """Write what comes after the last row."""
