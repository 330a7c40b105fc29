from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from bioconv.datasets import files
from bioconv.datasets.files import check, check_terms, get, notice, opener, presence, require, set_folder
from bioconv.datasets.registry import Expected, Source

from bioconv.download import RemoteFile
from bioconv.errors import DownloadError, InputError

CONTENTS = {"a.txt": b"one", "deep/b.txt": b"two", "deep/c d.txt": b"three"}


class FakeSource(Source):
    """A set whose files are not in a list."""

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        return () if self.expected else tuple(
            RemoteFile("toys", name, "", len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENTS.items()
        )  # fmt: skip


def source(**facts: object) -> Source:
    texts = dict.fromkeys(("title", "about", "citation", "doi", "licence", "weights"), "x")
    return FakeSource(
        **{"name": "toys", "kind": "sequences", "terms": "Be kind.", "address": "https://example.org", **texts, **facts}
    )


@pytest.fixture(autouse=True)
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, data in CONTENTS.items():
        path = tmp_path / "mirror/toys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    monkeypatch.setenv("BIOCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BIOCONV_DATA_MIRROR", str(tmp_path / "mirror"))
    return tmp_path / "mirror/toys"


def test_get_takes_all_files_and_then_none(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert presence(source()) == "no"
    folder = get(source())
    assert folder == set_folder(source())
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.txt")} == CONTENTS
    assert presence(source()) == "yes"
    monkeypatch.delenv("BIOCONV_DATA_MIRROR")
    assert get(source()) == folder
    (folder / "a.txt").unlink()
    assert presence(source()) == "partly"


def test_a_file_that_was_changed_is_fetched_again(mirror: Path) -> None:
    (get(source()) / "a.txt").write_bytes(b"not")
    assert (get(source()) / "a.txt").read_bytes() == b"one"


@pytest.mark.parametrize("bad", [b"thrEe", b"thr", b""])
def test_a_wrong_file_in_the_mirror_is_an_error(mirror: Path, bad: bytes) -> None:
    (mirror / "deep/c d.txt").write_bytes(bad)
    with pytest.raises(DownloadError, match=r"c d\.txt"):
        get(source())
    assert not (set_folder(source()) / "deep/c d.txt").exists()
    assert (set_folder(source()) / "a.txt").read_bytes() == b"one"


class TestTerms:
    def test_nothing_is_fetched_before_they_are_accepted(self) -> None:
        for fetch in (get, lambda asked: require(asked, ["a.txt"]), lambda asked: opener(asked)("a.txt")):
            with pytest.raises(DownloadError, match=r"accepted: Be kind\..*datasets get toys --accept-licence"):
                fetch(source(accept=True))
        assert not set_folder(source()).exists()

    def test_accepted_once_they_are_not_asked_for_again(self) -> None:
        get(source(accept=True), accept_licence=True)
        assert [path.read_bytes() for path in require(source(accept=True), CONTENTS)] == list(CONTENTS.values())
        check_terms(source(accept=True), accepted=False)

    def test_the_notice_says_all(self) -> None:
        said = notice(source(licence="LIC", weights="WEI", citation="CIT", doi="10.1/2"))
        assert all(word in said for word in ("toys", "LIC", "Be kind.", "WEI", "CIT", "10.1/2"))


def test_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror may hold such a set; the internet does not."""
    closed = source(registration="Register at https://example.org")
    monkeypatch.delenv("BIOCONV_DATA_MIRROR")
    with pytest.raises(DownloadError, match=r"Register at https://example.org\. Set BIOCONV_DATA_MIRROR.*toys"):
        get(closed)
    assert not set_folder(closed).exists()


def test_a_set_without_known_files() -> None:
    with pytest.raises(DownloadError, match=r"cannot be fetched: Go there\. Then check.*verify toys --folder"):
        get(source(expected=(Expected("*.tif", 2),), registration="Go there"), accept_licence=True)


class TestCheck:
    def test_every_kind_of_fault(self, mirror: Path) -> None:
        (mirror / "a.txt").write_bytes(b"eno")
        (mirror / "deep/b.txt").write_bytes(b"twoo")
        (mirror / "deep/c d.txt").unlink()
        (mirror / "extra.txt").write_bytes(b"is not looked at")
        found = check(source(), mirror)
        assert [(one.name, one.status) for one in found.files] == [
            ("a.txt", "wrong sha256"), ("deep/b.txt", "wrong size"), ("deep/c d.txt", "missing"),
        ]  # fmt: skip
        assert "4 bytes, not 3" in found.files[1].detail
        assert (found.good, found.complete) == (0, False)

    def test_unreadable(self, mirror: Path) -> None:
        (mirror / "a.txt").chmod(0)
        if os.access(mirror / "a.txt", os.R_OK):
            pytest.skip("this user may read everything")
        assert check(source(), mirror).files[0].status == "unreadable"

    def test_good_ones(self, mirror: Path) -> None:
        assert check(source(), mirror).complete
        assert not check(source()).complete
        get(source())
        assert check(source()).complete

    def test_by_number_where_no_sums_are_known(self, tmp_path: Path) -> None:
        brought = source(expected=(Expected("*.tif", 2), Expected("list.csv", 1)))
        (tmp_path / "copy/a").mkdir(parents=True)
        for name in ("1.tif", "a/2.tif"):
            (tmp_path / "copy" / name).write_bytes(b"x")
        found = check(brought, tmp_path / "copy")
        assert [(one.status, one.detail[:7]) for one in found.files] == [("ok", "2 files"), ("missing", "0 files")]
        assert found.by == "names"
        (tmp_path / "copy/list.csv").touch()
        assert check(brought, tmp_path / "copy").files[1].detail == "1 of 1 file: list.csv is empty"
        (tmp_path / "copy/list.csv").write_text("x")
        assert check(brought, tmp_path / "copy").complete

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nowhere is not a folder"):
            check(source(), tmp_path / "nowhere")
        with pytest.raises(InputError, match="name your copy"):
            check(source(expected=(Expected("*", 1),)))


def test_a_loader_asks_for_single_files() -> None:
    path_of = opener(source())
    assert path_of("deep/b.txt").read_bytes() == b"two"
    assert [path.name for path in files.set_folder(source()).rglob("*.txt")] == ["b.txt"]
