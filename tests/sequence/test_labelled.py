from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.sequence.fasta import encode
from bioconv.sequence.labelled import by_length, read_labelled, read_two_classes

SEQUENCES = st.lists(st.text("ACGTUNRacgtn", min_size=1, max_size=9), min_size=1, max_size=8)


@given(sequences=SEQUENCES, packed=st.booleans())
def test_table_and_fasta_hold_the_same(sequences, packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    opened = gzip.open if packed else open
    with opened(folder / "t", "wt") as stream:
        stream.write("FoldID\tEventID\tseq\tBound\n")
        stream.writelines(f"A\ts{i}\t{one}\t{i % 2}\n" for i, one in enumerate(sequences))
    with opened(folder / "f", "wt") as stream:
        stream.writelines(f">s{i} more\n{one[:4]}\n{one[4:]}\n" for i, one in enumerate(sequences))
    table, fasta = read_labelled(folder / "t"), read_labelled(folder / "f")
    assert table.names == fasta.names == [f"s{i}" for i in range(len(sequences))]
    assert table.labels is not None
    assert table.labels.tolist() == [i % 2 for i in range(len(sequences))]
    assert fasta.labels is None
    one_length = len({len(one) for one in sequences}) == 1
    for codes in (table.codes, fasta.codes):
        assert isinstance(codes, np.ndarray) == one_length
        for found, letters in zip(codes, sequences, strict=True):
            np.testing.assert_array_equal(found, encode(letters))
        seen = {}
        for indices, rows in by_length(codes):
            seen |= dict(zip(indices.tolist(), rows, strict=True))
        assert sorted(seen) == list(range(len(sequences)))
        assert all((seen[i] == encode(one)).all() for i, one in enumerate(sequences))


def test_published_files(shared_data):
    path = shared_data("deepbind-encode-chipseq/REST_GM12878_NRSF_HudsonAlpha_B.seq.gz")
    data = read_labelled(path)
    assert data.codes.shape == (1000, 101)
    assert data.labels.sum() == 500
    with gzip.open(path, "rt") as stream:
        row = stream.readlines()[-1].split()
    assert (data.names[-1], data.labels[-1]) == (row[1], float(row[3]))
    np.testing.assert_array_equal(data.codes[-1], encode(row[2]))


@pytest.mark.parametrize("packed", [False, True])
def test_fasta_on_stdin(monkeypatch, packed):
    data = b">a\nAC\n>b\nGT\n"
    stream = io.BufferedReader(io.BytesIO(gzip.compress(data) if packed else data))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
    assert np.asarray(read_labelled("-").codes).tolist() == [[0, 1], [2, 3]]


def test_long_fasta_in_many_chunks(tmp_path):
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 700_000))
    path = tmp_path / "x.fa"
    path.write_text(f">a\n{letters}\n>b\n{letters[::-1]}\n")
    data = read_labelled(path)
    assert data.codes.shape == (2, 700_000)
    np.testing.assert_array_equal(data.codes, [encode(letters), encode(letters[::-1])])


def test_two_classes(tmp_path):
    (tmp_path / "p.fa").write_text(">a\nACG\n>b\nTT\n")
    (tmp_path / "n.csv").write_text("name,sequence\nc,GGG\n")
    data = read_two_classes(tmp_path / "p.fa", tmp_path / "n.csv")
    assert data.names == ["a", "b", "c"]
    assert data.labels.tolist() == [1, 1, 0]
    assert [row.tolist() for row in data.codes] == [[0, 1, 2], [3, 3], [2, 2, 2]]
    (tmp_path / "n.csv").write_text("name,sequence,label\nc,GGG,0\n")
    with pytest.raises(InputError, match=r"n\.csv has labels of its own"):
        read_two_classes(tmp_path / "p.fa", tmp_path / "n.csv")
    with pytest.raises(InputError, match="positives and as negatives"):
        read_two_classes(tmp_path / "p.fa", tmp_path / "p.fa")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,sequence,label\na,AC-T,1\n", r"x, line 2: '-' is not a letter"),
        ("name,sequence,label\na,ACT,1\nb,A T,1\n", r"x, line 3: ' ' is not a letter"),
        ("name,sequence,label\na,ACT,1\nb,,1\n", "line 3: has no sequence"),
        ("name,sequence,label\na,ACT,1\nb,AΩ,1\n", "line 3: 'Ω' is not a letter"),
        ("name,sequence,label\na,ACT,1\na,ACA,1\n", r"1 row repeats a name: 'a' \(lines 2 and 3\)"),
        ("name,sequence,label\na,ACT,yes\n", "line 2, column label: 'yes' is not a finite number"),
        ("name,letters\na,ACT\n", "no column sequence or seq; the header has name, letters"),
        ("sequence,label\nACT,1\n", "no column name or"),
        ("name,sequence,label\n", "only a header"),
        (">a\nACT\n>b\n>c\nA\n", "record 'b': has no sequence"),
        (">a\nAC.T\n", "line 2"),
        ("", "is empty"),
    ],
)
def test_refuses(tmp_path, text, message):
    (tmp_path / "x").write_text(text)
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path / "x")


def test_refuses_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file; check the path"):
        read_labelled(tmp_path / "none")
    with pytest.raises(InputError, match="a folder where a file is expected"):
        read_labelled(tmp_path)
