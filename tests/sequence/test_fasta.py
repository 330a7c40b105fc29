"""The FASTA reader against a naive parser that goes line by line, and against Biopython."""

from __future__ import annotations

import gzip
import itertools
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from Bio import SeqIO, bgzf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.sequence.fasta import FastaReader, encode

CODES = {letter: code for code, both in enumerate(("Aa", "Cc", "Gg", "TtUu")) for letter in both}
IUPAC = "BDHKMRSVWXY"
FOREIGN = "EFIJLOPQZ"


@dataclass
class Parsed:
    """What a FASTA file holds, or the line (from 1) and record at which it stops to be one."""

    names: list[str] = field(default_factory=list)
    codes: list[list[int]] = field(default_factory=list)
    ambiguous: int = 0
    foreign: int = 0
    wrong: tuple[int, str | None, str] | None = None


def naive(data: bytes, *, skip_masked: bool = False) -> Parsed:
    """Parse line by line, letter by letter."""
    out = Parsed()
    for number, line in enumerate(data.decode("latin-1").removeprefix("\xef\xbb\xbf").split("\n"), 1):
        if line[:1] == ";":
            continue
        if line[:1] == ">":
            words = line[1:].encode("latin-1").decode().split()
            out.names.append(words[0] if words else f"unnamed_{len(out.names) + 1}")
            out.codes.append([])
            continue
        letters = [letter for letter in line if letter not in " \t\r\v\f"]
        if letters and not out.names:
            out.wrong = (number, None, "expected a header")
            return out
        for letter in letters:
            if not letter.isascii() or not letter.isalpha():
                out.wrong = (number, out.names[-1], "is not a letter")
                return out
            out.ambiguous += letter.upper() in IUPAC
            out.foreign += letter.upper() in FOREIGN
            known = not (skip_masked and letter.islower())
            out.codes[-1].append(CODES.get(letter, 4) if known else 4)
    return out


def read(path: Path, *, overlap: int, block: int | None = None, skip_masked: bool = False) -> Parsed:
    """Put the records together from the chunks, checking that the chunks keep their own promises."""
    reader = FastaReader(path, overlap=overlap, padding=3, skip_masked=skip_masked, block=block)
    out = Parsed()
    open_before = False
    lengths: list[int] = []
    for chunk in reader.chunks():
        assert (chunk.codes[chunk.size :] == 4).all()
        assert len(chunk.codes) == chunk.size + 3
        assert all(chunk.codes[end] == 4 for end in chunk.ends[:-1])
        for k, record in enumerate(chunk.records):
            begin, end = int(chunk.begins[k]), int(chunk.ends[k])
            if not (k == 0 and open_before):
                assert record.number == len(out.names)
                out.names.append(record.name)
                out.codes.append([])
                lengths.append(0)
            offset, piece = int(chunk.offsets[k]), chunk.codes[begin:end].tolist()
            known = out.codes[-1]
            assert offset <= len(known)
            assert known[offset:] == piece[: len(known) - offset], "the overlap is not what was there before"
            known.extend(piece[len(known) - offset :])
            lengths[-1] = record.length
        open_before = chunk.open
    assert not open_before, "the last record was never finished"
    assert lengths == [len(codes) for codes in out.codes]
    assert reader.records == len(out.names)
    assert reader.bases == sum(lengths)
    out.ambiguous, out.foreign = reader.ambiguous, reader.foreign
    return out


def owned_windows(path: Path, overlap: int, block: int) -> list[tuple[int, int, tuple[int, ...]]]:
    """List record number, start and codes of the windows of overlap + 1 codes that the chunks own."""
    out = []
    for chunk in FastaReader(path, overlap=overlap, padding=1, block=block).chunks():
        for k, record in enumerate(chunk.records):
            begin, end = int(chunk.begins[k]), int(chunk.ends[k])
            for at in range(begin, min(end - overlap, chunk.limit)):
                window = tuple(chunk.codes[at : at + overlap + 1].tolist())
                out.append((record.number, at - begin + int(chunk.offsets[k]), window))
    return out


