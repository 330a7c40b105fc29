"""Hashes in place of names, in texts too, and the salt that makes them."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from bioconv.errors import InputError
from bioconv.mammography.identifiers import SALT, Identifiers, kept_salt, read_salt
from bioconv.mammography.views import View

SECRET = bytes(range(16))
HASHED = Identifiers(SECRET)


def stands_for(text):
    return hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()[:16]


def test_what_stands_for_a_name():
    assert HASHED.of("Doe^Jane") == stands_for("Doe^Jane")
    assert HASHED.of("") == ""
    assert Identifiers().of("Doe^Jane") == "Doe^Jane"
    assert Identifiers().kept
    assert not HASHED.kept


def test_texts_lose_paths_names_and_what_pydicom_quotes():
    view = View(Path("/data/doe/jane.dcm"), "Doe^Jane", "1.2.3.4", "L", "CC", name="doe/jane.dcm", sop_uid="1.2.3.4.9")
    words = HASHED.words_of(view.path, view.name, view)
    for text in ("/data/doe/jane.dcm: cut short", "jane.dcm of Doe^Jane", "study 1.2.3.4 of doe/jane.dcm", "1.2.3.4.9"):
        cleaned = HASHED.without(text, words)
        assert not any(word in cleaned for word in ("jane", "Doe", "1.2.3.4"))
        assert Identifiers().without(text, words) == text
    assert HASHED.without("/data/doe/jane.dcm: cut short", words) == f"{stands_for('doe/jane.dcm')}: cut short"
    said = HASHED.without("Invalid value for VR DA: '19560213x'. Please see the standard", words)
    assert said == "Invalid value for VR DA"


def test_short_or_partial_words_stay():
    """An image called `1` must not take the numbers out of every sentence."""
    view = View(Path("1"), "L", "", "L", "CC", name="1")
    text = "enlarged 1.5 times; scored as L"
    assert HASHED.without(text, HASHED.words_of(view.path, view.name, view)) == text
    assert HASHED.without("a janes.dcm", {"jane": "x"}) == "a janes.dcm"


def test_the_salt_is_made_once_and_for_the_owner_alone(tmp_path):
    salt = kept_salt(tmp_path)
    assert len(salt) == 32
    assert kept_salt(tmp_path) == salt == read_salt(tmp_path / SALT)
    assert stat.S_IMODE((tmp_path / SALT).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [SALT]


@pytest.mark.parametrize("content", [b"", b"abcd", b"no hexadecimal digits at all, none", b"\xff\xfe"])
def test_odd_salts(tmp_path, content):
    (tmp_path / "salt").write_bytes(content)
    with pytest.raises(InputError, match="32 hexadecimal digits"):
        read_salt(tmp_path / "salt")
    with pytest.raises(InputError, match="no such file; check the path"):
        read_salt(tmp_path / "none")
