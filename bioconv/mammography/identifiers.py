"""What stands for patients, studies and files in results: hashes with a secret salt, unless they are to be kept."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bioconv.errors import InputError, OutputError
from bioconv.mammography.exams import identify, new_salt
from bioconv.mammography.views import View
from bioconv.wording import unreadable

SALT = "identifiers.salt"
_SHORTEST = 4  # shorter words are found in any text, and name nobody
_QUOTED = re.compile(r"(Invalid value for VR \w\w).*")


@dataclass(frozen=True)
class Identifiers:
    """How results name whom and what they are about.

    Parameters
    ----------
    salt
        Of the hashes, at least 16 bytes; None: names are kept as they are.
    everywhere
        Whether the manifest names hashes too: images of an archive have UIDs for names.
    """

    salt: bytes | None = None
    everywhere: bool = False

    @property
    def kept(self) -> bool:
        """Whether names are kept."""
        return self.salt is None

    def of(self, value: str) -> str:
        """Return what stands for an identifier; nothing stands for nothing."""
        return value if self.salt is None else identify(value, self.salt)

    def without(self, text: str, words: Mapping[str, str]) -> str:
        """Return a text with identifiers in it replaced, the longest first; as it is where they are kept.

        Parameters
        ----------
        words
            What must not be said, and what is said instead.

        Examples
        --------
        >>> Identifiers(bytes(16)).without("/data/doe.dcm: cut short", {"/data/doe.dcm": "a file"})
        'a file: cut short'
        """
        if self.salt is None:
            return text
        for word in sorted(words, key=len, reverse=True):
            if len(word) >= _SHORTEST:
                instead = words[word].replace("\\", r"\\")
                text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", instead, text)
        # pydicom quotes values that break the standard, a date of birth among them.
        return _QUOTED.sub(r"\1", text)

    def words_of(self, path: Path, name: str, view: View | None = None, *, table: Path | None = None) -> dict[str, str]:
        """Return what texts about an input must not say, for `without`; a table is called so, as its line says more."""
        words = dict.fromkeys(() if table is None else (str(table), table.name), "table")
        words |= {one: self.of(name) for one in (str(path), str(path.resolve()), path.name, name) if one not in words}
        for value in () if view is None else (view.patient, view.study, view.sop_uid, view.study_date):
            words[value] = self.of(value)
        return words


def kept_salt(folder: Path) -> bytes:
    """Return the salt of a folder of results, made and kept there for its owner alone if there is none.

    Raises
    ------
    OutputError
        If it cannot be written.
    InputError
        If what lies there is no salt.
    """
    path = folder / SALT
    if path.exists():
        return read_salt(path)
    salt = new_salt()
    try:
        # Whole or not at all, and never to be read by others: files of `mkstemp` are their owner's.
        descriptor, part = tempfile.mkstemp(prefix=f".{SALT}.", suffix=".part", dir=folder)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(salt.hex() + "\n")
        # Shards of one batch may begin at the same moment: the first salt counts.
        try:
            os.link(part, path)
        except FileExistsError:
            return read_salt(path)
        except OSError:  # a disk without links
            Path(part).replace(path)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}; give another -o"
        raise OutputError(message) from error
    return salt


def read_salt(path: Path) -> bytes:
    """Return the salt of a file: hexadecimal digits, at least 32.

    Raises
    ------
    InputError
        If it cannot be read, or is none.
    """
    try:
        salt = bytes.fromhex(path.read_text("ascii").strip())
    except OSError as error:
        raise InputError(unreadable(path, error)) from error
    except ValueError as error:
        message = f"{path}: no salt; at least 32 hexadecimal digits are expected, as of `openssl rand -hex 32`"
        raise InputError(message) from error
    if len(salt) < 16:
        message = f"{path}: a salt of {len(salt)} bytes; at least 16, 32 hexadecimal digits, are expected"
        raise InputError(message)
    return salt
