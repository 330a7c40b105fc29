"""Small text files (motifs, backgrounds): plain, gzip or bgzip, whole in memory."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path

from bioconv.errors import BioconvError
from bioconv.wording import unreadable

LARGEST = 256 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_CONTROL = bytes([*range(9), *range(14, 32)])


def read_text(path: str | os.PathLike[str], error: type[BioconvError]) -> str:
    r"""Return the text of a file: decompressed, without byte order mark, lines ending in `\n`.

    Compression is known by its magic bytes. Bytes that are not UTF-8 are read as Latin-1.

    Raises
    ------
    BioconvError
        Of the given type `error`, if the file is missing, a folder, unreadable, empty, cut off, binary or
        larger than 256 MiB.
    """
    data = _read_bytes(path, error)
    name = os.fspath(path)
    if not data.strip():
        message = f"{name} is empty; give a file with text in it"
        raise error(message)
    if len(data.translate(None, _CONTROL)) != len(data):
        message = f"{name} is a binary file; a text file (plain or gzip) was expected"
        raise error(message)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_bytes(path: str | os.PathLike[str], error: type[BioconvError]) -> bytes:
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(LARGEST + 1)
        if data.startswith(_GZIP_MAGIC):
            with gzip.open(io.BytesIO(data)) as unpacked:
                data = unpacked.read(LARGEST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        message = f"{name} is a damaged gzip file ({problem}); fetch or compress it again"
        raise error(message) from problem
    except OSError as problem:
        raise error(unreadable(name, problem)) from problem
    except ValueError as problem:  # a name with a null in it
        message = f"cannot read {name!r}: {problem}; check the path"
        raise error(message) from problem
    if len(data) > LARGEST:
        message = f"{name} holds more than {LARGEST >> 20} MiB; a small text file was expected"
        raise error(message)
    return data
