"""The one boundary between the libraries that read files and our errors: nothing else leaves it."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bioconv.errors import BioconvError, InputError
from bioconv.wording import unreadable

_LIBRARIES = threading.RLock()
"""`warnings.catch_warnings` changes the whole process: one thread at a time."""
_LONGEST = 300


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into an InputError that starts with the path.

    Raises
    ------
    InputError
        For any exception but those that already name the path, a missing extra, and interruptions.
    """
    try:
        yield
    except InputError as error:
        if str(error).startswith(str(path)):
            raise
        message = f"{path}: {error}"
        raise InputError(message) from error
    except BioconvError:
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise InputError(unreadable(path, error)) from error
    except MemoryError as error:
        message = f"{path}: does not fit into memory; store it as a tiled TIFF, or give smaller images"
        raise InputError(message) from error
    except Exception as error:
        message = f"{path}: not a readable {NAMES.get(what, what)}: {one_line(error)}"
        raise InputError(message) from error


NAMES = {
    "png": "PNG image", "jpeg": "JPEG image", "bmp": "BMP image", "gif": "GIF image", "tiff": "TIFF image",
    "dicom": "DICOM file", "nifti": "NIfTI image", "mgh": "MGH image", "npy": "NPY file", "zarr": "OME-Zarr image",
}  # fmt: skip


def one_line(error: BaseException | str) -> str:
    """Return the first line of an exception's message, or its kind where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


@contextmanager
def listening(*loggers: str) -> Iterator[list[tuple[int, str]]]:
    """Collect what libraries warn of and log inside, as (level, text), instead of letting them print it."""
    heard: list[tuple[int, str]] = []
    handler = _Listener(heard)
    found = [logging.getLogger(name) for name in loggers]
    with _LIBRARIES, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = [(logger, logger.handlers[:], logger.propagate, logger.level) for logger in found]
        for logger in found:
            logger.handlers, logger.propagate = [handler], False
            logger.setLevel(logging.WARNING)
        try:
            yield heard
        finally:
            for logger, handlers, propagate, level in before:
                logger.handlers, logger.propagate = handlers, propagate
                logger.setLevel(level)
            heard += [(logging.WARNING, one_line(entry.message)) for entry in caught if _worth(entry.message)]


def told(heard: list[tuple[int, str]], most: int = 5) -> tuple[str, ...]:
    """Return what was heard once each, the first few."""
    texts = list(dict.fromkeys(text for _, text in heard))
    return tuple(texts[:most] + ([f"and {len(texts) - most} more warnings"] if len(texts) > most else []))


def _worth(warning: Warning | str) -> bool:
    """Tell warnings about the file from those about how a library is called."""
    return not isinstance(warning, (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning))


class _Listener(logging.Handler):
    def __init__(self, heard: list[tuple[int, str]]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        lines = record.getMessage().splitlines()
        self._heard.append((record.levelno, lines[0][:_LONGEST] if lines else ""))
