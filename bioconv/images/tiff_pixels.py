"""Windows of TIFF pages: only the strips or tiles that a window touches are read and decoded."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bioconv.errors import InputError
from bioconv.images.axes import Window, full_window
from bioconv.images.blocks import SegmentCache, check_stored, read_stored
from bioconv.images.limits import ANY_RATIO, DEFLATE_RATIO, check_memory, check_ratio

if TYPE_CHECKING:
    import tifffile

_NEAR_DEFLATE = {5, 8, 32773, 32946}
"""LZW, deflate (old and new), PackBits."""
_EVERY_PAGE = 500


class TiffPixels:
    """The pixels of one series, in the file's order of axes.

    Parameters
    ----------
    file
        Open; it is closed with this.
    series
        One of its series.

    Raises
    ------
    InputError
        If parts of the image are not in the file.
    """

    def __init__(self, file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
        self._file, self._series = file, series
        self._path = Path(str(file.filehandle.path))
        self._size = self._path.stat().st_size
        page = series.keyframe
        self.shape = tuple(int(size) for size in series.shape)
        self.dtype = np.dtype(series.dtype)
        self._page_shape = tuple(int(size) for size in page.shape)
        self._samples = int(page.shaped[0])
        self._cache = SegmentCache()
        self.decoded = 0
        self._whole: NDArray[Any] | None = None
        self._offset = self._contiguous()
        self._in_pages = self._offset is None and self._matches()
        if self._in_pages:
            self._grid()
            count = len(self._series)
            for number in range(count) if count <= _EVERY_PAGE else (0, count - 1):
                self._check_page(number)
        elif self._offset is None:
            check_memory(self.shape, self.dtype)
            check_ratio(self.shape, self.dtype, self._size, ratio=ANY_RATIO)

    def _contiguous(self) -> int | None:
        """Return where the whole series lies in one uncompressed piece, if it does."""
        offset = self._series.dataoffset
        stored = self.dtype.newbyteorder(self._file.byteorder)
        if offset is None or self._series.keyframe.bitspersample != 8 * self.dtype.itemsize:
            return None
        check_stored(self._path, int(offset), self.shape, stored)
        return int(offset)

    def _matches(self) -> bool:
        """Say whether the series is a plain stack of flat pages."""
        page, rank = self._series.keyframe, len(self._page_shape)
        stack = self.shape[: len(self.shape) - rank]
        return (
            self.shape[len(self.shape) - rank :] == self._page_shape
            and math.prod(stack) == len(self._series)
            and page.imagedepth == 1
            and page.axes in ("YX", "YXS", "SYX")
        )

    def _grid(self) -> None:
        page = self._series.keyframe
        rows, columns = int(page.imagelength), int(page.imagewidth)
        if page.is_tiled:
            self._segment = int(page.tilelength), int(page.tilewidth)
        else:
            self._segment = min(int(page.rowsperstrip), rows), columns
        if min(self._segment) < 1:
            message = f"strips or tiles of {self._segment} pixels: a damaged header"
            raise InputError(message)
        self._counts = math.ceil(rows / self._segment[0]), math.ceil(columns / self._segment[1])

    def _check_page(self, number: int) -> tifffile.TiffPage | tifffile.TiffFrame:
        page = self._series[number]
        if page is None:
            message = f"page {number + 1} is missing: the file is damaged, or only one of several that belong together"
            raise InputError(message)
        expected = self._samples * self._counts[0] * self._counts[1]
        offsets, sizes = np.asarray(page.dataoffsets, float), np.asarray(page.databytecounts, float)
        if len(offsets) != expected or len(sizes) != expected:
            message = f"page {number + 1} has {len(offsets)} strips or tiles where {expected} belong"
            raise InputError(message)
        if min(sizes) <= 0 or min(offsets) <= 0 or max(offsets + sizes) > self._size:
            message = f"page {number + 1} has strips or tiles that are not in the file: it is cut short or damaged"
            raise InputError(message)
        compression = int(self._series.keyframe.compression)
        bits = np.dtype(np.uint8) if self._series.keyframe.bitspersample < 8 else self.dtype
        ratio = 8 if compression == 1 else DEFLATE_RATIO * 8 if compression in _NEAR_DEFLATE else ANY_RATIO
        check_ratio(self._page_shape, bits, int(sum(sizes)), ratio=ratio)
        return page

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window, one slice per axis of the file's array, in native byte order."""
        if self._offset is not None:
            stored = self.dtype.newbyteorder(self._file.byteorder)
            return read_stored(self._path, self._offset, self.shape, stored, window)
        if not self._in_pages:
            if self._whole is None:
                self._whole = np.asarray(self._series.asarray()).reshape(self.shape)
            return self._whole[window]
        return self._read_pages(window)

    def _read_pages(self, window: Window) -> NDArray[Any]:
        depth = len(self.shape) - len(self._page_shape)
        window = full_window(self.shape, window)
        stack = self.shape[:depth]
        found = np.empty([part.stop - part.start for part in window], self.dtype)
        for index in itertools.product(*(range(part.start, part.stop) for part in window[:depth])):
            number = int(np.ravel_multi_index(index, stack)) if depth else 0
            place = tuple(i - part.start for i, part in zip(index, window, strict=False))
            self._read_page(number, window[depth:], found[place])
        return found

    def _read_page(self, number: int, window: Window, out: NDArray[Any]) -> None:
        """Fill `out` with a window of one page."""
        page = self._check_page(number)
        apart = len(window) == 3 and self._samples > 1
        samples = range(window[0].start, window[0].stop) if apart else range(1)
        rows, columns = window[1:] if apart else window[:2]
        contig = () if apart else window[2:]
        for sample in samples:
            target = out[sample - samples.start] if apart else out
            for i, j in itertools.product(_touched(rows, self._segment[0]), _touched(columns, self._segment[1])):
                index = (sample * self._counts[0] + i) * self._counts[1] + j
                segment = self._cache.get((number, index), lambda at=index: self._decode(page, at))  # type: ignore[misc]
                place_y, part_y = _overlap(rows, i * self._segment[0], segment.shape[0])
                place_x, part_x = _overlap(columns, j * self._segment[1], segment.shape[1])
                piece = segment[part_y, part_x]
                target[place_y, place_x] = piece[:, :, contig[0]] if contig else piece[..., 0]

    def _decode(self, page: tifffile.TiffPage | tifffile.TiffFrame, index: int) -> NDArray[Any]:
        """Return one strip or tile, (rows, columns, samples)."""
        keyframe = self._series.keyframe
        handle = self._file.filehandle
        check_memory((*self._segment, int(keyframe.samplesperpixel)), self.dtype)
        with handle.lock:
            handle.seek(int(page.dataoffsets[index]))
            data = handle.read(int(page.databytecounts[index]))
        options = {}
        if int(keyframe.compression) in (6, 7, 34892, 33007):
            options = {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader}
        decoded, _, _ = keyframe.decode(data, index, **options)
        self.decoded += 1
        if decoded is None:
            message = f"strip or tile {index} is empty"
            raise InputError(message)
        if decoded.dtype != self.dtype:
            message = f"strip or tile {index} holds {decoded.dtype} where {self.dtype} was declared"
            raise InputError(message)
        return np.asarray(decoded[0])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _touched(part: slice, size: int) -> range:
    return range(part.start // size, (part.stop - 1) // size + 1)


def _overlap(part: slice, start: int, size: int) -> tuple[slice, slice]:
    """Return where a segment that starts there lies in a window, and which part of the segment that is."""
    first, last = max(part.start, start), min(part.stop, start + size)
    return slice(first - part.start, last - part.start), slice(first - start, last - start)
