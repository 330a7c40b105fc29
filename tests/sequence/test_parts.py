"""Parts of FASTA files, one after another, are the file."""

from __future__ import annotations

import gzip
import io
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioconv.errors import InputError
from bioconv.sequence import parts as module
from bioconv.sequence.fasta import FastaReader
from bioconv.sequence.parts import FastaPart, RegionPart, cut, records_between, shard_parts, size_of, whole
from bioconv.sequence.protein_records import ProteinReader
from bioconv.sequence.regions import region_lengths
from bioconv.shards import Shard

LINES = st.lists(st.sampled_from([b">", b">a b", b"ACGT", b"A>C", b"", b" ", b";>x"]), max_size=30)


@given(LINES, st.booleans(), st.lists(st.integers(0, 200), max_size=6), st.integers(1, 9))
def test_ranges_split_a_text_at_its_records(lines, ends, cuts, block):
    text = b"\n".join(lines) + b"\n" * ends
    places = [0, *sorted({place for place in cuts if 0 < place < len(text)}), None]
    kept, module._BLOCK = module._BLOCK, block
    try:
        found = [b"".join(records_between(io.BytesIO(text), begin, end)) for begin, end in pairwise(places)]
    finally:
        module._BLOCK = kept
    assert b"".join(found) == text
    starts = [at for at in range(1, len(text)) if text[at - 1 : at + 1] == b"\n>"]
    for begin, end, part in zip(places[1:], places[2:], found[1:], strict=False):
        inside = [at for at in starts if begin <= at and (end is None or at < end)]
        assert part.count(b"\n>") + part.startswith(b">") == len(inside)
        assert not part or part.startswith(b">")


def write(folder, number, seed, *, packed=False):
    """Write records of any length, some without a name; return the file and its records."""
    rng = random.Random(seed)
    records = [
        ("" if rng.random() < 0.2 else f"r{seed}.{k}", "".join(rng.choices("ACGTN", k=rng.randint(0, 90))))
        for k in range(number)
    ]
    text = "".join(f">{name}\n{letters[:40]}\n{letters[40:]}\n" for name, letters in records).encode()
    path = folder / f"f{seed}.fa{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(text) if packed else text)
    return str(path), [(name or f"unnamed_{k + 1}", letters) for k, (name, letters) in enumerate(records)]


def read(part):
    found = {}
    for chunk in FastaReader(part, overlap=0, padding=0).chunks():
        for k, record in enumerate(chunk.records):
            codes = chunk.codes[chunk.begins[k] : chunk.ends[k]]
            before = found.get(id(record), (record, []))[1]
            found[id(record)] = (record, [*before, *codes.tolist()])
    return [(record.name, "".join("ACGTN"[code] for code in codes)) for record, codes in found.values()]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(1, 9), st.randoms(use_true_random=False))
def test_shards_of_files_joined_are_the_files(tmp_path_factory, counts, number, rng):
    folder = tmp_path_factory.mktemp("fasta")
    made = [write(folder, count, seed, packed=rng.random() < 0.3) for seed, count in enumerate(counts)]
    given = [whole(path) for path, _ in made] + [whole(str(folder / "missing.fa"))]
    shards = [shard_parts(given, Shard(which, number)) for which in range(1, number + 1)]
    assert sum(part.name.endswith("missing.fa") for shard in shards for part in shard) == 1
    parts = [part for shard in shards for part in shard if not part.name.endswith("missing.fa")]
    assert [record for part in parts for record in read(part)] == [one for _, records in made for one in records]
    names = [record.name for part in parts for batch in ProteinReader(part).batches() for record in batch.records]
    assert names == [name for _, records in made for name, _ in records]


def test_pieces_of_a_file_are_of_about_the_same_size(tmp_path):
    path, records = write(tmp_path, 400, 1)
    size = size_of(whole(path))
    pieces = cut(whole(path), size // 10)
    assert len(pieces) == 11
    assert [record for part in pieces for record in read(part)] == records
    assert max(len(read(part)) for part in pieces) < 60
    assert cut(whole(path), size) == [FastaPart(path, path)]
    assert len(cut(whole(path), size, wanted=9)) == 1  # not worth it
    assert cut(whole(str(tmp_path / "none")), 5) == [FastaPart(*2 * (str(tmp_path / "none"),))]


def test_messages_name_the_line_of_the_file(tmp_path):
    path, _ = write(tmp_path, 50, 1)
    with open(path, "a") as stream:  # noqa: PTH123
        stream.write(">torn\nAC\nA*\n")
    messages = []
    for part in (path, cut(whole(path), 200)[-1]):
        for reader in (FastaReader(part, overlap=0, padding=0).chunks(),):
            with pytest.raises(InputError) as caught:
                list(reader)
            messages.append(str(caught.value))
    assert messages[0] == messages[1] == f"{path}, record 'torn', line 153: b'*' is not a letter of a sequence"


def test_regions_are_shared_out_by_bases(tmp_path):
    rng = np.random.default_rng(1)
    path, bed = tmp_path / "g.fa", tmp_path / "g.bed"
    path.write_text("".join(f">c{k}\n{''.join(rng.choice(list('ACGT'), 500))}\n" for k in range(3)))
    bed.write_text("".join(f"c{k % 3}\t{start}\t{start + 9}\n" for k, start in enumerate(range(0, 480, 12))))
    lengths = region_lengths(path, bed)
    given = whole(str(path), str(bed))
    parts = [part for which in range(1, 6) for part in shard_parts([given], Shard(which, 5))]
    bounds = [(part.first, part.last) for part in parts]
    assert [bounds[0][0], bounds[-1][1]] == [0, len(lengths)]
    assert all(end == begin for (_, end), (begin, _) in pairwise(bounds))
    assert {last - first for first, last in bounds} == {8}
    assert given == RegionPart(str(path), str(path), str(bed))
