from __future__ import annotations

from pathlib import Path

import pytest

from bioconv import part_files
from bioconv.part_files import open_part, staging_folder

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


def test_a_folder_is_there_as_long_as_it_is_needed(tmp_path: Path) -> None:
    with staging_folder(tmp_path / "deep/set") as folder:
        assert list(folder.iterdir()) == []
        (folder / "a").write_text("a")
    assert list((tmp_path / "deep").iterdir()) == []


def test_folders_of_the_dead_are_cleared_away_and_of_the_living_not(tmp_path: Path) -> None:
    """A lock that nobody holds is what the kernel leaves of a killed process."""
    target = tmp_path / "set"
    for name in (".set.dead.part", ".other.dead.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("x")
        (tmp_path / name).with_suffix(".lock").touch()
    with staging_folder(target) as living, staging_folder(target) as other:
        assert living != other
        assert living.is_dir()
        assert not (tmp_path / ".set.dead.part").exists()
        assert not (tmp_path / ".set.dead.lock").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.dead.lock", ".other.dead.part"]


def test_a_folder_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_files, "fcntl", None)
    with staging_folder(tmp_path / "set") as first, staging_folder(tmp_path / "set") as second:
        assert first.is_dir()
        assert second.is_dir()
    assert list(tmp_path.iterdir()) == []
