"""A data set's files: fetched after its terms were shown and, where they ask for it, accepted; and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bioconv.datasets.registry import Expected, Source

from bioconv.download import RemoteFile, cache_folder, cached_path, fetch, is_cached, mirror
from bioconv.errors import BioconvError, DownloadError, InputError
from bioconv.outputs import open_output
from bioconv.runtime import logger, progress
from bioconv.wording import counted

_HEAD = 4096  # bytes in which a format shows itself


@dataclass(frozen=True)
class FileCheck:
    """What became of checking one file, or all files of a pattern where no sums are known.

    Parameters
    ----------
    name
        Of the file in the set, or the pattern.
    status
        `ok`, `missing`, `wrong size`, `wrong sha256` or `unreadable`; of a pattern `ok`, `missing`, `wrong number` or
        `wrong content`.
    detail
        What was found in its place, or how many files; may be empty.
    """

    name: str
    status: str
    detail: str = ""


@dataclass(frozen=True)
class Check:
    """What became of checking a set's files.

    Parameters
    ----------
    source
        The set.
    folder
        Where its files lie, or should.
    files
        What became of each.
    by
        `sha256`; or `names`, where no sums are known and only names and numbers could be looked at.
    """

    source: Source
    folder: Path
    files: tuple[FileCheck, ...]
    by: str = "sha256"

    @property
    def good(self) -> int:
        """Return the number of files that are as they should be."""
        return sum(one.status == "ok" for one in self.files)

    @property
    def complete(self) -> bool:
        """Say whether all are."""
        return self.good == len(self.files)


def notice(source: Source) -> str:
    """Return what is shown before a set is fetched: licence, what it allows, whom to cite."""
    cited = f"{source.citation}, doi {source.doi}" if source.doi else source.citation
    return f"{source.name}: {source.licence}. {source.terms}\nWeights trained on it: {source.weights}\nCite: {cited}"


def set_folder(source: Source) -> Path:
    """Return where the set lies in the cache, whether it is there or not."""
    return cache_folder() / source.place


def presence(source: Source) -> str:
    """Return `yes`, `partly` or `no`: whether a set's files are in the cache, by name and size."""
    found = [_has_size(cached_path(one), one.size) for one in source.files]
    return "no" if not any(found) else "yes" if all(found) else "partly"


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def check_terms(source: Source, *, accepted: bool) -> None:
    """Refuse a set that cannot be fetched, or whose terms have not been accepted.

    Parameters
    ----------
    source
        The set.
    accepted
        Whether its terms are.

    Raises
    ------
    DownloadError
        It says where to go, and what to do.
    """
    if not source.files:
        message = (
            f"{source.name} cannot be fetched: {source.registration or f'see {source.address}'}. Then check your copy: "
            f"bioconv datasets verify {source.name} --folder FOLDER"
        )
        raise DownloadError(message)
    if source.accept and not accepted and not all(map(is_cached, source.files)):
        message = f"{source.name}: its terms have to be accepted: {source.terms} To do so, run: "
        raise DownloadError(message + f"bioconv datasets get {source.name} --accept-licence")


def get(source: Source, *, accept_licence: bool = False) -> Path:
    """Fetch what the cache lacks of a set, each file verified, and return its folder.

    Parameters
    ----------
    source
        The set.
    accept_licence
        Whether its terms are accepted, where that is asked for.

    Raises
    ------
    DownloadError
        If its terms have to be accepted first, or a file cannot be had, is not the known one or cannot be written.
    """
    check_terms(source, accepted=accept_licence)
    _fetch_all(source, source.files)
    return set_folder(source)


def opener(source: Source) -> Callable[[str], Path]:
    """Return a function from a file's name in the set to its verified path, which fetches what the cache lacks.

    The function raises DownloadError as `get` does.
    """
    known = {one.name: one for one in source.files}

    def path_of(name: str) -> Path:
        item = known[name]
        if not is_cached(item):
            check_terms(source, accepted=False)
            _check_addresses(source, [item])
            fetch(item)
        return cached_path(item)

    return path_of


def require(source: Source, names: Iterable[str]) -> list[Path]:
    """Return the verified paths of some files of a set, fetching those that the cache lacks.

    Parameters
    ----------
    source
        The set.
    names
        Of the files in it.

    Raises
    ------
    DownloadError
        As `get`.
    """
    return list(map(opener(source), names))


def _fetch_all(source: Source, wanted: Iterable[RemoteFile]) -> None:
    missing = [one for one in wanted if not is_cached(one)]
    if not missing:
        return
    _check_addresses(source, missing)
    logger.info(
        "%s: fetching %s, %s",
        source.name,
        counted(len(missing), "file"),
        counted(sum(one.size for one in missing), "byte"),
    )
    with progress(len(missing), source.name, unit="file") as bar:
        for one in missing:
            fetch(one)
            bar.update()


