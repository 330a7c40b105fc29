"""Files from elsewhere: fetched, checked against a known size and sha256, and only then visible.

Environment: `BIOCONV_CACHE` moves the cache folder; `BIOCONV_DATA_MIRROR` (a folder or a URL) replaces the
internet, with the layout `<mirror>/<set>/<file>`. A mirror is never trusted and never fallen back from.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from bioconv.errors import DownloadError
from bioconv.part_files import open_part
from bioconv.runtime import logger, progress

if TYPE_CHECKING:
    import requests

ATTEMPTS = 4
FIRST_WAIT_S = 1.0
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
SLOWEST_BYTES_PER_S = 4096  # a connection that drips slower than this counts as stalled
_CHUNK = 1 << 12  # a stall is noticed between chunks only


@dataclass(frozen=True)
class RemoteFile:
    """A file known by its content.

    Parameters
    ----------
    set, name
        Where it lies in the cache and in a mirror: `<set>/<name>`; a relative path with `/`.
    url
        Its public address; empty if it has none and only a mirror can serve it.
    size, sha256
        Bytes and hexadecimal digest of the content.
    archive
        The file of the same set that a mirror serves instead, if this one lies inside an archive there.

    Raises
    ------
    ValueError
        If `set` or `name` would leave the cache folder.
    """

    set: str
    name: str
    url: str
    size: int
    sha256: str
    archive: str = ""

    def __post_init__(self) -> None:
        if not (is_plain(self.set) and is_plain(self.name)):
            message = f"{self.set!r}/{self.name!r} is not a plain relative path"
            raise ValueError(message)


class _Dropped(Exception):
    """The transfer broke off; another attempt may do better."""


def cache_folder() -> Path:
    """Return `BIOCONV_CACHE`, or the folder that this platform keeps for caches."""
    if folder := os.environ.get("BIOCONV_CACHE"):
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("bioconv"))


def mirror() -> str:
    """Return `BIOCONV_DATA_MIRROR`, a folder or a URL; empty if there is none."""
    return os.environ.get("BIOCONV_DATA_MIRROR", "").rstrip("/")


def cached_path(item: RemoteFile) -> Path:
    """Return where `item` lies in the cache, whether it is there or not."""
    return cache_folder() / item.set / item.name


def is_cached(item: RemoteFile) -> bool:
    """Say whether the cache holds `item` with the right size and sha256."""
    path = cached_path(item)
    try:
        if path.stat().st_size != item.size:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == item.sha256
    except OSError:
        return False


def fetch(item: RemoteFile) -> Path:
    """Return the path of `item` in the cache, fetching it from the mirror or the internet if need be.

    What an interrupted run has left is gone on with, where the server can; the whole is checked all the same. Any
    number of processes may fetch the same file: each writes a temporary file of its own, and whichever ends last
    renames the same verified bytes over those of the others.

    Raises
    ------
    DownloadError
        If the file cannot be had, is not the one described by `item`, or cannot be written.
    """
    target = cached_path(item)
    if is_cached(item):
        return target
    source = _source(item)
    logger.debug("fetching %s/%s from %s", item.set, item.name, source)
    attempts = 1 if isinstance(source, Path) else ATTEMPTS
    reason = ""
    for attempt in range(attempts):
        if attempt:
            logger.info("%s: %s; trying again (%d of %d)", item.name, reason, attempt + 1, attempts)
            time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            with _Part(item, target, source) as part:
                _copy(source, part) if isinstance(source, Path) else _request(source, part)
                part.finish()
            return target
        except _Dropped as problem:
            reason = str(problem)
    message = f"{source}: {reason}, in {attempts} attempt(s); {_remedy(item)}"
    raise DownloadError(message)


def _source(item: RemoteFile) -> Path | str:
    """Return the folder file or the URL to fetch `item` from."""
    place = mirror()
    if re.match(r"https?://", place, re.IGNORECASE):
        return f"{place}/{quote(f'{item.set}/{item.name}')}"
    if "://" in place:
        message = f"BIOCONV_DATA_MIRROR is {place!r}; give a folder or an http(s) URL"
        raise DownloadError(message)
    if place:
        folder = Path(place).expanduser()
        if not folder.is_dir():
            message = f"BIOCONV_DATA_MIRROR is {place!r}, which is no folder, so {item.set}/{item.name} cannot be had; "
            raise DownloadError(message + "set it to a folder or an http(s) URL, or unset it")
        return folder / item.set / item.name
    if not item.url:
        message = f"{item.set}/{item.name} has no public address; {_remedy(item)}"
        raise DownloadError(message)
    return item.url


def _remedy(item: RemoteFile) -> str:
    """Say how to get `item` without the connection that failed."""
    if mirror():
        elsewhere = " or unset BIOCONV_DATA_MIRROR to use the internet" if item.url else ""
        return f"put the right file into the mirror ({item.size} bytes, sha256 {item.sha256}){elsewhere}"
    return (
        f"put the file ({item.size} bytes, sha256 {item.sha256}) at {cached_path(item)} by hand, or set "
        f"BIOCONV_DATA_MIRROR to a folder or URL that holds {item.set}/{item.archive or item.name}"
    )


def _copy(source: Path, part: _Part) -> None:
    part.restart()  # cheaper than to read again what is there
    try:
        with source.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                part.write(chunk)
    except OSError as error:
        message = f"cannot read {source}: {error.strerror}; {_remedy(part.item)}"
        raise DownloadError(message) from error


def _request(url: str, part: _Part) -> None:
    """Stream one HTTP answer into `part`."""
    import pooch

    with ExitStack() as opened:

        def close_at_the_end(response: requests.Response, **_: object) -> None:
            """Close what pooch leaves open when an answer is not read to its end."""
            opened.callback(response.close)
            _place(response, part)

        # identity: what is checked is what the server stores, not what a proxy packs on the way.
        headers = {"Accept-Encoding": "identity", "User-Agent": "bioconv"}
        if part.count:
            headers["Range"] = f"bytes={part.count}-"
        get = pooch.HTTPDownloader(
            chunk_size=_CHUNK,
            timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            headers=headers,
            hooks={"response": close_at_the_end},
        )
        with _connection_errors(url, part.item):
            get(url, part, None)


def _place(response: requests.Response, part: _Part) -> None:
    """Begin anew unless the answer goes on exactly where the part ends."""
    if response.status_code == 206:
        begin = re.match(rf"bytes {part.count}-", response.headers.get("Content-Range", ""))
        if begin and part.count:
            return
        part.restart()
        message = "the server sent another part of the file than it was asked for"
        raise _Dropped(message)
    if response.status_code in {200, 416}:
        part.restart()
    if response.status_code == 416:
        message = "the file on the server ends before what an earlier run has left of it"
        raise _Dropped(message)


@contextmanager
def _connection_errors(url: str, item: RemoteFile) -> Iterator[None]:
    """Tell what another attempt may mend from what it will not."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 500
        if status in {408, 429} or status >= 500:
            message = f"the server answered {status}"
            raise _Dropped(message) from error
        message = f"{url}: the server answered {status}; {_remedy(item)}"
        raise DownloadError(message) from error
    except ValueError as error:
        message = f"{url}: not an address or not an HTTP answer ({error}); {_remedy(item)}"
        raise DownloadError(message) from error
    except requests.RequestException as error:
        # requests wraps the reason in the pool's complaint, which repeats the whole address.
        cause = error.args[0] if error.args else type(error).__name__
        message = f"no connection, or it broke off or stalled ({getattr(cause, 'reason', cause)})"
        raise _Dropped(message) from error


