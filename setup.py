"""Build the optional compiled kernels; everything else is in pyproject.toml."""

import zlib
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("bioconv/conv/native")


def source_hash() -> str:
    """Checksum of all C sources, compiled into the library so that a stale build is never loaded."""
    checksum = 0
    for path in sorted([*NATIVE.glob("*.c"), *NATIVE.glob("*.h")]):
        checksum = zlib.crc32(path.name.encode() + path.read_bytes(), checksum)
    return f"{checksum:08x}"


# A plain shared library, opened with ctypes: it needs neither Python.h nor NumPy's headers.
# `optional`: without a C compiler the install succeeds and bioconv runs on NumPy, slower.
setup(
    ext_modules=[
        Extension(
            "bioconv.conv.native._kernels",
            sources=sorted(path.as_posix() for path in NATIVE.glob("*.c")),
            depends=sorted(path.as_posix() for path in NATIVE.glob("*.h")),
            define_macros=[("BIOCONV_SOURCE_HASH", f'"{source_hash()}"')],
            extra_compile_args=["-O3", "-std=c11", "-fno-math-errno", "-ffp-contract=off"],
            optional=True,
        )
    ]
)
