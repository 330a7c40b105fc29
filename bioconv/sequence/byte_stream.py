"""Sequence files as bytes: opened by name, unpacked by what they begin with."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from bioconv.errors import InputError
from bioconv.wording import unreadable


def open_bytes(path: str | Path, *, name: str = "") -> BinaryIO:
    """Open a file (`-`: stdin) for reading bytes, decompressing gzip and bgzip by their magic bytes.

    name : what messages call it, if not by its path.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be opened.
    """
    try:
        stream: BinaryIO = sys.stdin.buffer if str(path) == "-" else Path(path).open("rb")  # noqa: SIM115
        peek = getattr(stream, "peek", None)  # not every stand-in for stdin has it
        head = peek(2)[:2] if peek else b""
    except OSError as error:
        raise InputError(unreadable(name or path, error)) from error
    if not head or head not in {b"\x1f\x8b", b"\x1f"}:  # a pipe may give one byte at first
        return stream
    unpacked = gzip.GzipFile(fileobj=stream, mode="rb")
    unpacked.myfileobj = stream  # type: ignore[assignment]  # closed with it; a pipe cannot be opened again
    return cast(BinaryIO, unpacked)


@contextmanager
def reading_errors(name: str) -> Iterator[None]:
    """Turn what goes wrong when a file's bytes are read into an `InputError` that names it."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{name}: the gzip data is damaged or cut short ({error}); nothing of this file is kept"
        raise InputError(message) from error
    except OSError as error:
        raise InputError(unreadable(name, error)) from error
