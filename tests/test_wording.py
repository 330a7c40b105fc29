"""Counts of things and files that cannot be read, as every command says them."""

from __future__ import annotations

import errno
import os

import pytest

from bioconv.wording import counted, unreadable, unwritable


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 hits"), (1, "1 hit"), (2, "2 hits"), (1000, "1,000 hits"), (1_234_567, "1,234,567 hits")],
)
def test_one_of_a_thing_has_no_s(number, said):
    assert counted(number, "hit") == said
    assert counted(number, "hit", does=("is", "are")) == f"{said} {'is' if number == 1 else 'are'}"


def test_what_the_system_says_of_files(tmp_path):
    (tmp_path / "file").touch()
    for path, reason in (
        (tmp_path / "none.fa", "no such file; check the path"),
        (tmp_path / "file" / "none.fa", "no such file; check the path"),
        (tmp_path, "a folder where a file is expected; give the file"),
    ):
        with pytest.raises(OSError, match=str(path)) as caught:
            path.open("rb")
        assert unreadable(path, caught.value) == f"{path}: {reason}"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EACCES, "no permission to read it; change its rights, or give a copy"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_what_cannot_be_had_in_a_test(code, reason):
    assert unreadable("x.fa", OSError(code, os.strerror(code))) == f"x.fa: {reason}"
    assert unreadable("x.fa", OSError("the reader's own words")) == "x.fa: the reader's own words"


def test_what_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(OSError, match=r"x\.tsv") as caught:
            (folder / "x.tsv").open("wb")
        assert unwritable(folder / "x.tsv", caught.value) == (
            f"there is no folder {folder}; make it, or give another name"
        )
    assert unwritable("x.tsv", OSError(errno.ENOSPC, "full")) == "full"
