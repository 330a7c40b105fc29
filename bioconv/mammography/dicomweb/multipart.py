"""`multipart/related` with one part, read as it comes: what is held in memory does not grow with the part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_MOST_HEAD = 1 << 16
_SPACES = 16  # after a delimiter; more of them are not looked for


class TruncatedError(Exception):
    """The message ended before its closing delimiter."""


class MalformedError(Exception):
    """The message is no multipart of one part."""


def first_part(read: Callable[[], bytes], boundary: str) -> tuple[dict[str, str], Iterator[bytes]]:
    r"""Return the header and the content of the one part of a message (RFC 2046, section 5.1).

    Parameters
    ----------
    read
        Returns the next bytes, at least one; nothing at the end.
    boundary
        As Content-Type gives it.

    Returns
    -------
    header : dict
        Names in small letters to values.
    content : Iterator of bytes
        To be read to its end: only then is it known to be whole, and alone.

    Raises
    ------
    TruncatedError, MalformedError
        Also from the iterator.

    Examples
    --------
    >>> message = iter([b"--b\r\nContent-Type: text/plain\r\n\r\nhel", b"lo\r\n--b-", b"-\r\n", b""])
    >>> header, content = first_part(lambda: next(message), "b")
    >>> header, b"".join(content)
    ({'content-type': 'text/plain'}, b'hello')
    """
    if not re.fullmatch(r"[ -~]{1,70}", boundary):
        message = f"its boundary {boundary[:80]!r} is none"
        raise MalformedError(message)
    delimiter = re.compile(rb"\r\n--" + re.escape(boundary.encode("ascii")) + rb"(--|[ \t]*\r\n)")
    buffer = bytearray(b"\r\n")  # the first delimiter needs no line before it
    opened = _until(read, buffer, delimiter)
    if opened.endswith(b"--"):
        message = "it has no part"
        raise MalformedError(message)
    buffer[:0] = b"\r\n"  # a part may have no header at all
    head = _until(read, buffer, re.compile(rb"(?s)\A.*?\r\n\r\n"))
    longest = len(boundary) + 6 + _SPACES
    return _header(head), _content(read, buffer, delimiter, longest)


def _until(read: Callable[[], bytes], buffer: bytearray, wanted: re.Pattern[bytes]) -> bytes:
    """Read until a pattern is there; take everything up to its end away and return what it matched."""
    while (found := wanted.search(buffer)) is None:
        if len(buffer) > _MOST_HEAD:
            message = "its first part does not begin"
            raise MalformedError(message)
        buffer += _more(read)
    text = found.group()
    del buffer[: found.end()]
    return text


def _more(read: Callable[[], bytes]) -> bytes:
    block = read()
    if not block:
        message = "it ended before its closing delimiter"
        raise TruncatedError(message)
    return block


def _header(head: bytes) -> dict[str, str]:
    lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n") if line]
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _content(
    read: Callable[[], bytes], buffer: bytearray, delimiter: re.Pattern[bytes], longest: int
) -> Iterator[bytes]:
    while (found := delimiter.search(buffer)) is None:
        if len(buffer) > longest:  # what may still become a delimiter stays
            yield bytes(buffer[:-longest])
            del buffer[:-longest]
        buffer += _more(read)
    if found.start():
        yield bytes(buffer[: found.start()])
    if found.group(1) != b"--":
        message = "it has more than one part where one instance was asked for"
        raise MalformedError(message)
