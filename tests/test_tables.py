from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.tables import read_table

CELL = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8).map(str.strip)


@given(rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=6), separator=st.sampled_from("\t,;"), packed=st.booleans())
def test_reads_what_the_csv_module_writes(rows, separator, packed, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "t"
    with (gzip.open if packed else open)(path, "wt", encoding="utf-8", newline="") as stream:
        stream.write('# made by somebody, "today\nname' + separator + "b" + separator + "c\n")
        csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL).writerows(rows)
    table = read_table(path)
    assert table.columns == ("name", "b", "c")
    assert list(zip(*table.cells, strict=True)) == rows
    assert table.lines == list(range(3, 3 + len(rows)))


def written(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_numbers_and_find(tmp_path):
    table = read_table(written(tmp_path, "\ufeff#Name\tx\r\na\t1e-3\r\n\r\nb\t 2 \r\n"))
    assert table.columns == ("Name", "x")
    assert table.find(("id", "name")) == "Name"
    assert table.find(("id",)) is None
    np.testing.assert_array_equal(table.numbers("x"), [0.001, 2])
    assert table.unique("Name") == ["a", "b"]
    assert len(table) == 2


def test_cells_may_be_long(tmp_path):
    letters = "ACGT" * 100_000
    assert read_table(written(tmp_path, f"name,sequence\na,{letters}\n")).cells == (["a"], [letters])
    with pytest.raises(InputError, match="expected a table with quotes in pairs"):
        read_table(written(tmp_path, f'name,sequence\na,"{letters}\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# only\n", "comments only"),
        ("a,b\n1\n", "line 2: 1 cell where the header has 2"),
        ("a,a\n1,2\n", "repeated names: \\['a'\\]"),
        ("a,\n1,2\n", "empty or repeated"),
        ('a,b\n"1,2\n', "quotes in pairs"),
        (b"a,b\n\0\n", "binary"),
        (b"\x1f\x8b\x08\x00", "gzip data is damaged"),
    ],
)
def test_refuses(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_table(written(tmp_path, text))


@pytest.mark.parametrize(
    ("call", "text", "message"),
    [
        ("numbers", "# note\nx,y\nnan,1\n", r"t\.csv, line 3, column x: 'nan' is not a finite number"),
        ("numbers", "x,y\n1,1\n,1\n", "line 3, column x: ''"),
        ("unique", "x,y\na,1\na,2\nb,2\na,3\n", r"2 rows repeat a x: 'a' \(lines 2 and 3\), 'a' \(lines 2 and 5\)"),
        ("unique", "x,y\n,1\n", "line 2: no x"),
        ("column", "z,y\n1,1\n", "no column 'x'; the header has z, y"),
    ],
)
def test_refuses_cells(tmp_path, call, text, message):
    table = read_table(written(tmp_path, text))
    with pytest.raises(InputError, match=message):
        getattr(table, call)("x")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file; check the path"):
        read_table(tmp_path / "none.csv")
