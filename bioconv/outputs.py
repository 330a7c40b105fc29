"""How results reach the disk: whole or not at all, and saying where they came from."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bioconv.errors import OutputError
from bioconv.version import __version__
from bioconv.wording import unwritable


@contextmanager
def open_output(target: str | Path | None) -> Iterator[BinaryIO]:
    """Open `target` for writing; `None`, `-` or `/dev/stdout` is stdout.

    A file is written beside its target under a temporary name, flushed to the disk and renamed when the
    block ends well; if it ends with an exception the temporary file is removed and the target is as it was.

    Raises
    ------
    OutputError
        If the target cannot be written (no such folder, no permission, full disk).
    """
    if is_stdout(target):
        with _output_errors("stdout"):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    path = Path(str(target))
    if path.exists() and not path.is_file():  # /dev/null, a pipe, /dev/fd/63: nothing to rename
        with _output_errors(str(path)), path.open("wb") as stream:
            yield stream
        return
    if path.is_symlink():  # the link stays, what it leads to is replaced
        path = path.resolve()
    import tempfile  # here: it costs more than the rest of a small scan's imports

    with _output_errors(str(path)):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with _output_errors(str(path)):
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_stdout(target: str | Path | None) -> bool:
    """Say whether an output goes to stdout."""
    return target is None or str(target) in _STDOUT


@contextmanager
def _output_errors(name: str) -> Iterator[None]:
    """Turn the operating system's write errors into one that names the target; a closed pipe stays one."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno not in _WRITE_ERRORS:
            raise
        message = f"cannot write {name}: {unwritable(name, error)}; nothing was kept"
        raise OutputError(message) from error


_STDOUT = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}
_WRITE_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS,
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO,
}  # fmt: skip


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def provenance(**facts: object) -> str:
    """Return one line: bioconv's version and the given facts, for the head of an output."""
    words = [f"bioconv {__version__}", *(f"{key}={value}" for key, value in facts.items() if value is not None)]
    return " ".join(words).replace("\n", " ")
