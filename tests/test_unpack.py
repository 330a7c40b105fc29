from __future__ import annotations

import gzip
import hashlib
import io
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioconv.errors import DownloadError
from bioconv.unpack import unpack_tar

ROOT = Path(__file__).parent.parent
FILES = {"params/a.txt": b"weights of a\r\n" * 50, "params/b.txt": b"weights of b\n" * 70}
WANTED = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
LIMIT = 1 << 20


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[object, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, link
    return member, content


def with_holes(name: str, size: int) -> tuple[object, bytes]:
    """An ordinary file by its type, of which pax headers say that it is all hole."""
    member, content = entry(name)
    member.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(size)}
    return member, content


def honest() -> list[tuple[object, bytes]]:
    return [entry("params", kind=tarfile.DIRTYPE), *(entry(name, content) for name, content in FILES.items())]


def pack(path: Path, entries: list[tuple[object, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in entries:
            archive.addfile(member, io.BytesIO(content))
    return path


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_the_listed_files_and_no_others(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar.gz", [*honest(), entry("params/extra.txt", b"not asked for")])
    unpack_tar(path, tmp_path / "out", WANTED, limit=LIMIT)
    assert everything_below(tmp_path) == {"x.tar.gz", "out", "out/params", *(f"out/{name}" for name in FILES)}
    assert all((tmp_path / "out" / name).read_bytes() == content for name, content in FILES.items())


def test_files_already_there_stay_or_are_replaced_whole(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar.gz", honest())
    (tmp_path / "out" / "params").mkdir(parents=True)
    (tmp_path / "out" / "params" / "a.txt").write_text("damaged")
    (tmp_path / "out" / "params" / "mine.txt").write_text("mine")
    unpack_tar(path, tmp_path / "out", WANTED, limit=LIMIT)
    assert (tmp_path / "out" / "params" / "a.txt").read_bytes() == FILES["params/a.txt"]
    assert (tmp_path / "out" / "params" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        (entry("/etc/evil", b"x"), "'/etc/evil' would leave the folder"),
        (entry("../evil", b"x"), "'../evil' would leave the folder"),
        (entry("params/../../evil", b"x"), "would leave the folder"),
        (entry("C:\\evil", b"x"), "would leave the folder"),
        (entry("..", kind=tarfile.DIRTYPE), "would leave the folder"),
        (entry("link", kind=tarfile.SYMTYPE, link="/etc/passwd"), "'link' is a link, a device"),
        (entry("link", kind=tarfile.LNKTYPE, link="params/a.txt"), "'link' is a link, a device"),
        (entry("null", kind=tarfile.CHRTYPE), "'null' is a link, a device"),
        (entry("disk", kind=tarfile.BLKTYPE), "'disk' is a link, a device"),
        (entry("pipe", kind=tarfile.FIFOTYPE), "'pipe' is a link, a device"),
        (entry("hole", kind=tarfile.GNUTYPE_SPARSE), "'hole' is a link, a device|damaged"),
        (with_holes("params/c.txt", 1 << 40), "'params/c.txt' is a file with holes"),
        (entry("params/a.txt", FILES["params/a.txt"]), "'params/a.txt' is there twice"),
        (entry("bomb", bytes(LIMIT)), "unpacks to more than 1048576 bytes"),
    ],
    ids=[
        "absolute", "parent", "hidden parent", "drive", "parent folder", "symlink", "hard link",
        "character device", "block device", "fifo", "sparse", "holes", "duplicate", "bomb",
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_hostile_members_leave_nothing_behind(
    tmp_path: Path, extra: tuple[object, bytes], match: str, first: bool
) -> None:
    path = pack(tmp_path / "x.tar.gz", [extra, *honest()] if first else [*honest(), extra])
    with pytest.raises(DownloadError, match=match):
        unpack_tar(path, tmp_path / "out", WANTED, limit=LIMIT)
    assert everything_below(tmp_path) == {"x.tar.gz"}


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ([*honest()[:2], entry("params/b.txt", b"poison")], "'params/b.txt' has sha256"),
        (honest()[:2], "lacks 1 of 2 files, 'params/b.txt' among them"),
        ([*honest()[:2], entry("params/b.txt", kind=tarfile.DIRTYPE)], "a folder where a file was expected"),
        ([], "lacks 2 of 2"),
    ],
    ids=["wrong hash", "missing", "folder for file", "empty"],
)
def test_other_content_leaves_nothing_behind(tmp_path: Path, entries: list[tuple[object, bytes]], match: str) -> None:
    path = pack(tmp_path / "x.tar.gz", entries)
    with pytest.raises(DownloadError, match=match):
        unpack_tar(path, tmp_path / "out", WANTED, limit=LIMIT)
    assert everything_below(tmp_path) == {"x.tar.gz"}


def test_a_ratio_no_honest_archive_has(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar.gz", [entry("zeros", bytes(50 << 20))])
    allowed = 100 * path.stat().st_size
    with pytest.raises(DownloadError, match=f"more than {allowed} bytes"):
        unpack_tar(path, tmp_path / "out", WANTED, limit=1 << 40)


def test_a_header_that_claims_gigabytes(tmp_path: Path) -> None:
    """A long-name header is read into memory whole: the bound must hold there too."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    path = tmp_path / "x.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(8):
            stream.write(b"a" * (1 << 20))
    with pytest.raises(DownloadError, match="unpacks to more than 1048576 bytes"):
        unpack_tar(path, tmp_path / "out", WANTED, limit=LIMIT)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", gzip.compress(b"no tar" * 1000, mtime=0)])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DownloadError, match=r"x\.tar\.gz is damaged or not"):
        unpack_tar(path, tmp_path / "out", WANTED, limit=LIMIT)
    assert everything_below(tmp_path) == {"x.tar.gz"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), inside=st.booleans())
def test_damage_anywhere_is_noticed_or_harmless(tmp_path: Path, data: st.DataObject, inside: bool) -> None:
    """Flip a byte, packed or unpacked, or cut the archive: the right files or an error, nothing else."""
    path = pack(tmp_path / "x.tar.gz", honest())
    content = gzip.decompress(path.read_bytes()) if inside else path.read_bytes()
    where = data.draw(st.integers(0, len(content) - 1))
    flipped = content[:where] + bytes([content[where] ^ data.draw(st.integers(1, 255))]) + content[where + 1 :]
    damaged = data.draw(st.sampled_from([flipped, content[:where]]))
    path.write_bytes(gzip.compress(damaged, mtime=0) if inside else damaged)
    try:
        unpack_tar(path, tmp_path / "out", WANTED, limit=LIMIT)
    except DownloadError:
        assert everything_below(tmp_path) == {"x.tar.gz"}
        return
    found = everything_below(tmp_path / "out")
    assert found == {"params", *FILES}
    for name, content in FILES.items():
        assert (tmp_path / "out" / name).read_bytes() == content
        (tmp_path / "out" / name).unlink()
    (tmp_path / "out" / "params").rmdir()
    (tmp_path / "out").rmdir()


def run_unpack(path: Path, folder: Path, wanted: dict[str, str]) -> subprocess.Popen[str]:
    """Unpack in a process of its own; return when it begins."""
    code = f"""
from pathlib import Path
from bioconv.unpack import unpack_tar
print("begins", flush=True)
unpack_tar(Path({str(path)!r}), Path({str(folder)!r}), {wanted!r}, limit=1 << 30)
"""
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run.stdout as said:
        assert said.readline() == "begins\n"
    return run


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_at_random_moments(tmp_path: Path, kills: int) -> None:
    """Whole files or none, whenever it is killed; the next run ends right and clears away what was left."""
    rng = random.Random(kills)
    files = {f"deep/{number}.bin": rng.randbytes(5000) * 8 for number in range(400)}
    wanted = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    path, folder = pack(tmp_path / "x.tar.gz", [entry(*one) for one in files.items()]), tmp_path / "out"
    start = time.monotonic()
    assert run_unpack(path, folder, wanted).wait() == 0
    whole = time.monotonic() - start
    shutil.rmtree(folder)
    stopped = 0
    for _ in range(kills):
        run = run_unpack(path, folder, wanted)
        time.sleep(rng.uniform(0, whole))
        run.kill()
        stopped += run.wait() == -signal.SIGKILL
        there = [one for one in folder.rglob("*") if one.is_file()]
        assert all(one.read_bytes() == files[one.relative_to(folder).as_posix()] for one in there)
        shutil.rmtree(folder, ignore_errors=True)
    assert stopped > 0
    assert run_unpack(path, folder, wanted).wait() == 0
    assert everything_below(tmp_path) == {"x.tar.gz", "out", "out/deep", *(f"out/{name}" for name in files)}
    assert all((folder / name).read_bytes() == content for name, content in files.items())
