"""`bioconv.scan` as a user calls it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bioconv import scan
from bioconv.errors import OptionError
from bioconv.sequence.motifs import Motif
from bioconv.sequence.scanning.hits import Hit
from bioconv.sequence.scanning.options import ScanOptions
from bioconv.zoo import packaged
from tests.sequence.scanning.texts import random_text, write_fasta

OPTIONS = ScanOptions(p=0.01, background="0.3,0.2,0.2,0.3", threads=1)
Found = tuple[str, str, int, int, str, float, float, str]


def make_motifs(seed: int, lengths: tuple[int, ...]) -> list[Motif]:
    rng = np.random.default_rng(seed)
    return [
        Motif(f"m{k}", f"alt {k}", rng.dirichlet(np.full(4, 0.3), length), 20.0, "test")
        for k, length in enumerate(lengths)
    ]


def keys(hits: object) -> list[Found]:
    return [
        (h.motif_id, h.sequence_name, h.start, h.end, h.strand, h.score, h.p_value, h.matched_sequence)
        for h in hits  # type: ignore[attr-defined]
    ]


def test_a_palindrome_hits_both_strands_of_one_place():
    motif = Motif("EcoRI", "", np.eye(4)[[2, 0, 0, 3, 3, 1]], 20.0, "test")
    hits = keys(scan({"a": "TTGAATTCTT"}, motifs=[motif], options=replace(OPTIONS, p=1e-3)))
    assert [(h[2], h[3], h[4], h[7]) for h in hits] == [(2, 8, "+", "GAATTC"), (2, 8, "-", "GAATTC")]


def test_records_of_one_name_stay_apart(tmp_path):
    path = tmp_path / "twins.fa"
    path.write_text(">x\nGAATTC\n>x\nGAATTCGAATTC\n>\nGAATTC\n")
    motif = Motif("EcoRI", "", np.eye(4)[[2, 0, 0, 3, 3, 1]], 20.0, "test")
    options = replace(OPTIONS, p=1e-3, strand="+", best_per_sequence=True)
    found = [(h[1], h[2]) for h in keys(scan(path, motifs=[motif], options=options))]
    assert found == [("x", 0), ("x", 0), ("unnamed_3", 0)]


def test_to_pandas_has_the_fields_of_a_hit():
    sequences, motifs = {"a": random_text(1, 500)}, make_motifs(2, (5,))
    table = scan(sequences, motifs=motifs, options=OPTIONS).to_pandas()
    hits = list(scan(sequences, motifs=motifs, options=OPTIONS))
    assert list(table.columns) == list(Hit.__slots__)
    assert [Hit(*row) for row in table.itertuples(index=False)] == hits
    assert len(scan({"a": ""}, motifs=motifs).to_pandas()) == 0


def test_without_motifs_and_model_the_shipped_models_are_used(monkeypatch):
    sequences = {"a": "TTCAGCACCATGGACAGCGCC" * 6}
    assert {hit.motif_id for hit in scan(sequences)} == {
        hit.motif_id
        for name, model in packaged().items()
        if model.task == "binding"
        for hit in scan(sequences, model=name)
    }
    monkeypatch.setattr("bioconv.zoo.packaged", dict)
    with pytest.raises(OptionError, match="give --motifs FILE or --model"):
        scan(sequences)


def test_input_background_is_the_composition_of_the_input(tmp_path):
    path = write_fasta(tmp_path / "x.fa", {"a": "AAAAAACCG" * 20 + "T" * 20, "b": "NNN"})
    motifs = make_motifs(2, (5,))
    share = (120 + 20) / 2 / 200
    given = f"{share},{0.5 - share},{0.5 - share},{share}"
    one = keys(scan(path, motifs=motifs, options=replace(OPTIONS, background="input")))
    assert one == keys(scan(path, motifs=motifs, options=replace(OPTIONS, background=given)))


def test_nothing_is_left_open_when_reading_stops(tmp_path):
    path = write_fasta(tmp_path / "x.fa", {"a": random_text(1, 5000)})
    for options in (OPTIONS, replace(OPTIONS, stream=True), replace(OPTIONS, threads=2, stream=True)):
        hits = iter(scan(path, motifs=make_motifs(2, (5,)), options=options))
        assert next(hits).sequence_name == "a"
        hits.close()  # type: ignore[attr-defined]


def test_unreachable_motifs_are_named(caplog):
    motifs = make_motifs(1, (2, 9))
    found = {hit.motif_id for hit in scan({"a": random_text(1, 9000)}, motifs=motifs, options=replace(OPTIONS, p=1e-3))}
    assert found == {"m1"}
    assert "1 of 2 motifs" in caplog.text
    assert caplog.text.strip().endswith("m0")