def all_windows(parsed: Parsed, length: int) -> list[tuple[int, int, tuple[int, ...]]]:
    return [
        (number, start, tuple(codes[start : start + length]))
        for number, codes in enumerate(parsed.codes)
        for start in range(len(codes) - length + 1)
    ]


LETTERS = st.text("ACGTUNacgtun" * 6 + IUPAC + IUPAC.lower() + FOREIGN, max_size=120)
NAMES = st.sampled_from(["", "a", "chr1 some words", " padded", "µ\ttab", ">>", "x>y;z", "\x0b", "n" * 80])


@st.composite
def fasta_files(draw: st.DrawFn) -> bytes:
    """Well-formed files, as odd as they come."""
    lines = draw(st.lists(st.sampled_from(["", "; a comment", ";>no record", " ", "\t"]), max_size=2))
    for name in draw(st.lists(NAMES, max_size=5)):
        lines.append(">" + name)
        letters, wrap = draw(LETTERS), draw(st.sampled_from([1, 2, 7, 31, 32, 33, 60, 200]))
        lines += [letters[k : k + wrap] for k in range(0, len(letters), wrap)]
        for _ in range(draw(st.integers(0, 2))):
            place = draw(st.integers(0, len(lines)))
            lines.insert(place, draw(st.sampled_from(["", "; remark >", "   ", "\t \x0c"])))
        if draw(st.booleans()) and lines[-1][:1] not in {">", ";"}:
            lines[-1] += draw(st.sampled_from(["  ", "\t", " acgt", " >"[:1]]))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = newline.join(lines) + newline * draw(st.integers(0, 2))
    return text.encode() if not draw(st.booleans()) else b"\xef\xbb\xbf" + text.encode()


