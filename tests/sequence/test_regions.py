"""Regions of a FASTA, and records that are pieces of a genome, against the scan of the whole genome."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from Bio import bgzf
from Bio.Seq import reverse_complement
from hypothesis import given, settings
from hypothesis import strategies as st

from bioconv import scan
from bioconv.errors import InputError
from bioconv.sequence import regions
from bioconv.sequence.fasta import encode
from bioconv.sequence.motifs import Motif
from bioconv.sequence.regions import (
    Region,
    merge_regions,
    open_indexed,
    parse_header,
    read_bed,
    read_regions,
    read_texts,
)
from bioconv.sequence.scanning.options import ScanOptions

Key = tuple[str, str, int, int, str, float, float, str]


def make_motifs(seed: int = 1) -> list[Motif]:
    rng = np.random.default_rng(seed)
    return [Motif(f"m{length}", "", rng.dirichlet(np.full(4, 0.4), length), 20.0, "test") for length in (3, 6, 8)]


OPTIONS = ScanOptions(p=0.02, background="0.3,0.2,0.2,0.3", threads=1)


@pytest.fixture(scope="module")
def genome() -> dict[str, str]:
    rng = np.random.default_rng(12)
    letters = list("ACGTacgtN")
    weights = [0.2, 0.15, 0.15, 0.2, 0.07, 0.07, 0.07, 0.07, 0.02]
    return {
        name: "".join(rng.choice(letters, size, p=weights))
        for name, size in (("chr2", 900), ("chr1", 1500), ("scaffold:7", 300))
    }


@pytest.fixture(scope="module")
def genome_file(genome: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    write_fasta(path, genome)
    return path


def write_fasta(path: Path, sequences: dict[str, str]) -> None:
    path.write_text(
        "".join(
            f">{name} words\n" + "".join(f"{text[k : k + 61]}\n" for k in range(0, len(text), 61))
            for name, text in sequences.items()
        )
    )


def keys(source: object, options: ScanOptions = OPTIONS) -> list[Key]:
    return [
        (h.motif_id, h.sequence_name, h.start, h.end, h.strand, h.score, h.p_value, h.matched_sequence)
        for h in scan(source, motifs=make_motifs(), options=options)  # type: ignore[arg-type]
    ]


def covered(genome: dict[str, str], pieces: list[Region]) -> dict[str, list[bool]]:
    """Mark the bases of each sequence that lie in a region, one by one."""
    marks = {name: [False] * len(text) for name, text in genome.items()}
    for piece in pieces:
        for place in range(piece.start, piece.end):
            marks[piece.name][place] = True
    return marks


def within(hits: list[Key], genome: dict[str, str], pieces: list[Region], *, joined: bool) -> set[Key]:
    """Return the hits of the whole genome that lie in a region, or (joined) in several that touch."""
    if joined:
        marks = covered(genome, pieces)
        # Touching regions are one: a window inside their union is inside the joined region.
        return {hit for hit in hits if all(marks[hit[1]][hit[2] : hit[3]])}
    return {hit for hit in hits if any(p.name == hit[1] and p.start <= hit[2] and hit[3] <= p.end for p in pieces)}


@st.composite
def some_regions(draw: st.DrawFn, sizes: dict[str, int]) -> list[Region]:
    out = []
    for _ in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(list(sizes)))
        start = draw(st.integers(0, sizes[name] - 1))
        end = draw(st.integers(start + 1, min(sizes[name], start + draw(st.sampled_from([5, 40, 2000])))))
        out.append(Region(name, start, end, draw(st.sampled_from("+-"))))
    return out


SIZES = {"chr2": 900, "chr1": 1500, "scaffold:7": 300}


@settings(max_examples=40, deadline=None)
@given(pieces=some_regions(SIZES), bedtools=st.sampled_from(["", "name::", "a::b::"]))
def test_pieces_as_getfasta_cuts_them_give_the_hits_of_the_genome(pieces, bedtools, genome):
    cut = {}
    for piece in pieces:
        text = genome[piece.name][piece.start : piece.end]
        turned = reverse_complement(text) if piece.strand == "-" else text
        cut[f"{bedtools}{piece.name}:{piece.start}-{piece.end}({piece.strand})"] = turned
    found = keys(cut, replace(OPTIONS, genomic_coords=True))
    expected = within(keys(genome), genome, pieces, joined=False)
    assert set(found) == expected
    for name, text in cut.items():
        one = keys({name: text}, replace(OPTIONS, genomic_coords=True))
        assert len(one) == len(set(one))


@settings(max_examples=40, deadline=None)
@given(pieces=some_regions(SIZES), size=st.sampled_from([1, 7, 50, 1 << 18]))
def test_bed_regions_give_the_hits_of_the_genome_inside_them(pieces, size, genome, genome_file):
    bed = genome_file.with_suffix(".bed")
    bed.write_text("".join(f"{p.name}\t{p.start}\t{p.end}\tx\t0\t{p.strand}\n" for p in pieces))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "_PIECE", size)
        found = keys(genome_file, replace(OPTIONS, bed=bed))
    whole = keys(genome)
    inside = within(whole, genome, pieces, joined=True)
    assert found == [hit for hit in whole if hit in inside]


@pytest.mark.parametrize("size", [1, 3, 10, 64, 1 << 18])
@pytest.mark.parametrize("overlap", [0, 1, 7, 20])
def test_pieces_own_every_window_once(size, overlap, monkeypatch):
    monkeypatch.setattr(regions, "_PIECE", size)
    texts = {"a": "ACGTNRZacgt" * 9, "empty": "", "b": "T", "c": "GATTACA" * 4}
    reader = read_texts(texts, overlap=overlap, padding=5)
    windows, finished = [], []
    for chunk in reader.chunks():
        assert len(chunk.codes) == chunk.size + 5
        assert (chunk.codes[chunk.size :] == 4).all()
        for k, record in enumerate(chunk.records):
            for at in range(int(chunk.begins[k]), min(int(chunk.ends[k]) - overlap, chunk.limit)):
                place = at - int(chunk.begins[k]) + int(chunk.offsets[k])
                windows.append((record.name, place, tuple(chunk.codes[at : at + overlap + 1])))
        finished += [record.name for record in chunk.records[: len(chunk.records) - chunk.open]]
    expected = [
        (name, start, tuple(encode(text[start : start + overlap + 1])))
        for name, text in texts.items()
        for start in range(len(text) - overlap)
    ]
    assert windows == expected
    assert finished == list(texts)
    assert (reader.records, reader.bases) == (4, 11 * 9 + 1 + 28)
    assert (reader.ambiguous, reader.foreign) == (9, 9)


@settings(max_examples=200, deadline=None)
@given(pieces=some_regions({"b": 30, "a": 30}))
def test_merging_covers_the_same_bases_with_gaps_between(pieces):
    merged = merge_regions(pieces, ["b", "a"])
    texts = {"b": " " * 30, "a": " " * 30}
    assert covered(texts, merged) == covered(texts, pieces)
    places = [("ba".index(m.name), m.start, m.end) for m in merged]
    assert places == sorted(places)
    for one, two in itertools.pairwise(places):
        assert one[0] != two[0] or one[2] < two[1]


def test_bed_files_as_they_come(tmp_path):
    bed = tmp_path / "some.bed"
    text = "# c\ntrack name=x\nbrowser position\n\nchr1\t0\t5\nchr 2\t3\t9\tn\nchr3 1  2\r\ntrackish\t1\t2\n"
    expected = [Region("chr1", 0, 5), Region("chr 2", 3, 9), Region("chr3", 1, 2), Region("trackish", 1, 2)]
    bed.write_text(text)
    assert read_bed(bed) == expected
    bed.write_bytes(gzip.compress(text.encode()))
    assert read_bed(bed) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("chr1\t5", "not BED"),
        ("chr1\t-1\t5", "not BED"),
        ("chr1\t1.5\t5", "not BED"),
        ("chr1\t²\t5", "not BED"),
        ("chr1\t5\t5", r"the interval 5-5 is empty"),
        ("chr1\t9\t5", r"the interval 9-5 is empty"),
    ],
)
def test_bad_bed_lines_are_named(line, reason, tmp_path):
    bed = tmp_path / "bad.bed"
    bed.write_text(f"# head\nchr1\t0\t5\n{line}\n")
    with pytest.raises(InputError, match=rf"bad\.bed, line 3: .*{reason}"):
        read_bed(bed)


def test_damaged_bed_is_an_input_error(tmp_path):
    bed = tmp_path / "cut.bed.gz"
    bed.write_bytes(gzip.compress(b"".join(b"chr1\t%d\t%d\n" % (k, k * k + 1) for k in range(3000)))[:-900])
    with pytest.raises(InputError, match=r"cut\.bed\.gz"):
        read_bed(bed)
    with pytest.raises(InputError, match="no such file; check the path"):
        read_bed(tmp_path / "none.bed")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chr1:0-100", Region("chr1", 0, 100)),
        ("chr1:5-6(-)", Region("chr1", 5, 6, "-")),
        ("peak_1::chr1:5-6(+)", Region("chr1", 5, 6)),
        ("HLA:A*01:01:7-19", Region("HLA:A*01:01", 7, 19)),
        ("x::y::c:1-2", Region("c", 1, 2)),
    ],
)
def test_headers_of_getfasta(name, expected):
    assert parse_header(name) == expected


@pytest.mark.parametrize(
    "name", ["chr1", "chr1:5", "chr1:5-5", "chr1:9-5", ":1-2", "chr1:1-2(x)", "chr1:-1-2", "chr1:1-2 "]
)
def test_other_headers_are_refused(name):
    with pytest.raises(InputError, match="expects headers like"):
        parse_header(name)


@pytest.mark.parametrize("header", ["chr1:0-9", "chr1:1-9(+)"])
def test_genomic_coordinates_need_the_length_they_promise(header, tmp_path):
    path = tmp_path / "g.fa"
    write_fasta(path, {"chr1:0-10": "ACGTACGTAC", header: "ACGTACGTAC"})
    with pytest.raises(InputError, match=rf"record '{header.split('(')[0]}.*the sequence 10"):
        keys(path, replace(OPTIONS, genomic_coords=True))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("chr1\t0\t1501", "chr1 has 1,500 bases"),
        ("chrX\t0\t5", "chrX is not in"),
        ("chr1\t1500\t1501", "chr1 has"),
    ],
)
def test_regions_outside_the_genome_are_refused(line, reason, genome_file, tmp_path):
    bed = tmp_path / "r.bed"
    bed.write_text(f"chr1\t0\t5\n{line}\n")
    with pytest.raises(InputError, match=rf"r\.bed: region {line.split()[0]}:.*{reason}"):
        read_regions(genome_file, bed, overlap=2, padding=0)


def bgzip(data: bytes, path: Path) -> None:
    with bgzf.BgzfWriter(str(path)) as writer:
        writer.write(data)


@pytest.mark.parametrize(
    ("write", "fits"), [(bgzip, True), (lambda data, path: path.write_bytes(gzip.compress(data)), False)]
)
def test_compressed_genomes(write: Callable[[bytes, Path], object], fits, genome_file, tmp_path):
    path, bed = tmp_path / "genome.fa.gz", tmp_path / "r.bed"
    write(genome_file.read_bytes(), path)
    bed.write_text("chr1\t100\t900\nchr2\t0\t900\n")
    if fits:
        assert keys(path, replace(OPTIONS, bed=bed)) == keys(genome_file, replace(OPTIONS, bed=bed))
        return
    with pytest.raises(InputError, match="must be bgzip, not gzip"):
        keys(path, replace(OPTIONS, bed=bed))


@pytest.mark.parametrize(
    ("text", "index", "reason"),
    [
        (">a\nACGT\n", "no index\n", r"g.fa.fai is not its index, remove it"),
        (">a\nACGT\n>a\nACGT\n", None, "give every sequence a name of its own"),
        ("ACGT\n", None, r"at line 1[^;]*;? ?[^;]*\)$"),
    ],
)
def test_what_to_do_about_a_genome_without_index(text, index, reason, tmp_path):
    (tmp_path / "g.fa").write_text(text)
    if index is not None:
        (tmp_path / "g.fa.fai").write_text(index)
    with pytest.raises(InputError, match=reason) as refused:
        open_indexed(tmp_path / "g.fa")
    assert "bgzip" not in str(refused.value)


def test_a_genome_that_is_no_text(tmp_path):
    (tmp_path / "g.png").write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(InputError, match=r"g\.png is no text; -r needs a FASTA, plain or bgzip"):
        open_indexed(tmp_path / "g.png", "-r")


def test_region_of_a_missing_or_piped_genome(tmp_path):
    bed = tmp_path / "r.bed"
    bed.write_text("chr1\t0\t5\n")
    with pytest.raises(InputError, match="no such file"):
        read_regions(tmp_path / "none.fa", bed, overlap=0, padding=0)
    with pytest.raises(InputError, match="not stdin"):
        read_regions("-", bed, overlap=0, padding=0)


def test_bytes_that_are_no_letters_are_named_by_base(tmp_path):
    with pytest.raises(InputError, match=r"memory, record 'a', base 4: not a letter"):
        list(read_texts({"a": "ACG-T"}, overlap=1, padding=0).chunks())
    path, bed = tmp_path / "g.fa", tmp_path / "r.bed"
    write_fasta(path, {"c": "ACGT*ACGT"})
    bed.write_text("c\t2\t7\n")
    with pytest.raises(InputError, match=r"g\.fa, record 'c', base 5: not a letter"):
        list(read_regions(path, bed, overlap=1, padding=0).chunks())


def test_masked_regions_are_unknown(genome, genome_file, tmp_path):
    bed = tmp_path / "r.bed"
    bed.write_text("chr1\t0\t1500\n")
    found = keys(genome_file, replace(OPTIONS, bed=bed, skip_masked=True))
    upper = {"chr1": "".join("N" if letter.islower() else letter for letter in genome["chr1"])}
    assert found == keys(upper)
    assert found