class _Part:
    """The temporary file of one attempt: counts, hashes and bounds what it gets.

    It begins with what an earlier attempt left. What arrived stays for the next one if the transfer breaks off or the
    process ends, and goes if it cannot be the file's beginning, or cannot be written.
    """

    def __init__(self, item: RemoteFile, target: Path, source: object) -> None:
        self.item, self.target, self.source = item, target, source
        self.digest = hashlib.sha256()
        self.count = self.resumed = 0
        self.renamed = False
        self.deadline = time.monotonic() + READ_TIMEOUT_S + item.size / SLOWEST_BYTES_PER_S

    def __enter__(self) -> _Part:
        with writing(self.target):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self.path, self.stream, self.is_shared = open_part(self.target, self.item.sha256[:16])
            self._read_back()
        self.resumed = self.count
        self.bar = progress(self.item.size, self.item.name, unit="B")
        self.bar.update(self.count)
        return self

    def _read_back(self) -> None:
        """Count and hash what is there; what is as long as the whole or longer broke off after its check failed."""
        self.stream.seek(0)
        while chunk := self.stream.read(1 << 20):
            self.digest.update(chunk)
            self.count += len(chunk)
        if self.count >= self.item.size:
            self.restart()

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.bar.close()
        # A folder is copied anew as fast as what is there is read again.
        goes_on = self.is_shared and self.count and not isinstance(self.source, Path)
        is_wrong = kind is not None and issubclass(kind, DownloadError)
        try:
            # Before the file is closed, which lets another process have it. Once it was renamed, the name is not ours.
            if not self.renamed and (is_wrong or not goes_on):
                self.path.unlink(missing_ok=True)
        finally:
            try:
                self.stream.close()
            except OSError:
                # The last bytes did not fit; an error that says so is already on its way.
                if kind is None:
                    raise

    def restart(self) -> None:
        """Forget what came so far."""
        with writing(self.target):
            self.stream.seek(0)
            self.stream.truncate()
        self.digest, self.count, self.resumed = hashlib.sha256(), 0, 0

    def write(self, chunk: bytes) -> None:
        """Add bytes; more than the file has are refused before they fill the disk."""
        if self.count + len(chunk) > self.item.size:
            self._refuse(f"is longer than the {self.item.size} bytes expected; nothing was kept; ")
        if time.monotonic() > self.deadline:
            message = f"stalled: {self.count} of {self.item.size} bytes came in time"
            raise _Dropped(message)
        self.digest.update(chunk)
        self.count += len(chunk)
        with writing(self.target):
            self.stream.write(chunk)
        self.bar.update(len(chunk))

    def flush(self) -> None:
        """Do nothing: the downloader asks after each chunk, `finish` flushes once."""

    def finish(self) -> None:
        """Check the whole and rename it to its final name."""
        if self.count < self.item.size:
            message = f"it ended after {self.count} of {self.item.size} bytes"
            raise _Dropped(message)
        if self.digest.hexdigest() != self.item.sha256:
            self._refuse(
                f"has sha256 {self.digest.hexdigest()}, not {self.item.sha256}: it is not the "
                "file that bioconv knows, and was not kept; "
            )
        with writing(self.target):
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.path.replace(self.target)
        self.renamed = True

    def _refuse(self, fault: str) -> NoReturn:
        """Blame the source, unless the fault may lie in what an earlier attempt left: then begin anew."""
        if self.resumed:
            self.restart()
            message = "what an earlier attempt left does not fit what came now"
            raise _Dropped(message)
        message = f"{self.source} {fault}{_remedy(self.item)}"
        raise DownloadError(message)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the operating system's write errors into one that names the file and the way out."""
    try:
        yield
    except OSError as error:
        message = (
            f"cannot write {target}: {error.strerror}; nothing was kept. "
            "Set BIOCONV_CACHE to a folder that can be written and has room"
        )
        raise DownloadError(message) from error


def is_plain(name: str) -> bool:
    """Say whether `name` is a relative path that stays in its folder on every platform."""
    return bool(name) and all(
        re.fullmatch(r"[^\\/:\x00-\x1f]+", part) and part not in {".", ".."} for part in name.split("/")
    )
