from __future__ import annotations

from pathlib import Path

import pytest

from bioconv import part_files
from bioconv.part_files import open_part

fcntl = pytest.importorskip("fcntl")
KEY = "0123456789abcdef"


def test_what_is_there_is_found_again(tmp_path: Path) -> None:
    path, stream, shared = open_part(tmp_path / "a.bin", KEY)
    with stream:
        stream.write(b"begun")
    assert (path, shared) == (tmp_path / f".a.bin.{KEY}.part", True)
    again, stream, shared = open_part(tmp_path / "a.bin", KEY)
    with stream:
        stream.write(b", and gone on with")
        stream.seek(0)
        assert stream.read() == b"begun, and gone on with"
    assert (again, shared) == (path, True)
    other, stream, _ = open_part(tmp_path / "a.bin", KEY[::-1])
    stream.close()
    assert other != path


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    held, first, _ = open_part(tmp_path / "a.bin", KEY)
    own, second, shared = open_part(tmp_path / "a.bin", KEY)
    with first, second:
        assert own != held
        assert not shared
        second.write(b"other")
    assert held.read_bytes() == b""
    assert own.read_bytes() == b"other"


@pytest.mark.parametrize("end", ["renamed", "removed"])
def test_a_file_that_was_finished_meanwhile_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Whoever held it finishes between the opening and the lock."""
    target, part = tmp_path / "a.bin", tmp_path / f".a.bin.{KEY}.part"
    part.write_bytes(b"whole")
    lock = fcntl.flock

    def finish_first(stream: object, flags: int) -> None:
        part.replace(target) if end == "renamed" else part.unlink()
        lock(stream, flags)

    monkeypatch.setattr(part_files.fcntl, "flock", finish_first)
    path, stream, shared = open_part(target, KEY)
    with stream:
        stream.write(b"new")
    assert not shared
    assert path not in {part, target}
    assert [one.read_bytes() for one in (target, part) if one.exists()] == [b"whole"] * (end == "renamed")


def test_a_platform_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_files, "fcntl", None)
    paths = []
    for _ in range(2):
        path, stream, shared = open_part(tmp_path / "a.bin", KEY)
        stream.close()
        assert not shared
        paths.append(path)
    assert paths[0] != paths[1]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_part(tmp_path / "nowhere" / "a.bin", KEY)
