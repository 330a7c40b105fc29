"""Writing TIFF strip by strip: deflate, OME-XML for axes and spacing, BigTIFF where needed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from bioconv.version import __version__

STRIP_BYTES = 1 << 18
CLASSIC_BYTES = 3_500_000_000
"""Pixels of more bytes are written as BigTIFF: offsets of the classic kind end at 4 GiB."""
_MILLIMETRES = {"mm": 1.0, "um": 1e-3}
_SHORT, _LONG, _RATIONAL, _ASCII, _LONG8 = 3, 4, 5, 2, 16


class TiffRows:
    """One image of planes; axes are those of "CTZYX" in that order.

    Parameters
    ----------
    stream
        Can be written and sought.
    axes, shape
        Of the whole array.
    spacing
        Along the spatial axes, in `unit` ("um" or "mm"), or None.
    channels
        Names of the channels.
    """

    def __init__(
        self, stream: BinaryIO, axes: str, shape: tuple[int, ...], dtype: np.dtype[Any], *,
        spacing: tuple[float, ...] | None = None, unit: str = "", channels: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._stream, self._dtype = stream, dtype.newbyteorder("<")
        self._rows, self._columns = shape[-2:]
        self._pages = int(np.prod(shape[:-2], dtype=np.int64))
        self._big = self._pages * self._rows * self._columns * dtype.itemsize > CLASSIC_BYTES
        self._strip = max(1, min(self._rows, STRIP_BYTES // max(1, self._columns * dtype.itemsize)))
        self._description = ome_xml(axes, shape, dtype, spacing=spacing, unit=unit, channels=channels)
        self._resolution = [_resolution(step * _MILLIMETRES[unit]) for step in spacing[-2:]] if spacing else []
        self._held = np.empty((0, self._columns), self._dtype)
        self._page_row = 0
        self._offsets: list[list[int]] = [[]]
        self._counts: list[list[int]] = [[]]
        stream.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if self._big else struct.pack("<2sHI", b"II", 42, 0))
        self._place = 16 if self._big else 8

    def write(self, rows: NDArray[Any]) -> None:
        """Write rows, (n, columns)."""
        self._held = np.concatenate([self._held, rows.astype(self._dtype)])
        while len(self._held) >= (wanted := min(self._strip, self._rows - self._page_row)):
            strip, self._held = self._held[:wanted], self._held[wanted:]
            self._put_strip(strip)
            if not len(self._held):
                break

    def _put_strip(self, strip: NDArray[Any]) -> None:
        data = zlib.compress(strip.tobytes(), 6)
        self._offsets[-1].append(self._put(data))
        self._counts[-1].append(len(data))
        self._page_row += len(strip)
        if self._page_row == self._rows:
            self._page_row = 0
            if len(self._offsets) < self._pages:
                self._offsets.append([])
                self._counts.append([])

    def _put(self, data: bytes) -> int:
        """Write bytes at an even place and return it."""
        if self._place % 2:
            self._stream.write(b"\0")
            self._place += 1
        place = self._place
        self._stream.write(data)
        self._place += len(data)
        return place

    def finish(self) -> None:
        """Write the directories of the pages and where the first one is."""
        link = 8 if self._big else 4
        for page in range(self._pages):
            entries = self._entries(page)
            start = self._put_directory(entries)
            self._stream.seek(link)
            self._stream.write(struct.pack("<Q" if self._big else "<I", start))
            self._stream.seek(self._place)
            link = self._place - (8 if self._big else 4)

    def _entries(self, page: int) -> list[tuple[int, int, int, bytes]]:
        """Return the tags of a page: (code, type, count, value)."""
        place = _LONG8 if self._big else _LONG
        offsets, counts = self._offsets[page], self._counts[page]
        text = (self._description if page == 0 else "").encode("ascii") + b"\0"
        software = f"bioconv {__version__}".encode("ascii") + b"\0"
        kind = 3 if self._dtype.kind == "f" else 1
        found = [
            _entry(254, _LONG, [0 if self._pages == 1 else 2]), _entry(256, _LONG, [self._columns]),
            _entry(257, _LONG, [self._rows]), _entry(258, _SHORT, [8 * self._dtype.itemsize]), _entry(259, _SHORT, [8]),
            _entry(262, _SHORT, [1]), _entry(273, place, offsets), _entry(277, _SHORT, [1]),
            _entry(278, _LONG, [self._strip]), _entry(279, place, counts), (305, _ASCII, len(software), software),
            _entry(339, _SHORT, [kind]),
        ]  # fmt: skip
        if page == 0:
            found.append((270, _ASCII, len(text), text))
        if self._resolution:
            found += [_entry(283, _RATIONAL, self._resolution[0]), _entry(282, _RATIONAL, self._resolution[1])]
            found.append(_entry(296, _SHORT, [3]))
        return sorted(found)

    def _put_directory(self, entries: list[tuple[int, int, int, bytes]]) -> int:
        room = 8 if self._big else 4
        parts = []
        for code, kind, count, value in entries:
            field = value.ljust(room, b"\0") if len(value) <= room else self._number(self._put(value))
            parts.append(struct.pack("<HH", code, kind) + self._number(count) + field)
        head = struct.pack("<Q" if self._big else "<H", len(parts))
        return self._put(head + b"".join(parts) + b"\0" * room)

    def _number(self, value: int) -> bytes:
        return struct.pack("<Q" if self._big else "<I", value)


def _entry(code: int, kind: int, values: Sequence[int]) -> tuple[int, int, int, bytes]:
    size = {_SHORT: "H", _LONG: "I", _RATIONAL: "I", _LONG8: "Q"}[kind]
    count = len(values) // 2 if kind == _RATIONAL else len(values)
    return code, kind, count, struct.pack(f"<{len(values)}{size}", *values)


def _resolution(millimetres: float) -> tuple[int, int]:
    """Return pixels per centimetre as a fraction of two 32-bit numbers."""
    value = Fraction(10 / millimetres)
    for most in (1_000_000, 1000, 1):
        found = value.limit_denominator(most)
        if 0 < found.numerator < 2**32:
            return found.numerator, found.denominator
    return 0, 1


def ome_xml(
    axes: str, shape: tuple[int, ...], dtype: np.dtype[Any], *,
    spacing: tuple[float, ...] | None, unit: str, channels: Sequence[str] = (),
) -> str:  # fmt: skip
    """Return the OME-XML of an array whose planes lie in the order of `axes`, in ASCII."""
    sizes = {"C": 1, "T": 1, "Z": 1} | dict(zip(axes, shape, strict=True))
    steps = dict(zip([axis for axis in axes if axis in "ZYX"], spacing or (), strict=False))
    name = "float" if dtype.kind == "f" else f"uint{8 * dtype.itemsize}"
    units = {"um": "&#181;m", "mm": "mm"}.get(unit, "")
    physical = "".join(
        f' PhysicalSize{axis}="{steps[axis]:.10g}" PhysicalSize{axis}Unit="{units}"' for axis in "XYZ" if axis in steps
    )
    size = "".join(f' Size{axis}="{sizes[axis]}"' for axis in "XYZCT")
    names = list(channels) if len(channels) == sizes["C"] else [""] * sizes["C"]
    labels = "".join(
        f'<Channel ID="Channel:0:{number}" SamplesPerPixel="1"{f" Name={quoteattr(label)}" if label else ""}/>'
        for number, label in enumerate(names)
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation='
        '"http://www.openmicroscopy.org/Schemas/OME/2016-06 http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd" '
        f'Creator="bioconv {__version__}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZTC" '
        f'Type="{name}"{size}{physical}>{labels}<TiffData/></Pixels></Image></OME>'
    )
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")
