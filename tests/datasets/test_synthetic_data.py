"""Made data: the truth that is written is the truth that is there, and the same settings give the same bytes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from bioconv.datasets.synthetic_breasts import make_breasts
from bioconv.datasets.synthetic_cells import make_cells, synthetic_cells
from bioconv.datasets.synthetic_motifs import Grammar, grammar_sequences, make_motifs
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import measure

from bioconv.errors import OptionError, OutputError
from bioconv.images.masks import read_mask
from bioconv.mammography.tables import read_view_table
from bioconv.segmentation.learning.data import Reading, find_pairs, read_data
from bioconv.sequence.binding.data import read_binding
from bioconv.sequence.labelled import read_labelled
from bioconv.tables import read_table

IUPAC = {"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC", "N": "ACGT"} | {c: c for c in "ACGT"}
MAKERS = {
    "motifs": lambda folder, seed: make_motifs(folder, count=50, seed=seed),
    "cells": lambda folder, seed: make_cells(folder, count=2, size=96, nuclei=8, seed=seed),
    "breasts": lambda folder, seed: make_breasts(folder, count=3, size=96, seed=seed),
}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def other_strand(letters):
    return letters[::-1].translate(str.maketrans("ACGT", "TGCA"))


@pytest.mark.parametrize("kind", MAKERS)
def test_same_settings_same_bytes_and_every_file_says_what_it_is(kind, tmp_path):
    one, again, other = (contents(MAKERS[kind](tmp_path / name, seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert one == again
    assert set(one) == set(other)
    assert all(one[name] != other[name] for name in one if name.endswith(".png"))
    for name, data in one.items():
        assert "synthetic" in name or name == "README.txt"
        assert b"synthetic" in data.lower(), name
        if name.endswith(".png"):
            assert Image.open(tmp_path / "a" / name).text["Description"].startswith("SYNTHETIC")
        if name.endswith(".fasta"):
            heads = [line for line in data.decode().splitlines() if line.startswith(">")]
            assert heads
            assert all(head.startswith(">synthetic_") and " synthetic " in head for head in heads)


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_overwritten_and_nothing_half_is_left(kind, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    MAKERS[kind](tmp_path / "a", 0)  # an empty folder may be there
    with pytest.raises(OutputError, match="is there already"):
        MAKERS[kind](tmp_path / "a", 0)
    module = f"bioconv.datasets.synthetic_{kind}"
    monkeypatch.setattr(f"{module}.write_table", lambda *words: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        MAKERS[kind](tmp_path / "b", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def brute_sites(letters, motif):
    """Every place of a motif on either strand, letter by letter."""
    found = set()
    for start in range(len(letters) - len(motif) + 1):
        own = letters[start : start + len(motif)]
        for strand in (own, other_strand(own)):
            if all(letter in IUPAC[wanted] for letter, wanted in zip(strand, motif, strict=True)):
                found.add((motif, start))
    return found


def brute_grammar(letters, motifs, gaps):
    """Whether the motifs follow each other in their spacing, on either strand, by recursion over places."""

    def follows(strand, place, number):
        own = strand[place : place + len(motifs[number])]
        fits = len(own) == len(motifs[number]) and all(
            letter in IUPAC[wanted] for letter, wanted in zip(own, motifs[number], strict=True)
        )
        if not fits or number == len(motifs) - 1:
            return fits
        low, high = gaps[number]
        return any(follows(strand, place + len(own) + gap, number + 1) for gap in range(low, high + 1))

    return any(follows(strand, at, 0) for strand in (letters, other_strand(letters)) for at in range(len(letters)))


@pytest.mark.parametrize("text", ["TGACTCA 4-8 GATAAG", "CACGTG", "TTGACAW 3 TATAAT 0-2 GGCCNA"])
def test_sites_and_labels_are_true(text):
    grammar = Grammar.parse(text)
    kinds = []
    for one in grammar_sequences(grammar, count=60, length=70, seed=4):
        assert one.label == brute_grammar(one.letters, grammar.motifs, grammar.gaps)
        everywhere = set().union(*(brute_sites(one.letters, motif) for motif in grammar.motifs))
        assert {(site.motif, site.start) for site in one.sites} == everywhere
        for site in one.sites:
            own = one.letters[site.start : site.end]
            own = own if site.strand == "+" else other_strand(own)
            assert all(letter in IUPAC[wanted] for letter, wanted in zip(own, site.motif, strict=True))
        assert (len(one.sites) == 0) == (one.kind == "none")
        kinds.append(one.kind)
    assert kinds.count("grammar") == 30
    assert kinds.count("broken") == (15 if len(grammar.motifs) > 1 else 0)
    made = [one for one in grammar_sequences(grammar, count=60, length=70, seed=4) if one.label]
    assert {site.strand for one in made for site in one.sites} == {"+", "-"}


@given(
    st.lists(st.tuples(st.text("ACGTRYN", min_size=1, max_size=8), st.integers(0, 9), st.integers(0, 9)), min_size=1)
)
def test_grammars_are_read_as_written(items):
    words = [word for motif, low, more in items for word in (motif, f"{low}-{low + more}")][:-1]
    grammar = Grammar.parse(" ".join(words))
    assert grammar.motifs == tuple(motif for motif, *_ in items)
    assert grammar.gaps == tuple((low, low + more) for _, low, more in items[:-1])


@pytest.mark.parametrize("text", ["", "TGACTCA 4-8", "TGACTCA GATAAG", "TGAXTCA", "ACGTAC 8-4 GATAAG", "4 ACGT 4"])
def test_no_grammars(text):
    with pytest.raises(OptionError, match="expected motifs of IUPAC letters"):
        Grammar.parse(text)


@pytest.mark.parametrize(("text", "said"), [("ACGTACGT 90 ACGT", "make them longer"), ("AC", "longer motifs")])
def test_grammars_that_do_not_fit(text, said):
    with pytest.raises(OptionError, match=said):
        next(grammar_sequences(Grammar.parse(text), length=80))


def test_made_motifs_are_read_by_the_trainer(tmp_path):
    folder = make_motifs(tmp_path / "m", count=100, length=60)
    data = read_binding(folder / "synthetic-motifs.csv")
    assert (len(data.codes), len(data.negatives), data.length) == (50, 50, 60)
    fasta, table = read_labelled(folder / "synthetic-motifs.fasta"), read_labelled(folder / "synthetic-motifs.csv")
    assert fasta.names == table.names
    assert (fasta.codes == table.codes).all()
    sites = read_table(folder / "synthetic-sites.tsv")
    assert set(sites.column("name")) <= set(table.names)
    assert len(sites) == 50 * 2 + 25 * 2


@settings(max_examples=15)
@given(st.integers(0, 1 << 31), st.integers(0, 12), st.floats(4, 9))
def test_nuclei_are_as_many_connected_things_as_were_asked_for(seed, nuclei, radius):
    made = synthetic_cells(seed, shape=(128, 110), nuclei=nuclei, radius=radius)
    assert made.count == nuclei
    regions = measure.regionprops(made.labels.astype(int))
    assert [region.label for region in regions] == list(range(1, nuclei + 1))
    for region in regions:
        assert measure.label(region.image, connectivity=1).max() == 1
        assert 0.3 * np.pi * radius**2 < region.area < 2.2 * np.pi * radius**2
    if nuclei:
        inside = made.labels > 0
        assert made.pixels[inside].mean() > 2 * made.pixels[~inside].mean()


def test_some_nuclei_touch():
    labels = synthetic_cells(3, nuclei=30).labels.astype(int)
    assert measure.label(labels > 0, connectivity=1).max() < 25


def test_no_room():
    with pytest.raises(OptionError, match=r"no room for 500 nuclei .* only for \d+"):
        synthetic_cells(0, shape=(64, 64), nuclei=500)
    with pytest.raises(OptionError, match=r"no room for 5 nuclei of radius 30 in 32 x 32 pixels, only for 0"):
        synthetic_cells(0, shape=(32, 32), nuclei=5, radius=30)


def test_made_cells_are_read_by_the_trainer_and_counted(tmp_path):
    folder = make_cells(tmp_path / "c", count=3, size=96, nuclei=8)
    pairs = find_pairs(folder / "images", folder / "masks")
    data = read_data(pairs, Reading(kind="instances"))
    table = read_table(folder / "synthetic-images.csv")
    counts = dict(zip((Path(one).stem for one in table.column("image")), table.column("nuclei"), strict=True))
    assert {image.name: str(len(np.unique(image.labels)) - 1) for image in data.images} == counts
    assert [pair.mask for pair in find_pairs(folder / "synthetic-images.csv")] == [pair.mask for pair in pairs]
    cells = read_table(folder / "synthetic-cells.csv")
    for row in zip(*cells.cells, strict=True):
        image, label, pixels, y, x = row
        own = np.argwhere(read_mask(folder / image.replace("images", "masks")) == int(label))
        assert len(own) == int(pixels)
        assert own.mean(0) == pytest.approx([float(y), float(x)], abs=0.006)


def test_made_breasts_are_read_and_their_boxes_hold_the_masses(tmp_path):
    """The picture of the same woman without her mass differs from hers inside the box, and hardly elsewhere."""
    with_mass, without = (
        make_breasts(tmp_path / name, count=4, size=128, share=1.0, contrast=contrast, seed=5)
        for name, contrast in (("a", 0.3), ("b", 1e-9))
    )
    rows = read_view_table(with_mass / "synthetic-exams.csv")
    assert not [row.reason for row in rows if row.reason]
    labels = {row.name: row.given.label for row in rows}
    lines = (with_mass / "synthetic-boxes.csv").read_text().splitlines()
    boxes = list(csv.DictReader(lines[1:]))
    assert len(boxes) == 8
    assert {box["image"] for box in boxes} == {name for name, label in labels.items() if label == "1"}
    for name in labels:
        one, other = (np.asarray(Image.open(folder / name)).astype(int) for folder in (with_mass, without))
        inside = np.zeros(one.shape, bool)
        for box in boxes:
            if box["image"] == name:
                x0, y0, x1, y1 = (int(box[key]) for key in ("x0", "y0", "x1", "y1"))
                inside[y0:y1, x0:x1] = True
        changed = np.abs(one - other)
        assert changed.max() < 4096
        assert changed[~inside].max() <= 0.3 * 4095 * 0.06
        assert (changed.max() > 0.1 * 4095) == (labels[name] == "1")


@pytest.mark.parametrize(("count", "share", "sick"), [(10, 0.5, 5), (7, 0.3, 2), (3, 0.0, 0)])
def test_as_many_have_a_mass_as_the_share_says(tmp_path, count, share, sick):
    folder = make_breasts(tmp_path / "b", count=count, size=96, share=share)
    table = read_table(folder / "synthetic-exams.csv")
    rows = zip(table.column("patient"), table.column("label"), strict=True)
    assert len({patient for patient, label in rows if label == "1"}) == sick
