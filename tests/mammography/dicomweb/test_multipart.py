"""Multipart messages as they come in pieces: whole, or an error."""

from __future__ import annotations

import email.parser
import email.policy

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bioconv.mammography.dicomweb.multipart import MalformedError, TruncatedError, first_part

BOUNDARIES = st.text("ab-'()+_,./:=? 09", min_size=1, max_size=12).filter(lambda text: text == text.strip())
# Contents that are full of what looks like a delimiter.
CONTENTS = st.lists(st.sampled_from([b"\r", b"\n", b"--", b"-", b"a", b"b", b"\r\n--", b"\0", b" "]), max_size=30).map(
    b"".join
)


def in_pieces(message, sizes):
    """A function that returns pieces of these sizes, in turn, and nothing at the end."""
    place, number = 0, 0

    def read():
        nonlocal place, number
        size = sizes[number % len(sizes)]
        piece = message[place : place + size]
        place, number = place + size, number + 1
        return piece

    return read


def whole(message, boundary, sizes=(7,)):
    header, content = first_part(in_pieces(message, sizes), boundary)
    return header, b"".join(content)


def is_free(content, boundary):
    return f"\r\n--{boundary}".encode() not in b"\r\n" + content + b"\r\n"


@given(
    CONTENTS, BOUNDARIES, st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from([b"", b"a preamble\r\n"])
)
def test_content_comes_through_in_any_pieces(content, boundary, sizes, preamble):
    assume(is_free(content, boundary))
    mark = f"--{boundary}".encode()
    message = (
        preamble + mark + b"\r\nContent-Type: application/dicom\r\nX: y\r\n\r\n" + content + b"\r\n" + mark + b"--"
    )
    header, found = whole(message, boundary, sizes)
    assert found == content
    assert header == {"content-type": "application/dicom", "x": "y"}


@given(st.binary(max_size=60).map(lambda one: one.replace(b"\r", b"").replace(b"\n", b"").replace(b"-", b"")))
def test_as_the_standard_library_reads_it(content):
    message = (
        b"--b\r\nContent-Type: application/dicom\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        + content
        + b"\r\n--b--\r\n"
    )
    text = b"Content-Type: multipart/related; boundary=b\r\n\r\n" + message
    (part,) = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(text).iter_parts()
    header, found = whole(message, "b")
    assert header["content-type"] == part.get_content_type()
    assert found == part.get_payload(decode=True)


@given(st.integers(0, 59), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_message_cut_anywhere_is_no_message(cut, sizes):
    message = b"--bound\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--bound--"
    assert len(message) <= 60
    with pytest.raises(TruncatedError):
        whole(message[: min(cut, len(message) - 1)], "bound", sizes)


def test_a_longer_boundary_is_no_delimiter():
    message = b"--b\r\n\r\none\r\n--bb--\r\n--b--"
    assert whole(message, "b") == ({}, b"one\r\n--bb--")


@pytest.mark.parametrize(
    ("message", "boundary", "said"),
    [
        (b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--", "b", "more than one part"),
        (b"--b--\r\n", "b", "no part"),
        (b"x" * 200_000, "b", "does not begin"),
        (b"--b\r\n" + b"x" * 200_000, "b", "does not begin"),
        (b"--b\r\n\r\none\r\n--b--", "", "boundary"),
        (b"--b\r\n\r\none\r\n--b--", "b\r\nc", "boundary"),
    ],
)
def test_what_is_no_multipart_of_one(message, boundary, said):
    with pytest.raises(MalformedError, match=said):
        whole(message, boundary, (4096,))


def test_memory_does_not_grow_with_the_content():
    block, count, largest = b"\r\n--" + b"x" * 60_000, 0, 0
    pieces = iter([b"--b\r\n\r\n", *[block] * 200, b"\r\n--b--", b""])
    _, content = first_part(lambda: next(pieces), "b")
    for piece in content:
        count, largest = count + len(piece), max(largest, len(piece))
    assert count == 200 * len(block)
    assert largest < 2 * len(block)
