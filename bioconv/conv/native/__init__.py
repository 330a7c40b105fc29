"""The compiled kernels: found, checked against their sources, opened with ctypes.

ctypes releases the interpreter lock during a call, so threads run kernels side by side. Where there is no
library (no C compiler at install time) or it was built from other sources, `kernels()` is None and
`conv.functional` uses NumPy or torch, with the same results.
"""

from __future__ import annotations

import ctypes
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioconv import runtime

_FOLDER = Path(__file__).parent


@cache
def kernels() -> ctypes.CDLL | None:
    """Return the kernel library, or None (said once) where there is none that fits these sources."""
    built = sorted(_FOLDER.glob("_kernels*.so"))
    if not built:
        runtime.warn_once(
            "native", "compiled kernels not found: running on NumPy, slower; a C compiler and a reinstall bring them"
        )
        return None
    for path in built:
        library = ctypes.CDLL(str(path))
        library.bioconv_source_hash.restype = ctypes.c_char_p
        if library.bioconv_source_hash().decode() == source_hash():
            return library
    runtime.warn_once(
        "native", "compiled kernels are older than their sources: running on NumPy, slower; reinstall to rebuild them"
    )
    return None


def source_hash() -> str:
    """Return the checksum of the C sources beside this file, as `setup.py` compiles it in.

    It guards against forgetting to rebuild, not against anyone: CRC-32 does, and starts sooner than hashlib.
    """
    checksum = 0
    for path in sorted([*_FOLDER.glob("*.c"), *_FOLDER.glob("*.h")]):
        checksum = zlib.crc32(path.name.encode() + path.read_bytes(), checksum)
    return f"{checksum:08x}"


def instructions() -> str:
    """Return the widest instructions that the compiled kernels use on this processor."""
    library = kernels()
    if library is None:
        return "none"
    return {0: "plain C", 2: "AVX2", 3: "AVX-512 VBMI"}[library.bioconv_simd_level()]


def pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    """Return the address of a C-contiguous array."""
    if not array.flags.c_contiguous:
        message = "kernels take C-contiguous arrays"
        raise ValueError(message)
    return ctypes.c_void_p(array.ctypes.data)


def size(count: int) -> ctypes.c_int64:
    """Return a count as the kernels take it."""
    return ctypes.c_int64(count)
