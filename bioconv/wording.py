"""How messages say what many of them say: a count of things, and a file that cannot be read or written."""

from __future__ import annotations

import os
from pathlib import Path

NO_SUCH_FILE = "no such file; check the path"


def counted(number: int, noun: str, *, does: tuple[str, str] = ("", "")) -> str:
    """Return a number with its noun, which takes an `s` unless there is one.

    Parameters
    ----------
    does
        The verb after it: of one, and of several.

    Examples
    --------
    >>> counted(1, "sequence"), counted(12000, "hit"), counted(0, "image")
    ('1 sequence', '12,000 hits', '0 images')
    >>> counted(1, "letter", does=("is", "are")), counted(2, "letter", does=("is", "are"))
    ('1 letter is', '2 letters are')
    """
    said = f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
    return f"{said} {does[number != 1]}".rstrip()


def unreadable(name: object, error: OSError) -> str:
    """Return the message on a file that the system does not open or read: what it is called, why, what to do.

    Examples
    --------
    >>> unreadable("peaks.fa", FileNotFoundError())
    'peaks.fa: no such file; check the path'
    """
    return f"{name}: {_reason(error)}"


def unwritable(path: str | os.PathLike[str], error: OSError) -> str:
    """Return why the system does not write a file, and what to do where its folder is missing.

    Examples
    --------
    >>> unwritable("results/hits.tsv", FileNotFoundError())
    'there is no folder results; make it, or give another name'
    """
    folder = Path(path).parent
    if not folder.is_dir():
        return f"there is no folder {folder}; make it, or give another name"
    return str(error.strerror or error)


def _reason(error: OSError) -> str:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return NO_SUCH_FILE
    if isinstance(error, IsADirectoryError):
        return "a folder where a file is expected; give the file"
    if isinstance(error, PermissionError):
        return "no permission to read it; change its rights, or give a copy"
    return str(error.strerror or error)
