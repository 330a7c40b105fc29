"""Labelled sequences: what tables and FASTA files say, which sequences belong together, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from bioconv.errors import InputError, OptionError
from bioconv.sequence.recurrent.data import Reading, data_hash, read_data
from bioconv.sequence.recurrent.grouping import group_sequences, reverse_complement
from bioconv.sequence.recurrent.splitting import make_recurrent_split, parts_of
from bioconv.training.splits import Split, check_split

TABLE = """name,sequence,label,group
a,ACGTN,N,
b,acgu,EI,x
c,CACGT,N,y
d,ACGTG,IE,
"""


@pytest.fixture
def write(tmp_path):
    def to(text: str, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


def letters_table(*rows: str) -> str:
    return "\n".join(["name\tsequence\tlabels", *("\t".join(row.split()) for row in rows), ""])


def test_a_table(write):
    data = read_data([write(TABLE)])
    assert data.names == ("a", "b", "c", "d")
    assert data.classes == ("EI", "IE", "N")
    assert [own.tolist() for own in data.codes] == [[0, 1, 2, 3, 4], [0, 1, 2, 3], [1, 0, 1, 2, 3], [0, 1, 2, 3, 2]]
    assert [own.tolist() for own in data.targets] == [[2], [0], [2], [1]]
    assert data.groups == ("a", "x", "y", "y")  # the last is the reverse complement of the third
    assert data.contradictions == ("c", "d")
    assert data.alphabet.name == "dna"
    assert not data.per_position


def test_classes_in_a_given_order(write):
    data = read_data([write(TABLE)], Reading(classes=("N", "EI", "IE"), class_names=(("N", "neither"),)))
    assert data.classes == ("neither", "EI", "IE")
    assert [int(own[0]) for own in data.targets] == [0, 1, 0, 2]


def test_fasta_files(write, tmp_path):
    one = write(">a first\nACG\nTA\n\n>b\nTTTT\n", "plus.train.fa")
    two = tmp_path / "minus.fa.gz"
    two.write_bytes(gzip.compress(b">c\r\nAC GT\r\n"))
    data = read_data([one, two])
    assert data.names == ("a", "b", "c")
    assert data.classes == ("minus", "plus")
    assert [len(own) for own in data.codes] == [5, 4, 4]
    assert [int(own[0]) for own in data.targets] == [1, 1, 0]
    assert read_data([one, two], Reading(labels=("yes", "no"))).classes == ("no", "yes")


def test_a_record_that_begins_in_the_middle_of_a_line_is_not_lost(write):
    one, two = write("\n >a\nACG\n>b\nTTTT\n", "one.fa"), write("\n \n>c\nACGT\n", "two.fa")
    with pytest.raises(InputError, match=r"one\.fa, line 2: ' >a' is before the first record"):
        read_data([one, two])
    assert read_data([write("\n\n>a\nACG\n>b\nTTTT\n", "one.fa"), two]).names == ("a", "b", "c")


def test_labels_of_letters(write):
    data = read_data(
        [write(letters_table("a MKVLAW hhe_??", "b WYYE _e_e"))],
        Reading(class_names=(("h", "helix"), ("_", "coil"))),
    )
    assert data.per_position
    assert data.alphabet.name == "protein"
    assert data.classes == ("coil", "e", "helix")
    assert [own.tolist() for own in data.targets] == [[2, 2, 1, 0, -100, -100], [0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (["a ACGTNNacguAR 011001101010"], "dna"),
        (["a ACGTRRRRRR 0110011000"], "protein"),  # too few bases to be DNA
        (["a MKV 010"], "protein"),
        (["a ACGE 0101", "b ACGT 0101"], "protein"),
    ],
)
def test_alphabet_by_letters(write, rows, name):
    assert read_data([write(letters_table(*rows))]).alphabet.name == name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("b,acgu,EI", "b,,EI", r"data\.csv, line 3 \(b\): has no sequence; take it out"),
        ("b,acgu,EI", "b,acgu,", r"line 3 \(b\): has no label"),
        ("b,acgu,EI", "a,acgu,EI", r"line 3: the name a is that of .*line 2 too; names must differ"),
        ("b,acgu,EI", ",acgu,EI", r"line 3: has no name"),
        ("b,acgu,EI", "b,ac-u!,EI", r"line 3 \(b\): '!', '-': not a letter of protein"),
        ("IE", "EI,", r"line 5: 5 cells where the header has 4"),
        ("sequence", "letters", r"no column sequence; the header has name, letters, label, group"),
        ("label", "other", r"no column label \(or labels"),
        ("group", "labels", r"both label \(of sequences\) and labels"),
        ("group", "split", r"line 3 \(b\): split 'x'; expected one of train, dev, test"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write, old, new, said):
    with pytest.raises(InputError, match=said):
        read_data([write(TABLE.replace(old, new, 1))])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a ACGT 011", "b ACGT 0101"], r"line 2 \(a\): 3 labels for 4 letters"),
        (["a ACGT ????", "b ACGT 0101"], r"no letter's label is known"),
        (["a ACGT 0000", "b ACGT 0000"], r"the labels are 0: at least two classes"),
    ],
)
def test_wrong_labels_of_letters(write, rows, said):
    with pytest.raises(InputError, match=said):
        read_data([write(letters_table(*rows))])


def test_many_faults_in_one_message(write):
    rows = "\n".join(f"s{n},AC{'!' if n % 2 else ''},{n % 3}" for n in range(60))
    with pytest.raises(InputError) as refused:
        read_data([write(f"name,sequence,label\n{rows}\n")], Reading(alphabet="dna"))
    assert str(refused.value).count("not a letter of dna") == 10
    assert "and 20 more" in str(refused.value)


@pytest.mark.parametrize(
    ("reading", "error", "said"),
    [
        (Reading(classes=("N", "EI")), InputError, r"line 5 \(d\): label 'IE' is none of N, EI"),
        (Reading(classes=("N", "EI", "IE", "Q")), InputError, "nothing is labelled Q"),
        (Reading(classes=("N", "N")), OptionError, "each needs a name of its own"),
        (Reading(class_names=(("Q", "q"),)), OptionError, "class names are given for Q"),
        (Reading(class_names=(("N", "EI"),)), OptionError, "one of its own"),
        (Reading(labels=("N",)), OptionError, "is a table; leave them out"),
        (Reading(alphabet="rna"), OptionError, "alphabet 'rna' is not known"),
    ],
)
def test_readings_that_do_not_fit(write, reading, error, said):
    with pytest.raises(error, match=said):
        read_data([write(TABLE)], reading)


def test_files_that_do_not_fit(write):
    fasta, table = write(">a\nACGT\n", "a.fa"), write(TABLE)
    with pytest.raises(InputError, match="at least two classes are needed; of FASTA give a file per class"):
        read_data([fasta])
    with pytest.raises(InputError, match=r"data\.csv is no FASTA file"):
        read_data([fasta, table])
    with pytest.raises(OptionError, match="the labels a, a: give --labels"):
        read_data([fasta, fasta])
    with pytest.raises(InputError, match="no sequences"):
        read_data([write("name,sequence,label\n")])
    numbers = "\n".join(f"s{n},ACGT,{n / 7:.4f}" for n in range(300))
    with pytest.raises(InputError, match="300 of them, at most 256 classes"):
        read_data([write(f"name,sequence,label\n{numbers}\n")])


SHORT = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(lambda own: np.array(own, np.uint8))


@given(st.lists(st.tuples(SHORT, st.sampled_from(["", "x", "y", "s1", "z"])), min_size=1, max_size=14), st.booleans())
def test_groups_are_the_connected_ones(rows, both_strands):
    names = [f"s{n}" for n in range(len(rows))]
    groups, identical = group_sequences(names, [c for c, _ in rows], [g for _, g in rows], both_strands=both_strands)
    joined = np.zeros((len(rows), len(rows)))
    for i, (codes, group) in enumerate(rows):
        for j, (other, its) in enumerate(rows[:i]):
            turned = [(4 if c == 4 else 3 - c) for c in other[::-1].tolist()]
            same = codes.tolist() == other.tolist() or (both_strands and codes.tolist() == turned)
            assert (identical[i] == identical[j]) == same
            if same or (group and group == its):
                joined[i, j] = 1
    component = connected_components(joined, directed=False)[1]
    for i in range(len(rows)):
        for j in range(i):
            assert (groups[i] == groups[j]) == (component[i] == component[j])


def test_the_other_strand_of_the_other_strand():
    codes = np.array([0, 1, 2, 3, 4, 4, 0], np.uint8)
    np.testing.assert_array_equal(reverse_complement(reverse_complement(codes)), codes)


def test_copies_are_in_one_part(write):
    rng = np.random.default_rng(0)
    own = ["".join(rng.choice(list("ACGT"), 12)) for _ in range(60)]
    turned = [one[::-1].translate(str.maketrans("ACGT", "TGCA")) for one in own[:20]]
    rows = "\n".join(f"s{n},{one},{n % 2}" for n, one in enumerate([*own, *turned]))
    data = read_data([write(f"name,sequence,label\n{rows}\n")])
    split = make_recurrent_split(data, 3)
    assert all(split.parts[f"s{n}"] == split.parts[f"s{60 + n}"] for n in range(20))
    assert 12 <= len(split.names("dev")) <= 20
    assert {part: len(own.names) for part, own in parts_of(data, split).items()} == {
        "train": 80 - len(split.names("dev")), "dev": len(split.names("dev")), "test": 0,
    }  # fmt: skip
    parts = {name: ("dev" if name == "s61" else "train") for name in data.names}
    with pytest.raises(InputError, match=r"s1 in dev \(s61\) and train \(s1\)"):
        check_split(Split(parts, {}), groups=dict(zip(data.names, data.groups, strict=True)))


def test_the_tables_own_split(write):
    rows = [f"s{n},{'ACGT'[n % 4] * (n + 2)},{n % 2},{'test' if n > 29 else 'train'}" for n in range(40)]
    text = "\n".join(["name,sequence,label,split", *rows, ""])
    split = make_recurrent_split(read_data([write(text)]), 0)
    assert split.names("test") == [f"s{n}" for n in range(30, 40)]
    assert len(split.names("dev")) == 6
    split = make_recurrent_split(read_data([write(text.replace("1,train", "1,dev"))]), 0)
    assert len(split.names("dev")) == 15
    with pytest.raises(InputError, match="the column split is empty for 15 sequences"):
        make_recurrent_split(read_data([write(text.replace("1,train", "1,"))]), 0)


def test_parts_need_sequences_and_classes(write):
    rows = [f"s{n},{'ACGT'[n % 4] * (n + 2)},{n % 2},{'dev' if n % 2 else 'train'}" for n in range(8)]
    data = read_data([write("\n".join(["name,sequence,label,split", *rows, ""]))])
    with pytest.raises(InputError, match="the part train has nothing of the class 1"):
        parts_of(data, make_recurrent_split(data, 0))
    with pytest.raises(InputError, match="the part dev has no sequences"):
        parts_of(data, Split(dict.fromkeys(data.names, "train"), {}))


def test_the_hash_is_of_what_is_learnt(write):
    data = read_data([write(TABLE)])
    lines = TABLE.splitlines()
    assert data_hash(read_data([write("\n".join([lines[0], *lines[:0:-1], ""]))])) == data_hash(data)
    for old, new in (("acgu", "acgg"), ("a,ACGTN,N", "a,ACGTN,EI"), ("b,acgu", "q,acgu")):
        assert data_hash(read_data([write(TABLE.replace(old, new))]))["sha256"] != data_hash(data)["sha256"]
