"""Safe unpacking of archives from elsewhere: only listed files, every one verified before any is visible."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from gzip import BadGzipFile, GzipFile
from pathlib import Path

from bioconv.download import is_plain, writing
from bioconv.errors import DownloadError
from bioconv.part_files import staging_folder

HIGHEST_RATIO = 100  # unpacked to packed; gzip itself can reach a thousand
SMALLEST_BOUND = 1 << 20  # a few short files may well pack better than that
_CHUNK = 1 << 16


def unpack_tar(path: Path, folder: Path, members: Mapping[str, str], *, limit: int) -> None:
    """Unpack the listed files of a `.tar.gz` into `folder`; nothing appears there before all are verified.

    They are unpacked and checked in a temporary folder beside `folder` and then moved file by file, since
    `folder` may already hold some of them.

    Parameters
    ----------
    path, folder
        The archive, and where its files go, under the names they have in it.
    members
        Name in the archive -> sha256 of the content; plain files that are not listed are passed over.
    limit
        Bytes that the whole archive may unpack to, headers and padding included.

    Raises
    ------
    DownloadError
        If the archive is damaged, holds anything but files and folders with plain relative names, grows
        beyond `limit`, repeats or lacks a listed file or has other content for it; or if `folder` cannot be
        written.
    """
    with _staging(folder) as staging:
        missing = members.keys() - _unpack(path, staging, members, limit)
        if missing:
            message = f"{path} lacks {len(missing)} of {len(members)} files, {min(missing)!r} among them"
            raise DownloadError(message)
        with writing(folder):
            for name in members:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).replace(folder / name)


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    with ExitStack() as opened:
        with writing(folder):
            staging = opened.enter_context(staging_folder(folder))
        yield staging


def _unpack(path: Path, staging: Path, members: Mapping[str, str], limit: int) -> set[str]:
    """Unpack and verify the members that are there; return their names."""
    done: set[str] = set()
    try:
        allowed = min(limit, max(SMALLEST_BOUND, HIGHEST_RATIO * path.stat().st_size))
        # "r|": read once from front to back, so that the bound holds for headers as well.
        with _BoundedGzip(path, allowed) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                _check(member, path, done)
                if member.name in members:
                    _unpack_member(archive, member, staging, members[member.name])
                    done.add(member.name)
    except (tarfile.TarError, BadGzipFile, EOFError, zlib.error, ValueError, OverflowError) as error:
        message = f"{path} is damaged or not a .tar.gz archive ({error}); nothing was unpacked; fetch it anew"
        raise DownloadError(message) from error
    return done


def _check(member: tarfile.TarInfo, path: Path, done: set[str]) -> None:
    """Refuse whatever an honest archive of data files does not hold."""
    if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE}:
        fault = "is a link, a device or another special file"
    elif member.issparse():  # an ordinary file by its type; its holes are not in what the bound counts
        fault = "is a file with holes"
    elif not is_plain(member.name):
        fault = "would leave the folder"
    elif member.name in done:
        fault = "is there twice"
    else:
        return
    message = f"{path}: member {member.name!r} {fault}; the archive is not safe and nothing was unpacked"
    raise DownloadError(message)


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, staging: Path, sha256: str) -> None:
    source = archive.extractfile(member)
    if source is None:
        message = f"member {member.name!r} is a folder where a file was expected"
        raise DownloadError(message)
    target = staging / member.name
    digest = hashlib.sha256()
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = target.open("xb")
    with stream:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            with writing(target):
                stream.write(chunk)
    if digest.hexdigest() != sha256:
        message = (
            f"member {member.name!r} has sha256 {digest.hexdigest()}, not {sha256}: it is not the file that "
            "bioconv knows, and nothing was unpacked"
        )
        raise DownloadError(message)


class _BoundedGzip(GzipFile):
    """A gzip stream that refuses to unpack to more than `limit` bytes."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path)
        self.path, self.limit, self.count = path, limit, 0

    def read(self, size: int | None = -1) -> bytes:
        """Read as `GzipFile.read` does, and count."""
        chunk = super().read(size)
        self.count += len(chunk)
        if self.count > self.limit:
            message = f"{self.path} unpacks to more than {self.limit} bytes, too many for what it should hold"
            raise DownloadError(message)
        return chunk
