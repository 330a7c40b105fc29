"""Unfinished files that a later run goes on with, named by their content, and unfinished folders that it clears away.

Each is held by one process at a time.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # a platform without it: every attempt gets a file of its own
    fcntl = None  # type: ignore[assignment]


def open_part(target: Path, key: str) -> tuple[Path, BinaryIO, bool]:
    """Open the unfinished file of `target`, at its end, for reading and writing.

    Its name is made of `target` and `key` (the start of the content's sha256), so that a later run finds it. Only one
    process can hold it; all others, and those that may not write it, get an empty file with a name of its own.

    Returns
    -------
    path, stream, is_shared
        `is_shared` says whether a later run will find this file.

    Raises
    ------
    OSError
        If no file can be written beside `target`.
    """
    path = target.with_name(f".{target.name}.{key}.part")
    stream = _held(path) if fcntl else None
    if stream is not None:
        return path, stream, True
    # Not mkstemp: its files are private, and a cache may be shared by a group.
    path = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    return path, path.open("x+b"), False


def _held(path: Path) -> BinaryIO | None:
    """Return the file, locked, or None where another process holds it or it cannot be written or locked."""
    try:
        stream = path.open("a+b")
    except OSError:
        return None
    try:
        # Released by the kernel when the process ends, however it ends.
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it may have renamed or removed it between the opening and the lock: what is locked
        # now could be the finished file.
        if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            return stream
    except OSError:
        pass
    stream.close()
    return None


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Make an empty folder beside `target` for what is not checked yet; at the end it is gone.

    What killed processes have left of theirs is cleared away; that of running ones is not touched. Beside each folder a
    file of the same name with the ending `.lock` is held as long as its process lives.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_away(target)
    staging = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    lock = staging.with_suffix(".lock")
    with lock.open("xb") as stream:
        if fcntl:
            # Waits for one who takes it for a killed process's: the folder comes after.
            fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            staging.mkdir()
            yield staging
        finally:
            rmtree(staging, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _clear_away(target: Path) -> None:
    """Remove the folders whose process has ended."""
    for lock in target.parent.glob(f".{target.name}.*.lock") if fcntl else ():
        try:
            with lock.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rmtree(lock.with_suffix(".part"), ignore_errors=True)
                lock.unlink(missing_ok=True)
        except OSError:
            continue
