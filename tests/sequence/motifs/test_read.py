"""Small motif files of every format read, and motifs chosen; truth by hand."""

from __future__ import annotations

import gzip
import logging
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bioconv.errors import MotifError
from bioconv.sequence.motifs import select_motifs
from tests.sequence.motifs.motif_cases import (
    HEAD,
    HOMER,
    HTML_DATA,
    JASPAR,
    SEEDS,
    TRANSFAC,
    TWO,
    XML,
    Read,
    read_content,
    write_html,
)

ARNT = [[0.2, 0.8, 0, 0], [0.95, 0, 0.05, 0]]
SECOND = [[0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return partial(read_content, tmp_path / "given.file")


def expected(matrix: object) -> NDArray[np.float64]:
    return np.array(matrix, dtype=float)


def test_meme_minimal(read: Read) -> None:
    first, second = read(TWO)
    assert (first.name, first.alt, first.sites) == ("MA0004.1", "Arnt", 7)
    assert (second.name, second.alt, second.sites) == ("second", "", 20)
    assert first.source.endswith("given.file:10")
    assert second.source.endswith("given.file:16")
    np.testing.assert_allclose(first.frequencies, expected(ARNT), rtol=0, atol=1e-12)
    np.testing.assert_allclose(second.frequencies, expected(SECOND), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        first.frequencies[0, 0] = 1


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("dress", ["crlf", "cr", "bom", "gzip", "members", "unfinished", "finished"])
def test_bytes_around_the_text_do_not_matter(read: Read, name: str, dress: str) -> None:
    text = SEEDS[name]
    plain = text.encode()
    dressed = {
        "crlf": text.replace("\n", "\r\n").encode(),
        "cr": text.replace("\n", "\r").encode(),
        "bom": b"\xef\xbb\xbf" + plain,
        "gzip": gzip.compress(plain),
        "members": gzip.compress(plain[:50]) + gzip.compress(plain[50:]) + gzip.compress(b""),  # as bgzip does
        "unfinished": plain.rstrip(b"\n"),
        "finished": plain + b"\n\n",
    }[dress]
    wanted, found = read(plain), read(dressed)
    assert [(m.name, m.alt, m.sites, m.source) for m in found] == [(m.name, m.alt, m.sites, m.source) for m in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.frequencies, other.frequencies)


def test_jaspar(read: Read) -> None:
    first, second = read(JASPAR + JASPAR.replace("MA0001.3\tAGL3 long", "x").replace("T ", "U "))
    assert (first.name, first.alt, first.sites) == ("MA0001.3", "AGL3 long", 10)  # column sums 10, 10, 40
    assert (second.name, second.alt) == ("x", "")
    np.testing.assert_allclose(first.frequencies[:, 2], [0.5, 0.6, 1 / 40])
    np.testing.assert_array_equal(first.frequencies, second.frequencies)


@pytest.mark.parametrize("head", [">x\n", "", "# a comment\n\n"])
@pytest.mark.parametrize("letters", ["    ", "ACGT", "TGAC"])
@pytest.mark.parametrize("mark", [" ", " | ", " [ "])
def test_four_rows(read: Read, head: str, letters: str, mark: str) -> None:
    counts = {"A": "30 0 0 100 0", "C": "10 0 0 0 100", "G": "50 0 0 0 0", "T": "10 100 100 0 0"}
    rows = [
        letter + mark + counts[letter] if letter.strip() else counts[base]
        for base, letter in zip("ACGT", letters, strict=True)
    ]
    (motif,) = read(head + "\n".join(rows))
    assert motif.name == ("x" if ">" in head else "given")
    assert motif.sites == 100
    np.testing.assert_allclose(motif.frequencies[0], [0.3, 0.1, 0.5, 0.1])
    np.testing.assert_allclose(motif.frequencies[3], [1, 0, 0, 0])


def test_probabilities_in_a_count_table_say_nothing_of_sites(read: Read) -> None:
    (motif,) = read(">x\nA 0.5 0.1\nC 0.5 0.2\nG 0 0.3\nT 0 0.4\n")
    assert motif.sites == 20
    (motif,) = read(">x\nA 1 0\nC 0 1\nG 0 0\nT 0 0\n")
    assert motif.sites == 1


def test_homer(read: Read) -> None:
    first, second = read(HOMER)
    assert (first.name, first.alt, first.sites) == ("YY1(Zf)/Homer", "CCATTG", 20)
    np.testing.assert_allclose(first.frequencies, [[0.1, 0.2, 0.3, 0.4], [0.997, 0.001, 0.001, 0.001]])
    np.testing.assert_array_equal(second.frequencies, np.eye(4))  # not turned: HOMER's rows are positions
    assert second.source.endswith(":4")


def test_transfac(read: Read) -> None:
    first, second = read(TRANSFAC)
    assert (first.name, first.alt, first.sites) == ("M00001", "V$MYOD_01", 5)
    assert (second.name, second.alt, second.sites) == ("other", "", 5)
    np.testing.assert_allclose(first.frequencies, expected([[1, 2, 2, 0], [2, 1, 2, 0]]) / 5)
    np.testing.assert_allclose(second.frequencies, expected([[3, 0, 1, 1], [0, 5, 0, 0]]) / 5)


@pytest.mark.parametrize("text", [XML, write_html(HTML_DATA)])
def test_meme_markup(read: Read, text: str) -> None:
    (motif,) = read(text)
    assert (motif.name, motif.alt) == ("TKT", "MEME-1")
    assert motif.sites == (18 if "<?xml" in text else 29)
    assert motif.source.endswith(f":{next(n for n, line in enumerate(text.split(chr(10)), 1) if place(line))}")
    np.testing.assert_allclose(motif.frequencies, [[0.1, 0.2, 0.3, 0.4]])


def place(line: str) -> bool:
    return "<motif id" in line or '"pwm"' in line


def test_log_odds(read: Read) -> None:
    """By hand: background (0.4, 0.1, 0.1, 0.4), scores 100, 0, -100, -1e6: odds 0.8, 0.1, 0.05, 0."""
    text = (
        "MEME version 3.0\nALPHABET= ACGT\nBackground letter frequencies (from x):\n"
        "A 0.4 C 0.1\nG 0.1 T 0.4\n"
        "MOTIF x\nlog-odds matrix: alength= 4 w= 1 n= 90 bayes= 8.8 E= 1\n 100 0 -100 -1000000\n"
    )
    (motif,) = read(text)
    np.testing.assert_allclose(motif.frequencies, expected([[0.8, 0.1, 0.05, 0]]) / 0.95, rtol=1e-12)
    assert motif.sites == 20
    (motif,) = read(text + "letter-probability matrix: nsites= 3\n0.1 0.2 0.3 0.4\n")
    np.testing.assert_allclose(motif.frequencies, [[0.1, 0.2, 0.3, 0.4]])
    (motif,) = read(text.replace("1000000", "1e300").replace("100 0", "1e300 0"))
    np.testing.assert_allclose(motif.frequencies, [[1, 0, 0, 0]])


@pytest.mark.parametrize(
    "alphabet",
    [
        "",
        "ALPHABET= ACGT",
        "ALPHABET= ACGU",
        "ALPHABET DNA",
        'ALPHABET "DNA" DNA-LIKE\nA "Adenine = x" CC0000 ~ T "Thymine" 008000\n'
        'C "Cytosine" 0000CC ~ G "Guanine"\n'
        'N "Any base" = ACGT\n# a comment\nU = T\nEND ALPHABET',
        'ALPHABET "RNA"\nA\nC\nG\nU\nN = ACGU\nEND ALPHABET',
    ],
)
def test_alphabets_accepted(read: Read, alphabet: str) -> None:
    (_, second) = read(TWO.replace("ALPHABET= ACGT", alphabet))
    np.testing.assert_allclose(second.frequencies, expected(SECOND), atol=1e-12)


def test_headers_of_full_meme_output(read: Read) -> None:
    table = "letter-probability matrix: alength= 4 w= 1 nsites= 0 E= 1\n0 1 0 0\n" + "-" * 80 + "\n"
    named = "MOTIF  1\twidth =   10   sites =  10   llr = 140\n" + table
    both = "MOTIF TTK MEME-2\twidth =  1  sites =   4\n" + table
    old, new = read(HEAD + named + both)
    assert (old.name, old.alt, new.name, new.alt) == ("1", "", "TTK", "MEME-2")
    assert old.sites == 20  # nsites= 0 says nothing


def test_blank_lines_inside_a_matrix(read: Read) -> None:
    (motif,) = read(HEAD + "MOTIF x\n\nletter-probability matrix: w= 2\n\n1 0 0 0\n\n0 1 0 0\n\n")
    assert motif.frequencies.shape == (2, 4)


def test_rounded_rows_are_normalised(read: Read) -> None:
    (motif,) = read(HEAD + "MOTIF x\nletter-probability matrix:\n0.33 0.33 0.33 0\n")
    np.testing.assert_allclose(motif.frequencies, [[1 / 3, 1 / 3, 1 / 3, 0]])


def test_repeated_names_are_kept_with_a_warning(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="bioconv"):
        assert len(read(JASPAR * 2)) == 2
    assert "MA0001.3" in caplog.text
    assert "given.file" in caplog.text


def test_select(read: Read) -> None:
    motifs = read(TWO + "\n\nMOTIF odd[1] arnt\nletter-probability matrix:\n0 0 0 1\n")

    def names(*patterns: str) -> list[str]:
        return [motif.name for motif in select_motifs(motifs, patterns)]

    assert names("second", "Arnt", "MA*") == ["MA0004.1", "second"]
    assert names("?rnt") == ["MA0004.1", "odd[1]"]
    assert names("odd[1]") == ["odd[1]"]
    assert names("*") == names() == ["MA0004.1", "second", "odd[1]"]
    with pytest.raises(MotifError, match=r"no motif is named 'Secnd'; near names are second"):
        names("Arnt", "Secnd")
    with pytest.raises(MotifError, match="no motifs at all"):
        select_motifs([], ["x"])