def _check_addresses(source: Source, missing: list[RemoteFile]) -> None:
    """Refuse at once what could only fail file by file."""
    away = [one for one in missing if not one.url]
    if away and not mirror():
        where = source.registration or f"The original is at {source.address}"
        how = f" ({source.conversion})" if source.conversion else ""
        them = f"{away[0].name} has" if len(away) == 1 else f"{len(away)} files, {away[0].name} among them, have"
        message = (
            f"{source.name}: {them} no public address in this form{how}. "
            f"{where}. Set BIOCONV_DATA_MIRROR to a folder or URL that holds {source.place}/, or put them into "
            f"{set_folder(source)}, and run: bioconv datasets verify {source.name}"
        )
        raise DownloadError(message)


def check(source: Source, folder: Path | None = None) -> Check:
    """Return how a set's files compare with their sizes and sums.

    Parameters
    ----------
    source
        The set.
    folder
        Where they lie; None: in the cache. Of a set without known sums, a user's copy.

    Raises
    ------
    InputError
        If `folder` is no folder, or nothing is known that could be compared.
    """
    if folder is not None and not folder.is_dir():
        message = f"{folder} is not a folder; give the one that holds {source.name}"
        raise InputError(message)
    if source.files:
        place = folder or set_folder(source)
        with progress(len(source.files), source.name, unit="file") as bar:
            return Check(source, place, tuple(_check_file(place, one, bar) for one in source.files))
    if folder is None:
        message = (
            f"{source.name} is not fetched by bioconv, so there is nothing in the cache: name your copy (--folder)"
        )
        raise InputError(message)
    return Check(source, folder, tuple(_check_number(folder, one) for one in source.expected), "names")


def _check_file(folder: Path, item: RemoteFile, bar: object) -> FileCheck:
    bar.update()  # type: ignore[attr-defined]
    path = folder / item.name
    try:
        size = path.stat().st_size
        if size != item.size:
            return FileCheck(item.name, "wrong size", f"{size} bytes, not {item.size}")
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return FileCheck(item.name, "missing")
    except OSError as error:
        return FileCheck(item.name, "unreadable", error.strerror or str(error))
    if found != item.sha256:
        return FileCheck(item.name, "wrong sha256", f"{found}, not {item.sha256}")
    return FileCheck(item.name, "ok")


def _check_number(folder: Path, wanted: Expected) -> FileCheck:
    # What begins with a dot is not the set's: archives packed on a Mac bring ._NAME for every NAME.
    found = sorted(path for path in folder.rglob(wanted.pattern) if path.is_file() and path.name[0] != ".")
    partners = {path.name for path in folder.rglob(f"*{wanted.partner}")} if wanted.partner else set()
    faults = [f"{path.relative_to(folder)} {fault}" for path in found if (fault := _fault(path, wanted, partners))]
    if len(found) < wanted.count:
        said = "; ".join([f"{counted(len(found), 'file')}, at least {wanted.count} expected", *faults[:1]])
        return FileCheck(wanted.pattern, "wrong number" if found else "missing", said)
    if faults:
        return FileCheck(
            wanted.pattern, "wrong content", f"{len(faults)} of {counted(len(found), 'file')}: {'; '.join(faults[:3])}"
        )
    return FileCheck(wanted.pattern, "ok", counted(len(found), "file"))


def _fault(path: Path, wanted: Expected, partners: set[str]) -> str:
    """Say what is wrong with a file of which no sum is known; empty: nothing that can be seen."""
    try:
        with path.open("rb") as stream:
            begin = stream.read(_HEAD)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not begin:
        return "is empty"
    if wanted.holds.encode() not in begin:
        return f"does not begin as such a file does: no {wanted.holds!r}"
    if wanted.partner and path.with_suffix(wanted.partner).name not in partners:
        return f"has no {path.with_suffix(wanted.partner).name} in the folder or below it"
    return _shape_fault(path, wanted.shape) if wanted.shape else ""


def _shape_fault(path: Path, shape: tuple[int, ...]) -> str:
    from bioconv.images.reader import open_image

    try:
        with open_image(path) as source:
            found = (source.info.sizes["Y"], source.info.sizes["X"])
    except BioconvError:
        return "cannot be read as an image"
    return "" if found == shape else f"has {found[0]} x {found[1]} pixels, not {shape[0]} x {shape[1]}"


def write_file_list(folder: Path, target: Path) -> None:
    """Write the list of a prepared set for `file_lists/`: name, size, sha256; addresses are added by hand.

    An address is a fourth cell, `owner/repository@commit:path`, and for files whose bytes are those at that place.

    Parameters
    ----------
    folder
        The prepared set.
    target
        JSON.

    Raises
    ------
    OutputError
        If the list cannot be written.
    """
    rows = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "README.md":
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            rows.append(json.dumps([path.relative_to(folder).as_posix(), path.stat().st_size, digest]))
    with open_output(target) as stream:
        stream.write(("[\n " + ",\n ".join(rows) + "\n]\n").encode())
