"""Mutation maps against the slow definition, sequence by sequence."""

from __future__ import annotations

import numpy as np
import pytest

import bioconv
from bioconv.conv.detectors import batch_scores
from bioconv.errors import InputError
from bioconv.sequence import mutation_map as module
from bioconv.sequence.fasta import encode

TEXT = "GATTACANNACGTGCATTTTGACC"


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "r.fa").write_text(f">chr1\nCC{TEXT.lower()}AA\n>chr2\nACGT\n")
    return tmp_path / "r.fa"


def test_every_substitution_is_scored_as_a_sequence_of_its_own(motif_model, model_path, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 5 * len(TEXT))  # several batches
    found = bioconv.mutation_map(TEXT, model=model_path(8))
    detectors = motif_model(8).detectors

    def score(text):
        return batch_scores(encode(text)[None], detectors, padded=True, backend="reference").max()

    assert found.score == pytest.approx(score(TEXT), rel=1e-5)
    for place in range(len(TEXT)):
        for letter, alt in enumerate("ACGT"):
            expected = score(TEXT[:place] + alt + TEXT[place + 1 :])
            assert found.scores[place, letter] == pytest.approx(expected, abs=1e-4)
            if alt == TEXT[place]:
                assert found.deltas()[place, letter] == 0
    losses = [max(0, *(found.score - found.scores[place])) for place in range(len(TEXT))]
    np.testing.assert_allclose(found.importance(), losses)
    assert found.importance().max() > 0.1
    assert found.sequence == TEXT


def test_table_has_each_substitution_once(model_path):
    table = bioconv.mutation_map(TEXT, model=model_path(2)).to_pandas()
    assert len(table) == 3 * (len(TEXT) - 2) + 4 * 2  # an unknown letter has four others
    assert not table.duplicated(["position", "alt"]).any()
    assert (table["ref"] != table["alt"]).all()
    assert [TEXT[place] for place in table["position"]] == table["ref"].tolist()


def test_gated_map_hides_what_happens_below_zero(model_path):
    for seed in range(6):
        found = bioconv.mutation_map(TEXT, model=model_path(seed))
        expected = [
            [after - found.score if max(after, found.score) > 0 else 0 for after in row]
            for row in found.scores.tolist()
        ]
        np.testing.assert_allclose(found.deltas(gated=True), expected)
        assert found.to_pandas(gated=True)["delta"].abs().sum() <= found.to_pandas()["delta"].abs().sum()
        if found.score > 0:
            np.testing.assert_array_equal(found.deltas(gated=True), found.deltas())


def test_letters_file_and_region_are_the_same(tmp_path, genome, model_path):
    (tmp_path / "x.fa").write_text(f">one more words\n{TEXT[:9]}\n{TEXT[9:]}\n")
    direct = bioconv.mutation_map(TEXT, model=model_path(3))
    file = bioconv.mutation_map(str(tmp_path / "x.fa"), model=model_path(3))
    region = bioconv.mutation_map(f"1:3-{2 + len(TEXT)}", model=model_path(3), reference=genome)
    assert [(one.name, one.start) for one in (direct, file, region)] == [("sequence", 0), ("one", 0), ("chr1", 2)]
    for other in (file, region):
        assert other.sequence == direct.sequence
        np.testing.assert_array_equal(other.scores, direct.scores)
    rna = bioconv.mutation_map(TEXT.lower().replace("t", "u"), model=model_path(3))
    np.testing.assert_array_equal(rna.scores, direct.scores)


@pytest.mark.parametrize(
    ("given", "with_genome", "match"),
    [
        ("ACGT-A", False, "neither a FASTA file nor letters"),
        ("peaks.fa", False, "neither a FASTA file nor letters.*; check the path"),
        ("/", False, "/: a folder where a file is expected"),
        ("chr1:1-5", False, "for a region give its genome with -r"),
        ("", False, "neither a FASTA file"),
        ("ACGT", True, "'ACGT' is no region"),
        ("chr1:0-5", True, "expected 1 <= start <= end <= 28"),
        ("chr1:5-3", True, "expected 1 <= start"),
        ("chr1:5-29", True, "expected 1 <= start"),
        ("chr9:1-2", True, "chr9 is not in .*r.fa"),
        ("A" * 10_001, False, "longer than 10,000 letters"),
    ],
)
def test_what_cannot_be_mapped(genome, model_path, given, with_genome, match):
    with pytest.raises(InputError, match=match):
        bioconv.mutation_map(given, model=model_path(), reference=genome if with_genome else None)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (">a\nACGT\n>b\nACGT\n", r"more than one record \(a, b"),
        (">a\n", "'a': no letters"),
        ("", "no record"),
        (f">a\n{'A' * 20_000}\n", "record 'a' is longer than 10,000"),
        (">a\nAC*\n", "not a letter"),
    ],
)
def test_files_that_cannot_be_mapped(tmp_path, model_path, text, match):
    (tmp_path / "x.fa").write_text(text)
    with pytest.raises(InputError, match=match):
        bioconv.mutation_map(str(tmp_path / "x.fa"), model=model_path())


def test_letters_that_are_none_are_told(tmp_path, model_path, caplog):
    (tmp_path / "x.fa").write_text(">x\nACGRTTQNA\n")
    found = bioconv.mutation_map(str(tmp_path / "x.fa"), model=model_path(2))
    assert found.sequence == "ACGNTTNNA"
    assert "x.fa: 2 letters other than ACGTUN taken as unknown" in caplog.text
