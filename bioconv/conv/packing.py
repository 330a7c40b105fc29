"""Base codes packed for the way to a device: 2 bits a letter, 1 bit for an unknown one; 3/8 of the bytes."""

from __future__ import annotations

import ctypes
import sys

import numpy as np
from numpy.typing import NDArray

from bioconv.conv import native

_EIGHT = 8


def packed_size(count: int) -> int:
    """Return the bytes that so many codes pack into: 3 per 8 codes, begun ones included."""
    return 3 * -(-count // _EIGHT)


def pack(codes: NDArray[np.uint8], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Pack codes.

    Parameters
    ----------
    codes : (n,) uint8
        A=0 C=1 G=2 T=3, anything above unknown.
    out : (packed_size(n),) uint8, optional
        Where to write.

    Returns
    -------
    (packed_size(n),) uint8
        Two bytes of letters for every 8 codes, the first in the lowest bits, unknown ones as 0; then one byte for every
        8 codes, bit k set where code k is unknown. Letters beyond the end are unknown.

    Examples
    --------
    >>> pack(np.array([3, 0, 4, 1], np.uint8)).tolist()
    [67, 0, 244]
    """
    groups = -(-len(codes) // _EIGHT)
    packed = np.empty(packed_size(len(codes)), np.uint8) if out is None else out
    kernels = native.kernels() if sys.byteorder == "little" else None
    if kernels is None:
        _numpy_pack(codes, packed, groups)
        return packed
    codes = np.ascontiguousarray(codes)
    letters, unknown = packed[: 2 * groups], packed[2 * groups :]
    kernels.pack_codes(
        native.pointer(codes), ctypes.c_int64(len(codes)), native.pointer(letters), native.pointer(unknown)
    )
    return packed


def _numpy_pack(codes: NDArray[np.uint8], packed: NDArray[np.uint8], groups: int) -> None:
    padded = np.full(groups * _EIGHT, 4, np.uint8)
    padded[: len(codes)] = codes
    known = np.where(padded < 4, padded, 0).reshape(-1, 4)
    packed[: 2 * groups] = known[:, 0] | known[:, 1] << 2 | known[:, 2] << 4 | known[:, 3] << 6
    packed[2 * groups :] = np.packbits(padded > 3, bitorder="little")


def unpack(packed: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Return the (count,) codes that were packed, unknown ones as 4: what the device does, in NumPy."""
    groups = len(packed) // 3
    letters = packed[: 2 * groups, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    unknown = np.unpackbits(packed[2 * groups :], bitorder="little").astype(bool)
    return np.where(unknown, 4, letters.reshape(-1)).astype(np.uint8)[:count]
