"""The published output of FIMO 4.12 on real input, hit by hit."""

from __future__ import annotations

import csv
import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest

import bioconv
from bioconv.sequence.motifs import read_motifs, select_motifs
from bioconv.sequence.scanning.options import ScanOptions

FIMO_BACKGROUND = "0.281774,0.222020,0.228876,0.267330"
"""Letter frequencies of the non-redundant database that FIMO uses where no background is given."""

Site = tuple[str, str, int, int, str]


def published(path: Path) -> dict[Site, tuple[float, float, str]]:
    """Return score, p-value and matched letters by (motif, sequence, start, stop, strand), 1-based closed."""
    with path.open() as stream:
        table = csv.reader((line for line in stream if not line.startswith("#")), delimiter="\t")
        return {(r[0], r[2], int(r[3]), int(r[4]), r[5]): (float(r[6]), float(r[7]), r[9]) for r in table}


def found(hits: bioconv.scan, *, genomic: bool = False) -> dict[Site, tuple[float, float, str]]:
    """Return our hits likewise; genomic: FIMO takes the start in the header as the first base's coordinate."""
    sites = {}
    for hit in hits:
        name, shift = hit.sequence_name, 0
        if genomic:
            name, start = re.fullmatch(r"(.+):(\d+)-\d+", name).groups()
            shift = int(start) - 1
        key = (hit.motif_id, name, hit.start + 1 + shift, hit.end + shift, hit.strand)
        sites[key] = (hit.score, hit.p_value, hit.matched_sequence)
    return sites


@pytest.fixture(scope="module")
def klf1(shared_data):
    folder = shared_data("fimo-oracle/klf1")
    motifs = select_motifs(read_motifs(folder / "meme.txt.gz"), ["WGGGTGTGGYYS"])
    return folder, motifs


def scan_klf1(klf1, grid: str) -> dict[Site, tuple[float, float, str]]:
    folder, motifs = klf1
    options = ScanOptions(background=str(folder / "background"), grid=grid)
    return found(bioconv.scan(folder / "Klf1.fna.gz", motifs=motifs, options=options), genomic=True)


def test_fimo_grid_gives_fimos_hits(klf1):
    theirs = published(klf1[0] / "fimo_out_1.txt")
    ours = scan_klf1(klf1, "fimo")
    assert len(theirs) == 652
    assert ours.keys() == theirs.keys()
    for site, (score, p, letters) in theirs.items():
        assert ours[site][0] == pytest.approx(score, abs=1e-4)  # FIMO prints six figures
        assert math.log10(ours[site][1] / p) == pytest.approx(0, abs=0.003)  # and three
        assert ours[site][2] == letters


def test_fine_grid_finds_all_of_fimos_hits(klf1):
    """Where the two differ FIMO's rounding is the reason: the exact p of the unrounded matrix says so."""
    theirs = published(klf1[0] / "fimo_out_1.txt")
    ours = scan_klf1(klf1, "fine")
    assert ours.keys() >= theirs.keys()
    assert max(abs(ours[site][0] - theirs[site][0]) for site in theirs) < 0.021
    far = {ours[site][2] for site in theirs if abs(math.log10(ours[site][1] / theirs[site][1])) > 0.05}
    extra = {ours[site][2]: ours[site][1] for site in ours.keys() - theirs.keys()}
    assert (far, list(extra)) == ({"TGGGTGGGGCCG"}, ["GGGGCGGGGCAA"])
    exact = unrounded_p(klf1[1][0], ["GGGGCGGGGCAA", "TGGGTGGGGCCG"])
    assert exact[0] <= 1e-4
    assert extra["GGGGCGGGGCAA"] == pytest.approx(exact[0], rel=0.01)
    (ours_far,) = {ours[site][1] for site in theirs if ours[site][2] == "TGGGTGGGGCCG"}
    assert ours_far == pytest.approx(exact[1], rel=0.01)


def unrounded_p(motif, words: list[str]) -> list[float]:
    """Return the p-values of words by listing all 4^12 words with their unrounded scores."""
    background = np.array([0.256, 0.244, 0.244, 0.256])
    odds = np.log2((motif.frequencies * motif.sites + 0.1 * background) / ((motif.sites + 0.1) * background))
    half = [list(itertools.product(range(4), repeat=6))] * 2
    scores, shares = [], []
    for part, columns in zip(half, (odds[:6], odds[6:]), strict=True):
        index = np.array(part)
        scores.append(columns[np.arange(6), index].sum(axis=1))
        shares.append(background[index].prod(axis=1))
    total = (scores[0][:, None] + scores[1]).ravel()
    share = (shares[0][:, None] * shares[1]).ravel()
    own = [sum(odds[j, "ACGT".index(letter)] for j, letter in enumerate(word)) for word in words]
    return [float(share[total >= score - 1e-9].sum()) for score in own]


@pytest.mark.parametrize(
    ("motifs", "sequences", "output", "options"),
    [
        ("MCM1.meme.html", "spiked.fasta", "fimo.txt", {"pseudocount": 0.01}),
        ("crp0.meme.xml", "motiph_spiked.fasta", "fimo-motif23.txt", {"p": 0.01, "motif_ids": ("CGG*", "GCATC*")}),
    ],
)
def test_small_cases(shared_data, motifs, sequences, output, options):
    folder = shared_data("fimo-oracle")
    chosen = ScanOptions(grid="fimo", background=FIMO_BACKGROUND, **options)
    theirs = published(folder / output)
    ours = found(bioconv.scan(folder / sequences, motifs=folder / motifs, options=chosen))
    assert ours.keys() == theirs.keys()
    for site, (score, p, letters) in theirs.items():
        assert ours[site][0] == pytest.approx(score, abs=1e-4)
        assert math.log10(ours[site][1] / p) == pytest.approx(0, abs=0.003)
        assert ours[site][2] == letters
