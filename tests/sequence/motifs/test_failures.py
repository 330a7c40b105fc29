"""Bad motif files: never anything but a MotifError that names file and line."""

from __future__ import annotations

import gzip
import math
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioconv.errors import MotifError
from bioconv.sequence.motifs import read_motifs
from tests.sequence.motifs.motif_cases import (
    HEAD,
    HOMER,
    HTML_DATA,
    SEEDS,
    TRANSFAC,
    TWO,
    XML,
    Read,
    assert_sane,
    read_content,
    write_html,
)

Data = Callable[[str], Path]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return partial(read_content, tmp_path / "given.file")


def meme(rows: str, head: str = "letter-probability matrix: alength= 4 w= 2 nsites= 7 E= 0") -> str:
    return f"{HEAD}MOTIF bad\n{head}\n{rows}\n"


BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE MEME [\n<!ENTITY a "aaaaaaaaaa">\n'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">\n' for i in range(9))
    + "]>\n<MEME><motifs><motif name='&j;'/></motifs></MEME>"
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary"),
        (gzip.compress(TWO.encode(), mtime=0)[:-20], "damaged gzip"),
        (gzip.compress(TWO.encode(), mtime=0)[:-8] + b"\0" * 8, "damaged gzip"),
        (gzip.compress(TWO.encode(), mtime=0)[:20] + b"\xff" * 99, "damaged gzip"),
        ("hello\n", ":1: not a motif file (it starts with 'hello')"),
        (HEAD, "no motif found"),
        (meme("1 0 0\n0 1 0 0"), ":9: 3 numbers in a row, 4 expected"),
        (meme("1 0 0 0\n0 1 0 0 0"), ":10: 5 numbers in a row, 4 expected"),
        (meme("1 0 0 0\n0 O.5 0.5 0"), ":10: 'O.5' is not a number"),
        (meme("O 0.5 0.5 0"), ":9: 'O' is not a number"),
        (meme("1_0 0 0 0"), ":9: '1_0' is not a number"),
        (meme("1 0 0 0\n-0.5 0.5 1 0"), ":10: -0.5 is negative"),
        (meme("1 0 0 0\nnan 0.5 0.5 0"), ":10: 'nan' is not a finite number"),
        (meme("1 0 0 0\n0 inf 0.5 0"), ":10: 'inf' is not a finite number"),
        (meme("1 0 0 0\n1e308 1e308 0 0"), ":10: the numbers"),
        (meme("1 0 0 0\n0.5 0.4 0 0"), ":10: position 2 of motif bad sums to 0.9"),
        (meme("1 0 0 0\n0.5 0.4 0.2 0"), ":10: position 2 of motif bad sums to 1.1"),
        (meme("1 0 0 0\n0 0 0 0"), ":10: position 2 of motif bad is all zeros"),
        (meme("1 0 0 0"), ":8: motif bad announces w= 2 but 1 row follows"),
        (meme("1 0 0 0\n1 0 0 0\n1 0 0 0"), ":8: motif bad announces w= 2 but 3 rows follow"),
        (meme("1 0 0 0", "letter-probability matrix: w= two"), ":8: w= 'two'"),
        (meme("1 0 0 0", "letter-probability matrix: w= 1 nsites= many"), ":8: 'many' is not a number"),
        (meme("1 0 0 0", "letter-probability matrix: alength= 20"), ":8: alength= 20"),
        (meme("", "letter-probability matrix: w= 0"), ":7: motif bad has no positions"),
        (meme("", "letter-probability matrix:"), ":7: motif bad has no positions"),
        (meme("1 0 0 0", ""), ":7: motif bad has no matrix"),
        (meme("1 0 0 0\n\nletter-probability matrix:", "letter-probability matrix:"), ":11: motif bad has a"),
        (HEAD + "letter-probability matrix:\n1 0 0 0\n", ":7: a matrix before any MOTIF"),
        (HEAD + "MOTIF \n", ":7: MOTIF without a name"),
        (TWO.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY"), ":3: alphabet 'ACDEFGHIKLMNPQRSTVWY'"),
        (TWO.replace("= ACGT", ' "x"\nA\nC\nG\nT\nM "5mC"\nEND ALPHABET'), ":3: alphabet 'ACGMT'"),
        (TWO.replace("= ACGT", ' "x"'), ":3: ALPHABET without END"),
        (TWO.replace("A 0.3 C", "A 0.3 D"), ":8: background letters 'A D G T'"),
        (TWO.replace("A 0.3 C", "A 0.9 C"), ":8: background"),
        (">x\nA [ 1 2 ]\nC [ 1 2 ]\nG [ 1 2 ]\n", ":1: motif x has 3 rows, 4 expected"),
        (">x\n1 2 3 4\n1 2 3 4\n5 6 7 8\n", ":1: motif x has 3 rows, 4 expected"),
        (">x\nA 1 2\nC 1 2\nG 1 2 3\nT 1 2\n", ":4: row G of motif x has 3 numbers, the first has 2"),
        (">x\nA 1 2\nC 1 2\nG 1 2\nG 1 2\n", ":5: motif x has a second row for G"),
        (">x\nA 1 2\nC 1 -2\nG 1 2\nT 1 2\n", ":3: -2 is negative"),
        (">x\nA 1 0\nC 1 0\nG 1 0\nT 1 0\n", ":1: position 2 of motif x is all zeros"),
        (">x\nA []\nC []\nG []\nT []\n", ":1: motif x has no positions"),
        (">x\nA 1e308\nC 1e308\nG 1e308\nT 0\n", ":1: position 1 of motif x sums to inf"),
        (">x\n", ":1: motif x has 0 rows"),
        (">\nA 1\n", ":1: a header without a name"),
        (">chr1\nACGTACGTNNACGT\n", ":2: a sequence where numbers were expected"),
        (HOMER.replace("0 1 0 0", "0 1 0"), ":6: 3 numbers in a row"),
        (HOMER.replace("0.997", "0.9"), ":3: position 2 of motif YY1(Zf)/Homer sums to 0.903"),
        (TRANSFAC.replace("0      R", ""), ":10: 3 numbers in a row"),
        (TRANSFAC.replace("0      R", "0 7"), ":10: 5 numbers in a row"),
        (TRANSFAC.replace("02      2", "04      2"), ":10: row 04 is out of order"),
        (TRANSFAC.replace("A      C      G      T", "A R N D"), ":8: columns 'ARND'"),
        (TRANSFAC.replace("ID  other", "XX"), ":14: a matrix without a name"),
        (XML[:-30], "malformed XML"),
        (XML.replace("width='1'", "width='2'"), ":8: motif TKT announces width 2 but 1"),
        (XML.replace(">0.4<", ">x<"), ":11: 'x' is not a number"),
        (XML.replace("symbol='T'", "symbol='W'"), "letters 'A C G W'"),
        (XML.replace("name='DNA'", "name='Protein'"), "protein"),
        (XML.replace("MEME", "mast"), "<mast>"),
        (BOMB, ":3: the XML declares an entity (a)"),
        ("<html>nothing here</html>", "without embedded motifs"),
        (write_html({"motifs": 3}), "no list of motifs"),
        (write_html({"motifs": []}), "names no alphabet"),
        (write_html({**HTML_DATA, "motifs": []}), "no motif found"),
        (write_html({**HTML_DATA, "motifs": [{"id": "x"}]}), "lacks id or pwm"),
        (write_html({**HTML_DATA, "motifs": [{"id": "x", "pwm": [[math.nan, 1, 0]]}]}), "'nan' is not"),
        (write_html(HTML_DATA)[:-200], "is no JSON"),
    ],
)  # fmt: skip
def test_bad_files(read: Read, content: str | bytes, words: str) -> None:
    with pytest.raises(MotifError) as caught:
        read(content)
    assert "given.file" in str(caught.value)
    assert words in str(caught.value)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "none.meme", "no such file; check the path"),
        (tmp_path, "a folder where a file is expected"),
        ("a\0b", "null"),
    ):
        with pytest.raises(MotifError, match=words) as caught:
            read_motifs(path)
        assert (repr(path) if path == "a\0b" else str(path)) in str(caught.value)


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_files(read: Read, name: str, data: st.DataObject) -> None:
    content = bytearray(SEEDS[name].encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["byte", "insert", "delete", "cut", "copy"]))
        if kind == "byte":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "insert":
            content[at:at] = data.draw(
                st.sampled_from([b"-", b".", b"\n", b" 1 ", b"9" * 5000, b"e9", b">", b"\xff", b"_"])
            )
        elif kind == "delete":
            del content[at : at + data.draw(st.integers(1, 40))]
        elif kind == "copy":
            content[at:at] = content[at // 2 : at]
        else:
            del content[at + 1 :]
        if not content:
            break
    assert_list_or_motif_error(read, bytes(content))


@pytest.mark.parametrize(
    "name",
    ["motifs/parser-cases/MEME.meme", "motifs/parser-cases/DREME.meme", "motifs/parser-cases/MA0017.3.pfm",
     "fimo-oracle/crp0.meme.xml", "fimo-oracle/MCM1.meme.html", "motifs/parser-cases/DNA.meme"],
)  # fmt: skip
def test_mutated_real_files(shared_data: Data, read: Read, name: str) -> None:
    original = shared_data(name).read_bytes()
    generator = random.Random(7)
    for _ in range(40):
        content = bytearray(original[: generator.randrange(len(original))] if generator.random() < 0.5 else original)
        for _ in range(generator.randrange(4) if content else 0):
            content[generator.randrange(len(content))] = generator.choice(b"0159.-eE \n\t<>\"'=ANw{}[],")
        assert_list_or_motif_error(read, bytes(content))


def assert_list_or_motif_error(read: Read, content: bytes) -> None:
    try:
        motifs = read(content)
    except MotifError as error:
        message = str(error)
    else:
        assert_sane(motifs)
        return
    assert "given.file" in message