@settings(max_examples=300, deadline=None)
@given(data=fasta_files(), overlap=st.integers(0, 40), block=st.integers(1, 50) | st.none(), masked=st.booleans())
@example(data=b">a\nACGT\n>b\n", overlap=3, block=None, masked=False)
@example(data=b">a\nACGT", overlap=0, block=None, masked=False)
@example(data=b"\t\n>a\nACGT\n", overlap=2, block=None, masked=False)
@example(data=b"\xef\xbb\xbf>a\nACGT\n", overlap=2, block=1, masked=False)
def test_reader_equals_the_naive_parser(data, overlap, block, masked, no_kernels, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "some.fa"
    path.write_bytes(data)
    expected = naive(data, skip_masked=masked)
    assert expected.wrong is None
    assert read(path, overlap=overlap, block=block, skip_masked=masked) == expected
    with no_kernels():
        assert read(path, overlap=overlap, block=block, skip_masked=masked) == expected


@settings(max_examples=150, deadline=None)
@given(data=fasta_files(), overlap=st.integers(0, 12), block=st.integers(1, 50))
def test_chunks_own_every_window_once(data, overlap, block, no_kernels, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "windows.fa"
    path.write_bytes(data)
    expected = all_windows(naive(data), overlap + 1)
    assert owned_windows(path, overlap, block) == expected
    with no_kernels():
        assert owned_windows(path, overlap, block) == expected


BYTES = st.lists(
    st.sampled_from([b">", b"a", b"ACGTN", b"\n", b"\n>", b"\r\n", b" ", b";", b"-", b"*", b"\0", b"@", b"\xc3"])
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(data=BYTES, block=st.integers(1, 12) | st.none())
def test_any_bytes_are_read_or_refused_as_the_naive_parser_says(data, block, no_kernels, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.fa"
    path.write_bytes(data)
    headers = [line for line in data.split(b"\n") if line[:1] == b">"]
    try:
        b"\n".join(headers).decode()
    except UnicodeDecodeError:
        return  # names that are not UTF-8 have a test of their own
    expected = naive(data)
    for context in (None, no_kernels()):
        with context or pytest.MonkeyPatch.context():
            if expected.wrong is None:
                assert read(path, overlap=2, block=block) == expected
                continue
            with pytest.raises(InputError) as caught:
                read(path, overlap=2, block=block)
        line, record, _ = expected.wrong
        message = str(caught.value)
        where = f", record {record!r}, line {line}: " if record else f", line {line}: "
        assert message.startswith(str(path) + where), message
        assert expected.wrong[2] in message or "binary" in message


@settings(max_examples=60, deadline=None)
@given(
    records=st.dictionaries(st.text("abcXYZ019_.:|", min_size=1, max_size=12), LETTERS.filter(len), min_size=1),
    wrap=st.integers(1, 70),
)
def test_reader_equals_biopython(records, wrap, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "bio.fa"
    text = "".join(
        f">{name} d\n" + "".join(f"{s[k : k + wrap]}\n" for k in range(0, len(s), wrap)) for name, s in records.items()
    )
    path.write_text(text)
    expected = [(r.id, encode(str(r.seq)).tolist()) for r in SeqIO.parse(StringIO(text), "fasta")]
    found = read(path, overlap=5, block=64)
    assert list(zip(found.names, found.codes, strict=True)) == expected


@pytest.fixture
def sample() -> bytes:
    rng = np.random.default_rng(3)
    letters = ["".join(rng.choice(list("ACGTNacgtn"), 5000)) for _ in range(3)]
    return "".join(f">r{k} x\n{s[:2000]}\n{s[2000:]}\n" for k, s in enumerate(letters)).encode()


def compressed(form: str, data: bytes, path: Path) -> None:
    if form == "gzip":
        path.write_bytes(gzip.compress(data))
    elif form == "members":
        path.write_bytes(b"".join(gzip.compress(data[k : k + 1111]) for k in range(0, len(data), 1111)))
    else:
        with bgzf.BgzfWriter(str(path)) as writer:
            writer.write(data)


@pytest.mark.parametrize("block", [100, None])
@pytest.mark.parametrize("form", ["gzip", "members", "bgzip"])
def test_compressed_files_are_known_by_their_content(form, block, sample, tmp_path):
    path = tmp_path / "named_as_if_plain.fa"
    compressed(form, sample, path)
    assert read(path, overlap=9, block=block) == naive(sample)


@pytest.mark.parametrize("form", ["gzip", "members", "bgzip"])
def test_truncated_gzip_is_an_error(form, sample, tmp_path):
    path = tmp_path / "cut.fa.gz"
    compressed(form, sample, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cut\.fa\.gz: the gzip data is damaged or cut short"):
        read(path, overlap=0)


def test_damaged_gzip_is_an_error(sample, tmp_path):
    path = tmp_path / "bad.fa.gz"
    raw = bytearray(gzip.compress(sample))
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"bad\.fa\.gz"):
        read(path, overlap=0)


REFUSED = {
    "fastq": (b"@read1\nACGT\n+\nIIII\n", r"line 1: not FASTA.*looks like FASTQ"),
    "text": (
        b"chr1\t0\t100\n",
        r"line 1: not FASTA: expected a header line beginning with '>', found b'chr1",
    ),
    "late text": (b"\n\n; c\nACGT\n", r"line 4: not FASTA.*found b'ACGT"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0", r"line 1: this is a binary file"),
    "gap": (b">a x\nACGT\n>b y\nAC\nG-T\n", r"record 'b', line 5: b'-' is not a letter.*alignment's gaps"),
    "dot": (b">a\nAC.T\n", r"record 'a', line 2: b'\.' is not a letter.*alignment's gaps"),
    "stop": (b">p\nMKV*\n", r"record 'p', line 2: b'\*' is not a letter of a sequence$"),
    "nul": (b">a\nACGT\nAC\0T\n", r"record 'a', line 3: b'\\x00' is not a letter"),
    "digit": (b">a\r\nACGT\r\n  10 ACGT\r\n", r"record 'a', line 3: b'1' is not a letter"),
    "header in a line": (b">a\nACGT>b\nACGT\n", r"record 'a', line 2: b'>' is not a letter"),
    "indented header": (b" >a\nACGT\n", r"line 1: not FASTA"),
    "unnamed": (b">a\nAC\n>\nAC\n>\nA?\n", r"record 'unnamed_3', line 6: b'\?'"),
    "after vectors": (b">a\n" + b"ACGT" * 40 + b"-" + b"ACGT" * 9 + b"\n", r"record 'a', line 2: b'-'"),
}


@pytest.mark.parametrize("block", [1, 3, 7, None])
@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_file_record_and_line(case, block, no_kernels, tmp_path):
    data, pattern = REFUSED[case]
    if block is not None and "found b'" in pattern:
        pattern = pattern.split(", found")[0].split(".*found")[0]  # how much is quoted depends on the block
    if block is not None and case == "binary":
        pattern = "line 1: "
    path = tmp_path / "given.fa"
    path.write_bytes(data)
    with pytest.raises(InputError, match=pattern) as caught:
        read(path, overlap=2, block=block)
    assert str(caught.value).startswith(str(path))
    with no_kernels(), pytest.raises(InputError) as again:
        read(path, overlap=2, block=block)
    assert str(again.value) == str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"; only a comment\n", b"\xef\xbb\xbf"])
def test_files_without_records_hold_nothing(data, tmp_path):
    path = tmp_path / "empty.fa"
    path.write_bytes(data)
    assert read(path, overlap=2) == Parsed()


def test_protein_letters_are_counted_as_foreign(tmp_path):
    path = tmp_path / "p.fa"
    path.write_bytes(b">p\nMKVLEF\n")
    found = read(path, overlap=2)
    assert (found.codes, found.foreign, found.ambiguous) == ([[4] * 6], 3, 3)


def test_names_that_are_not_utf8_are_kept_readable(tmp_path):
    path = tmp_path / "latin.fa"
    path.write_bytes(b">caf\xe9 x\nAC\n")
    assert read(path, overlap=1).names == ["caf\ufffd"]


@pytest.mark.parametrize(("name", "reason"), [("missing.fa", "no such file"), ("", "a folder")])
def test_paths_that_cannot_be_read(name, reason, tmp_path):
    with pytest.raises(InputError, match=reason):
        read(tmp_path / name, overlap=1)


def test_long_header_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("bioconv.sequence.fasta._LONGEST_HEADER", 1000)
    path = tmp_path / "long.fa"
    path.write_bytes(b">a\nAC\n>" + b"x" * 5000)
    with pytest.raises(InputError, match=r"record 'a', line 3: a header line longer"):
        read(path, overlap=1, block=100)


def test_every_byte_encodes_to_its_code():
    for byte in range(256):
        assert encode(bytes([byte])).tolist() == [CODES.get(chr(byte), 4)]


def test_every_short_line_decodes_alike_with_and_without_vectors(no_kernels, tmp_path):
    """Lines around the vector width, the odd letter at every place of them."""
    path = tmp_path / "lines.fa"
    lines = []
    for length, odd in itertools.product([31, 32, 33, 63, 64, 65, 96], ["N", "R", " ", "u", "\t"]):
        for place in range(0, length, 3):
            letters = list(itertools.islice(itertools.cycle("ACGTTgca"), length))
            letters[place] = odd
            lines.append("".join(letters))
    path.write_text(">a\n" + "\n".join(lines) + "\n")
    expected = naive(path.read_bytes())
    assert read(path, overlap=3) == expected
    with no_kernels():
        assert read(path, overlap=3) == expected
