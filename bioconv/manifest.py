"""`manifest.jsonl`: what has been done to which input, one record a line, written as each input is done.

A record is appended with one write and flushed to the disk, so that a killed run loses at most the line it was
writing; a line cut short by that is passed over when the file is read. Several processes may append to one file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bioconv.errors import OptionError, OutputError
from bioconv.version import __version__

NAME = "manifest.jsonl"
FORMAT = 1
DONE, FAILED = "done", "failed"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Output:
    """One file that was written.

    Parameters
    ----------
    path
        Relative to the manifest's folder, with `/`.
    kind
        What it holds: `mask`, `overlay`, ...
    bytes, sha256
        Its size and hash.
    """

    path: str
    kind: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """What was done to one input.

    Parameters
    ----------
    input
        Its name in the batch: the path below the folder that was given, with `/`.
    source
        Its full path.
    status
        `done` or `failed`.
    sha256
        Hash of the input's bytes; empty where it could not be read.
    models
        Name of each model and the sha256 of its weights.
    settings
        What else the result depends on.
    reason
        Why it failed.
    seconds
        Wall seconds it took.
    outputs
        The files that were written.
    warnings
        What a reader of the results should know.
    facts
        Anything else: axes, shape, number of objects, ...
    """

    input: str
    source: str
    status: str
    sha256: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Manifest:
    """The records of a folder of results, the latest of each input.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> manifest = Manifest(folder)
    >>> manifest.append(Record("a.png", "/data/a.png", FAILED, reason="truncated"))
    >>> Manifest(folder).records["a.png"].reason
    'truncated'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self.exists = self.path.is_file()
        self.records: dict[str, Record] = {}
        self.damaged = 0
        if self.exists:
            self._read()

    def _read(self) -> None:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError as error:
            message = f"cannot read {self.path}: {error.strerror}; give another folder with -o"
            raise OutputError(message) from error
        for line in filter(None, lines):
            record = _parse(line)
            if record is None:
                self.damaged += 1
            else:
                self.records[record.input] = record
        if self.damaged and not self.records:
            message = (
                f"{self.path} is no manifest of bioconv: none of its {self.damaged} lines is a record; "
                "give another folder with -o"
            )
            if self.damaged > 1 or not lines[-1]:  # one torn line is what a kill leaves of a first record
                raise OutputError(message)

    def append(self, record: Record) -> None:
        """Add a record, on the disk when this returns.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        line = json.dumps({"bioconv": __version__, "format": FORMAT, **asdict(record)}, allow_nan=False).encode()
        try:
            with self.path.open("ab") as stream:
                with _alone(stream.fileno()):
                    # What a kill left of a line must not swallow the next one.
                    torn = _ends_torn(self.path)
                    _write(stream.fileno(), (b"\n" if torn else b"") + line + b"\n")
                os.fsync(stream.fileno())
        except OSError as error:
            message = f"cannot write {self.path}: {error.strerror}"
            raise OutputError(message) from error
        self.records[record.input] = record

    def proves(self, wanted: Record, kinds: Iterable[str]) -> Record | None:
        """Return the record that proves an input done already, or None.

        Parameters
        ----------
        wanted
            Input, hash, models and settings as they would be now.
        kinds
            Kinds of outputs that are wanted.

        Returns
        -------
        Record or None
            Not None: same input bytes, models and settings, every wanted kind written, every file still there with
            its size and hash.
        """
        known = self.records.get(wanted.input)
        if known is None or known.status != DONE:
            return None
        same = (known.sha256, dict(known.models), dict(known.settings)) == (
            wanted.sha256, dict(wanted.models), json.loads(json.dumps(dict(wanted.settings))),
        )  # fmt: skip
        written = {one.kind for one in known.outputs}
        if not same or not set(kinds) <= written:
            return None
        return known if all(self.intact(one) for one in known.outputs) else None

    def intact(self, output: Output) -> bool:
        """Say whether an output is there with the size and hash of its record."""
        path = self.folder / output.path
        try:
            return path.stat().st_size == output.bytes and file_hash(path) == output.sha256
        except OSError:
            return False

    def output(self, path: Path, kind: str) -> Output:
        """Return the record of a file just written."""
        return Output(path.relative_to(self.folder).as_posix(), kind, path.stat().st_size, file_hash(path))


def make_results_folder(output: Path) -> None:
    """Make a folder for results, if it is not there.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    _refuse_file(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make the folder {output}: {error.strerror}; choose another with -o"
        raise OutputError(message) from error


def _refuse_file(output: Path) -> None:
    if output.exists() and not output.is_dir():
        message = f"-o {output} is a file; give a folder"
        raise OutputError(message)


def refuse_among_inputs(output: Path, given: Iterable[Path], files: Iterable[Path]) -> None:
    """Refuse to put results among the images: a folder with a manifest is never read again.

    Parameters
    ----------
    given
        What was asked for: files and folders.
    files
        The images that were found.

    Raises
    ------
    OptionError
        If the folder is one that was given, or directly holds an image.
    OutputError
        If it is a file.
    """
    _refuse_file(output)
    place = output.resolve()
    folders = {path.resolve() for path in given if path.is_dir()} | {path.resolve().parent for path in files}
    if place in folders and not (place / NAME).is_file():
        message = f"-o {output} holds images that are read; give a folder of its own"
        raise OptionError(message)


def refuse_overwriting(output: Path, names: Iterable[str], given: Iterable[Path]) -> None:
    """Refuse to write over files that are no results of ours: those that were given, or lie in a foreign folder.

    Parameters
    ----------
    names
        Of the files that will be written into the folder, or removed from it.
    given
        What was asked for: files and folders.

    Raises
    ------
    OptionError
        If one was given, or is there without a manifest.
    """
    inputs = {path.resolve() for path in given}
    for name in names:
        place = output / name
        if place.resolve() in inputs:
            message = f"-o {output} would write over {place}, which is to be read; give a folder of its own"
            raise OptionError(message)
        if place.exists() and not (output / NAME).is_file():
            message = (
                f"-o {output} holds {name} and no {NAME}, so it may not be a result: it is not written over; "
                "give another folder"
            )
            raise OptionError(message)


def _parse(line: bytes) -> Record | None:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            return None
        fields.pop("bioconv", None)
        outputs = tuple(Output(**one) for one in fields.pop("outputs"))
        return Record(**{**fields, "outputs": outputs, "warnings": tuple(fields["warnings"])})
    except (ValueError, TypeError, KeyError):
        return None


def _ends_torn(path: Path) -> bool:
    size = path.stat().st_size
    if not size:
        return False
    with path.open("rb") as stream:
        stream.seek(size - 1)
        return stream.read(1) != b"\n"


@contextmanager
def _alone(descriptor: int) -> Iterator[None]:
    """Hold a file's lock, where the system has locks."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except (ImportError, OSError):  # none here (some network disks): appending is all there is
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def file_hash(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def input_hash(files: Iterable[Path]) -> str:
    """Return the sha256 of an input: of one file its own, of several that of their hashes in order of their names.

    A folder counts as the files in it.
    """
    parts = []
    for path in files:
        inside = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        parts += [(one.as_posix(), file_hash(one)) for one in inside]
    if len(parts) == 1:
        return parts[0][1]
    return hashlib.sha256("\n".join(digest for _, digest in sorted(parts)).encode()).hexdigest()
