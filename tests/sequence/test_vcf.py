"""VCF as text: what is read, what is refused and where, and that nothing else is touched."""

from __future__ import annotations

import gzip

import pytest
from Bio import bgzf
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.sequence.vcf import VcfReader, allele_flag, info_name, is_bases, with_header, with_info

NAMES = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
HEAD = f"##fileformat=VCFv4.2\n##source=x\n{NAMES}\n"
ROW = "1\t5\trs1\tA\tC,<DEL>\t.\tPASS\tDP=3\n"


def read(path):
    with VcfReader(path) as reader:
        reader.read_header()
        return list(reader.records())


def test_plain_gzip_bgzip_crlf_and_byte_order_mark_are_the_same(tmp_path):
    text = HEAD + ROW * 3 + "\n"
    (tmp_path / "a.vcf").write_text(text)
    (tmp_path / "b.vcf").write_bytes(gzip.compress(text.encode()))
    with bgzf.open(str(tmp_path / "c.vcf"), "wb") as stream:
        stream.write(text.encode())
    (tmp_path / "d.vcf").write_bytes(text.replace("\n", "\r\n").encode())
    (tmp_path / "e.vcf").write_bytes(b"\xef\xbb\xbf" + text.encode())  # as some editors write it
    found = [read(tmp_path / f"{name}.vcf") for name in "abcde"]
    assert found[0] == found[1] == found[2] == found[3] == found[4]
    record = found[0][2]
    assert (record.line, record.chrom, record.pos, record.id, record.ref) == (6, "1", 5, "rs1", "A")
    assert record.alts == ("C", "<DEL>")
    assert record.raw == ROW.rstrip("\n").encode()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (">chr1\nACGT\n", "line 1: not VCF 4: expected '##fileformat=VCFv4.x', found b'>chr1'"),
        ("##fileformat=VCFv3.3\n" + NAMES, "line 1: not VCF 4"),
        ("", "is empty; expected a VCF"),
        ("##fileformat=VCFv4.2\n" + ROW, "line 2: the header ends without the line of column names"),
        (HEAD.replace("\tREF", ""), "line 3: the line of column names is"),
        (HEAD.replace("INFO", "INFO\tFORMAT"), "line 3: the line of column names is"),
        (HEAD + ROW.replace("\t5", "\tx"), "line 4: POS is 'x'; expected a whole number"),
        (HEAD + ROW + ROW.replace("\t5", "\t-5"), "line 5: POS is '-5'"),
        (HEAD + ROW.replace("\t5", "\t" + "9" * 5000), "line 4: POS is '999"),
        (HEAD.replace("\t", " "), r"line 3: .* is '#CHROM POS .*; expected '#CHROM.tPOS"),
        (HEAD + ROW.replace("\tDP=3", ""), "line 4: 7 fields; the line of column names has 8"),
        (HEAD + ROW.replace("\tA\t", "\t\t"), "line 4: CHROM '1', REF ''"),
        (HEAD + ROW.replace("C,", "C,,"), "line 4: .* one is empty"),
        (HEAD + ROW.replace("\t", " "), "line 4: 1 fields"),
        (HEAD + ROW + "\n" + ROW, "line 6: a blank line"),
    ],
)
def test_what_is_no_vcf_is_refused_by_line(tmp_path, text, match):
    (tmp_path / "x.vcf").write_text(text)
    with pytest.raises(InputError, match=rf"x.vcf,? {match}"):
        read(tmp_path / "x.vcf")


def test_damaged_compression(tmp_path):
    import random

    rows = "".join(f"1\t{k}\t.\tA\tC\t.\t.\tX={random.Random(k).random()}\n" for k in range(1, 3000))
    (tmp_path / "x.vcf.gz").write_bytes(gzip.compress((HEAD + rows).encode())[:-4000])
    with pytest.raises(InputError, match=r"x.vcf.gz, after line \d+: the gzip data is damaged or cut short"):
        read(tmp_path / "x.vcf.gz")
    with pytest.raises(InputError, match=r"none.vcf: no such file; check the path"):
        VcfReader(tmp_path / "none.vcf")


WORD = st.text(
    st.characters(codec="utf-8", exclude_characters="\t\r\n,\x00 #", exclude_categories=["C", "Z"]), min_size=1
)
BASES = st.text("ACGTNacgtn", min_size=1, max_size=8)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(
        st.tuples(WORD, st.integers(0, 10**10), WORD, BASES, st.lists(BASES | WORD, min_size=1, max_size=4), WORD),
        max_size=5,
    )
)
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("vcf") / "x.vcf"
    lines = [
        "\t".join([chrom, str(pos), name, ref, ",".join(alts), ".", info, "."])
        for chrom, pos, name, ref, alts, info in rows
    ]
    path.write_bytes((HEAD + "".join(line + "\n" for line in lines)).encode())
    found = read(path)
    assert [record.raw.decode() for record in found] == lines
    assert [(r.chrom, r.pos, r.id, r.ref, list(r.alts)) for r in found] == [row[:5] for row in rows]


@given(st.text("ACGTNRY*.<>[]-:1", min_size=1, max_size=6))
def test_every_allele_is_letters_or_has_a_reason(allele):
    letters = set(allele) <= set("ACGTN")
    assert is_bases(allele) == letters
    assert (allele_flag(allele) is None) == letters


@given(
    info=st.lists(st.sampled_from(["A=1", "B", "X=9", "XX=2", "X", "A=1,2"]), max_size=5),
    rest=st.sampled_from(["", "\tGT\t0/1", "\tGT:X=1\t.:."]),
)
def test_info_is_added_and_nothing_else_changes(info, rest):
    raw = "\t".join(["1", "5", "X=3", "A", "C", ".", "X", ";".join(info) or "."]) + rest
    fields = with_info(raw.encode(), {"X": "7"}).decode().split("\t")
    before = raw.split("\t")
    assert fields[:7] + fields[8:] == before[:7] + before[8:]
    kept = [entry for entry in info if entry.split("=")[0] != "X"]
    assert fields[7].split(";") == [*kept, "X=7"]
    assert with_info("\t".join(fields).encode(), {"X": "7"}).decode().split("\t") == fields
    assert with_info(b"1\t5\t.\tA\tC\t.\t.\tX=1", {}, also=["X"]).endswith(b"\t.")


def test_header_lines_go_before_the_column_names():
    header = [
        b"##fileformat=VCFv4.2",
        b'##INFO=<ID=X,Number=1,Type=Float,Description="old">',
        b"##INFO=<ID=XY,Number=0>",
    ]
    found = with_header([*header, NAMES.encode()], ["##INFO=<ID=X,new>"], ["X"])
    assert found == [header[0], header[2], b"##INFO=<ID=X,new>", NAMES.encode()]


def test_names_in_info_are_what_vcf_allows():
    assert info_name("encode-gabpa-gm12878#2") == "encode_gabpa_gm12878_2"
    assert info_name("D00409.004") == "D00409.004"
