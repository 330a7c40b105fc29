"""Real motif files against Bio.motifs and plain text counts; matrices written here and read back."""

from __future__ import annotations

import gzip
import io
import json
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from Bio import motifs as biopython
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioconv.sequence.motifs import Motif, read_motifs
from tests.sequence.motifs.motif_cases import HEAD, JASPAR, SEEDS, TRANSFAC, Read, assert_sane, read_content

Data = Callable[[str], Path]

TALL = ">a\n4 16 0 0\n19 0 1 0\n0 20 0 0\n0 0 20 0\n0 0 0 20\n>b\n3 13 4 5\n1 1 1 1\n2 2 2 2\n1 0 0 0\n5 1 1 1\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return partial(read_content, tmp_path / "given.file")


def unpack(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("motifs/JASPAR2024.meme.gz", 2346),
        ("motifs/JASPAR2018_CORE_vertebrates_non-redundant_pfms.meme.gz", 579),
        ("motifs/HOCOMOCOv11_core_HUMAN_mono_meme_format.meme.gz", 401),
        ("motifs/H13CORE_meme_format.meme.gz", 1611),
        ("motifs/parser-cases/DREME.meme", None),
        ("motifs/parser-cases/STREME.meme", None),
        ("motifs/parser-cases/MEME.meme", None),
        ("motifs/parser-cases/DNA.meme", None),
        ("fimo-oracle/klf1/meme.txt.gz", None),
        ("fimo-oracle/GCN4.meme.txt", None),
    ],
)
def test_all_motifs_of_real_meme_files(shared_data: Data, name: str, count: int | None) -> None:
    path = shared_data(name)
    lines = unpack(path).splitlines()
    motifs = read_motifs(path)
    assert_sane(motifs)
    assert [m.name for m in motifs] == [line.split()[1] for line in lines if line.startswith("MOTIF ")]
    assert count is None or len(motifs) == count
    headers = [i for i, line in enumerate(lines) if line.startswith("letter-probability")]
    widths = [line.split("w=")[1].split()[0] for line in lines if line.startswith("letter-probability")]
    assert [m.frequencies.shape[0] for m in motifs] == list(map(int, widths))
    for motif, at in zip(motifs, headers, strict=True):
        written = np.loadtxt(lines[at + 1 : at + 1 + len(motif.frequencies)], ndmin=2)
        wanted = written / written.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(motif.frequencies, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("motifs/JASPAR2024.meme.gz", "minimal"),
        ("motifs/parser-cases/DNA.meme", "minimal"),
        ("motifs/parser-cases/STREME.meme", "minimal"),
        ("motifs/parser-cases/MA0001.3.pfm", "jaspar"),
        ("motifs/parser-cases/MA0017.3.pfm", "jaspar"),
        ("fimo-oracle/crp0.meme.xml", "meme"),
    ],
)
def test_real_files_as_biopython_reads_them(shared_data: Data, name: str, format_: str) -> None:
    path = shared_data(name)
    assert_same_as_biopython(read_motifs(path), unpack(path), format_)


def assert_same_as_biopython(found: list[Motif], text: str, format_: str) -> None:
    theirs = list(biopython.parse(io.StringIO(text), format_))  # type: ignore[no-untyped-call]
    assert len(found) == len(theirs)
    for ours, other in zip(found, theirs, strict=True):
        counts = np.array([other.counts[base] for base in "ACGT"], dtype=float).T
        if format_ == "minimal":  # read there as frequency * nsites, rounded to whole counts
            np.testing.assert_allclose(ours.frequencies * ours.sites, counts, rtol=1e-5, atol=0.501)
        else:
            wanted = counts / counts.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(ours.frequencies, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        (JASPAR, "jaspar"),
        (TRANSFAC.replace("\t", "  ") + "\n//\n", "transfac"),
        (TALL, "clusterbuster"),
        (SEEDS["bare"], "pfm"),
    ],
)  # fmt: skip
def test_small_files_as_biopython_reads_them(read: Read, text: str, format_: str) -> None:
    assert_same_as_biopython(read(text), text, format_)


def test_html_output_holds_its_own_counts(shared_data: Data) -> None:
    """MEME's HTML lists the sites too: their letters, counted, are the matrix."""
    path = shared_data("fimo-oracle/MCM1.meme.html")
    text = path.read_text()
    (motif,) = read_motifs(path)
    data = json.loads(text[text.index("{", text.index("var data")) : text.index("\n      };") + 8])
    sites = [site["match"] for site in data["motifs"][0]["sites"]]
    counts = np.array([[column.count(base) for base in "ACGT"] for column in zip(*sites, strict=True)])
    assert motif.sites == len(sites)
    np.testing.assert_allclose(motif.frequencies, counts / len(sites), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_whole_collection_is_read_quickly(shared_data: Data) -> None:
    path = shared_data("motifs/JASPAR2024.meme.gz")
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        read_motifs(path)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.3


matrices = st.lists(st.lists(st.integers(0, 500), min_size=4, max_size=4).filter(any), min_size=1, max_size=30)
collections = st.lists(matrices, min_size=1, max_size=4)


def write_meme(counts: list[list[int]], name: str) -> str:
    rows = "\n".join(" ".join(f"{value / sum(row):.6f}" for value in row) for row in counts)
    return f"MOTIF {name} alt\nletter-probability matrix: alength= 4 w= {len(counts)} nsites= 9 E= 0\n{rows}\n\n"


def write_jaspar(counts: list[list[int]], name: str) -> str:
    bases = zip("ACGT", zip(*counts, strict=True), strict=True)
    return f">{name}\talt\n" + "".join(f"{base} [ {' '.join(map(str, row))} ]\n" for base, row in bases)


def write_rows(counts: list[list[int]], name: str) -> str:
    return f">{name} alt\n" + "".join(f"{' '.join(map(str, row))}\n" for row in zip(*counts, strict=True))


def write_transfac(counts: list[list[int]], name: str) -> str:
    rows = "".join(f"{i:02d}  {' '.join(map(str, row))} N\n" for i, row in enumerate(counts, 1))
    return f"AC  {name}\nID  alt\nP0  A C G T\n{rows}XX\n//\n"


def write_homer(counts: list[list[int]], name: str) -> str:
    rows = "".join("\t".join(f"{value / sum(row):.6f}" for value in row) + "\n" for row in counts)
    return f">alt\t{name}\t6.5\n{rows}"


@pytest.mark.parametrize("write", [write_meme, write_jaspar, write_rows, write_transfac, write_homer])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(many=collections)
def test_round_trip(read: Read, write: Callable[[list[list[int]], str], str], many: list[list[list[int]]]) -> None:
    head = HEAD if write is write_meme else ""
    found = read(head + "".join(write(counts, f"m{index}") for index, counts in enumerate(many)))
    assert_sane(found)
    assert [(m.name, m.alt) for m in found] == [(f"m{index}", "alt") for index in range(len(many))]
    for motif, counts in zip(found, many, strict=True):
        wanted = np.array(counts, dtype=float)
        sums = wanted.sum(axis=1)
        np.testing.assert_allclose(motif.frequencies, wanted / sums[:, None], rtol=0, atol=2e-6)
        if write in (write_jaspar, write_rows, write_transfac):
            assert math.isclose(motif.sites, float(np.median(sums)))
