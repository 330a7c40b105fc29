"""What a file may claim: sizes that its bytes cannot hold are refused before memory is taken."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from bioconv.errors import InputError

SLACK = 1 << 20
"""Decoded bytes that every file may have, however small it is."""
DEFLATE_RATIO = 1100
"""Deflate, and everything near it, cannot pack more than 1032 bytes into one."""
ANY_RATIO = 40_000
"""Run lengths of Zstandard or a blank JPEG 2000 reach more."""


def declared_bytes(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Return the size of an array in bytes."""
    return math.prod(int(size) for size in shape) * dtype.itemsize


def check_memory(shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Check that an array fits into this machine's memory.

    Raises
    ------
    InputError
        If it does not.
    """
    needed = declared_bytes(shape, dtype)
    if needed > SLACK and needed > 0.8 * total_memory():
        message = (
            f"{needed / 1e9:.1f} GB of pixels ({dtype} {tuple(shape)}) on a machine with {total_memory() / 1e9:.1f} "
            "GB of memory; store it as a tiled TIFF or an OME-Zarr, which are read piece by piece"
        )
        raise InputError(message)


def check_ratio(shape: Sequence[int], dtype: np.dtype[Any], stored: int, *, ratio: float = DEFLATE_RATIO) -> None:
    """Check that `stored` bytes can hold an array, packed at most `ratio` times.

    Raises
    ------
    InputError
        If they cannot: a damaged header or a decompression bomb.
    """
    needed = declared_bytes(shape, dtype)
    if needed > stored * ratio + (SLACK if ratio > 1 else 0):
        values = dtype if dtype.kind != "V" else f"values of {dtype.itemsize} bytes"
        message = (
            f"declares {values} {tuple(shape)}, {needed} bytes, but holds only {stored} bytes of pixel data: "
            "the file is cut short or damaged; copy it again"
        )
        raise InputError(message)


def total_memory() -> int:
    """Return this machine's memory in bytes; a plenty where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 40
